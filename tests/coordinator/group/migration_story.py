"""Members of both protocols in one group: a shard that is sent both, and a consumer of the classic protocol that keeps to it.

The consumer does what Kafka's own does: it joins, leads the assignment if it is told that it leads, fetches its assignment, rejoins
when it is told to or when it has given something up. An eager one gives up all before it rejoins; a cooperative one keeps what it has
and gives up what it is not assigned any more, for which it says when it joins what it has (KIP-429).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group import consumer_embedding
from odradek.coordinator.group.classic_group import ClassicGroup, ClassicState
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.shard import Refusal, Ticket
from odradek.protocol.internal_records.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
    ConsumerProtocolSubscriptionTopicPartition,
)
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.sync_group import SyncGroupResponse
from tests.coordinator.group.consumer_story import Consumer, ConsumerRequestsStory, Partitions
from tests.coordinator.group.group_story import ClassicRequestsStory
from tests.coordinator.group.shard_story import GROUP

SUBSCRIPTION_VERSION = 3
ASSIGNMENT_VERSION = 3
ORDERS = {"orders": 6}


class MigrationStory(ClassicRequestsStory, ConsumerRequestsStory):
    """A story of a group that changes its protocol. Assignments are made at once, and the first generation waits for nobody."""

    def __init__(self, topics: Mapping[str, int], **settings: object) -> None:
        super().__init__(topics, **{"consumer_assignment_interval_ms": 0, "initial_rebalance_delay_ms": 100, **settings})

    @property
    def type_name(self) -> str:
        group = self.shard.groups.get(GROUP)
        assert group is not None
        return group.type_name

    def is_in_good_standing(self, member_id: str, epoch: int) -> bool:
        """Whether the coordinator holds somebody for the member he says he is, in the generation he says."""
        group = self.shard.groups.get(GROUP)
        if isinstance(group, ConsumerGroup):
            member = group.members.get(member_id)
            return member is not None and member.epoch == epoch
        return isinstance(group, ClassicGroup) and member_id in group.members and group.generation == epoch


def subscription_bytes(topics: Iterable[str], owned: Partitions, rack: str | None = None) -> bytes:
    """The metadata of a member that subscribes to `topics` and has `owned`."""
    subscription = ConsumerProtocolSubscription(
        topics=sorted(topics),
        owned_partitions=[
            ConsumerProtocolSubscriptionTopicPartition(topic=topic, partitions=sorted(indexes)) for topic, indexes in sorted(owned.items())
        ],
        rack_id=rack,
    )
    out = bytearray(SUBSCRIPTION_VERSION.to_bytes(2, "big"))
    subscription.encode(out, SUBSCRIPTION_VERSION)
    return bytes(out)


def assignment_bytes(partitions: Partitions, user_data: bytes | None = None) -> bytes:
    """The assignment that a leader brings for a member."""
    entries = [
        ConsumerProtocolAssignmentTopicPartition(topic=topic, partitions=sorted(indexes)) for topic, indexes in sorted(partitions.items())
    ]
    return consumer_embedding.encode_assignment(ConsumerProtocolAssignment(entries, user_data), ASSIGNMENT_VERSION)


def partitions_of(assignment: bytes) -> Partitions:
    """The partitions in an assignment; none where there is none."""
    if not assignment:
        return {}
    return {entry.topic: set(entry.partitions) for entry in consumer_embedding.assignment_of(assignment).assigned_partitions}


class ClassicConsumer:
    """A consumer that does one thing after the other: each call of `step` is one."""

    def __init__(
        self,
        story: MigrationStory,
        name: str,
        topics: Sequence[str] = ("orders",),
        *,
        instance_id: str | None = None,
        is_cooperative: bool = False,
    ) -> None:
        self._story = story
        self._name = name
        self.topics = topics
        self._is_cooperative = is_cooperative
        self.instance_id = instance_id
        self.member_id = ""
        self.generation = -1
        self.holds: Partitions = {}
        self.is_joined = False
        self.is_lost = False
        self._ticket: Ticket | None = None
        # The topics as they were when this led an assignment, None if another leads.
        self._led_by: dict[str, int] | None = None
        self._known: dict[str, int] = {}

    @property
    def is_waiting(self) -> bool:
        return self._ticket is not None and self._ticket not in self._story.answers

    @property
    def has_all(self) -> bool:
        """Whether nothing is left to do but heartbeats."""
        return self.is_joined and self._ticket is None

    def step(self) -> None:
        """Do what comes next: wait, take in an answer, join, or send a heartbeat."""
        if self.is_waiting:
            return
        if self._ticket is not None:
            ticket, self._ticket = self._ticket, None
            self._take(ticket)
        elif not self.is_joined:
            self.join()
        else:
            self.beat()

    def join(self) -> None:
        """Send JoinGroup; an eager consumer has given up all by then."""
        if not self._is_cooperative:
            self.holds = {}
        owned = self.holds
        self._known = self._counts()
        self.is_joined = False
        self._ticket = self._story.join(
            self.member_id,
            instance_id=self.instance_id,
            protocols=[("cooperative-sticky" if self._is_cooperative else "range", subscription_bytes(self.topics, owned))],
            client_id=self._name,
            rebalance_timeout_ms=20_000,
        )

    def beat(self) -> ErrorCode:
        """Send Heartbeat, and note what it means."""
        code = self._story.heartbeat(self.member_id, self.generation, instance_id=self.instance_id)
        self._note(code)
        if self._led_by not in (None, self._counts()):
            # It is for the leader to notice.
            self.is_joined = False
        return code

    def leave(self) -> ErrorCode:
        """Send LeaveGroup."""
        (code,) = self._story.leave((self.member_id, self.instance_id))
        self.holds, self.is_joined, self._ticket = {}, False, None
        return code

    def cut_off(self) -> None:
        """The coordinator is gone, and with it the answer that this waited for."""
        if self.is_waiting:
            self._ticket, self.is_joined = None, False

    def _counts(self) -> dict[str, int]:
        return {name: len(topic.partitions) for name, topic in self._story.image.topics.by_name.items()}

    def _take(self, ticket: Ticket) -> None:
        answer = self._story.answers[ticket]
        if isinstance(answer, JoinGroupResponse):
            self._take_join(answer)
        elif isinstance(answer, SyncGroupResponse):
            self._take_sync(answer)
        else:
            assert isinstance(answer, Refusal)
            self._note(answer.code)

    def _take_join(self, answer: JoinGroupResponse) -> None:
        if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = answer.member_id
            return
        self._note(ErrorCode(answer.error_code))
        if answer.error_code != ErrorCode.NONE:
            return
        self.member_id, self.generation = answer.member_id, answer.generation_id
        assignments = None
        is_leader = answer.leader == self.member_id
        # Who leads without assigning goes by what it knew when it joined.
        self._led_by = self._known if is_leader else None
        if is_leader and not answer.skip_assignment:
            self._led_by = self._counts()
            subscriptions = {it.member_id: consumer_embedding.subscription_of(it.metadata) for it in answer.members}
            assigned = assign(subscriptions, self._counts())
            assignments = {member_id: assignment_bytes(partitions) for member_id, partitions in assigned.items()}
        self.is_joined = True
        self._ticket = self._story.sync(self.member_id, self.generation, assignments, instance_id=self.instance_id)

    def _take_sync(self, answer: SyncGroupResponse) -> None:
        self._note(ErrorCode(answer.error_code))
        if answer.error_code != ErrorCode.NONE:
            return
        assigned = partitions_of(answer.assignment)
        has_given_up = any(indexes - assigned.get(topic, set()) for topic, indexes in self.holds.items())
        self.holds = assigned
        if has_given_up:
            self.is_joined = False

    def _note(self, code: ErrorCode) -> None:
        """What an error means for who this is and what it has."""
        if code is ErrorCode.NONE:
            return
        self.is_joined = False
        if code is ErrorCode.REBALANCE_IN_PROGRESS:
            return
        self.holds = {}
        if code is ErrorCode.UNKNOWN_MEMBER_ID:
            self.member_id = ""
        elif code is not ErrorCode.ILLEGAL_GENERATION:
            self.is_lost = True


def assign(subscriptions: Mapping[str, ConsumerProtocolSubscription], counts: Mapping[str, int]) -> dict[str, Partitions]:
    """What a leader assigns: evenly, and nothing that another member says it has still (which it is assigned to give up first)."""
    owners = {
        (entry.topic, index): member_id
        for member_id, subscription in subscriptions.items()
        for entry in subscription.owned_partitions
        for index in entry.partitions
    }
    assigned: dict[str, Partitions] = {member_id: {} for member_id in subscriptions}
    for topic, count in sorted(counts.items()):
        takers = sorted(member_id for member_id, subscription in subscriptions.items() if topic in subscription.topics)
        for index in range(count if takers else 0):
            taker = takers[index % len(takers)]
            if owners.get((topic, index), taker) == taker:
                assigned[taker].setdefault(topic, set()).add(index)
    return assigned


AnyConsumer = ClassicConsumer | Consumer


def settle(story: MigrationStory, *members: AnyConsumer, rounds: int = 30) -> None:
    """Let everybody go on until all have come to rest, a heartbeat's time between two rounds."""
    for _ in range(rounds):
        before = len(story.records)
        for member in members:
            if isinstance(member, ClassicConsumer):
                member.step()
            else:
                member.beat()
        has_all = all(member.has_all for member in members if isinstance(member, ClassicConsumer))
        if has_all and len(story.records) == before and not is_rebalancing(story):
            return
        story.advance(500)
    raise AssertionError(f"the group does not settle in {rounds} rounds")


def is_rebalancing(story: MigrationStory) -> bool:
    group = story.shard.groups.get(GROUP)
    if isinstance(group, ClassicGroup):
        return group.state is not ClassicState.STABLE
    return isinstance(group, ConsumerGroup) and group.state_name != "Stable"


def check_shared(members: Iterable[AnyConsumer], expected: Mapping[str, int]) -> None:
    """Every partition has one owner among `members`."""
    held = [(topic, index) for member in members for topic, indexes in member.holds.items() for index in indexes]
    assert sorted(held) == sorted((topic, index) for topic, count in expected.items() for index in range(count))


# Groups to begin with


def story_of(**settings: object) -> MigrationStory:
    """A story of one topic."""
    return MigrationStory(ORDERS, **settings)


def classic_pair(story: MigrationStory, *, is_cooperative: bool = False) -> tuple[ClassicConsumer, ClassicConsumer]:
    """Two classic members with all partitions between them."""
    one, two = (ClassicConsumer(story, name, is_cooperative=is_cooperative) for name in ("one", "two"))
    settle(story, one, two)
    check_shared([one, two], ORDERS)
    return one, two


def mixed(story: MigrationStory, *, is_cooperative: bool = False) -> tuple[Consumer, ClassicConsumer]:
    """A member of each protocol, with all partitions between them."""
    modern, classic = Consumer(story, "modern"), ClassicConsumer(story, "classic", is_cooperative=is_cooperative)
    modern.join()
    settle(story, modern, classic)
    return modern, classic
