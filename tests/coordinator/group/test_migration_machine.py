"""Any interleaving of what members of both protocols in one group do, and of crashes, through all changes of the group's protocol.

After each step no partition is held by two members that the coordinator holds for members, and replay gives the live state. At the
end members fall quiet, and then, in bounded time, every partition has an owner.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.settings import MigrationPolicy
from tests.coordinator.group.consumer_story import Consumer
from tests.coordinator.group.migration_story import AnyConsumer, ClassicConsumer, MigrationStory, check_shared, is_rebalancing
from tests.coordinator.group.shard_story import GROUP

NAMES = ("one", "two", "three", "four")
TOPICS = some.sampled_from([("orders",), ("bills",), ("orders", "bills")])
# Seconds after which a quiet group has to be at rest: a session of who vanished, then twice the longest rebalance timeout.
QUIET_SECONDS = 15 + 2 * 30


class MigrationMachine(RuleBasedStateMachine):
    """Clients by name; one that is started anew under a name, with either protocol, takes the place of one that is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.story = MigrationStory({"orders": 4, "bills": 2}, consumer_assignment_interval_ms=500, consumer_session_timeout_ms=15_000)
        self.members: dict[str, AnyConsumer] = {}
        self.is_cooperative = False
        self.committed = 0

    @initialize(is_cooperative=some.booleans())
    def choose(self, is_cooperative: bool) -> None:
        self.is_cooperative = is_cooperative

    @rule(name=some.sampled_from(NAMES), topics=TOPICS, is_static=some.booleans())
    def start_modern(self, name: str, topics: tuple[str, ...], is_static: bool) -> None:
        member = Consumer(self.story, name, topics, instance_id=f"instance-{name}" if is_static else None)
        if member.join().error_code == ErrorCode.NONE:
            self.members[name] = member

    @rule(name=some.sampled_from(NAMES), topics=TOPICS, is_static=some.booleans())
    def start_classic(self, name: str, topics: tuple[str, ...], is_static: bool) -> None:
        instance_id = f"instance-{name}" if is_static else None
        member = ClassicConsumer(self.story, name, topics, instance_id=instance_id, is_cooperative=self.is_cooperative)
        self.members[name] = member
        member.step()

    @rule(names=some.lists(some.sampled_from(NAMES), min_size=1, max_size=8))
    def go_on(self, names: list[str]) -> None:
        for name in names:
            self._go_on(name)

    @rule(name=some.sampled_from(NAMES))
    def beat_without_obeying(self, name: str) -> None:
        member = self.members.get(name)
        if isinstance(member, Consumer) and member.silent_beat().error_code != ErrorCode.NONE:
            del self.members[name]

    @rule(name=some.sampled_from(NAMES), for_a_while=some.booleans())
    def leave(self, name: str, for_a_while: bool) -> None:
        member = self.members.pop(name, None)
        if isinstance(member, Consumer):
            member.leave(for_a_while=for_a_while)
        elif isinstance(member, ClassicConsumer):
            member.leave()

    @rule(name=some.sampled_from(NAMES))
    def vanish(self, name: str) -> None:
        self.members.pop(name, None)

    @rule(name=some.sampled_from(NAMES))
    def commit(self, name: str) -> None:
        member = self.members.get(name)
        if member is None:
            return
        member_id, epoch = identity(name, member)
        if self.story.commit(self.committed + 1, member_id, epoch) is ErrorCode.NONE:
            self.committed += 1

    @rule(elapsed_ms=some.sampled_from([1, 150, 500, 5_000, 11_000, 21_000, 31_000]))
    def let_time_pass(self, elapsed_ms: int) -> None:
        self.story.advance(elapsed_ms)

    @rule()
    def change_topics(self) -> None:
        self.story.create_topic("orders", len(self.story.image.topics.by_name["orders"].partitions) + 1)

    @rule(policy=some.sampled_from(MigrationPolicy))
    def change_policy(self, policy: MigrationPolicy) -> None:
        self.story.settings = MigrationStory(
            {}, consumer_assignment_interval_ms=500, consumer_session_timeout_ms=15_000, consumer_migration_policy=policy
        ).settings

    @rule(records_max=some.sampled_from([None, 4, 8]))
    def limit_batches(self, records_max: int | None) -> None:
        self.story.records_max = records_max

    @rule()
    def crash(self) -> None:
        self.story.reload()
        for member in self.members.values():
            if isinstance(member, ClassicConsumer):
                member.cut_off()

    @precondition(lambda self: self.story.shard.groups.get(GROUP) is not None)
    @invariant()
    def no_partition_is_held_twice(self) -> None:
        holders: dict[tuple[str, int], str] = {}
        for name, member in self.members.items():
            if not self.story.is_in_good_standing(*identity(name, member)):
                continue
            for topic, indexes in member.holds.items():
                for index in indexes:
                    assert holders.setdefault((topic, index), name) == name, (
                        f"{topic}-{index} is held by {holders[topic, index]} and {name}"
                    )

    @invariant()
    def committed_offset_never_goes_back(self) -> None:
        assert (self.story.committed() or 0) == self.committed

    def teardown(self) -> None:
        """Those who are still here do as they are told; the others' sessions end."""
        self.change_policy(MigrationPolicy.BIDIRECTIONAL)
        self.limit_batches(None)
        for _ in range(QUIET_SECONDS):
            self.story.advance(1_000)
            for name in list(self.members):
                self._go_on(name)
                self._go_on(name)
        if not self.members:
            return
        assert not is_rebalancing(self.story)
        subscribed = {topic for member in self.members.values() for topic in member.topics}
        check_shared(self.members.values(), {name: len(self.story.image.topics.by_name[name].partitions) for name in subscribed})

    def _go_on(self, name: str) -> None:
        """What a client does next; one that hears what ends it is gone."""
        member = self.members.get(name)
        if isinstance(member, ClassicConsumer):
            member.step()
            if member.is_lost:
                del self.members[name]
        elif isinstance(member, Consumer):
            member.obey()
            if member.beat().error_code != ErrorCode.NONE:
                del self.members[name]


def identity(name: str, member: AnyConsumer) -> tuple[str, int]:
    """The member id and the generation or epoch."""
    return (member.member_id, member.generation) if isinstance(member, ClassicConsumer) else (name, member.epoch)


def test_group_holds_to_its_rules_whichever_way_it_goes() -> None:
    run_state_machine_as_test(MigrationMachine, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
