"""One committed offset. A coordinator may have to make a million of them before it can be asked: compiled by mypyc."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64, mypyc_attr

from odradek.base.identifiers import ZERO_UUID, Uuid


# It holds nothing that could hold it: so a million of them are nothing that the collection of cycles would have to look at.
@mypyc_attr(acyclic=True)
@final
class CommittedOffset:
    """A value, never changed. `leader_epoch` and `expire_timestamp_ms` are -1 where they were not said; `record_offset` is its place."""

    __slots__ = ("commit_timestamp_ms", "expire_timestamp_ms", "leader_epoch", "metadata", "offset", "record_offset", "topic_id")

    def __init__(
        self,
        offset: i64,
        leader_epoch: i64,
        metadata: str,
        commit_timestamp_ms: i64,
        expire_timestamp_ms: i64,
        topic_id: Uuid,
        record_offset: i64,
    ) -> None:
        self.offset = offset
        self.leader_epoch = leader_epoch
        self.metadata = metadata
        self.commit_timestamp_ms = commit_timestamp_ms
        self.expire_timestamp_ms = expire_timestamp_ms
        self.topic_id = topic_id
        self.record_offset = record_offset

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CommittedOffset) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def _fields(self) -> tuple[int, int, str, int, int, Uuid, int]:
        return (
            self.offset,
            self.leader_epoch,
            self.metadata,
            self.commit_timestamp_ms,
            self.expire_timestamp_ms,
            self.topic_id,
            self.record_offset,
        )

    def is_of_topic(self, topic_id: Uuid) -> bool:
        """Whether it was committed for the topic of this id; who says no id means whatever topic bears the name."""
        return ZERO_UUID in (topic_id, self.topic_id) or topic_id == self.topic_id

    def is_expired(self, base_timestamp_ms: i64, now_ms: i64, retention_ms: i64) -> bool:
        """Whether its time is over, counted from `base_timestamp_ms` unless the commit itself said when."""
        if self.expire_timestamp_ms >= 0:
            return now_ms >= self.expire_timestamp_ms
        return now_ms - base_timestamp_ms >= retention_ms
