"""What a replica wants done, in the order in which it must be done: persist, send, apply, complete.

A driver works one list from front to back. It may run ahead with nothing: an epoch that was announced before it was on disk could be
lost in a crash and given away twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from odradek.raft.election_state import ElectionState
from odradek.raft.events import ProposedBatch


@dataclass(frozen=True, slots=True)
class PersistElection:
    """Write the quorum state and wait until it is on disk."""

    state: ElectionState


@dataclass(frozen=True, slots=True)
class AppendToLog:
    """Append at `base_offset`, stamped with `leader_epoch`."""

    base_offset: int
    leader_epoch: int
    batches: tuple[ProposedBatch, ...]


@dataclass(frozen=True, slots=True)
class FlushLog:
    """Bring the log to disk up to `end_offset`, then report `LogFlushed`. Later effects do not wait for it."""

    end_offset: int


@dataclass(frozen=True, slots=True)
class LeadershipChanged:
    """Whom this node believes to lead; -1 for nobody. Told again only when something changed."""

    leader_id: int
    epoch: int


@dataclass(frozen=True, slots=True)
class HighWatermarkAdvanced:
    """Everything below `offset` is committed and may be applied."""

    offset: int


@dataclass(frozen=True, slots=True)
class ProposalRefused:
    """This node does not lead: the proposal was dropped whole."""


Effect = PersistElection | AppendToLog | FlushLog | LeadershipChanged | HighWatermarkAdvanced | ProposalRefused
