"""Heartbeats of the consumer protocol (KIP-848) to a shard, members that do as they are told, or not, and stories of their groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.shard import Refusal
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
    ConsumerGroupHeartbeatResponse,
)
from tests.coordinator.group.shard_story import ShardStory

Partitions = dict[str, set[int]]


class ConsumerRequestsStory(ShardStory):
    """A shard that is sent heartbeats of the consumer protocol."""

    def consumer_heartbeat(
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
            group_id=self.group_id,
            member_id=member_id,
            member_epoch=epoch,
            instance_id=instance_id,
            rebalance_timeout_ms=rebalance_timeout_ms,
            subscribed_topic_names=None if topics is None else list(topics),
            subscribed_topic_regex=regex,
            server_assignor=assignor,
            topic_partitions=partitions,
        )
        caller = Caller(version, "client", "/127.0.0.1")
        ticket = self.ask(lambda ticket: self.shard.consumer_heartbeat(ticket, request, caller, self.now))
        answer = self.answers[ticket]
        if isinstance(answer, Refusal):
            return ConsumerGroupHeartbeatResponse(error_code=answer.code, error_message=answer.message)
        return self.answer(ticket, ConsumerGroupHeartbeatResponse)


class ConsumerStory(ConsumerRequestsStory):
    """A story of a consumer group, in which nobody has to wait for the next assignment unless that is what it is about."""

    def __init__(self, topics: Mapping[str, int], **settings: object) -> None:
        super().__init__(topics, **{"consumer_assignment_interval_ms": 0, **settings})

    @property
    def group(self) -> ConsumerGroup:
        return self.consumer_group


class Consumer:
    """A member that does as it is told, unless its `holds` are kept on purpose."""

    def __init__(
        self,
        story: ConsumerRequestsStory,
        name: str,
        topics: Sequence[str] = ("orders",),
        *,
        instance_id: str | None = None,
        regex: str | None = None,
        assignor: str | None = None,
    ) -> None:
        self._story = story
        self._name = name
        self.topics = topics
        self._instance_id = instance_id
        self._regex = regex
        self._assignor = assignor
        self.epoch = 0
        self.holds: Partitions = {}
        self._told: Partitions | None = None

    def join(self) -> ConsumerGroupHeartbeatResponse:
        """The first heartbeat."""
        self.holds, self._told = {}, None
        response = self._story.consumer_heartbeat(
            self._name,
            0,
            topics=None if self._regex else self.topics,
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
        response = self._story.consumer_heartbeat(self._name, self.epoch, owned=self.holds, instance_id=self._instance_id)
        self._take(response)
        return response

    def silent_beat(self) -> ConsumerGroupHeartbeatResponse:
        """A heartbeat that says nothing of what it holds."""
        response = self._story.consumer_heartbeat(self._name, self.epoch, instance_id=self._instance_id)
        self._take(response, is_obeying=False)
        return response

    def leave(self, *, for_a_while: bool = False) -> ConsumerGroupHeartbeatResponse:
        return self._story.consumer_heartbeat(self._name, -2 if for_a_while else -1, instance_id=self._instance_id)

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


def settle(story: ConsumerRequestsStory, *consumers: Consumer, rounds: int = 10) -> None:
    """Let everybody beat until nothing changes any more."""
    for _ in range(rounds):
        before = len(story.records)
        for consumer in consumers:
            consumer.beat()
        if len(story.records) == before:
            return
    raise AssertionError(f"the group does not settle in {rounds} rounds")
