"""A copier between two topics that can be killed at any moment: consume, transform, produce, and commit the offsets in the transaction.

It goes on for ever, through rebalances and through the end of its node, and ends only by a kill, or by an error that one of its clients
calls fatal (exit code `FATAL`): then whoever started it has to start it again. All it does and is told goes to a file, a line each, in the
words of `odradek.testing.transaction_operations`.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Final, final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from odradek.testing.transaction_operations import (
    Acknowledged,
    EndAsked,
    EndTold,
    OffsetAcknowledged,
    OffsetSent,
    Operation,
    ProducerBegan,
    Sent,
    TransactionBegan,
    to_line,
)
from tests.integration.members import CONSUMER, HEARTBEAT_MS, KEEPS_BROKERS, SESSION_MS

RECORDS_PER_TRANSACTION: Final = 400
GATHER_S_MAX: Final = 0.2
OPERATION_S: Final = 10.0
TRANSACTION_TIMEOUT_MS: Final = 10_000
# Longer than a transaction of another can keep the offsets from being told.
COMMITTED_S_MAX: Final = 40.0
# Transactions that are thrown away for no reason, and done again: half of them when all is written, for of the others librdkafka forgets
# what it has not sent yet, and that may be everything.
ABORTED_SHARE: Final = 0.1
ABORTED_WRITTEN_SHARE: Final = 0.5
FATAL: Final = 3


def transformed(value: str, transaction: str) -> str:
    """What becomes of a record: it bears the transaction that copied it, so that each of its copies is known from the others."""
    return f"{transaction}|{value}"


def origin_of(copy: str) -> str:
    """The record that `transformed` has made this of."""
    return copy.split("|", 1)[1]


@final
class Copier:
    """Keeps what it has read and not yet written in `_gathered`; between two polls there is no open transaction."""

    def __init__(self, bootstrap: str, source: str, target: str, name: str, protocol: str, *, is_static: bool, log: int) -> None:
        """`log` is the descriptor of a file open for appending.

        A static member is known again after a kill: at once in the classic protocol (KIP-345), in the other one only when the session of
        its former self has ended (KIP-848). Until then each start ends with UNRELEASED_INSTANCE_ID, which librdkafka calls fatal.
        """
        self._source = source
        self._target = target
        self._log = log
        self._name = name
        # An instance of the producer; the process before, of the same transactional id, was another.
        self._session = f"{name}/{os.getpid()}"
        self._count = 0
        self._dice = random.Random(self._session)
        self._acknowledged: list[Operation] = []
        self._gathered: list[Message] = []
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": name,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "linger.ms": 2,
                "batch.size": 4000,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,
                **KEEPS_BROKERS,
            }
        )
        settings: dict[str, str | int | bool] = {
            "bootstrap.servers": bootstrap,
            "group.id": target,
            "client.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "reconnect.backoff.ms": 10,
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,
            **KEEPS_BROKERS,
        }
        if is_static:
            settings["group.instance.id"] = name
        if protocol == CONSUMER:
            settings["group.protocol"] = "consumer"
        else:
            settings |= {"session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": HEARTBEAT_MS}
            settings["partition.assignment.strategy"] = "cooperative-sticky"
        self._consumer = Consumer(settings)

    def run(self) -> None:
        """Raises KafkaException when the producer or the consumer can go on no more."""
        asked_at = time.monotonic_ns()
        _insist(lambda: self._producer.init_transactions(OPERATION_S))
        self._say(ProducerBegan(asked_at=asked_at, at=time.monotonic_ns(), transactional_id=self._name, session=self._session))
        self._consumer.subscribe([self._source], on_revoke=self._drop, on_lost=self._drop)
        while True:
            self._gather()
            if self._gathered:
                self._copy()

    def _gather(self) -> None:
        deadline = time.monotonic() + GATHER_S_MAX
        while len(self._gathered) < RECORDS_PER_TRANSACTION and time.monotonic() < deadline:
            message = self._consumer.poll(GATHER_S_MAX / 4)
            if message is None:
                continue
            error = message.error()
            if error is None:
                self._gathered.append(message)
            elif error.code() == KafkaError._FATAL:
                # A consumer that cannot be a member any more says so once, and has nothing for whoever goes on asking.
                raise KafkaException(error)

    def _drop(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Whoever gets the partitions reads this again."""
        gone = {one.partition for one in partitions}
        self._gathered = [message for message in self._gathered if message.partition() not in gone]

    def _copy(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._count += 1
        transaction = f"{self._session}/{self._count}"
        self._say(TransactionBegan(at=time.monotonic_ns(), transaction=transaction, session=self._session))
        self._producer.begin_transaction()
        try:
            positions = self._send(gathered, transaction)
            if self._dice.random() < ABORTED_SHARE:
                if self._dice.random() < ABORTED_WRITTEN_SHARE:
                    self._flush()
                self._abort(transaction)
            else:
                self._commit(positions, transaction)
        except KafkaException as failure:
            if not failure.args[0].txn_requires_abort():
                raise
            self._abort(transaction)

    def _send(self, gathered: list[Message], transaction: str) -> dict[int, int]:
        """Write the copies; how far each partition is copied by them."""
        copies: list[tuple[int, str]] = []
        positions: dict[int, int] = {}
        for message in gathered:
            partition, offset, value = message.partition(), message.offset(), message.value()
            assert partition is not None
            assert offset is not None
            assert isinstance(value, bytes)
            copies.append((partition, transformed(value.decode(), transaction)))
            positions[partition] = offset + 1
        now = time.monotonic_ns()
        self._say(*(Sent(at=now, transaction=transaction, topic=self._target, partition=n, value=copy) for n, copy in copies))
        for partition, copy in copies:
            self._producer.produce(self._target, copy, partition=partition, on_delivery=self._on_delivery)
        return positions

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        value, offset = message.value(), message.offset()
        if error is None and isinstance(value, bytes) and offset is not None:
            self._acknowledged.append(Acknowledged(at=time.monotonic_ns(), value=value.decode(), offset=offset))

    def _commit(self, positions: dict[int, int], transaction: str) -> None:
        offsets = [TopicPartition(self._source, partition, offset) for partition, offset in positions.items()]
        metadata = self._consumer.consumer_group_metadata()
        commits = [f"{transaction}/{partition}" for partition in positions]
        now = time.monotonic_ns()
        self._say(
            *(
                OffsetSent(
                    at=now,
                    commit=commit,
                    transaction=transaction,
                    group=self._target,
                    topic=self._source,
                    partition=one.partition,
                    offset=one.offset,
                )
                for commit, one in zip(commits, offsets, strict=True)
            )
        )
        _insist(lambda: self._producer.send_offsets_to_transaction(offsets, metadata, OPERATION_S))
        now = time.monotonic_ns()
        self._say(*(OffsetAcknowledged(at=now, commit=commit) for commit in commits))
        # All acknowledgements come before the end is asked for, so that they can be written down together.
        self._flush()
        self._say(*self._acknowledged, EndAsked(at=time.monotonic_ns(), transaction=transaction, is_commit=True))
        self._acknowledged.clear()
        _insist(lambda: self._producer.commit_transaction(OPERATION_S))
        self._say(EndTold(at=time.monotonic_ns(), transaction=transaction, is_commit=True))

    def _abort(self, transaction: str) -> None:
        _insist(lambda: self._producer.abort_transaction(OPERATION_S))
        self._say(EndTold(at=time.monotonic_ns(), transaction=transaction, is_commit=False))
        self._acknowledged.clear()
        self._go_back()

    def _flush(self) -> None:
        while self._producer.flush(OPERATION_S):
            pass

    def _go_back(self) -> None:
        """To what is committed, in each partition that is still ours."""
        owned = self._consumer.assignment()
        for one in self._committed(owned) if owned else ():
            try:
                self._consumer.seek(TopicPartition(self._source, one.partition, max(one.offset, 0)))
            except KafkaException as failure:
                # A partition that is not being read yet has no position to go back from: it begins at its commit.
                if failure.args[0].code() != KafkaError._STATE:
                    raise

    def _committed(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Raises KafkaException when they are not told in time, as to a member that was thrown out: it hears of that by a poll only."""
        deadline = time.monotonic() + COMMITTED_S_MAX
        while True:
            try:
                return self._consumer.committed(partitions, OPERATION_S)
            except KafkaException:
                # The node is away, or the offsets wait for the end of another transaction.
                if time.monotonic() >= deadline:
                    raise

    def _say(self, *operations: Operation) -> None:
        """Before what is said is done: a kill a moment later finds it written."""
        lines = "".join(to_line(operation) + "\n" for operation in operations).encode()
        written = os.write(self._log, lines)
        assert written == len(lines), "a line was written in part"


def _insist(operation: Callable[[], object]) -> None:
    """Do it again as long as the client says that this may help."""
    while True:
        try:
            operation()
        except KafkaException as failure:
            if not failure.args[0].retriable():
                raise
        else:
            return


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "source", "target", "name", "protocol", "log"):
        parser.add_argument(name)
    parser.add_argument("--static", action="store_true")
    options = parser.parse_args()
    log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    copier = Copier(options.bootstrap, options.source, options.target, options.name, options.protocol, is_static=options.static, log=log)
    try:
        copier.run()
    except KafkaException as failure:
        print(f"{options.name}: {failure}", file=sys.stderr)
        return FATAL
    return 0


if __name__ == "__main__":
    sys.exit(main())
