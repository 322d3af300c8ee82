"""Producers that go on writing while a node dies and comes back, each in a thread of its own with a client of librdkafka.

They write short bursts to one partition after the other, so that many requests are on their way at any moment, and stop sending when too
much is unanswered. What was sent and what was answered goes into the producer's `Account`; nothing here judges.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as DeliveredMessage

from odradek.base.identifiers import TopicPartition
from tests.integration.account import Account, Identity, value_of

# Unanswered records of one producer at most; a node that is down is not to be met by a flood.
UNANSWERED_MAX: Final = 400
BURST_MAX: Final = 30
PAUSE_SECONDS_MAX: Final = 0.04
# A record is given up after this; the node is never down for so long.
MESSAGE_SECONDS_MAX: Final = 90
SETTLE_SECONDS_MAX: Final = 60

_PURGED: Final = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerKind:
    """How one producer writes."""

    name: str
    codec: str
    acks: int
    is_idempotent: bool = False
    in_flight_max: int = 5

    @property
    def keeps_order(self) -> bool:
        return self.is_idempotent or self.in_flight_max == 1


# Codecs, promises and pipelines that occur; every partition gets all of them.
PRODUCER_KINDS: Final = (
    ProducerKind(name="idempotent-lz4", codec="lz4", acks=-1, is_idempotent=True),
    ProducerKind(name="idempotent-none", codec="none", acks=-1, is_idempotent=True),
    ProducerKind(name="idempotent-one-by-one", codec="gzip", acks=-1, is_idempotent=True, in_flight_max=1),
    ProducerKind(name="plain-all", codec="zstd", acks=-1, in_flight_max=1),
    ProducerKind(name="plain-leader", codec="snappy", acks=1, in_flight_max=1),
    ProducerKind(name="plain-pipelined", codec="none", acks=1),
)


class LoadedProducer:
    """One producer at work from `start` to `settle`."""

    def __init__(self, bootstrap: str, kind: ProducerKind, partitions: Sequence[TopicPartition], seed: int) -> None:
        self.account = Account(kind.name, kind.is_idempotent, kind.keeps_order)
        self._partitions = partitions
        self._dice = random.Random(seed)
        self._is_stopping = threading.Event()
        self._has_given_up = False
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "compression.type": kind.codec,
                "acks": kind.acks,
                "enable.idempotence": kind.is_idempotent,
                "max.in.flight.requests.per.connection": kind.in_flight_max,
                "linger.ms": 3,
                "batch.size": 30_000,
                "message.timeout.ms": MESSAGE_SECONDS_MAX * 1000,
                "retry.backoff.ms": 10,
                "retry.backoff.max.ms": 100,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 100,
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._run, name=kind.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def settle(self) -> None:
        """Send nothing more, and wait until everything that was sent is answered; the node has to be up."""
        self._is_stopping.set()
        self._thread.join(SETTLE_SECONDS_MAX)
        if self._has_given_up:
            return
        unanswered = self._producer.flush(SETTLE_SECONDS_MAX)
        if unanswered:
            self.account.refused.append(f"{unanswered} records were not answered within {SETTLE_SECONDS_MAX} s")

    def abandon(self) -> None:
        """Give up whatever is unanswered: the node is gone for good, or comes back as another."""
        self._is_stopping.set()
        self._thread.join(SETTLE_SECONDS_MAX)
        self._producer.purge()
        self._producer.flush(SETTLE_SECONDS_MAX)

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            if len(self._producer) < UNANSWERED_MAX:
                self._send_burst()
            try:
                self._producer.poll(self._dice.random() * PAUSE_SECONDS_MAX)
            except KafkaException as failure:
                # An idempotent producer that can no longer keep its promise: nothing of it works from now on.
                self._has_given_up = True
                self.account.refused.append(f"the client gave up: {failure}")
                return

    def _send_burst(self) -> None:
        account = self.account
        for partition in self._partitions:
            for _ in range(self._dice.randrange(BURST_MAX)):
                identity = Identity(account.producer, partition, account.sent[partition])
                try:
                    self._producer.produce(
                        partition.topic, value_of(identity), partition=partition.partition, on_delivery=_Delivery(account, identity)
                    )
                except (KafkaException, BufferError) as failure:
                    account.refused.append(f"{identity}: {failure}")
                    return
                account.sent[partition] += 1


class _Delivery:
    """Notes what became of one record."""

    __slots__ = ("_account", "_identity")

    def __init__(self, account: Account, identity: Identity) -> None:
        self._account = account
        self._identity = identity

    def __call__(self, error: KafkaError | None, message: DeliveredMessage) -> None:
        if error is not None and error.code() in _PURGED:
            return
        if error is not None:
            self._account.refused.append(f"{self._identity}: {error.name()} {error.str()}")
            return
        offset = message.offset()
        assert offset is not None, "a delivered record has an offset"
        self._account.acknowledged[self._identity] = offset


class Load:
    """All producers together. `name_suffix` tells one load of a topic from another."""

    def __init__(self, bootstrap: str, partitions: Sequence[TopicPartition], seed: int, *, name_suffix: str = "") -> None:
        kinds = [replace(kind, name=kind.name + name_suffix) for kind in PRODUCER_KINDS]
        self._producers = [LoadedProducer(bootstrap, kind, partitions, seed + n) for n, kind in enumerate(kinds)]

    @property
    def accounts(self) -> list[Account]:
        return [producer.account for producer in self._producers]

    @property
    def acknowledged_count(self) -> int:
        return sum(len(account.acknowledged) for account in self.accounts)

    def start(self) -> None:
        for producer in self._producers:
            producer.start()

    def settle(self) -> None:
        for producer in self._producers:
            producer.settle()

    def abandon(self) -> None:
        for producer in self._producers:
            producer.abandon()

    def wait_for_answers(self, count: int, seconds_max: float) -> bool:
        """Wait until so many more records are acknowledged; False if that took too long."""
        wanted = self.acknowledged_count + count
        deadline = time.monotonic() + seconds_max
        while self.acknowledged_count < wanted:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True
