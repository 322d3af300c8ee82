"""When members of consumer groups are given up, and what becomes of the group that they leave.

A member is given up when it is silent for a session, or too slow in giving up partitions; one of the classic protocol also when it
does not rejoin although it was told to, or does not fetch its assignment after that. The group goes on without it: in a new epoch, or
as a classic group if only members of that protocol are left (`migration`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from odradek.coordinator.deadlines import Deadlines
from odradek.coordinator.group import consumer_records, migration
from odradek.coordinator.group.classic_group import ClassicGroup
from odradek.coordinator.group.classic_rebalance import ClassicRebalance
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.group.consumer_member import ConsumerMember, MemberState
from odradek.coordinator.group.group import Groups
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.subscription_hash import subscription_hash
from odradek.coordinator.record import CoordinatorRecord
from odradek.coordinator.shard import Answer, Moment, Outcome, Ticket
from odradek.metadata.image import MetadataImage

Action = Callable[[Moment], Outcome]


@final
class ConsumerSessions:
    """The deadlines of a shard's members of consumer groups."""

    def __init__(
        self,
        groups: Groups,
        deadlines: Deadlines[Action],
        rebalance: ClassicRebalance,
        settings_of: Callable[[str], GroupSettings],
        image: Callable[[], MetadataImage],
    ) -> None:
        self._groups = groups
        self._deadlines = deadlines
        self._rebalance = rebalance
        self._settings_of = settings_of
        self._image = image

    # Deadlines

    def begin(self, group: ConsumerGroup, now: Moment) -> None:
        """The group was loaded: every member has a whole session to show itself, a static one that is away too."""
        for member in group.members.values():
            self._begin_for(group.group_id, member, now)

    def _begin_for(self, group_id: str, member: ConsumerMember, now: Moment) -> None:
        self.keep_alive(group_id, member, now)
        if member.state is MemberState.UNREVOKED_PARTITIONS:
            self.expect_revocation(group_id, member, now)

    def keep_alive(self, group_id: str, member: ConsumerMember, now: Moment) -> None:
        """The member has shown itself."""
        classic = member.classic
        timeout_ms = self._settings_of(group_id).consumer_session_timeout_ms if classic is None else classic.session_timeout_ms
        self._expect("session", group_id, member.member_id, timeout_ms, now)

    def expect_join(self, group_id: str, member: ConsumerMember, now: Moment) -> None:
        """A member of the classic protocol was told to rejoin, now or before."""
        if ("join", group_id, member.member_id) not in self._deadlines:
            self._expect("join", group_id, member.member_id, member.rebalance_timeout_ms, now)

    def expect_sync(self, group_id: str, member: ConsumerMember, now: Moment) -> None:
        """A member of the classic protocol has rejoined, and now has to fetch its assignment."""
        self._deadlines.cancel(("join", group_id, member.member_id))
        self._expect("sync", group_id, member.member_id, member.rebalance_timeout_ms, now)

    def note_sync(self, group_id: str, member_id: str) -> None:
        """It has fetched it."""
        self._deadlines.cancel(("sync", group_id, member_id))

    def expect_revocation(self, group_id: str, member: ConsumerMember, now: Moment) -> None:
        """The member has to give something up within its rebalance timeout."""
        member_id, epoch = member.member_id, member.epoch
        self._deadlines.set(
            ("revocation", group_id, member_id),
            now.monotonic_ms + member.rebalance_timeout_ms,
            lambda late: self._revocation_over(group_id, member_id, epoch, late),
        )

    def forget_revocation(self, group_id: str, member_id: str) -> None:
        self._deadlines.cancel(("revocation", group_id, member_id))

    def forget(self, group_id: str, member_id: str) -> None:
        """The member is gone, or is no member of a consumer group any more."""
        for subject in ("session", "join", "sync", "revocation"):
            self._deadlines.cancel((subject, group_id, member_id))

    def _expect(self, subject: str, group_id: str, member_id: str, timeout_ms: int, now: Moment) -> None:
        self._deadlines.set(
            (subject, group_id, member_id), now.monotonic_ms + timeout_ms, lambda late: self._time_over(group_id, member_id, late)
        )

    def _time_over(self, group_id: str, member_id: str, now: Moment) -> Outcome:
        group = self._groups.get(group_id)
        member = group.members.get(member_id) if isinstance(group, ConsumerGroup) else None
        if not isinstance(group, ConsumerGroup) or member is None:
            return Outcome()
        return self.let_go(group, [member], [], now)

    def _revocation_over(self, group_id: str, member_id: str, epoch: int, now: Moment) -> Outcome:
        group = self._groups.get(group_id)
        member = group.members.get(member_id) if isinstance(group, ConsumerGroup) else None
        if not isinstance(group, ConsumerGroup) or member is None or member.epoch != epoch:
            return Outcome()
        return self.let_go(group, [member], [], now)

    # Going

    def let_go(
        self, group: ConsumerGroup, leaving: Sequence[ConsumerMember], answers: Sequence[tuple[Ticket, Answer]], now: Moment
    ) -> Outcome:
        """Members leave their group, which goes on without them; `answers` are given when that is written."""
        if not leaving:
            return Outcome(answers=list(answers))
        settings = self._settings_of(group.group_id)
        if migration.may_downgrade(group, leaving, settings):
            try:
                classic = migration.downgrade(group, leaving, self._image(), now.wall_ms)
            except migration.CannotMigrate:
                # It goes on as it is, with members of the classic protocol only.
                return self._removal(group, leaving, answers)
            outcome = self.go_down(group, classic, now, is_rebalance_due=True)
            self._rebalance.prepare(classic, now, outcome)
            outcome.answers += answers
            outcome.if_too_large = lambda late: self.stay(group, late, self._removal(group, leaving, answers))
            return outcome
        return self._removal(group, leaving, answers)

    def _removal(self, group: ConsumerGroup, leaving: Sequence[ConsumerMember], answers: Sequence[tuple[Ticket, Answer]]) -> Outcome:
        """The records that take members out of a group, and call for a new assignment of the others."""
        gone = {member.member_id: member for member in leaving}
        records: list[CoordinatorRecord] = []
        for member_id in gone:
            self.forget(group.group_id, member_id)
            records += consumer_records.member_tombstones(group.group_id, member_id)
        others = [member for member in group.members.values() if member.member_id not in gone]
        still_used = {member.topic_regex for member in others}
        for regex in sorted({member.topic_regex for member in gone.values()} - still_used - {""}):
            records.append(consumer_records.regular_expression_tombstone(group.group_id, regex))
        metadata_hash = subscription_hash(group.subscribed_names(others), self._image())
        records.append(consumer_records.group_epoch(group.group_id, group.epoch + 1, metadata_hash))

        def refuse(late: Moment) -> Outcome:
            """So many at once cannot be written: they stay, and each is given up when its time is over."""
            for member in leaving:
                self._begin_for(group.group_id, member, late)
            return Outcome(answers=list(answers)).instead(late)

        return Outcome(records, list(answers), if_too_large=refuse)

    # Between the protocols

    def take_over(self, classic: ClassicGroup, group: ConsumerGroup, now: Moment, outcome: Outcome) -> None:
        """A classic group becomes `group` by the records of `outcome`: whoever waited has to rejoin, and has other deadlines."""
        self._rebalance.abandon(classic, outcome)
        for member in group.members.values():
            self.keep_alive(group.group_id, member, now)
        answers = list(outcome.answers)

        def stay(late: Moment) -> Outcome:
            """The group is too large to be written in one batch, and stays what it is."""
            refused = Outcome(answers=answers).instead(late)
            for member_id in group.members:
                self.forget(group.group_id, member_id)
            self._rebalance.resume(classic, late, refused)
            return refused

        outcome.if_too_large = stay

    def go_down(self, group: ConsumerGroup, classic: ClassicGroup, now: Moment, *, is_rebalance_due: bool) -> Outcome:
        """A group becomes `classic`, at once, and by the records when it is loaded again."""
        for member_id in group.members:
            self.forget(group.group_id, member_id)
        # The tombstones find a group of another kind already, and leave it alone.
        self._groups.put(classic)
        for member in classic.members.values():
            self._rebalance.keep_alive(classic, member, now)
        return Outcome([*group.tombstones(), classic.record(is_rebalance_due=is_rebalance_due)])

    def stay(self, group: ConsumerGroup, now: Moment, instead: Outcome) -> Outcome:
        """What a group would be is too large to be written in one batch: it stays what it is, and `instead` happens."""
        classic = self._groups.get(group.group_id)
        if isinstance(classic, ClassicGroup):
            self._rebalance.forget_all(classic)
        self._groups.put(group)
        self.begin(group, now)
        return instead
