"""Members of consumer groups, one kind for each client and protocol.

Each runs in a thread of its own: with some clients a member joins only while the others rejoin.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]
from confluent_kafka import Consumer

POLL_S: Final = 0.1
# Longer than any client's session: a member that goes without a word is missed after that.
SETTLED_SECONDS_MAX: Final = 60.0
Seen = tuple[int, int]


class GroupClient(Protocol):
    """What a member does, in the words of no client in particular."""

    def poll(self) -> list[Seen]:
        """Partition and offset of what has come; waits for `POLL_S` at most."""
        ...

    def owned(self) -> frozenset[int]:
        """The partitions assigned now."""
        ...

    def commit(self) -> None:
        """Commit what has been polled, and wait for the answer."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class Librdkafka:
    """confluent-kafka, in either protocol."""

    def __init__(self, bootstrap: str, group: str, topic: str, settings: Mapping[str, Any]) -> None:
        common = {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
        self._consumer = Consumer({**common, **settings})
        self._consumer.subscribe([topic])

    def poll(self) -> list[Seen]:
        seen = []
        for message in self._consumer.consume(100, POLL_S):
            error = message.error()
            assert error is None, error
            partition, offset = message.partition(), message.offset()
            assert partition is not None
            assert offset is not None
            seen.append((partition, offset))
        return seen

    def owned(self) -> frozenset[int]:
        return frozenset(one.partition for one in self._consumer.assignment())

    def commit(self) -> None:
        self._consumer.commit(asynchronous=False)

    def close(self) -> None:
        self._consumer.close()


class Aiokafka:
    """aiokafka, classic protocol, on an event loop of the member's own thread."""

    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._consumer = self._loop.run_until_complete(self._started(bootstrap, group, topic))

    async def _started(self, bootstrap: str, group: str, topic: str) -> Any:
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        return consumer

    def poll(self) -> list[Seen]:
        batches = self._loop.run_until_complete(self._consumer.getmany(timeout_ms=int(POLL_S * 1000)))
        return [(record.partition, record.offset) for records in batches.values() for record in records]

    def owned(self) -> frozenset[int]:
        return frozenset(one.partition for one in self._consumer.assignment())

    def commit(self) -> None:
        self._loop.run_until_complete(self._consumer.commit())

    def close(self) -> None:
        self._loop.run_until_complete(self._consumer.stop())
        self._loop.close()


def _classic(strategy: str) -> Callable[[str, str, str], GroupClient]:
    return lambda bootstrap, group, topic: Librdkafka(bootstrap, group, topic, {"partition.assignment.strategy": strategy})


KINDS: Final[Mapping[str, Callable[[str, str, str], GroupClient]]] = {
    "librdkafka-range": _classic("range"),
    "librdkafka-roundrobin": _classic("roundrobin"),
    "librdkafka-cooperative": _classic("cooperative-sticky"),
    "librdkafka-consumer": lambda bootstrap, group, topic: Librdkafka(bootstrap, group, topic, {"group.protocol": "consumer"}),
    "aiokafka": Aiokafka,
}


class Member:
    """One member at work: polls until told to leave, commits on the way out."""

    def __init__(self, kind: str, bootstrap: str, group: str, topic: str) -> None:
        self.owned: frozenset[int] = frozenset()
        self.seen: list[Seen] = []
        self.failure: BaseException | None = None
        self._leaving = threading.Event()
        self._make: Callable[[], GroupClient] = partial(KINDS[kind], bootstrap, group, topic)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Commit, leave the group, end; raises what went wrong meanwhile."""
        self._leaving.set()
        self._thread.join(timeout=30)
        assert not self._thread.is_alive(), "the member does not come to its end"
        if self.failure is not None:
            raise self.failure

    def _work(self) -> None:
        try:
            client = self._make()
            try:
                while not self._leaving.is_set():
                    self.seen += client.poll()
                    self.owned = client.owned()
                if self.seen:
                    client.commit()
            finally:
                client.close()
        except BaseException as failure:  # told by `leave`, in the thread of the test
            self.failure = failure
        finally:
            self.owned = frozenset()


class Members:
    """The members of one group, over the partitions of one topic."""

    def __init__(self, kind: str, bootstrap: str, group: str, topic: str, partition_count: int) -> None:
        self._make: Callable[[], Member] = partial(Member, kind, bootstrap, group, topic)
        self._partitions = frozenset(range(partition_count))
        self.present: list[Member] = []
        self.gone: list[Member] = []

    def join(self, count: int) -> None:
        self.present += [self._make() for _ in range(count)]

    def leave(self, count: int) -> None:
        for _ in range(count):
            member = self.present.pop()
            self.gone.append(member)
            member.leave()

    def await_shared(self, seconds_max: float = SETTLED_SECONDS_MAX) -> None:
        """Until every partition has one owner and every member has its share."""
        fair = len(self._partitions) // len(self.present)
        self._await(
            lambda: self._is_shared() and all(len(member.owned) == fair for member in self.present),
            lambda: f"the owners are {[sorted(member.owned) for member in self.present]}",
            seconds_max,
        )

    def await_seen(self, count: int, seconds_max: float = SETTLED_SECONDS_MAX) -> None:
        """Until `count` records have come, over all members there have been."""
        self._await(lambda: len(self.seen()) >= count, lambda: f"{len(self.seen())} of {count} records have come", seconds_max)

    def seen(self) -> list[Seen]:
        return [one for member in [*self.gone, *self.present] for one in member.seen]

    def end(self) -> None:
        """Everybody leaves, whatever happened."""
        for member in self.present:
            with suppress(BaseException):
                member.leave()

    def _is_shared(self) -> bool:
        owned = [partition for member in self.present for partition in member.owned]
        return len(owned) == len(set(owned)) and set(owned) == self._partitions

    def _await(self, question: Callable[[], bool], told: Callable[[], str], seconds_max: float) -> None:
        deadline = time.monotonic() + seconds_max
        while not question():
            failures = [member.failure for member in self.present if member.failure is not None]
            if failures:
                raise failures[0]
            assert time.monotonic() < deadline, told()
            threading.Event().wait(0.02)
