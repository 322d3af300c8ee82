"""The paths of transactions, each as a drawing; docs/transactions.md shows them.

The coordinator is the real one. What a partition does is told as it does it: it asks the coordinator before it writes, and is told the
outcome by a marker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.transaction.transaction import EPOCH_BUMP_VERSION
from tests.coordinator.sequences.diagram import COLUMN_WIDTH, Diagram
from tests.coordinator.transaction.transaction_story import ID, Producer, TransactionStory

COORDINATOR: Final = "coordinator"
PARTITION: Final = "orders 0"
_PLACE: Final = ("orders", 0)
_TIMEOUT_MS: Final = 60_000
# How often the coordinator looks for transactions that are late.
_SWEEP_MS: Final = 10_000


class TransactionTeller:
    """`client_version` 0 is the old protocol, 2 that of KIP-890."""

    def __init__(self, *participants: str, client_version: int, column_width: int = COLUMN_WIDTH) -> None:
        self.story = TransactionStory()
        self.diagram = Diagram(participants, column_width)
        self._client_version = client_version
        self._is_new = client_version >= EPOCH_BUMP_VERSION

    def init(self, name: str) -> Producer:
        self.diagram.message(name, COORDINATOR, f"InitProducerId {ID}")
        code, producer = self.story.init(timeout_ms=_TIMEOUT_MS)
        self._answer(name, f"epoch {producer[1]}" if code is ErrorCode.NONE else code.name)
        return producer

    def announce(self, name: str, producer: Producer) -> None:
        """Only in the old protocol."""
        self.diagram.message(name, COORDINATOR, f"AddPartitionsToTxn {PARTITION}, epoch {producer[1]}")
        self._answer(name, _said(self.story.add(producer, _PLACE)))

    def produce(self, name: str, producer: Producer, values: str) -> None:
        """Records go to the partition, which asks whether they may."""
        self.diagram.message(name, PARTITION, f"Produce {values}, epoch {producer[1]}")
        if self._is_new:
            self.diagram.message(PARTITION, COORDINATOR, "AddPartitionsToTxn")
            code = self.story.add(producer, _PLACE, client_version=self._client_version)
        else:
            self.diagram.message(PARTITION, COORDINATOR, "AddPartitionsToTxn, to verify")
            code = self.story.shard.verify_partition(ID, producer, _PLACE)
        self.diagram.message(COORDINATOR, PARTITION, _said(code))
        # Producers know the fence at a partition by another name.
        told = ErrorCode.INVALID_PRODUCER_EPOCH if code is ErrorCode.PRODUCER_FENCED else code
        self.diagram.message(PARTITION, name, _said(told))

    def end(self, name: str, producer: Producer, *, is_commit: bool) -> Producer:
        """The outcome, which is told to the producer first and to the partition then."""
        word = "commit" if is_commit else "abort"
        self.diagram.message(name, COORDINATOR, f"EndTxn {word}, epoch {producer[1]}")
        code, following = self.story.end(producer, is_commit=is_commit, client_version=self._client_version)
        answered = f"ok, from now on epoch {following[1]}" if self._is_new and code is ErrorCode.NONE else _said(code)
        self._answer(name, answered)
        return following if self._is_new else producer

    def tell_partition(self) -> None:
        """What was decided reaches the partition."""
        for due in self.story.due:
            self.diagram.message(COORDINATOR, PARTITION, f"marker {'COMMIT' if due.is_commit else 'ABORT'}, epoch {due.epoch}")
            self.diagram.message(PARTITION, COORDINATOR, "ok")
        self.story.write_markers()

    def wait(self, elapsed_ms: int, text: str) -> None:
        self.diagram.note(text)
        self.story.advance(elapsed_ms)

    def _answer(self, name: str, text: str) -> None:
        self.diagram.message(COORDINATOR, name, text)


def _said(code: ErrorCode) -> str:
    return "ok" if code is ErrorCode.NONE else code.name


def old_protocol_commit() -> Diagram:
    told = TransactionTeller("producer", COORDINATOR, PARTITION, client_version=0)
    producer = told.init("producer")
    told.announce("producer", producer)
    told.produce("producer", producer, "a b")
    told.diagram.note("readers of committed records wait before a")
    told.end("producer", producer, is_commit=True)
    told.tell_partition()
    told.diagram.note("readers of committed records see a b")
    return told.diagram


def new_protocol_commit() -> Diagram:
    told = TransactionTeller("producer", COORDINATOR, PARTITION, client_version=EPOCH_BUMP_VERSION)
    producer = told.init("producer")
    told.produce("producer", producer, "a b")
    following = told.end("producer", producer, is_commit=True)
    told.tell_partition()
    told.diagram.note("what the last transaction sent and was late is not taken for the next one's")
    told.produce("producer", producer, "late")
    told.produce("producer", following, "c")
    return told.diagram


def new_protocol_abort() -> Diagram:
    told = TransactionTeller("producer", COORDINATOR, PARTITION, client_version=EPOCH_BUMP_VERSION)
    producer = told.init("producer")
    told.produce("producer", producer, "a b")
    told.end("producer", producer, is_commit=False)
    told.tell_partition()
    told.diagram.note("a and b stay in the log, and readers of committed records leave them out")
    return told.diagram


def fence() -> Diagram:
    told = TransactionTeller("elder", COORDINATOR, "younger", PARTITION, client_version=0, column_width=46)
    elder = told.init("elder")
    told.announce("elder", elder)
    told.diagram.note("elder hangs; whoever watches it starts another process with the same transactional.id")
    told.init("younger")
    told.tell_partition()
    younger = told.init("younger")
    told.announce("younger", younger)
    told.diagram.note("elder goes on where it was")
    told.announce("elder", elder)
    told.end("elder", elder, is_commit=True)
    return told.diagram


def timeout() -> Diagram:
    told = TransactionTeller("producer", COORDINATOR, PARTITION, client_version=0)
    producer = told.init("producer")
    told.announce("producer", producer)
    told.produce("producer", producer, "a b")
    told.wait(_TIMEOUT_MS + 2 * _SWEEP_MS, "nothing is heard of the producer for transaction.timeout.ms")
    told.tell_partition()
    told.end("producer", producer, is_commit=True)
    return told.diagram


TRANSACTION_SEQUENCES: Final[dict[str, Callable[[], Diagram]]] = {
    function.__name__: function for function in (old_protocol_commit, new_protocol_commit, new_protocol_abort, fence, timeout)
}
