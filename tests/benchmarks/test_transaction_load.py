"""Transactional producers by the frame: what each request says, and that a transaction is counted when it is committed and not before."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from benchmarks.transaction_load import END_VERSION, RECORDS, Counts, Load, Pace, TransactionalProducer, UnexpectedAnswer
from odradek.base.error_codes import ErrorCode
from odradek.protocol import apis
from odradek.protocol.headers import decode_request_header
from odradek.protocol.message import Message, encode_message
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopicResult,
)
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.produce import PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse
from odradek.records.batch import check_crc, iterate_batches
from tests.benchmarks.scripted_broker import ScriptedBroker

TOPIC = "topic"
PRODUCER_ID = 4711
TRANSACTIONS = 3


class Coordinator:
    """Answers as a broker does; the first partition of the second transaction has to be asked for twice."""

    def __init__(self) -> None:
        self.requests: list[Message] = []
        self.ended = 0
        self.refuses_commits = False
        self._is_asked_again = False

    def answer(self, number: int, frame: bytes) -> bytes:
        header, position = decode_request_header(frame, 4)
        request, _ = apis.request_type(header.api_key).decode(frame, position, header.api_version)
        self.requests.append(request)
        response = self._response(request)
        tags = bytes(apis.response_header_version(header.api_key, header.api_version))
        return tags + encode_message(response, header.api_version)

    def _response(self, request: Message) -> Message:
        if isinstance(request, InitProducerIdRequest):
            return InitProducerIdResponse(producer_id=PRODUCER_ID, producer_epoch=0)
        if isinstance(request, AddPartitionsToTxnRequest):
            is_early = self.ended == 1 and not self._is_asked_again
            self._is_asked_again |= is_early
            code = ErrorCode.CONCURRENT_TRANSACTIONS if is_early else ErrorCode.NONE
            results = [AddPartitionsToTxnPartitionResult(0, code)]
            return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=[AddPartitionsToTxnTopicResult(TOPIC, results)])
        if isinstance(request, ProduceRequest):
            return ProduceResponse(responses=[TopicProduceResponse(TOPIC, partition_responses=[PartitionProduceResponse(0)])])
        assert isinstance(request, EndTxnRequest)
        if self.refuses_commits:
            return EndTxnResponse(error_code=ErrorCode.INVALID_TXN_STATE)
        self.ended += 1
        return EndTxnResponse(producer_id=PRODUCER_ID, producer_epoch=self.ended)


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
def broker(coordinator: Coordinator) -> Iterator[ScriptedBroker]:
    started = ScriptedBroker(coordinator.answer)
    yield started
    started.close()


def load_of(broker: ScriptedBroker, transaction_version: int, counts: Counts) -> tuple[Load, TransactionalProducer]:
    address = broker.as_broker()
    producer = TransactionalProducer((address.host, address.port), "name", TOPIC, 0, transaction_version, counts, Pace(rate=0, seed=0))
    return Load([producer]), producer


def committed(load: Load, counts: Counts) -> None:
    """Go on until some transactions are committed, and let the one that is under way end."""
    while counts.committed < TRANSACTIONS:
        load.serve_once()
    load.finish()


def batches(coordinator: Coordinator) -> list[tuple[int, int, int]]:
    """Producer, epoch and sequence of every batch that came, whose checksums are right."""
    found = []
    for request in coordinator.requests:
        if isinstance(request, ProduceRequest):
            batch = request.topic_data[0].partition_data[0].records
            assert batch is not None
            (at,) = iterate_batches(batch)
            check_crc(batch, 0, at.header)
            assert at.header.is_transactional()
            found.append((int(at.header.producer_id), int(at.header.producer_epoch), int(at.header.base_sequence)))
    return found


def test_a_producer_of_version_1_names_its_partition_first_and_keeps_its_epoch(coordinator: Coordinator, broker: ScriptedBroker) -> None:
    counts = Counts()
    load, _ = load_of(broker, 1, counts)

    committed(load, counts)

    steps = [type(request) for request in coordinator.requests[1:8]]
    once = [AddPartitionsToTxnRequest, ProduceRequest, EndTxnRequest]
    assert steps == [*once, AddPartitionsToTxnRequest, *once]
    assert counts.retried == 1
    assert counts.committed == counts.committed_total == coordinator.ended
    assert batches(coordinator) == [(PRODUCER_ID, 0, number * RECORDS) for number in range(coordinator.ended)]


def test_a_producer_of_version_2_gets_another_epoch_with_every_end(coordinator: Coordinator, broker: ScriptedBroker) -> None:
    """KIP-890: the sequence begins anew with the epoch."""
    counts = Counts()
    load, _ = load_of(broker, 2, counts)

    committed(load, counts)

    assert not any(isinstance(request, AddPartitionsToTxnRequest) for request in coordinator.requests)
    assert batches(coordinator) == [(PRODUCER_ID, epoch, 0) for epoch in range(coordinator.ended)]
    ends = [request for request in coordinator.requests if isinstance(request, EndTxnRequest)]
    assert [(end.producer_epoch, end.committed) for end in ends] == [(epoch, True) for epoch in range(coordinator.ended)]


def pauses_s(rate: float, seed: int, count: int) -> list[float]:
    """The pauses of a producer whose transactions take no time."""
    pace = Pace(rate, seed)
    now, found = 0.0, []
    for _ in range(count):
        found.append(pace.pause_s(now))
        now += found[-1]
    return found


def test_a_producer_at_a_pace_begins_no_sooner_than_it_is_due(broker: ScriptedBroker) -> None:
    counts = Counts()
    address = broker.as_broker()
    began = time.monotonic()
    load = Load([TransactionalProducer((address.host, address.port), "name", TOPIC, 0, 2, counts, Pace(rate=20, seed=0))])

    committed(load, counts)

    assert time.monotonic() - began >= sum(pauses_s(20, 0, TRANSACTIONS))


def test_paces_are_the_same_for_every_broker_and_other_ones_for_every_producer() -> None:
    assert pauses_s(10, 1, 100) == pauses_s(10, 1, 100)
    assert not set(pauses_s(10, 1, 100)) & set(pauses_s(10, 2, 100))


def test_pauses_at_a_pace_are_those_of_a_poisson_process() -> None:
    """Both the mean and the deviation of exponential pauses are the reciprocal of the rate."""
    pauses = pauses_s(10, 1, 10_000)

    assert statistics.fmean(pauses) == pytest.approx(0.1, rel=0.05)
    assert statistics.stdev(pauses) == pytest.approx(0.1, rel=0.05)


def test_a_transaction_that_is_late_begins_at_once_and_shifts_those_after_it() -> None:
    pace = Pace(10, 1)
    first, _, third = pauses_s(10, 1, 3)

    assert pace.pause_s(5.0) == pytest.approx(first)
    assert pace.pause_s(100.0) == 0
    assert pace.pause_s(100.0) == pytest.approx(third)


@pytest.mark.parametrize("transaction_version", sorted(END_VERSION))
def test_a_commit_that_is_refused_ends_the_measurement(coordinator: Coordinator, broker: ScriptedBroker, transaction_version: int) -> None:
    coordinator.refuses_commits = True
    counts = Counts()
    load, _ = load_of(broker, transaction_version, counts)

    with pytest.raises(UnexpectedAnswer, match="ask_to_end: error code 48"):
        load.finish()
    assert counts.committed == 0
