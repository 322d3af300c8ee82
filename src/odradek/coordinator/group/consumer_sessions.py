"""When members of the consumer protocol are given up: silent for a session, or too slow in giving up partitions; and how one leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from odradek.coordinator.deadlines import Deadlines
from odradek.coordinator.group import consumer_records
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.group.consumer_member import ConsumerMember, MemberState
from odradek.coordinator.group.group import Groups
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.subscription_hash import subscription_hash
from odradek.coordinator.record import CoordinatorRecord
from odradek.coordinator.shard import Moment, Outcome
from odradek.metadata.image import MetadataImage

Action = Callable[[Moment], Outcome]


@final
class ConsumerSessions:
    """The deadlines of a shard's members of the consumer protocol."""

    def __init__(
        self,
        groups: Groups,
        deadlines: Deadlines[Action],
        settings_of: Callable[[str], GroupSettings],
        image: Callable[[], MetadataImage],
    ) -> None:
        self._groups = groups
        self._deadlines = deadlines
        self._settings_of = settings_of
        self._image = image

    def begin(self, group: ConsumerGroup, now: Moment) -> None:
        """The group was loaded: every member has a whole session to show itself, a static one that is away too."""
        for member in group.members.values():
            self.keep_alive(group.group_id, member.member_id, now)
            if member.state is MemberState.UNREVOKED_PARTITIONS:
                self.expect_revocation(group.group_id, member, now)

    def keep_alive(self, group_id: str, member_id: str, now: Moment) -> None:
        """The member has shown itself."""
        timeout_ms = self._settings_of(group_id).consumer_session_timeout_ms
        self._deadlines.set(
            ("session", group_id, member_id), now.monotonic_ms + timeout_ms, lambda late: self._session_over(group_id, member_id)
        )

    def expect_revocation(self, group_id: str, member: ConsumerMember, now: Moment) -> None:
        """The member has to give something up within its rebalance timeout."""
        member_id, epoch = member.member_id, member.epoch
        self._deadlines.set(
            ("revocation", group_id, member_id),
            now.monotonic_ms + member.rebalance_timeout_ms,
            lambda late: self._revocation_over(group_id, member_id, epoch),
        )

    def forget_revocation(self, group_id: str, member_id: str) -> None:
        self._deadlines.cancel(("revocation", group_id, member_id))

    def forget(self, group_id: str, member_id: str) -> None:
        """The member is gone."""
        self._deadlines.cancel(("session", group_id, member_id))
        self.forget_revocation(group_id, member_id)

    def removal(self, group: ConsumerGroup, member: ConsumerMember, image: MetadataImage) -> list[CoordinatorRecord]:
        """The records that take a member out of its group, and call for a new assignment of the others."""
        self.forget(group.group_id, member.member_id)
        records = consumer_records.member_tombstones(group.group_id, member.member_id)
        others = [it for it in group.members.values() if it.member_id != member.member_id]
        if member.topic_regex and all(it.topic_regex != member.topic_regex for it in others):
            records.append(consumer_records.regular_expression_tombstone(group.group_id, member.topic_regex))
        metadata_hash = subscription_hash(group.subscribed_names(others), image)
        records.append(consumer_records.group_epoch(group.group_id, group.epoch + 1, metadata_hash))
        return records

    def _session_over(self, group_id: str, member_id: str) -> Outcome:
        group = self._groups.get(group_id)
        member = group.members.get(member_id) if isinstance(group, ConsumerGroup) else None
        if not isinstance(group, ConsumerGroup) or member is None:
            return Outcome()
        return Outcome(self.removal(group, member, self._image()))

    def _revocation_over(self, group_id: str, member_id: str, epoch: int) -> Outcome:
        group = self._groups.get(group_id)
        member = group.members.get(member_id) if isinstance(group, ConsumerGroup) else None
        if not isinstance(group, ConsumerGroup) or member is None or member.epoch != epoch:
            return Outcome()
        return Outcome(self.removal(group, member, self._image()))
