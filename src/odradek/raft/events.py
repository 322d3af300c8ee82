"""What can happen to a replica of the metadata log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Started:
    """The node is up, with what `RaftNode` was made of."""


@dataclass(frozen=True, slots=True)
class ProposedBatch:
    """One encoded batch whose offsets and epoch are still open."""

    data: bytes
    record_count: int


@dataclass(frozen=True, slots=True)
class BatchesProposed:
    """The state machine on this node wants these batches in the log, in this order, each whole or not at all."""

    batches: tuple[ProposedBatch, ...]


@dataclass(frozen=True, slots=True)
class AppendRefused:
    """There was no room for an append (`effects.AppendToLog`): the log still ends at `end_offset`."""

    end_offset: int


@dataclass(frozen=True, slots=True)
class LogFlushed:
    """Everything below `end_offset` is on this node's disk."""

    end_offset: int


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The time `RaftNode.deadline_ms()` named has come."""


Event = Started | BatchesProposed | AppendRefused | LogFlushed | DeadlineReached
