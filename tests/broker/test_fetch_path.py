"""Fetch as its clients see it: what comes back, when, and in which form of error (KIP-74, 227, 320, 392, 516, 951)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.broker.cold_reads import Warming
from odradek.broker.fetch_path import ParkedFetch, handle_fetch
from odradek.config.broker import BROKER_SETTINGS
from odradek.config.settings import Settings
from odradek.net.output import FileRange
from odradek.protocol.internal_records.metadata import (
    BrokerEndpoint,
    PartitionChangeRecord,
    RegisterBrokerRecord,
    UnfenceBrokerRecord,
)
from odradek.protocol.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    ForgottenTopic,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
    ReplicaState,
)
from odradek.records.batch import decode_records, iterate_batches
from odradek.records.builder import encode_batch
from odradek.records.control import ControlType
from odradek.records.end_marker import encode_end_marker
from odradek.records.record import Record
from tests.broker.small_node import SmallNode, batch_of

FETCH = 1
LATEST = 18
ALL_VERSIONS = range(4, LATEST + 1)
PLENTY = 1 << 20


class Reader:
    """A client whose requests are encoded, and whose answers are decoded from the pieces that would be sent."""

    def __init__(self, node: SmallNode, version: int = LATEST) -> None:
        self.node = node
        self.version = version
        self.answers: list[FetchResponse] = []
        self.pieces: list[list[bytes | FileRange]] = []

    def fetch(
        self,
        *topics: FetchTopic,
        wait_ms: int = 0,
        min_bytes: int = 1,
        max_bytes: int = PLENTY,
        isolation: int = 0,
        session: tuple[int, int] = (0, -1),
        forget: Sequence[ForgottenTopic] = (),
        replica_id: int = -1,
    ) -> ParkedFetch | None:
        request = FetchRequest(
            max_wait_ms=wait_ms,
            min_bytes=min_bytes,
            max_bytes=max_bytes,
            isolation_level=isolation,
            session_id=session[0],
            session_epoch=session[1],
            topics=list(topics),
            forgotten_topics_data=list(forget),
        )
        if self.version >= 15:
            request.replica_state = ReplicaState(replica_id=replica_id)
        else:
            request.replica_id = replica_id
        frame = bytearray(b"header")
        request.encode(frame, self.version)
        waiting = handle_fetch(self.node.as_node, self.node.context(FETCH, self.version), bytes(frame), len(b"header"), self._receive)
        assert not isinstance(waiting, Warming), "a file in memory is never cold"
        return waiting

    def _receive(self, pieces: list[bytes | FileRange]) -> None:
        self.pieces.append(pieces)
        sent = b"".join(piece.file.pread(piece.size, piece.position) if isinstance(piece, FileRange) else piece for piece in pieces)
        assert int.from_bytes(sent[:4], "big") == len(sent) - 4
        assert int.from_bytes(sent[4:8], "big") == 77
        response, end = FetchResponse.decode(sent, 9 if self.version >= 12 else 8, self.version)
        assert end == len(sent)
        self.answers.append(response)

    @property
    def answer(self) -> FetchResponse:
        assert len(self.answers) == 1
        return self.answers.pop()

    @property
    def partition(self) -> PartitionData:
        """The only partition of the only answer."""
        ((only,),) = [topic.partitions for topic in self.answer.responses]
        return only


def by_name(topic: str, *partitions: FetchPartition) -> FetchTopic:
    return FetchTopic(topic=topic, partitions=list(partitions) or [at(0)])


def by_id(topic_id: Uuid, *partitions: FetchPartition) -> FetchTopic:
    return FetchTopic(topic_id=topic_id, partitions=list(partitions) or [at(0)])


def at(offset: int, index: int = 0, *, max_bytes: int = PLENTY, leader_epoch: int = -1, last_fetched_epoch: int = -1) -> FetchPartition:
    return FetchPartition(
        partition=index,
        fetch_offset=offset,
        partition_max_bytes=max_bytes,
        current_leader_epoch=leader_epoch,
        last_fetched_epoch=last_fetched_epoch,
    )


def values_of(data: PartitionData) -> list[bytes | None]:
    return [record.value for record in records_of(data)]


def records_of(data: PartitionData) -> list[Record]:
    assert data.records is not None
    return [record for batch in iterate_batches(data.records) for record in decode_records(data.records, batch.position)]


def partitions_of(answer: FetchResponse) -> list[tuple[str, int]]:
    return [(topic.topic, partition.partition_index) for topic in answer.responses for partition in topic.partitions]


@pytest.fixture
def node() -> SmallNode:
    node = SmallNode()
    node.create_topic("orders", partitions=3)
    return node


# What comes back


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_records_come_back_in_every_version(version: int) -> None:
    node = SmallNode()
    topic_id = node.create_topic("orders")
    node.append("orders", b"first", b"second")
    node.append("orders", b"third")
    reader = Reader(node, version)

    reader.fetch(by_id(topic_id, at(0)) if version >= 13 else by_name("orders", at(0)))

    (topic,) = reader.answer.responses
    assert (topic.topic, topic.topic_id) == (("", topic_id) if version >= 13 else ("orders", ZERO_UUID))
    (data,) = topic.partitions
    assert values_of(data) == [b"first", b"second", b"third"]
    assert (data.error_code, data.high_watermark, data.last_stable_offset) == (0, 3, 3)
    assert data.log_start_offset == (0 if version >= 5 else -1)
    assert data.aborted_transactions is None
    assert data.preferred_read_replica == -1


def test_records_are_sent_from_the_file_of_the_log(node: SmallNode) -> None:
    node.append("orders", b"x" * 1_000)
    reader = Reader(node, 12)

    reader.fetch(by_name("orders"))

    (pieces,) = reader.pieces
    assert [type(piece) for piece in pieces] == [bytes, FileRange, bytes]


def test_batch_that_holds_the_offset_comes_whole(node: SmallNode) -> None:
    """A client skips what it did not ask for: the batch may be compressed, and is not looked into."""
    node.append("orders", b"zero", b"one", b"two")
    reader = Reader(node, 12)

    reader.fetch(by_name("orders", at(1)))

    assert [record.offset for record in records_of(reader.partition)] == [0, 1, 2]


def test_what_is_above_the_high_watermark_is_not_shown(node: SmallNode) -> None:
    partition = node.partition("orders")
    node.append("orders", b"seen")
    partition.log.append(batch_of(b"unseen"), 0, 0)
    reader = Reader(node, 12)

    reader.fetch(by_name("orders", at(0)))
    assert values_of(reader.partition) == [b"seen"]

    reader.fetch(by_name("orders", at(2)))
    assert (reader.answers[0].responses[0].partitions[0].error_code, values_of(reader.partition)) == (0, [])


def test_follower_sees_the_log_end(node: SmallNode) -> None:
    topic_id = node.create_topic("copied", replicas=(1, 2))
    node.partition("copied").log.append(batch_of(b"unseen"), 0, 0)
    reader = Reader(node)

    reader.fetch(by_id(topic_id), replica_id=2)
    assert values_of(reader.partition) == [b"unseen"]

    reader.fetch(by_id(topic_id))
    assert values_of(reader.partition) == []


# Limits


def test_first_batch_comes_whatever_its_size(node: SmallNode) -> None:
    """KIP-74: else a batch larger than the limits could never be passed."""
    node.append("orders", b"x" * 5_000)
    reader = Reader(node, 12)

    reader.fetch(by_name("orders", at(0, max_bytes=10)), max_bytes=10)

    assert values_of(reader.partition) == [b"x" * 5_000]


def test_only_the_first_partition_with_data_may_exceed_the_limits(node: SmallNode) -> None:
    for index in (1, 2):
        node.append("orders", b"x" * 5_000, index=index)
    reader = Reader(node, 12)

    reader.fetch(by_name("orders", *(at(0, index, max_bytes=10) for index in (0, 1, 2))))

    (topic,) = reader.answer.responses
    assert [values_of(data) for data in topic.partitions] == [[], [b"x" * 5_000], []]


def test_max_bytes_is_shared_in_the_order_of_the_request(node: SmallNode) -> None:
    for index in range(3):
        node.append("orders", b"x" * 1_000, index=index)
    reader = Reader(node, 12)

    reader.fetch(by_name("orders", *(at(0, index) for index in (2, 0, 1))), max_bytes=2_500)

    (topic,) = reader.answer.responses
    assert [(data.partition_index, len(values_of(data))) for data in topic.partitions] == [(2, 1), (0, 1), (1, 0)]


def test_partition_gives_whole_batches_up_to_its_limit(node: SmallNode) -> None:
    for _ in range(5):
        node.append("orders", b"x" * 1_000)
    reader = Reader(node, 12)

    reader.fetch(by_name("orders", at(0, max_bytes=2_500)))

    assert len(values_of(reader.partition)) == 2


def test_node_has_a_limit_of_its_own() -> None:
    node = SmallNode(Settings.of(BROKER_SETTINGS, {"fetch.max.bytes": "2500"}))
    node.create_topic("orders")
    for _ in range(5):
        node.append("orders", b"x" * 1_000)
    reader = Reader(node, 12)

    reader.fetch(by_name("orders"))

    assert len(values_of(reader.partition)) == 2


def test_neighbours_of_one_topic_share_an_entry_and_the_order_is_kept(node: SmallNode) -> None:
    node.create_topic("refunds")
    reader = Reader(node, 12)

    reader.fetch(by_name("orders", at(0, 1), at(0, 0)), by_name("refunds"), by_name("orders", at(0, 2)))

    answer = reader.answer
    assert partitions_of(answer) == [("orders", 1), ("orders", 0), ("refunds", 0), ("orders", 2)]
    assert [topic.topic for topic in answer.responses] == ["orders", "refunds", "orders"]


# Waiting


def test_fetch_waits_until_something_is_appended(node: SmallNode) -> None:
    reader = Reader(node, 12)
    assert reader.fetch(by_name("orders"), wait_ms=500) is not None
    assert reader.answers == []

    node.append("orders", b"news")

    assert values_of(reader.partition) == [b"news"]
    assert node.purgatory.statistics()["parked"] == 0


def test_fetch_waits_for_min_bytes_over_all_its_partitions(node: SmallNode) -> None:
    reader = Reader(node, 12)
    reader.fetch(by_name("orders", at(0, 0), at(0, 1)), wait_ms=500, min_bytes=2_000)

    node.append("orders", b"x" * 900, index=0)
    assert reader.answers == []
    node.append("orders", b"x" * 900, index=0)
    assert reader.answers == []
    node.append("orders", b"x" * 900, index=1)

    (topic,) = reader.answer.responses
    assert [len(values_of(data)) for data in topic.partitions] == [2, 1]


def test_partition_counts_no_more_than_its_own_limit(node: SmallNode) -> None:
    reader = Reader(node, 12)
    reader.fetch(by_name("orders", at(0, 0, max_bytes=500)), wait_ms=500, min_bytes=600)

    node.append("orders", b"x" * 5_000)

    assert reader.answers == []


def test_fetch_answers_with_what_there_is_when_its_time_is_over(node: SmallNode) -> None:
    node.append("orders", b"little")
    reader = Reader(node, 12)
    reader.fetch(by_name("orders"), wait_ms=500, min_bytes=10_000)

    node.advance(499)
    assert reader.answers == []
    node.advance(1)

    assert values_of(reader.partition) == [b"little"]


@pytest.mark.parametrize(("wait_ms", "min_bytes"), [(0, 1), (500, 0)])
def test_fetch_that_does_not_want_to_wait_is_answered_empty(node: SmallNode, wait_ms: int, min_bytes: int) -> None:
    reader = Reader(node, 12)

    assert reader.fetch(by_name("orders"), wait_ms=wait_ms, min_bytes=min_bytes) is None

    assert reader.partition.records == b""


def test_min_bytes_is_no_more_than_what_can_come(node: SmallNode) -> None:
    node.append("orders", b"x" * 1_000)
    reader = Reader(node, 12)

    reader.fetch(by_name("orders"), wait_ms=500, min_bytes=5_000, max_bytes=800)

    assert len(values_of(reader.partition)) == 1


def test_closed_connection_ends_the_wait(node: SmallNode) -> None:
    reader = Reader(node, 12)
    parked = reader.fetch(by_name("orders"), wait_ms=500)
    assert parked is not None

    parked.cancel()
    node.append("orders", b"news")
    node.advance(500)

    assert reader.answers == []
    assert node.purgatory.statistics()["parked"] == 0


def test_deleted_topic_ends_the_wait() -> None:
    node = SmallNode()
    topic_id = node.create_topic("orders")
    reader = Reader(node)
    reader.fetch(by_id(topic_id), wait_ms=500)

    node.delete_topic(topic_id)

    assert reader.partition.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_lost_leadership_ends_the_wait_and_names_the_new_leader() -> None:
    node = SmallNode()
    topic_id = node.create_topic("orders", replicas=(1, 2))
    reader = Reader(node)
    reader.fetch(by_id(topic_id, at(0, leader_epoch=0)), wait_ms=500)

    node.replay(
        RegisterBrokerRecord(
            broker_id=2, end_points=[BrokerEndpoint(name="PLAINTEXT", host="broker-2", port=9093)], rack=None, fenced=True
        ),
        UnfenceBrokerRecord(id=2),
        PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=2),
    )

    answer = reader.answer
    (data,) = answer.responses[0].partitions
    assert data.error_code == ErrorCode.FENCED_LEADER_EPOCH
    assert data.current_leader == LeaderIdAndEpoch(2, 1)
    assert answer.node_endpoints == [NodeEndpoint(2, "broker-2", 9093, None)]


def test_unknown_topic_does_not_end_the_wait_for_the_rest(node: SmallNode) -> None:
    reader = Reader(node, 12)
    reader.fetch(by_name("nowhere"), by_name("orders"), wait_ms=500)
    assert reader.answers == []

    node.append("orders", b"news")

    answer = reader.answer
    assert partitions_of(answer) == [("orders", 0), ("nowhere", 0)]
    assert answer.responses[1].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


# Errors


def error_of(reader: Reader, *topics: FetchTopic, wait_ms: int = 500, replica_id: int = -1) -> ErrorCode:
    """The error of the only partition, which must come without waiting and with nothing else."""
    assert reader.fetch(*topics, wait_ms=wait_ms, replica_id=replica_id) is None
    data = reader.partition
    assert (data.high_watermark, data.last_stable_offset, data.log_start_offset, data.records) == (-1, -1, -1, b"")
    return ErrorCode(data.error_code)


@pytest.mark.parametrize("offset", [-1, 2, 4, 2**62])
def test_offset_outside_of_the_log_is_out_of_range(node: SmallNode, offset: int) -> None:
    node.append("orders", b"0", b"1", b"2")
    node.partition("orders").log.delete_records_before(3)

    assert error_of(Reader(node, 12), by_name("orders", at(offset))) == ErrorCode.OFFSET_OUT_OF_RANGE


def test_log_end_is_not_out_of_range(node: SmallNode) -> None:
    node.append("orders", b"0")
    reader = Reader(node, 12)

    reader.fetch(by_name("orders", at(1)))

    assert (reader.partition.error_code) == ErrorCode.NONE


def test_unknown_topics_and_partitions_are_told_by_name_and_by_id() -> None:
    node = SmallNode()
    topic_id = node.create_topic("orders")

    assert error_of(Reader(node, 12), by_name("nowhere")) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert error_of(Reader(node, 12), by_name("orders", at(0, 9))) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert error_of(Reader(node), by_id(Uuid(b"nowhere-nowhere-"))) == ErrorCode.UNKNOWN_TOPIC_ID
    assert error_of(Reader(node), by_id(ZERO_UUID)) == ErrorCode.UNKNOWN_TOPIC_ID
    assert error_of(Reader(node), by_id(topic_id, at(0, 9))) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_partition_of_other_nodes_is_not_led_here() -> None:
    node = SmallNode()
    node.create_topic("far", leader=2, replicas=(2, 3))

    assert error_of(Reader(node, 12), by_name("far")) == ErrorCode.NOT_LEADER_OR_FOLLOWER


def test_follower_answers_only_clients_that_may_be_sent_to_one() -> None:
    """KIP-392: from version 11 on."""
    node = SmallNode()
    node.create_topic("copied", leader=2, replicas=(2, 1))

    assert error_of(Reader(node, 10), by_name("copied")) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    reader = Reader(node, 11)
    reader.fetch(by_name("copied"))
    assert reader.partition.error_code == ErrorCode.NONE


@pytest.mark.parametrize(
    ("believed_epoch", "error"), [(4, ErrorCode.FENCED_LEADER_EPOCH), (5, ErrorCode.NONE), (6, ErrorCode.UNKNOWN_LEADER_EPOCH)]
)
def test_leader_epoch_of_the_client_is_checked(believed_epoch: int, error: ErrorCode) -> None:
    """KIP-320."""
    node = SmallNode()
    node.create_topic("orders", leader_epoch=5)
    reader = Reader(node, 12)

    reader.fetch(by_name("orders", at(0, leader_epoch=believed_epoch)))

    assert reader.partition.error_code == error


def test_stranger_among_the_followers_is_refused() -> None:
    node = SmallNode()
    topic_id = node.create_topic("copied", replicas=(1, 2))

    assert error_of(Reader(node), by_id(topic_id, at(0, leader_epoch=0)), replica_id=3) == ErrorCode.UNKNOWN_LEADER_EPOCH
    assert error_of(Reader(node), by_id(topic_id), replica_id=3) == ErrorCode.NOT_LEADER_OR_FOLLOWER


def test_failed_disk_is_a_storage_error_to_those_who_know_the_code(node: SmallNode) -> None:
    node.partition("orders").log.go_offline()

    assert error_of(Reader(node, 6), by_name("orders")) == ErrorCode.KAFKA_STORAGE_ERROR
    assert error_of(Reader(node, 5), by_name("orders")) == ErrorCode.NOT_LEADER_OR_FOLLOWER


def test_frame_that_is_no_request_is_a_violation(node: SmallNode) -> None:
    frame = bytearray()
    FetchRequest().encode(frame, 12)

    with pytest.raises(ProtocolViolation):
        handle_fetch(node.as_node, node.context(FETCH, 12), bytes(frame[:-1]), 0, lambda pieces: None)


# Leader epochs of the fetched records


def node_with_two_reigns() -> SmallNode:
    """Offsets 0 and 1 are of epoch 0, offset 2 is of epoch 1."""
    node = SmallNode()
    topic_id = node.create_topic("orders")
    node.append("orders", b"0", b"1")
    node.replay(PartitionChangeRecord(topic_id=topic_id, partition_id=0, leader=1))
    node.append("orders", b"2")
    return node


@pytest.mark.parametrize(("offset", "epoch"), [(2, 0), (3, 1), (1, 0)])
def test_client_whose_records_are_ours_reads_on(offset: int, epoch: int) -> None:
    reader = Reader(node_with_two_reigns(), 12)

    reader.fetch(by_name("orders", at(offset, last_fetched_epoch=epoch)))

    data = reader.partition
    assert (data.error_code, data.diverging_epoch.epoch) == (0, -1)


def test_client_whose_records_were_cut_off_is_told_where() -> None:
    """KIP-595: it read offset 2 in epoch 0, which ended at 2."""
    reader = Reader(node_with_two_reigns(), 12)

    assert reader.fetch(by_name("orders", at(3, last_fetched_epoch=0)), wait_ms=500) is None

    data = reader.partition
    assert (data.error_code, data.diverging_epoch.epoch, data.diverging_epoch.end_offset) == (0, 0, 2)
    assert (data.high_watermark, data.records) == (3, b"")


def test_epoch_that_never_was_is_out_of_range() -> None:
    assert error_of(Reader(node_with_two_reigns(), 12), by_name("orders", at(1, last_fetched_epoch=7))) == ErrorCode.OFFSET_OUT_OF_RANGE


# Transactions


def transactional(*values: bytes, sequence: int) -> bytes:
    records = [Record(0, 1_000, None, value, ()) for value in values]
    return encode_batch(records, producer_id=9, producer_epoch=0, base_sequence=sequence, is_transactional=True)


def end_marker(outcome: ControlType) -> bytes:
    return encode_end_marker(outcome, coordinator_epoch=0, producer_id=9, producer_epoch=0, timestamp=1_000)


def append_raw(node: SmallNode, batch: bytes) -> None:
    partition = node.partition("orders")
    partition.log.append(batch, partition.leader_epoch, node.clock.now_ms())
    partition.after_append()


def test_reader_of_committed_records_stops_at_the_open_transaction(node: SmallNode) -> None:
    node.append("orders", b"plain")
    append_raw(node, transactional(b"undecided", sequence=0))
    reader = Reader(node, 12)

    reader.fetch(by_name("orders"), isolation=1)

    data = reader.partition
    assert (values_of(data), data.high_watermark, data.last_stable_offset, data.aborted_transactions) == ([b"plain"], 2, 1, [])


def test_reader_of_committed_records_is_told_what_was_aborted(node: SmallNode) -> None:
    append_raw(node, transactional(b"aborted", sequence=0))
    append_raw(node, end_marker(ControlType.ABORT))
    append_raw(node, transactional(b"committed", sequence=1))
    append_raw(node, end_marker(ControlType.COMMIT))
    reader = Reader(node, 12)

    reader.fetch(by_name("orders"), isolation=1)

    data = reader.partition
    assert data.last_stable_offset == 4
    assert [(it.producer_id, it.first_offset) for it in data.aborted_transactions or ()] == [(9, 0)]


def test_commit_ends_the_wait_of_a_reader_of_committed_records(node: SmallNode) -> None:
    append_raw(node, transactional(b"undecided", sequence=0))
    reader = Reader(node, 12)
    reader.fetch(by_name("orders"), isolation=1, wait_ms=500)
    assert reader.answers == []

    append_raw(node, end_marker(ControlType.COMMIT))

    assert values_of(reader.partition)[0] == b"undecided"


# Sessions


def test_session_is_answered_with_news_only(node: SmallNode) -> None:
    reader = Reader(node, 12)
    reader.fetch(by_name("orders", at(0, 0), at(0, 1)), session=(0, 0))
    first = reader.answer
    assert partitions_of(first) == [("orders", 0), ("orders", 1)]

    reader.fetch(session=(first.session_id, 1))
    assert partitions_of(reader.answer) == []

    node.append("orders", b"news", index=1)
    reader.fetch(session=(first.session_id, 2))
    answer = reader.answer
    assert (answer.session_id, partitions_of(answer)) == (first.session_id, [("orders", 1)])


def test_session_by_id_forgets_partitions_by_id() -> None:
    node = SmallNode()
    topic_id = node.create_topic("orders", partitions=2)
    reader = Reader(node)
    reader.fetch(by_id(topic_id, at(0, 0), at(0, 1)), session=(0, 0))
    session_id = reader.answer.session_id
    for index in (0, 1):
        node.append("orders", b"news", index=index)

    reader.fetch(session=(session_id, 1), forget=[ForgottenTopic(topic_id=topic_id, partitions=[1])])

    assert [data.partition_index for data in reader.answer.responses[0].partitions] == [0]


def test_partitions_take_turns_when_the_response_is_small(node: SmallNode) -> None:
    for index in range(3):
        for _ in range(2):
            node.append("orders", b"x" * 1_000, index=index)
    reader = Reader(node, 12)
    reader.fetch(by_name("orders", *(at(0, index) for index in range(3))), session=(0, 0), max_bytes=1)
    first = reader.answer
    seen = [data.partition_index for data in first.responses[0].partitions if data.records]

    for epoch in range(1, 4):
        reader.fetch(session=(first.session_id, epoch), max_bytes=1)
        seen += [data.partition_index for topic in reader.answer.responses for data in topic.partitions if data.records]

    assert seen == [0, 0, 1, 2]


def test_parked_session_fetch_is_woken_for_a_partition_it_did_not_name(node: SmallNode) -> None:
    reader = Reader(node, 12)
    reader.fetch(by_name("orders", at(0, 0), at(0, 1)), session=(0, 0))
    session_id = reader.answer.session_id
    reader.fetch(session=(session_id, 1), wait_ms=500)

    node.append("orders", b"news", index=1)

    assert partitions_of(reader.answer) == [("orders", 1)]


def test_unknown_session_is_one_error_and_no_partitions(node: SmallNode) -> None:
    reader = Reader(node, 12)

    reader.fetch(by_name("orders"), session=(99, 3), wait_ms=500)

    answer = reader.answer
    assert (answer.error_code, answer.session_id, answer.responses) == (ErrorCode.FETCH_SESSION_ID_NOT_FOUND, 0, [])


def test_topic_that_comes_into_being_is_found_by_its_session(node: SmallNode) -> None:
    reader = Reader(node, 12)
    reader.fetch(by_name("soon"), session=(0, 0))
    first = reader.answer
    assert first.responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    node.create_topic("soon")
    reader.fetch(session=(first.session_id, 1))

    (data,) = reader.answer.responses[0].partitions
    assert (data.error_code, data.high_watermark) == (0, 0)
