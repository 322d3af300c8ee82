"""Transactional producers by the frame: each joins its partition, writes one batch, commits, and begins again, in a process of its own.

    python -m benchmarks.transaction_load ADDRESS TOPIC PARTITIONS PRODUCERS TRANSACTION_VERSION RATE WARM_S MEASURED_S PROCESS

Transaction version 1 is what librdkafka speaks: AddPartitionsToTxn, Produce, EndTxn, each when the one before is answered. Version 2 is
what Java's client speaks (KIP-890): Produce joins the partition itself, and every end brings another epoch. Both are told
CONCURRENT_TRANSACTIONS while the markers of the last transaction are being written, and ask again after as long as these clients wait.
RATE is how many transactions each producer begins in a second on an average, as one of many that know nothing of each other does: after
pauses by dice (`Pace`), the same for every broker. 0: the next as soon as the last is committed.

The frames are encoded beforehand; of each transaction only producer, epoch, sequence and checksum are written into them. One thread serves
all producers, each with a connection of its own and one request under way. What was measured is printed as JSON: transactions that were
committed, and the time from the sending of EndTxn until `select` told of its answer, which is before any other producer is served. Anything
unexpected ends the process with a sentence.
"""

from __future__ import annotations

import heapq
import json
import random
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from struct import Struct
from typing import Final

from benchmarks import processes
from benchmarks.latency_histogram import bucket_of
from benchmarks.request_frames import first_difference, request_frame
from odradek.base.error_codes import ErrorCode
from odradek.protocol import apis
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
from odradek.wire.checksum import crc32c
from tests.support.wire_client import WireClient

RECORDS: Final = 100
VALUE_BYTES: Final = 100
TIMEOUT_MS: Final = 60_000
INIT_VERSION: Final = 4
ADD_PARTITIONS_VERSION: Final = 3
# By transaction version: from version 12 on Produce joins partitions, from 5 on EndTxn brings another epoch.
PRODUCE_VERSION: Final = {1: 11, 2: 12}
END_VERSION: Final = {1: 3, 2: 5}
# How long clients wait before they ask again: for the first partition of a transaction (both clients), and for anything else
# (`retry.backoff.ms`).
JOIN_BACKOFF_S: Final = 0.02
BACKOFF_S: Final = 0.1
INIT_SECONDS_MAX: Final = 60
SILENCE_S_MAX: Final = 30.0
RECEIVED_MAX: Final = 4096

# Within a batch: the checksum, and from the attributes on what it covers; producer id, epoch and base sequence.
_CRC: Final = Struct(">I")
_CRC_AT: Final = 17
_COVERED_FROM: Final = 21
_PRODUCER: Final = Struct(">qhi")
_PRODUCER_AT: Final = 43
_ERROR: Final = Struct(">h")
_LENGTH: Final = Struct(">i")
_END_PRODUCER: Final = Struct(">qh")
_MARKED_PRODUCER: Final = (0x0123_4567_89AB_CDEF, 0x1357)


class UnexpectedAnswer(Exception):
    """The broker answered something that no measurement can go on with."""


def _batch(producer: tuple[int, int]) -> bytes:
    now_ms = int(time.time() * 1000)
    value = bytes(index % 251 for index in range(VALUE_BYTES))
    return encode_batch(
        [Record(index, now_ms, None, value) for index in range(RECORDS)],
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=0,
        is_transactional=True,
    )


class WriteFrame:
    """A Produce of one batch, in which producer, epoch and sequence can be changed."""

    def __init__(self, transactional_id: str, topic: str, partition: int, transaction_version: int) -> None:
        version = PRODUCE_VERSION[transaction_version]
        batch = _batch(_MARKED_PRODUCER)
        data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(partition, batch)])
        request = ProduceRequest(transactional_id=transactional_id, acks=-1, timeout_ms=TIMEOUT_MS, topic_data=[data])
        self.frame = bytearray(request_frame(request, version))
        self._batch_at = self.frame.index(batch)
        self._batch_end = self._batch_at + len(batch)
        self.error_at = first_difference(_produced(topic, 0), _produced(topic, -1), version)

    def set(self, producer: tuple[int, int], sequence: int) -> None:
        _PRODUCER.pack_into(self.frame, self._batch_at + _PRODUCER_AT, *producer, sequence)
        covered = memoryview(self.frame)[self._batch_at + _COVERED_FROM : self._batch_end]
        _CRC.pack_into(self.frame, self._batch_at + _CRC_AT, crc32c(covered))


def _produced(topic: str, error_code: int) -> ProduceResponse:
    return ProduceResponse(responses=[TopicProduceResponse(name=topic, partition_responses=[PartitionProduceResponse(0, error_code)])])


def _added(topic: str, error_code: int) -> AddPartitionsToTxnResponse:
    results = [AddPartitionsToTxnPartitionResult(0, error_code)]
    return AddPartitionsToTxnResponse(results_by_topic_v3_and_below=[AddPartitionsToTxnTopicResult(topic, results)])


class Counts:
    """What all producers have done since the measurement began, and how long their commits took."""

    def __init__(self) -> None:
        self.committed_total = 0
        self.begin()

    def begin(self) -> None:
        """Forget everything but the total: what has been was for warming."""
        self.committed = 0
        self.retried = 0
        self.commits: Counter[int] = Counter()
        self.commit_ns_max = 0

    def count(self, commit_ns: int) -> None:
        self.committed += 1
        self.committed_total += 1
        self.commits[bucket_of(commit_ns)] += 1
        self.commit_ns_max = max(self.commit_ns_max, commit_ns)


class Pace:
    """When one producer begins its transactions: at `rate` a second on an average, after pauses that are exponential (a Poisson process).

    At even intervals ten producers would keep the distances that they happened to start with, which are those in which the broker gave
    them their ids: a clump that comes ten times a second, the tighter the faster the broker. The dice are of `seed` alone.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self._rate = rate
        self._dice = random.Random(seed)
        self._due: float | None = None

    def pause_s(self, now: float) -> float:
        """For how many seconds from `now` on, in monotonic time, the next transaction has time.

        One that is late does not make up for it: its commit is timed, not its beginning.
        """
        if self._rate == 0:
            return 0
        due = now if self._due is None else self._due
        self._due = max(due + self._dice.expovariate(self._rate), now)
        return self._due - now


class TransactionalProducer:
    """One producer. `answered` takes in what has come and says after how many seconds `send` is to be called, None if it is not."""

    def __init__(
        self, address: tuple[str, int], name: str, topic: str, partition: int, transaction_version: int, counts: Counts, pace: Pace
    ) -> None:
        self.pace = pace
        self._counts = counts
        self._is_new = transaction_version == 2
        self._end_version = END_VERSION[transaction_version]
        self._producer = _begun(address, name)
        self._sequence = 0
        self._write = WriteFrame(name, topic, partition, transaction_version)
        join = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=name,
            v3_and_below_producer_id=self._producer[0],
            v3_and_below_producer_epoch=self._producer[1],
            v3_and_below_topics=[AddPartitionsToTxnTopic(topic, [partition])],
        )
        self._join = request_frame(join, ADD_PARTITIONS_VERSION)
        self._join_error_at = first_difference(_added(topic, 0), _added(topic, -1), ADD_PARTITIONS_VERSION)
        end = request_frame(EndTxnRequest(name, *_MARKED_PRODUCER, committed=True), self._end_version)
        self._end_at = end.index(_END_PRODUCER.pack(*_MARKED_PRODUCER))
        self._end = bytearray(end)
        self._steps = (self._ask_to_write, self._ask_to_end) if self._is_new else (self._ask_to_join, self._ask_to_write, self._ask_to_end)
        self._step = 0
        self._commit_began_ns = 0
        self._received = b""
        # Whether the transaction that is under way is the last, and whether that has ended.
        self.is_stopping = False
        self.is_done = False
        self.socket = socket.create_connection(address, timeout=SILENCE_S_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._set_producer()

    def send(self) -> None:
        """Send the request that is next."""
        self._steps[self._step]()

    def _ask_to_join(self) -> None:
        self.socket.sendall(self._join)

    def _ask_to_write(self) -> None:
        self.socket.sendall(self._write.frame)

    def _ask_to_end(self) -> None:
        if self._commit_began_ns == 0:
            self._commit_began_ns = time.monotonic_ns()
        self.socket.sendall(self._end)

    def answered(self, told_ns: int) -> float | None:
        """Take in what has come; `told_ns` is when that was known, in monotonic time.

        Raises:
            UnexpectedAnswer: an error that no client would go on after, or the end of the connection.
        """
        piece = self.socket.recv(RECEIVED_MAX)
        if not piece:
            raise UnexpectedAnswer("the broker closed a connection")
        self._received += piece
        if len(self._received) < 4 or len(self._received) < 4 + _LENGTH.unpack_from(self._received)[0]:
            return None
        response, self._received = self._received[4:], b""
        ask = self._steps[self._step]
        code = self._code_of(ask, response, told_ns)
        if code == ErrorCode.CONCURRENT_TRANSACTIONS:
            self._counts.retried += 1
            return JOIN_BACKOFF_S if ask == self._ask_to_join else BACKOFF_S
        if code != ErrorCode.NONE:
            raise UnexpectedAnswer(f"{ask.__name__.strip('_')}: error code {code}")
        self._step = (self._step + 1) % len(self._steps)
        self.is_done = self.is_stopping and self._step == 0
        if self.is_done:
            return None
        return self.pace.pause_s(time.monotonic()) if self._step == 0 else 0

    def _code_of(self, ask: object, response: bytes, told_ns: int) -> int:
        if ask == self._ask_to_join:
            return int(_ERROR.unpack_from(response, self._join_error_at)[0])
        if ask == self._ask_to_write:
            return int(_ERROR.unpack_from(response, self._write.error_at)[0])
        ended, _ = EndTxnResponse.decode(
            response, 4 + apis.response_header_version(EndTxnResponse.API_KEY, self._end_version), self._end_version
        )
        if ended.error_code == ErrorCode.NONE:
            self._counts.count(told_ns - self._commit_began_ns)
            self._commit_began_ns = 0
            self._sequence = 0 if self._is_new else self._sequence + RECORDS
            if self._is_new:
                self._producer = (ended.producer_id, ended.producer_epoch)
            self._set_producer()
        return ended.error_code

    def _set_producer(self) -> None:
        self._write.set(self._producer, self._sequence)
        _END_PRODUCER.pack_into(self._end, self._end_at, *self._producer)


def _begun(address: tuple[str, int], name: str) -> tuple[int, int]:
    """The producer id and epoch of a transactional id.

    Raises:
        UnexpectedAnswer: it got none.
    """
    until = time.monotonic() + INIT_SECONDS_MAX
    client = WireClient(*address)
    try:
        while True:
            request = InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=TIMEOUT_MS)
            response = client.request(request, InitProducerIdResponse, INIT_VERSION)
            if response.error_code == ErrorCode.NONE:
                return response.producer_id, response.producer_epoch
            if time.monotonic() > until:
                raise UnexpectedAnswer(f"{name} got no producer id: error code {response.error_code}")
            time.sleep(BACKOFF_S)
    finally:
        client.close()


class Load:
    """All producers, served by one loop."""

    def __init__(self, producers: Sequence[TransactionalProducer]) -> None:
        self._by_descriptor = {producer.socket.fileno(): producer for producer in producers}
        # Who waits before it asks again, by when.
        self._waiting: list[tuple[float, int]] = []
        now = time.monotonic()
        for descriptor, producer in self._by_descriptor.items():
            self._send_after(producer.pace.pause_s(now), descriptor)

    def serve(self, until: float) -> None:
        """Let them work until then, or until all are done.

        Raises:
            UnexpectedAnswer: see `serve_once`.
        """
        while time.monotonic() < until and not all(producer.is_done for producer in self._by_descriptor.values()):
            self.serve_once(until)

    def serve_once(self, until: float = float("inf")) -> None:
        """Wait for the next answers, or for somebody to ask again, and go on from there.

        Raises:
            UnexpectedAnswer: see `TransactionalProducer.answered`, or nothing came for a long time.
        """
        now = time.monotonic()
        wake_at = self._waiting[0][0] if self._waiting else now + SILENCE_S_MAX
        # Not `epoll`: that waits for whole milliseconds, and whoever is due within one of them would ask at once with the others.
        ready, _, _ = select.select(self._by_descriptor, (), (), max(min(until, wake_at) - now, 0))
        told_ns = time.monotonic_ns()
        now, began = told_ns / 1e9, now
        if not ready and now >= began + SILENCE_S_MAX:
            raise UnexpectedAnswer(f"the broker answered nothing for {SILENCE_S_MAX:.0f} s")
        for descriptor in ready:
            pause_s = self._by_descriptor[descriptor].answered(told_ns)
            if pause_s is not None:
                self._send_after(pause_s, descriptor)
        while self._waiting and self._waiting[0][0] <= now:
            self._by_descriptor[heapq.heappop(self._waiting)[1]].send()

    def _send_after(self, pause_s: float, descriptor: int) -> None:
        if pause_s == 0:
            self._by_descriptor[descriptor].send()
        else:
            heapq.heappush(self._waiting, (time.monotonic() + pause_s, descriptor))

    def finish(self) -> None:
        """Let each end the transaction that it is in."""
        for producer in self._by_descriptor.values():
            producer.is_stopping = True
        self.serve(float("inf"))


def measured(
    producers: Sequence[TransactionalProducer], counts: Counts, warm_s: float, measured_s: float, process_id: int
) -> dict[str, object]:
    """The outcome of the measured time.

    Raises:
        UnexpectedAnswer: see `Load.serve`.
    """
    load = Load(producers)
    load.serve(time.monotonic() + warm_s)
    counts.begin()
    began, broker_began_s, own_began_s = time.monotonic(), processes.cpu_s(process_id), time.process_time()
    load.serve(began + measured_s)
    outcome: dict[str, object] = {
        "elapsed_s": time.monotonic() - began,
        "broker_cpu_s": processes.cpu_s(process_id) - broker_began_s,
        "own_cpu_s": time.process_time() - own_began_s,
        "committed": counts.committed,
        "retried": counts.retried,
        "commits": sorted(counts.commits.items()),
        "commit_ns_max": counts.commit_ns_max,
    }
    load.finish()
    return outcome | {"committed_total": counts.committed_total}


def main() -> int:
    address, topic, partition_count, producer_count, version, rate, warm_s, measured_s, process_id = sys.argv[1:]
    host, _, port = address.rpartition(":")
    counts = Counts()
    producers = [
        TransactionalProducer(
            (host, int(port)), f"{topic}-{index}", topic, index % int(partition_count), int(version), counts, Pace(float(rate), seed=index)
        )
        for index in range(int(producer_count))
    ]
    print(json.dumps(measured(producers, counts, float(warm_s), float(measured_s), int(process_id))))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UnexpectedAnswer as failure:
        sys.exit(f"transaction load: {failure}")
