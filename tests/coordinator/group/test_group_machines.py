"""Any interleaving of joins, heartbeats, leaves, silences, changes of topics and crashes of the coordinator, for both protocols.

What must always hold is checked by the stories after each step: no partition with two owners, replay gives the live state. At the end
members fall quiet, and then, in bounded time, every partition has an owner.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.classic_group import ClassicState
from odradek.coordinator.shard import Refusal, Ticket
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.sync_group import SyncGroupResponse
from tests.coordinator.group.consumer_story import Consumer, ConsumerStory
from tests.coordinator.group.group_story import GroupStory

NAMES = ("one", "two", "three", "four")
# Rounds of heartbeats after which a quiet group has to be stable: two for each member that may have to revoke, and some for those who wait.
QUIET_ROUNDS = 4 * len(NAMES)


class ConsumerGroupMachine(RuleBasedStateMachine):
    """Members of KIP-848 of which some obey, some are slow, and some vanish."""

    def __init__(self) -> None:
        super().__init__()
        self.story = ConsumerStory({"orders": 4, "bills": 2}, consumer_assignment_interval_ms=500)
        self.members: dict[str, Consumer] = {}

    @rule(
        name=some.sampled_from(NAMES), topics=some.sampled_from([("orders",), ("bills",), ("orders", "bills")]), is_static=some.booleans()
    )
    def join(self, name: str, topics: tuple[str, ...], is_static: bool) -> None:
        member = Consumer(self.story, name, topics, instance_id=f"instance-{name}" if is_static else None)
        if member.join().error_code == ErrorCode.NONE:
            self.members[name] = member

    @rule(name=some.sampled_from(NAMES))
    def join_by_expression(self, name: str) -> None:
        member = Consumer(self.story, name, regex="o.*")
        if member.join().error_code == ErrorCode.NONE:
            self.members[name] = member

    @rule(name=some.sampled_from(NAMES))
    def beat(self, name: str) -> None:
        if name in self.members and self.members[name].beat().error_code != ErrorCode.NONE:
            del self.members[name]

    @rule(name=some.sampled_from(NAMES))
    def beat_without_obeying(self, name: str) -> None:
        if name in self.members and self.members[name].silent_beat().error_code != ErrorCode.NONE:
            del self.members[name]

    @rule(name=some.sampled_from(NAMES), for_a_while=some.booleans())
    def leave(self, name: str, for_a_while: bool) -> None:
        if name in self.members:
            self.members.pop(name).leave(for_a_while=for_a_while)

    @rule(elapsed_ms=some.sampled_from([1, 500, 10_000, 31_000, 46_000]))
    def let_time_pass(self, elapsed_ms: int) -> None:
        self.story.advance(elapsed_ms)

    @rule()
    def change_topics(self) -> None:
        self.story.create_topic("orders", len(self.story.image.topics.by_name["orders"].partitions) + 1)

    @rule()
    def crash(self) -> None:
        self.story.reload()

    @precondition(lambda self: self.story.shard.groups.get("readers") is not None)
    @invariant()
    def epochs_are_in_order(self) -> None:
        group = self.story.group
        assert group.target_epoch <= group.epoch
        assert all(member.epoch <= max(group.target_epoch, 0) or member.epoch < 0 for member in group.members.values())

    def teardown(self) -> None:
        """Those who are still here do as they are told; the others' sessions end."""
        for _ in range(QUIET_ROUNDS):
            self.story.advance(5_000)
            for name, member in list(self.members.items()):
                member.obey()
                if member.beat().error_code != ErrorCode.NONE:
                    del self.members[name]
        if not self.members:
            return
        group, image = self.story.group, self.story.image
        assert group.state_name == "Stable", f"{group.members}"
        subscribed = {name for name in group.subscribed_names() if name in image.topics.by_name}
        held = [(topic, index) for member in self.members.values() for topic, indexes in member.holds.items() for index in indexes]
        assert sorted(held) == sorted((name, index) for name in subscribed for index in image.topics.by_name[name].partitions)


class ClassicGroupMachine(RuleBasedStateMachine):
    """Members of the classic protocol, each of which does one thing at a time as clients do."""

    def __init__(self) -> None:
        super().__init__()
        self.story = GroupStory(initial_rebalance_delay_ms=100)
        # Of each name: its member id, the request it waits for, its generation.
        self.ids: dict[str, str] = {}
        self.waiting: dict[str, Ticket] = {}
        self.generations: dict[str, int] = {}
        self.committed = 0

    @rule(name=some.sampled_from(NAMES), is_static=some.booleans(), metadata=some.sampled_from([b"a", b"b"]))
    def join(self, name: str, is_static: bool, metadata: bytes) -> None:
        if name in self.waiting:
            return
        instance_id = f"instance-{name}" if is_static else None
        ticket = self.story.join(
            self.ids.get(name, "") if not is_static else "", instance_id=instance_id, protocols=(("range", metadata),), client_id=name
        )
        self.waiting[name] = ticket
        self._collect()
        if name in self.ids and name not in self.waiting and name not in self.generations:
            self.waiting[name] = self.story.join(self.ids[name], protocols=(("range", metadata),), client_id=name)
            self._collect()

    @rule(name=some.sampled_from(NAMES))
    def sync(self, name: str) -> None:
        if name in self.generations and name not in self.waiting:
            member_id = self.ids[name]
            assignment = {other: other.encode() for other in self.ids.values()}
            group = self.story.group
            self.waiting[name] = self.story.sync(member_id, self.generations[name], assignment if group.is_leader(member_id) else None)
            self._collect()

    @rule(name=some.sampled_from(NAMES))
    def beat(self, name: str) -> None:
        if name in self.generations and name not in self.waiting:
            code = self.story.heartbeat(self.ids[name], self.generations[name])
            if code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
                self._forget(name)

    @rule(name=some.sampled_from(NAMES))
    def commit(self, name: str) -> None:
        if name not in self.generations:
            return
        code = self.story.commit(self.committed + 1, self.ids[name], self.generations[name])
        if code is ErrorCode.NONE:
            self.committed += 1

    @rule(name=some.sampled_from(NAMES))
    def leave(self, name: str) -> None:
        if name in self.ids and name not in self.waiting:
            self.story.leave((self.ids[name], None))
            self._forget(name)

    @rule(elapsed_ms=some.sampled_from([1, 200, 5_000, 11_000, 61_000]))
    def let_time_pass(self, elapsed_ms: int) -> None:
        self.story.advance(elapsed_ms)
        self._collect()

    @rule()
    def crash(self) -> None:
        self.story.reload()
        # Whoever waited is cut off and begins anew, with the id it knows.
        self.waiting.clear()
        self.generations.clear()

    @invariant()
    def committed_offset_never_goes_back(self) -> None:
        assert (self.story.committed() or 0) == self.committed

    @invariant()
    def leader_is_a_member(self) -> None:
        group = self.story.shard.groups.get("readers")
        if group is not None and self.story.group.members:
            assert self.story.group.leader_id in self.story.group.members
            assert set(self.story.group.static_members.values()) <= set(self.story.group.members)

    def teardown(self) -> None:
        """Nobody does anything any more: the group comes to rest, with nobody in it, and nobody waits for ever."""
        self.story.advance(24 * 60 * 60 * 1000)
        self._collect()
        assert not self.waiting
        if self.story.shard.groups.get("readers") is not None:
            assert self.story.group.state is ClassicState.EMPTY
            assert not self.story.group.pending_members

    def _collect(self) -> None:
        for name, ticket in list(self.waiting.items()):
            answer = self.story.answers.get(ticket)
            if answer is None:
                continue
            del self.waiting[name]
            if isinstance(answer, Refusal):
                self._forget(name)
            elif isinstance(answer, JoinGroupResponse):
                self._joined(name, answer)
            elif isinstance(answer, SyncGroupResponse) and answer.error_code not in (0, ErrorCode.REBALANCE_IN_PROGRESS):
                self._forget(name)

    def _joined(self, name: str, answer: JoinGroupResponse) -> None:
        if answer.error_code in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
            self.ids[name] = answer.member_id
        if answer.error_code == ErrorCode.NONE:
            self.generations[name] = answer.generation_id
        elif answer.error_code != ErrorCode.MEMBER_ID_REQUIRED:
            self._forget(name)

    def _forget(self, name: str) -> None:
        self.ids.pop(name, None)
        self.generations.pop(name, None)


@pytest.mark.parametrize("machine", [ConsumerGroupMachine, ClassicGroupMachine])
def test_group_holds_to_its_rules_whatever_happens(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
