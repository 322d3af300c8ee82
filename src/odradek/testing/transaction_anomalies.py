"""What can be wrong with a transactional history, by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class AnomalyKind(Enum):
    """Names follow the literature where it has one (Adya's G1a, G1b, G1c; Jepsen's lost write, unseen, poll skip)."""

    # An acknowledged record of a committed transaction is not given to readers of committed data that pass its offset, or not in the log.
    LOST_WRITE = "lost write"
    # A reader of committed data saw a record of a transaction that was not committed (G1a).
    ABORTED_READ = "aborted read"
    # A reader of committed data saw a record before anybody asked to commit its transaction (G1b, intermediate read).
    EARLY_READ = "early read"
    # Of a transaction whose producer does not know how it ended, one part was committed and another was not.
    FRACTURED = "fractured transaction"
    # A record is at two offsets.
    DUPLICATE = "duplicate"
    # Two records are at one offset.
    OFFSET_REUSED = "offset reused"
    # Records of one producer and partition are not in the order in which it sent them, or a record lies before one that was acknowledged
    # before it was sent.
    REORDERED = "reordered"
    # A record that was sent by a producer which had been fenced is in the log.
    FENCED_WRITE = "write of a fenced producer"
    # A transaction whose end was asked for by a producer which had been fenced was committed.
    FENCED_COMMIT = "commit of a fenced producer"
    # A record was read that nobody has sent there.
    FOREIGN = "foreign record"
    # Transactions have read each other's records in a circle (G1c, by what they read alone).
    READ_CYCLE = "read cycle"
    # A group has an offset that only transactions which were not committed have brought, or not yet.
    OFFSET_OF_ABORTED = "offset of an aborted transaction"
    # A group does not have the offset that was committed last.
    OFFSET_LOST = "lost offset"
    # A transaction is open though everybody has been quiet for longer than it may last.
    HANGING = "hanging transaction"
    # A committed record was read by nobody though it is there to be read.
    UNSEEN = "unseen write"
    # A record of the input of a copy is not in its output, is in it more than once, or is in it though it is not in the input.
    COPY_NOT_EXACT = "copy is not exact"


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One thing that is wrong."""

    kind: AnomalyKind
    sentence: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.sentence}"
