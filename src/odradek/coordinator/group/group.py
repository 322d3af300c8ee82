"""What every kind of group answers to those who do not care which kind it is, and where the groups of a shard are kept (`Group.java`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Protocol, final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.coordinator.group.committed_offset import CommittedOffset
from odradek.coordinator.record import CoordinatorRecord


class Group(Protocol):
    """A group of any kind."""

    @property
    def group_id(self) -> str: ...

    @property
    def type_name(self) -> str:
        """As ListGroups says it: `classic`, `consumer`."""
        ...

    @property
    def state_name(self) -> str:
        """As ListGroups says it: `Stable`, `Empty`, ..."""
        ...

    @property
    def protocol_type(self) -> str | None:
        """`consumer`, `connect`, ...; None for a group that only commits offsets."""
        ...

    @property
    def is_empty(self) -> bool: ...

    @property
    def members(self) -> Mapping[str, object]:
        """By member id."""
        ...

    def refusal_of_commit(self, member_id: str, instance_id: str | None, epoch: int, *, is_transactional: bool, version: int) -> ErrorCode:
        """Why this member may not commit offsets in this generation or epoch; NONE if it may."""
        ...

    def refusal_of_partition_commit(self, member_id: str, epoch: int, topic: str, topic_id: Uuid, partition: int) -> ErrorCode:
        """As `refusal_of_commit`, for one partition, where the epoch alone does not decide."""
        ...

    def refusal_of_fetch(self, member_id: str | None, epoch: int) -> ErrorCode:
        """Why this member may not fetch offsets; NONE if it may."""
        ...

    def refusal_of_offset_deletion(self) -> ErrorCode: ...

    def refusal_of_deletion(self) -> ErrorCode: ...

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether members consume the topic, so that its offsets may neither expire nor be deleted."""
        ...

    def expiry_base_ms(self, committed: CommittedOffset) -> int | None:
        """From when on the retention of an offset counts; None while nothing may expire."""
        ...

    def tombstones(self) -> list[CoordinatorRecord]:
        """The records that take the group away."""
        ...


@final
class Groups:
    """The groups of a shard by their id."""

    __slots__ = ("_by_id",)

    def __init__(self) -> None:
        self._by_id: dict[str, Group] = {}

    def get(self, group_id: str) -> Group | None:
        return self._by_id.get(group_id)

    @property
    def ids(self) -> Set[str]:
        """The ids of all groups, as they are at any time."""
        return self._by_id.keys()

    def put(self, group: Group) -> None:
        self._by_id[group.group_id] = group

    def remove(self, group_id: str) -> None:
        self._by_id.pop(group_id, None)

    def __iter__(self) -> Iterator[Group]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)
