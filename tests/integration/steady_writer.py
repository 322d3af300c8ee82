"""A writer that goes on at one pace while nodes and consumers come and go; every record says where it is (`members.value_of`)."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from odradek.base.identifiers import TopicPartition
from tests.integration.members import value_of

_TICK_S: Final = 0.02
UNANSWERED_MAX: Final = 5000
SETTLE_SECONDS_MAX: Final = 60


class SteadyWriter:
    """The only producer of its partitions. It is idempotent: so the n-th record of a partition is at offset n, whatever happens."""

    def __init__(self, bootstrap: str, partitions: Sequence[TopicPartition], seed: int, *, records_per_second: int) -> None:
        self.written = dict.fromkeys(partitions, 0)
        self.refusals: list[str] = []
        self._partitions = partitions
        self._per_tick = max(1, round(records_per_second * _TICK_S))
        self._dice = random.Random(seed)
        self._is_stopping = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": SETTLE_SECONDS_MAX * 1000,
                "retry.backoff.ms": 10,
                "retry.backoff.max.ms": 100,
                "reconnect.backoff.ms": 10,
                "reconnect.backoff.max.ms": 100,
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._run, name="steady writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def settle(self) -> None:
        """Write nothing more, and wait until all is acknowledged; the node has to be up.

        Raises:
            AssertionError: something was refused, or not answered in time.
        """
        self._is_stopping.set()
        self._thread.join(SETTLE_SECONDS_MAX)
        unanswered = self._producer.flush(SETTLE_SECONDS_MAX)
        assert unanswered == 0, f"{unanswered} records were not answered within {SETTLE_SECONDS_MAX} s"
        assert self.refusals == [], self.refusals[:10]

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            try:
                if len(self._producer) < UNANSWERED_MAX:
                    self._write()
                self._producer.poll(0)
            except KafkaException as failure:
                self.refusals.append(f"the client gave up: {failure}")
                return
            time.sleep(_TICK_S)

    def _write(self) -> None:
        for partition in self._dice.choices(self._partitions, k=self._per_tick):
            value = value_of(partition.partition, self.written[partition])
            self._producer.produce(partition.topic, value, partition=partition.partition, on_delivery=self._on_delivery)
            self.written[partition] += 1

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.refusals.append(f"{message.topic()}-{message.partition()}: {error.name()}")
