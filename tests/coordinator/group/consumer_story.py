"""A shard and members of the consumer protocol (KIP-848) that do as they are told, or not: what stories of consumer groups are told with.

After every step: no partition has two owners, and a shard that replays the records knows the same of the group.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.group.records import RECORD_TYPES
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.shard import GroupShard
from odradek.coordinator.record import CoordinatorRecord, decode_record
from odradek.coordinator.shard import Moment, Outcome, Ticket
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage
from odradek.protocol.internal_records.metadata import PartitionRecord, RemoveTopicRecord, TopicRecord
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
    ConsumerGroupHeartbeatResponse,
)

GROUP = "readers"
START_MS = 1_700_000_000_000
Partitions = dict[str, set[int]]


class ConsumerStory:
    """Topics by name and number of partitions; `heartbeat` and the clock are moved by hand."""

    def __init__(self, topics: Mapping[str, int], **settings: int) -> None:
        self.settings = replace(GroupSettings(), **{"consumer_assignment_interval_ms": 0, **settings})  # type: ignore[arg-type]
        self.records: list[CoordinatorRecord] = []
        self.elapsed_ms = 0
        self.image = EMPTY_IMAGE
        self._ids: dict[str, Uuid] = {}
        self._answered: dict[Ticket, object] = {}
        self._tickets = 0
        self.shard = GroupShard(lambda: self.settings, random.Random(1))
        self._take(self.shard.on_loaded(self.image, self.now))
        for name, count in topics.items():
            self.create_topic(name, count)

    @property
    def now(self) -> Moment:
        return Moment(START_MS + self.elapsed_ms, self.elapsed_ms)

    @property
    def group(self) -> ConsumerGroup:
        group = self.shard.groups.get(GROUP)
        assert isinstance(group, ConsumerGroup)
        return group

    # The cluster

    def create_topic(self, name: str, partitions: int) -> None:
        """Make a topic, or give it more partitions."""
        delta = MetadataDelta(self.image)
        first = 0
        if name in self._ids:
            first = len(self.image.topics.by_name[name].partitions)
        else:
            self._ids[name] = Uuid(bytes([len(self._ids) + 1]) * 16)
            delta.replay(TopicRecord(name=name, topic_id=self._ids[name]))
        for index in range(first, partitions):
            delta.replay(PartitionRecord(partition_id=index, topic_id=self._ids[name], replicas=[1], isr=[1], leader=1))
        self._publish(delta)

    def delete_topic(self, name: str) -> None:
        delta = MetadataDelta(self.image)
        delta.replay(RemoveTopicRecord(topic_id=self._ids.pop(name)))
        self._publish(delta)

    def _publish(self, delta: MetadataDelta) -> None:
        self.image = applied(delta, self.image)
        for outcome in self.shard.on_metadata_update(delta, self.image, self.now):
            self._take(outcome)

    def name_of(self, topic: Uuid) -> str:
        return next(name for name, topic_id in self._ids.items() if topic_id == topic)

    # Requests

    def heartbeat(
        self,
        member_id: str,
        epoch: int,
        *,
        topics: Sequence[str] | None = None,
        regex: str | None = None,
        owned: Partitions | None = None,
        instance_id: str | None = None,
        assignor: str | None = None,
        rebalance_timeout_ms: int = -1,
        version: int = 1,
    ) -> ConsumerGroupHeartbeatResponse:
        partitions = None
        if owned is not None:
            partitions = [
                ConsumerGroupHeartbeatRequestTopicPartitions(topic_id=self._ids[name], partitions=sorted(indexes))
                for name, indexes in owned.items()
            ]
        request = ConsumerGroupHeartbeatRequest(
            group_id=GROUP,
            member_id=member_id,
            member_epoch=epoch,
            instance_id=instance_id,
            rebalance_timeout_ms=rebalance_timeout_ms,
            subscribed_topic_names=None if topics is None else list(topics),
            subscribed_topic_regex=regex,
            server_assignor=assignor,
            topic_partitions=partitions,
        )
        self._tickets += 1
        ticket = Ticket(self._tickets)
        self._take(self.shard.consumer_heartbeat(ticket, request, Caller(version, "client", "/127.0.0.1"), self.now))
        response = self._answered[ticket]
        assert isinstance(response, ConsumerGroupHeartbeatResponse)
        return response

    def advance(self, elapsed_ms: int) -> None:
        """Let time pass, from deadline to deadline."""
        end_ms = self.elapsed_ms + elapsed_ms
        while (deadline_ms := self.shard.next_deadline_ms()) is not None and deadline_ms <= end_ms:
            self.elapsed_ms = max(deadline_ms, self.elapsed_ms)
            for outcome in self.shard.act_on_time(self.now):
                self._take(outcome)
        self.elapsed_ms = end_ms

    def reload(self) -> None:
        """Another coordinator takes over."""
        self.shard = self._replayed()
        self._take(self.shard.on_loaded(self.image, self.now))

    # The log

    def _take(self, outcome: Outcome) -> None:
        for record in outcome.records:
            if not record.is_applied:
                self.shard.replay(record, offset=len(self.records), producer_id=-1)
            self.records.append(record)
        for ticket, answer in outcome.answers:
            self._answered[ticket] = answer
        self._check()

    def _replayed(self) -> GroupShard:
        shard = GroupShard(lambda: self.settings, random.Random(1))
        for offset, record in enumerate(self.records):
            decoded = decode_record(RECORD_TYPES, record.encoded_key(), record.encoded_value())
            assert decoded is not None
            shard.replay(decoded, offset=offset, producer_id=-1)
        return shard

    def _check(self) -> None:
        group, again = self.shard.groups.get(GROUP), self._replayed().groups.get(GROUP)
        assert (group is None) == (again is None)
        if not isinstance(group, ConsumerGroup) or not isinstance(again, ConsumerGroup):
            return
        owners: dict[tuple[Uuid, int], str] = {}
        for member in group.members.values():
            for assigned in (member.assigned, member.pending_revocation):
                for topic, partitions in assigned.items():
                    for index in partitions:
                        assert owners.setdefault((topic, index), member.member_id) == member.member_id, "a partition has two owners"
        assert again.members == group.members
        assert (again.epoch, again.metadata_hash, again.target_epoch) == (group.epoch, group.metadata_hash, group.target_epoch)
        assert again.targets == group.targets
        assert again.static_members == group.static_members


class Consumer:
    """A member that does as it is told, unless its `holds` are kept on purpose."""

    def __init__(
        self,
        story: ConsumerStory,
        name: str,
        topics: Sequence[str] = ("orders",),
        *,
        instance_id: str | None = None,
        regex: str | None = None,
        assignor: str | None = None,
    ) -> None:
        self._story = story
        self._name = name
        self._topics = topics
        self._instance_id = instance_id
        self._regex = regex
        self._assignor = assignor
        self.epoch = 0
        self.holds: Partitions = {}
        self._told: Partitions | None = None

    def join(self) -> ConsumerGroupHeartbeatResponse:
        """The first heartbeat."""
        self.holds, self._told = {}, None
        response = self._story.heartbeat(
            self._name,
            0,
            topics=None if self._regex else self._topics,
            regex=self._regex,
            owned={},
            instance_id=self._instance_id,
            assignor=self._assignor,
            rebalance_timeout_ms=30_000,
        )
        self._take(response)
        return response

    def beat(self) -> ConsumerGroupHeartbeatResponse:
        """Do what was told last, and say so."""
        response = self._story.heartbeat(self._name, self.epoch, owned=self.holds, instance_id=self._instance_id)
        self._take(response)
        return response

    def silent_beat(self) -> ConsumerGroupHeartbeatResponse:
        """A heartbeat that says nothing of what it holds."""
        response = self._story.heartbeat(self._name, self.epoch, instance_id=self._instance_id)
        self._take(response, is_obeying=False)
        return response

    def leave(self, *, for_a_while: bool = False) -> ConsumerGroupHeartbeatResponse:
        return self._story.heartbeat(self._name, -2 if for_a_while else -1, instance_id=self._instance_id)

    def obey(self) -> None:
        """Give up and take over what was told last."""
        if self._told is not None:
            self.holds = self._told

    def _take(self, response: ConsumerGroupHeartbeatResponse, *, is_obeying: bool = True) -> None:
        if response.error_code != ErrorCode.NONE:
            return
        self.epoch = response.member_epoch
        if response.assignment is not None:
            self._told = {self._story.name_of(entry.topic_id): set(entry.partitions) for entry in response.assignment.topic_partitions}
            if is_obeying:
                self.obey()


def settle(story: ConsumerStory, *consumers: Consumer, rounds: int = 10) -> None:
    """Let everybody beat until nothing changes any more."""
    for _ in range(rounds):
        before = len(story.records)
        for consumer in consumers:
            consumer.beat()
        if len(story.records) == before:
            return
    raise AssertionError(f"the group does not settle in {rounds} rounds")


def applied(delta: MetadataDelta, image: MetadataImage) -> MetadataImage:
    """The image after `delta`."""
    return delta.apply(offset=image.offset + 1, epoch=1, append_time_ms=START_MS)
