"""A story that leaves groups and transactions of every kind with a node's coordinators, and how it goes on with whoever has them next.

Groups of both protocols with members that go on living, one that went up from the classic protocol and one that came down, offsets with and
without members, transactions that are over, open, and decided but not told to any partition (`prepare` puts that into the log of a stopped
node: no client can). The members are frames of ours, so a node is asked nothing but what the story says.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer

from odradek.base.clock import SystemClock
from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.config.log_configuration import LogConfiguration
from odradek.coordinator.transaction.records import record_of
from odradek.coordinator.transaction.transaction import EPOCH_BUMP_VERSION, Transaction, TransactionState
from odradek.protocol.message import Message
from odradek.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatResponse
from odradek.protocol.messages.describe_groups import DescribeGroupsRequest
from odradek.protocol.messages.describe_transactions import DescribeTransactionsRequest
from odradek.protocol.messages.end_txn import EndTxnResponse
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.heartbeat import HeartbeatResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdResponse
from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.produce import ProduceRequest
from odradek.records.batch import decode_records, iterate_batches
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.filesystem import RealFileSystem
from odradek.storage.log import Log
from tests.conformance.coordination import requests
from tests.conformance.coordination.notation import TRANSACTION_TOPIC
from tests.conformance.coordination.requests import Producer
from tests.conformance.coordination.story import Story
from tests.conformance.differential.group_requests import heartbeat, leave, sync
from tests.conformance.differential.scripts import batch, produce

NAME: Final = "handover"
RESUMED_AT: Final = 4
RECORDS_COUNT: Final = 10
LEAVE: Final = -1
OLD, NEW = 11, 12
CONSUMER_EPOCH: Final = 2
POLL_SECONDS_MAX: Final = 60
# Two brokers start and stop while transactions are open, however busy the machine is.
TRANSACTION_TIMEOUT_MS: Final = 800_000


@dataclass(slots=True)
class Told:
    """What the members and producers of the story know of themselves."""

    classic_members: dict[str, tuple[str, int]] = field(default_factory=dict)
    producers: dict[str, Producer] = field(default_factory=dict)
    offsets: dict[str, dict[int, int]] = field(default_factory=dict)

    @property
    def groups(self) -> list[str]:
        return sorted({*self.classic_members, *self.offsets})


def tell(bootstrap: str) -> Told:
    """Everything, to a node whose coordinators keep all of it in one partition each."""
    told = Told()
    with Story(bootstrap, NAME) as story:
        topic, out = story.make_topic("in", 2), story.make_topic("out")
        for sequence in range(RECORDS_COUNT):
            # Not older than retention allows.
            _no_error(story.client.quietly(produce(topic, batch(f"{sequence}", timestamp_ms=SystemClock().now_ms())), 9))
        for group in ("plain", "resume-classic", "resume-consumer"):
            _commit(story, told, group, topic, {0: RESUMED_AT, 1: 0})
        _tell_classic(story, told, topic)
        _tell_consumer(story, told, topic)
        _tell_transactions(story, told, out)
    return told


def _tell_classic(story: Story, told: Told, topic: str) -> None:
    for group in ("classic", "empty", "up"):
        member, generation = _enter(story, group, topic)
        told.classic_members[group] = (member, generation)
        _commit(story, told, group, topic, {0: 2}, member, generation)
    member, _ = told.classic_members.pop("empty")
    _no_error(story.client.quietly(leave(_name("empty"), (member, None)), 5))


def _tell_consumer(story: Story, told: Told, topic: str) -> None:
    client = story.client
    for group in ("consumer", "down"):
        _no_error(client.quietly(requests.consumer_join(_name(group), "member-a", topics=[topic]), 1))
        _commit(story, told, group, topic, {1: 3}, "member-a", CONSUMER_EPOCH)
    # Up: a consumer comes to a classic member, that has everything and keeps it as long as nobody asks.
    _no_error(client.quietly(requests.consumer_join(_name("up"), "member-a", topics=[topic]), 1))
    # Down: a classic member comes to a consumer, which leaves.
    protocols = {"range": requests.subscription([topic])}
    member = _joined(client.quietly(requests.join(_name("down"), protocols=protocols), 9))[0]
    member, generation = _joined(client.quietly(requests.join(_name("down"), member, protocols=protocols), 9))
    _no_error(client.quietly(sync(_name("down"), member, generation), 5))
    _no_error(client.quietly(requests.consumer_beat(_name("down"), "member-a", LEAVE), 1))
    told.classic_members["down"] = _assigned(story, "down", topic, member)


def _tell_transactions(story: Story, told: Told, out: str) -> None:
    client = story.client
    for name, version in (("over", OLD), ("to-commit", NEW), ("to-abort", OLD), ("to-fence", NEW), ("prepared", NEW)):
        producer = _begun(story, name)
        told.producers[name] = producer
        if version == OLD:
            _no_error(client.quietly(requests.add_partitions(_name(name), producer, {out: [0]}), 3))
        _no_error(client.quietly(_produce(name, producer, out), version))
    _no_error(client.quietly(requests.end(_name("over"), told.producers["over"], is_commit=True), 4))
    story.wait_for_transaction(_name("over"))
    offsets = requests.commit_in_transaction(_name("to-commit"), told.producers["to-commit"], _name("plain"), f"{NAME}.in", {0: 8})
    _no_error(client.quietly(offsets, 5))


def prepare(data_directory: Path, told: Told) -> None:
    """The transaction `prepared` is decided: the record that the coordinator of a stopped node would have written next."""
    producer_id, epoch = told.producers["prepared"]
    clock = SystemClock()
    now_ms = clock.now_ms()
    decided = Transaction(
        transactional_id=_name("prepared"),
        producer_id=producer_id,
        previous_producer_id=producer_id,
        epoch=epoch + 1,
        timeout_ms=60_000,
        state=TransactionState.PREPARE_COMMIT,
        partitions=frozenset({(f"{NAME}.out", 0)}),
        start_ms=now_ms,
        update_ms=now_ms,
        client_version=EPOCH_BUMP_VERSION,
    )
    record = record_of(decided, EPOCH_BUMP_VERSION)
    place = TopicPartition(TRANSACTION_TOPIC, 0)
    log = Log.open(RealFileSystem(), str(data_directory / str(place)), place, LogConfiguration(), clock, was_clean=True)
    decision = encode_batch([Record(0, now_ms, record.encoded_key(), record.encoded_value())])
    assert log.append(decision, 0, now_ms).error_code == ErrorCode.NONE
    log.close()


def picture(bootstrap: str, told: Told) -> list[str]:
    """What the coordinators say of all that, as lines; the transaction that was decided is not over in every picture."""
    with Story(bootstrap, NAME) as story:
        for topic in ("in", "out"):
            story.know_topic(f"{NAME}.{topic}", 2 if topic == "in" else 1)
        for group in told.groups:
            name = _name(group)
            story.client.ask(f"offsets of {group}", requests.fetch_offsets(name, None, is_stable_required=True), 8)
            story.client.ask(group, DescribeGroupsRequest(groups=[name]), 6)
            story.client.ask(group, ConsumerGroupDescribeRequest(group_ids=[name]), 1)
        names = sorted(set(told.producers) - {"prepared"})
        for name in names:
            story.client.ask(name, DescribeTransactionsRequest(transactional_ids=[_name(name)]), 0)
        return story.transcript


def go_on(bootstrap: str, told: Told) -> None:
    """The members live, commits are taken up where they were, and every transaction finds its end."""
    check_members(bootstrap, told)
    with Story(bootstrap, NAME) as story:
        client = story.client
        story.wait_for_transaction(_name("prepared"))
        _no_error(client.quietly(requests.end(_name("to-commit"), told.producers["to-commit"], is_commit=True), 5))
        _no_error(client.quietly(requests.end(_name("to-abort"), told.producers["to-abort"], is_commit=False), 4))
        fenced = told.producers["to-fence"]
        told.producers["to-fence"] = _begun(story, "to-fence")
        refused = client.quietly(requests.end(_name("to-fence"), fenced, is_commit=True), 5)
        assert isinstance(refused, EndTxnResponse)
        assert refused.error_code == ErrorCode.PRODUCER_FENCED
        for name in ("to-commit", "to-abort"):
            story.wait_for_transaction(_name(name))
        told.offsets["plain"][0] = 8
        values = {b"of over", b"of to-commit", b"of prepared"}
        story.wait_for(lambda: _committed_values(story, f"{NAME}.out") == values, "what was committed")
    for protocol in ("classic", "consumer"):
        assert first_offset_read(bootstrap, f"resume-{protocol}", protocol) == RESUMED_AT
        told.offsets.pop(f"resume-{protocol}", None)


def check_members(bootstrap: str, told: Told) -> None:
    """Every member is known, in the generation that it knows of."""
    with Story(bootstrap, NAME) as story:
        for group, (member, generation) in told.classic_members.items():
            answer = story.client.quietly(heartbeat(_name(group), member, generation), 4)
            assert isinstance(answer, HeartbeatResponse)
            # A member that shares its group with a newer one is told to rejoin.
            assert answer.error_code in ((ErrorCode.REBALANCE_IN_PROGRESS,) if group == "up" else (ErrorCode.NONE,)), group
        beaten = story.client.quietly(requests.consumer_beat(_name("consumer"), "member-a", CONSUMER_EPOCH), 1)
        assert isinstance(beaten, ConsumerGroupHeartbeatResponse)
        assert (beaten.error_code, beaten.member_epoch) == (ErrorCode.NONE, CONSUMER_EPOCH)


def first_offset_read(bootstrap: str, group: str, protocol: str) -> int | None:
    """Where a consumer of librdkafka begins to read partition 0 as the only member of its group."""
    settings = {"bootstrap.servers": bootstrap, "group.id": _name(group), "group.protocol": protocol, "auto.offset.reset": "error"}
    consumer = Consumer({**settings, "enable.auto.commit": False})
    try:
        consumer.subscribe([f"{NAME}.in"])
        deadline = time.monotonic() + POLL_SECONDS_MAX
        while time.monotonic() < deadline:
            for message in consumer.consume(1, 0.2):
                error = message.error()
                assert error is None, error
                return message.offset()
        raise AssertionError(f"{group} reads nothing")
    finally:
        consumer.close()


def _committed_values(story: Story, topic: str) -> set[bytes | None]:
    """What a reader of committed records is given, with the records of aborted transactions left out as it does."""
    wanted = FetchTopic(topic=topic, partitions=[FetchPartition(partition=0, partition_max_bytes=1 << 20)])
    answer = story.client.quietly(FetchRequest(max_wait_ms=0, min_bytes=0, isolation_level=1, topics=[wanted]), 11)
    assert isinstance(answer, FetchResponse)
    fetched = answer.responses[0].partitions[0]
    aborted = {it.producer_id for it in fetched.aborted_transactions or ()}
    data = bytes(fetched.records or b"")
    batches = [(position, header) for position, header in iterate_batches(data) if not header.is_control()]
    return {record.value for at, header in batches if int(header.producer_id) not in aborted for record in decode_records(data, at)}


def _produce(name: str, producer: Producer, out: str) -> ProduceRequest:
    request = requests.produce(_name(name), producer, out, 0)
    request.topic_data[0].partition_data[0].records = encode_batch(
        [Record(timestamp=int(time.time() * 1000), value=f"of {name}".encode())],
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=0,
        is_transactional=True,
    )
    return request


def _commit(story: Story, told: Told, group: str, topic: str, offsets: dict[int, int], member_id: str = "", epoch: int = -1) -> None:
    request = requests.commit(_name(group), topic, offsets, member_id=member_id, epoch=epoch, metadata=f"of {group}")
    _no_error(story.client.quietly(request, 9))
    told.offsets.setdefault(group, {}).update(offsets)


def _enter(story: Story, group: str, topic: str) -> tuple[str, int]:
    request = requests.join(_name(group), protocols={"range": requests.subscription([topic])})
    return _assigned(story, group, topic, _joined(story.client.quietly(request, 9))[0])


def _assigned(story: Story, group: str, topic: str, member: str) -> tuple[str, int]:
    """The only member of a classic group rejoins, and gives itself everything."""
    protocols = {"range": requests.subscription([topic])}
    member, generation = _joined(story.client.quietly(requests.join(_name(group), member, protocols=protocols), 9))
    assignments = {member: requests.assignment({topic: [0, 1]})}
    _no_error(story.client.quietly(sync(_name(group), member, generation, assignments), 5))
    return member, generation


def _begun(story: Story, name: str) -> Producer:
    found: list[Producer] = []

    def has_begun() -> bool:
        answer = story.client.quietly(requests.init(_name(name), timeout_ms=TRANSACTION_TIMEOUT_MS), 5)
        assert isinstance(answer, InitProducerIdResponse)
        found.append((answer.producer_id, answer.producer_epoch))
        return answer.error_code == ErrorCode.NONE

    story.wait_for(has_begun, f"a producer {name}")
    return found[-1]


def _joined(answer: Message) -> tuple[str, int]:
    assert isinstance(answer, JoinGroupResponse)
    assert answer.error_code in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED)
    return answer.member_id, answer.generation_id


def _no_error(answer: Message) -> None:
    """No part of an answer has an error code."""
    for code in _error_codes(answer):
        assert code == ErrorCode.NONE, answer


def _error_codes(part: object) -> list[int]:
    found: list[int] = []
    for name in getattr(part, "__slots__", ()):
        value = getattr(part, name)
        if name.endswith("error_code"):
            found.append(value)
        for one in value if isinstance(value, list) else [value]:
            found += _error_codes(one)
    return found


def _name(of: str) -> str:
    return f"{NAME}.{of}"
