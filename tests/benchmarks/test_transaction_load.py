"""Transactional producers by the frame: what each request says, and that a transaction is counted when it is committed and not before."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Iterator

import pytest

from benchmarks.odradek_install import NotMeasurable
from benchmarks.transaction_load import END_VERSION, RECORDS, TransactionOutcome, TransactionPlan, pauses_ns, run_transactions
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
MEASURED_S = 0.4

pytestmark = pytest.mark.skipif(shutil.which(os.environ.get("CC") or "cc") is None, reason="there is no C compiler for the load generator")


class Coordinator:
    """Answers as a broker does; the first partition of the second transaction has to be asked for twice."""

    def __init__(self) -> None:
        self.requests: list[Message] = []
        self.ended = 0
        self.refuses_commits = False
        self.delay_s = 0.0
        self._is_asked_again = False

    def answer(self, number: int, frame: bytes) -> bytes:
        header, position = decode_request_header(frame, 4)
        request, _ = apis.request_type(header.api_key).decode(frame, position, header.api_version)
        self.requests.append(request)
        time.sleep(self.delay_s)
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


def outcome_of(broker: ScriptedBroker, transaction_version: int, *, producers: int = 1, rate: float = 0) -> TransactionOutcome:
    plan = TransactionPlan(
        topic=TOPIC,
        partition_count=1,
        producer_count=producers,
        transaction_version=transaction_version,
        measured_s=MEASURED_S,
        warm_s=0,
        rate=rate,
    )
    return run_transactions(broker.as_broker(), plan)


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
    outcome = outcome_of(broker, 1)

    steps = [type(request) for request in coordinator.requests[1:8]]
    once = [AddPartitionsToTxnRequest, ProduceRequest, EndTxnRequest]
    assert steps == [*once, AddPartitionsToTxnRequest, *once]
    assert outcome.retried == 1
    assert 2 < outcome.committed <= outcome.committed_total == coordinator.ended
    assert outcome.commits.total == outcome.committed
    assert batches(coordinator) == [(PRODUCER_ID, 0, number * RECORDS) for number in range(coordinator.ended)]


def test_a_producer_of_version_2_gets_another_epoch_with_every_end(coordinator: Coordinator, broker: ScriptedBroker) -> None:
    """KIP-890: the sequence begins anew with the epoch."""
    outcome = outcome_of(broker, 2)

    assert outcome.committed_total == coordinator.ended
    assert not any(isinstance(request, AddPartitionsToTxnRequest) for request in coordinator.requests)
    assert batches(coordinator) == [(PRODUCER_ID, epoch, 0) for epoch in range(coordinator.ended)]
    ends = [request for request in coordinator.requests if isinstance(request, EndTxnRequest)]
    assert [(end.producer_epoch, end.committed) for end in ends] == [(epoch, True) for epoch in range(coordinator.ended)]


def test_every_producer_has_one_request_under_way_and_its_own_transaction(coordinator: Coordinator, broker: ScriptedBroker) -> None:
    outcome = outcome_of(broker, 1, producers=3)

    steps_of: dict[str, list[type[Message]]] = {f"{TOPIC}-{index:03}": [] for index in range(3)}
    for request in coordinator.requests:
        if isinstance(request, AddPartitionsToTxnRequest):
            steps_of[request.v3_and_below_transactional_id].append(AddPartitionsToTxnRequest)
        elif isinstance(request, ProduceRequest | EndTxnRequest):
            steps_of[request.transactional_id or ""].append(type(request))
    once = [ProduceRequest, EndTxnRequest]
    for steps in steps_of.values():
        written = [step for step in steps if step is not AddPartitionsToTxnRequest]
        assert written == once * (len(written) // 2) != []
    assert sum(steps.count(EndTxnRequest) for steps in steps_of.values()) == outcome.committed_total


def test_a_producer_at_a_pace_begins_no_sooner_than_it_is_due(coordinator: Coordinator, broker: ScriptedBroker) -> None:
    rate = 40.0
    due_s = [sum(pauses_s(rate, 0, count)) for count in range(1, 100)]

    outcome = outcome_of(broker, 2, rate=rate)

    assert 0 < outcome.committed_total <= sum(moment <= MEASURED_S for moment in due_s)


def pauses_s(rate: float, seed: int, count: int) -> list[float]:
    return [pause / 1e9 for pause in pauses_ns(rate, seed, count)]


def test_paces_are_the_same_for_every_broker_and_other_ones_for_every_producer() -> None:
    assert pauses_s(10, 1, 100) == pauses_s(10, 1, 100)
    assert not set(pauses_s(10, 1, 100)) & set(pauses_s(10, 2, 100))


def test_pauses_at_a_pace_are_those_of_a_poisson_process() -> None:
    """Both the mean and the deviation of exponential pauses are the reciprocal of the rate."""
    pauses = pauses_s(10, 1, 10_000)

    assert statistics.fmean(pauses) == pytest.approx(0.1, rel=0.05)
    assert statistics.stdev(pauses) == pytest.approx(0.1, rel=0.05)


def test_a_commit_is_timed_until_its_answer_and_the_rest_of_the_transaction_is_not(
    broker: ScriptedBroker, coordinator: Coordinator
) -> None:
    """Both requests of a transaction are answered late; the load tells the lateness of one."""
    coordinator.delay_s = 0.02

    outcome = outcome_of(broker, 2)

    assert coordinator.delay_s * 1e9 <= outcome.commits.percentile_ns(1)
    assert outcome.elapsed_s / outcome.committed >= 2 * coordinator.delay_s
    # The median, because whoever has no processor for a while is late by more.
    assert outcome.commits.percentile_ns(50) < 2 * coordinator.delay_s * 1e9


@pytest.mark.parametrize("transaction_version", sorted(END_VERSION))
def test_a_commit_that_is_refused_ends_the_measurement(coordinator: Coordinator, broker: ScriptedBroker, transaction_version: int) -> None:
    coordinator.refuses_commits = True

    with pytest.raises(NotMeasurable, match=r"request (\d) of \1 of a transaction has the error code 48"):
        outcome_of(broker, transaction_version)
