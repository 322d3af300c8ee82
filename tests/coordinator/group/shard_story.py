"""One shard of the group coordinator with topics, a log of records and a clock that is moved by hand: what stories are told with.

After every step: no partition of a consumer group has two owners, and a second shard that replays the records which were written
knows the same of everything that outlives a crash.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.classic_group import ClassicGroup, ClassicState
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.group.records import RECORD_TYPES
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.shard import GroupShard
from odradek.coordinator.record import CoordinatorRecord, decode_record
from odradek.coordinator.shard import Answer, Moment, Outcome, Refusal, Ticket
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage
from odradek.protocol.internal_records.metadata import PartitionRecord, RemoveTopicRecord, TopicRecord

GROUP = "readers"
START_MS = 1_700_000_000_000

AnyAnswer = TypeVar("AnyAnswer")


class ShardStory:
    """Tells a story to a shard. Answers are kept by ticket until somebody asks for them; topics are named, with their partitions."""

    def __init__(self, topics: Mapping[str, int] | None = None, **settings: object) -> None:
        self.settings = replace(GroupSettings(), **settings)  # type: ignore[arg-type]
        self.records: list[CoordinatorRecord] = []
        self.answers: dict[Ticket, Answer] = {}
        self.elapsed_ms = 0
        # Whom requests are about.
        self.group_id = GROUP
        self.image = EMPTY_IMAGE
        # No outcome with more records than this fits into a batch.
        self.records_max: int | None = None
        self._ids: dict[str, Uuid] = {}
        self._tickets = 0
        self._lives = 0
        self.shard = self._new_shard()
        # Never asked anything: it replays each record as it is written.
        self._shadow = self._new_shard()
        self._take(self.shard.on_loaded(self.image, self.now))
        for name, count in (topics or {}).items():
            self.create_topic(name, count)

    @property
    def now(self) -> Moment:
        return Moment(START_MS + self.elapsed_ms, self.elapsed_ms)

    @property
    def classic_group(self) -> ClassicGroup:
        group = self.shard.groups.get(GROUP)
        assert isinstance(group, ClassicGroup)
        return group

    @property
    def consumer_group(self) -> ConsumerGroup:
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

    # Asking

    def caller(self, version: int) -> Caller:
        """A client that asks in this version."""
        return Caller(version, "client", "/127.0.0.1")

    def ask(self, question: Callable[[Ticket], Outcome]) -> Ticket:
        """Ask the shard; the ticket of the answer, which may come later."""
        self._tickets += 1
        ticket = Ticket(self._tickets)
        self._take(question(ticket))
        return ticket

    def answer(self, ticket: Ticket, kind: type[AnyAnswer]) -> AnyAnswer:
        """What `ticket` was answered."""
        answer = self.answers[ticket]
        assert isinstance(answer, kind), f"answered {answer}"
        return answer

    def code(self, ticket: Ticket) -> ErrorCode:
        """The error of the answer, whatever form it has."""
        answer = self.answers[ticket]
        return answer.code if isinstance(answer, Refusal) else ErrorCode(answer.error_code)  # type: ignore[attr-defined]

    def advance(self, elapsed_ms: int) -> None:
        """Let time pass, from deadline to deadline."""
        end_ms = self.elapsed_ms + elapsed_ms
        while (deadline_ms := self.shard.next_deadline_ms()) is not None and deadline_ms <= end_ms:
            self.elapsed_ms = max(deadline_ms, self.elapsed_ms)
            for outcome in self.shard.act_on_time(self.now):
                self._take(outcome)
        self.elapsed_ms = end_ms

    def reload(self) -> None:
        """The coordinator crashes, and another one loads what it wrote; nobody who waited is ever answered."""
        self.shard = self._replayed()
        self._take(self.shard.on_loaded(self.image, self.now))

    # The log

    def _take(self, outcome: Outcome) -> None:
        while self.records_max is not None and len(outcome.records) > self.records_max:
            outcome = outcome.instead(self.now)
        for record in outcome.records:
            if not record.is_applied:
                self.shard.replay(record, offset=len(self.records), producer_id=-1)
            self._shadow.replay(encoded_and_decoded(record), offset=len(self.records), producer_id=-1)
            self.records.append(record)
        for ticket, answer in outcome.answers:
            assert ticket not in self.answers, "a request is answered once"
            self.answers[ticket] = answer
        self._check()

    def _new_shard(self) -> GroupShard:
        # No two lives of the coordinator give out the same member ids.
        self._lives += 1
        return GroupShard(lambda: self.settings, random.Random(self._lives))

    def _replayed(self) -> GroupShard:
        shard = self._new_shard()
        for offset, record in enumerate(self.records):
            shard.replay(encoded_and_decoded(record), offset=offset, producer_id=-1)
        return shard

    def _check(self) -> None:
        replayed = self._shadow
        for group_id in {*self.shard.offsets.groups(), *replayed.offsets.groups()}:
            assert self.shard.offsets.of_group(group_id) == replayed.offsets.of_group(group_id)
        assert {group.group_id for group in self.shard.groups} == {group.group_id for group in replayed.groups}
        for group in self.shard.groups:
            again = replayed.groups.get(group.group_id)
            if isinstance(group, ClassicGroup):
                assert isinstance(again, ClassicGroup)
                check_classic(group, again)
            else:
                assert isinstance(group, ConsumerGroup)
                assert isinstance(again, ConsumerGroup)
                check_consumer(group, again)


def encoded_and_decoded(record: CoordinatorRecord) -> CoordinatorRecord:
    """The record as it is read from the log."""
    decoded = decode_record(RECORD_TYPES, record.encoded_key(), record.encoded_value())
    assert decoded is not None
    return decoded


def check_classic(group: ClassicGroup, again: ClassicGroup) -> None:
    """A group, and the same one replayed."""
    waiting = {member.member_id for member in group.members.values() if member.join_ticket is not None}
    assert group.awaiting_join == waiting
    if group.state is ClassicState.STABLE:
        assert again.generation == group.generation
        # Those who have gone since are found missing when their sessions end.
        assert {key: it.assignment for key, it in group.members.items()}.items() <= {
            key: it.assignment for key, it in again.members.items()
        }.items()


def check_consumer(group: ConsumerGroup, again: ConsumerGroup) -> None:
    """A group, and the same one replayed."""
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
    assert (again.regex_counts, again.classic_count) == (group.regex_counts, group.classic_count)
    assert again.classic_supporters == group.classic_supporters
    assert group.classic_count == sum(member.classic is not None for member in group.members.values())


def applied(delta: MetadataDelta, image: MetadataImage) -> MetadataImage:
    """The image after `delta`."""
    return delta.apply(offset=image.offset + 1, epoch=1, append_time_ms=START_MS)
