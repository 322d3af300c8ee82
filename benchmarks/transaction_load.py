"""Transactional producers by the frame: each joins its partition, writes one batch, commits, and begins again.

Transaction version 1 is what librdkafka speaks: AddPartitionsToTxn, Produce, EndTxn, each when the one before is answered. Version 2 is
what Java's client speaks (KIP-890): Produce joins the partition itself, and every end brings another epoch. Both are told
CONCURRENT_TRANSACTIONS while the markers of the last transaction are being written, and ask again after as long as these clients wait.

Here the producers get their ids, and everything is encoded beforehand: the frames, where in them something is written, where in the answers
something is looked at, and the pauses between transactions. What the C programme does with that is told in `load/transactions.c`.
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final

from benchmarks.brokers import Broker, pinned
from benchmarks.latency_histogram import LatencyHistogram
from benchmarks.load_generator import GRACE_S, TRANSACTIONS_PROGRAMME, compiled
from benchmarks.odradek_install import NotMeasurable
from benchmarks.request_frames import first_difference, request_frame
from odradek.base.error_codes import ErrorCode
from odradek.protocol.message import Message
from odradek.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult,
)
from odradek.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from odradek.records.builder import encode_batch
from odradek.records.record import Record

RECORDS: Final = 100
VALUE_BYTES: Final = 100
TIMEOUT_MS: Final = 60_000
INIT_VERSION: Final = 4
INIT_BACKOFF_S: Final = 0.1
INIT_SECONDS_MAX: Final = 60
ADD_PARTITIONS_VERSION: Final = 3
# By transaction version: from version 12 on Produce joins partitions, from 5 on EndTxn brings another epoch.
PRODUCE_VERSION: Final = {1: 11, 2: 12}
END_VERSION: Final = {1: 3, 2: 5}

_PRODUCER: Final = Struct(">qh")
# Their bytes are found again in a frame.
_MARKED_PRODUCER: Final = (0x0123_4567_89AB_CDEF, 0x1357)
# One time for all batches, so that the same batch has the same bytes.
_NOW_MS: Final = int(time.time() * 1000)
# Every byte of it differs from no error.
_MARKED_ERROR: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionPlan:
    """One measurement. `rate` is how many transactions a second all producers together begin on an average, after pauses as of many that
    know nothing of each other; 0: the next as soon as the last is committed.
    """

    topic: str
    partition_count: int
    producer_count: int
    transaction_version: int
    measured_s: float
    warm_s: float = 1.0
    rate: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionOutcome:
    """What was measured. `retried` is how often a request was told to come back; `committed_total` counts warming and ending too."""

    committed: int
    committed_total: int
    retried: int
    elapsed_s: float
    broker_cpu_s: float | None
    own_cpu_s: float
    commits: LatencyHistogram


def run_transactions(broker: Broker, plan: TransactionPlan, *, processor: int | None = None) -> TransactionOutcome:
    """Raises NotMeasurable when anything unexpected was answered, or nothing was committed."""
    names = [f"{plan.topic}-{index:03}" for index in range(plan.producer_count)]
    places = Places.of(names[0], plan)
    with tempfile.TemporaryDirectory(prefix="odradek-load-") as directory:
        frames, pauses = Path(directory) / "frames", Path(directory) / "pauses"
        with frames.open("wb") as out:
            for index, name in enumerate(names):
                out.write(b"".join(frames_of(name, _producer(broker, name), index % plan.partition_count, plan)))
        command = [str(compiled(TRANSACTIONS_PROGRAMME)), *_arguments(broker, plan, places), "--frames", str(frames)]
        if plan.rate > 0:
            count = 1 + int((plan.warm_s + plan.measured_s) * plan.rate / plan.producer_count) * 2
            pauses.write_bytes(b"".join(pauses_ns(plan.rate / plan.producer_count, index, count).tobytes() for index in range(len(names))))
            command += ["--pauses", str(pauses)]
        try:
            done = subprocess.run(
                pinned(command, processor),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=plan.warm_s + plan.measured_s + GRACE_S,
            )
        except subprocess.TimeoutExpired as failure:
            raise NotMeasurable("the transactions did not end in time") from failure
    if done.returncode != 0:
        raise NotMeasurable(done.stderr.strip() or f"the load of transactions ended with {done.returncode}")
    return _parsed(done.stdout)


def pauses_ns(rate: float, seed: int, count: int) -> array[int]:
    """The pauses of one producer, exponential (a Poisson process), of the dice of `seed` alone.

    At even intervals ten producers would keep the distances that they happened to start with, which are those in which the broker gave
    them their ids: a clump that comes ten times a second, the tighter the faster the broker.
    """
    dice = random.Random(seed)
    return array("q", [int(dice.expovariate(rate) * 1e9) for _ in range(count)])


@dataclass(frozen=True, slots=True)
class Places:
    """Where something is written or looked at: in the frames counted from their first byte, in the answers from the correlation id."""

    batch: int
    end_producer: int
    # In the answer to the end; None where that names no producer.
    told_producer: int | None
    error_codes: Sequence[int]

    @classmethod
    def of(cls, name: str, plan: TransactionPlan) -> Places:
        """Those of all producers whose names are as long as `name`."""
        *_, write, end = frames_of(name, _MARKED_PRODUCER, 0, plan)
        end_version = END_VERSION[plan.transaction_version]
        pairs: list[tuple[Message, Message, int]] = [
            (_produced(plan.topic, 0), _produced(plan.topic, _MARKED_ERROR), PRODUCE_VERSION[plan.transaction_version]),
            (EndTxnResponse(), EndTxnResponse(error_code=_MARKED_ERROR), end_version),
        ]
        told_producer = None
        if plan.transaction_version == 1:
            pairs.insert(0, (_added(plan.topic, 0), _added(plan.topic, _MARKED_ERROR), ADD_PARTITIONS_VERSION))
        else:
            told_producer = first_difference(EndTxnResponse(producer_id=0), EndTxnResponse(producer_id=-1), end_version)
        return cls(
            write.index(_batch(_MARKED_PRODUCER)),
            end.index(_PRODUCER.pack(*_MARKED_PRODUCER)),
            told_producer,
            [first_difference(fine, refused, version) for fine, refused, version in pairs],
        )


def frames_of(name: str, producer: tuple[int, int], partition: int, plan: TransactionPlan) -> list[bytes]:
    """The requests of one transaction of a producer (its id and epoch)."""
    data = TopicProduceData(name=plan.topic, partition_data=[PartitionProduceData(partition, _batch(producer))])
    write = ProduceRequest(transactional_id=name, acks=-1, timeout_ms=TIMEOUT_MS, topic_data=[data])
    frames = [
        request_frame(write, PRODUCE_VERSION[plan.transaction_version]),
        request_frame(EndTxnRequest(name, *producer, committed=True), END_VERSION[plan.transaction_version]),
    ]
    if plan.transaction_version == 1:
        join = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=name,
            v3_and_below_producer_id=producer[0],
            v3_and_below_producer_epoch=producer[1],
            v3_and_below_topics=[AddPartitionsToTxnTopic(plan.topic, [partition])],
        )
        frames.insert(0, request_frame(join, ADD_PARTITIONS_VERSION))
    return frames


def _batch(producer: tuple[int, int]) -> bytes:
    value = bytes(index % 251 for index in range(VALUE_BYTES))
    return encode_batch(
        [Record(index, _NOW_MS, None, value) for index in range(RECORDS)],
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=0,
        is_transactional=True,
    )


def _produced(topic: str, error_code: int) -> ProduceResponse:
    return ProduceResponse(responses=[TopicProduceResponse(name=topic, partition_responses=[PartitionProduceResponse(0, error_code)])])


def _added(topic: str, error_code: int) -> AddPartitionsToTxnResponse:
    results = [AddPartitionsToTxnPartitionResult(0, error_code)]
    return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=[AddPartitionsToTxnTopicResult(topic, results)])


def _producer(broker: Broker, name: str) -> tuple[int, int]:
    """The producer id and epoch of a transactional id.

    Raises:
        NotMeasurable: it got none.
    """
    until = time.monotonic() + INIT_SECONDS_MAX
    client = broker.client()
    try:
        while True:
            request = InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=TIMEOUT_MS)
            response = client.request(request, InitProducerIdResponse, INIT_VERSION)
            if response.error_code == ErrorCode.NONE:
                return response.producer_id, response.producer_epoch
            if time.monotonic() > until:
                raise NotMeasurable(f"{name} got no producer id: error code {response.error_code}")
            time.sleep(INIT_BACKOFF_S)
    finally:
        client.close()


def _arguments(broker: Broker, plan: TransactionPlan, places: Places) -> list[str]:
    options: dict[str, object] = {
        "--host": broker.host,
        "--port": broker.port,
        "--producers": plan.producer_count,
        "--steps": len(places.error_codes),
        "--records": RECORDS,
        "--batch-at": places.batch,
        "--end-producer-at": places.end_producer,
        "--warm-seconds": plan.warm_s,
        "--seconds": plan.measured_s,
    }
    if places.told_producer is not None:
        options["--told-producer-at"] = places.told_producer
    if broker.process_id is not None:
        options["--process"] = broker.process_id
    arguments = [str(part) for option in options.items() for part in option]
    for place in places.error_codes:
        arguments += ["--error-at", str(place)]
    return arguments


def _parsed(output: str) -> TransactionOutcome:
    """Raises NotMeasurable when nothing was committed."""
    told = json.loads(output)
    if told["committed"] == 0:
        raise NotMeasurable("nothing was committed while it was measured")
    return TransactionOutcome(
        committed=told["committed"],
        committed_total=told["committed_total"],
        retried=told["retried"],
        elapsed_s=told["elapsed_ns"] / 1e9,
        broker_cpu_s=told["broker_cpu_ns"] / 1e9 if told["broker_cpu_ns"] > 0 else None,
        own_cpu_s=told["own_cpu_ns"] / 1e9,
        commits=LatencyHistogram([(bucket, count) for bucket, count in told["commits"]["counts"]], told["commits"]["maximum"]),
    )
