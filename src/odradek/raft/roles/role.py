"""What every role of a replica answers. A role is a class; the transitions between them are made by `RaftNode` alone."""

from __future__ import annotations

from typing import Protocol

from odradek.raft.election_state import ElectionState


class Role(Protocol):
    """One role in one epoch."""

    @property
    def epoch(self) -> int: ...

    @property
    def leader_id(self) -> int:
        """Who leads this epoch as far as this role knows; -1 for nobody."""
        ...

    def election(self) -> ElectionState:
        """What must be on disk while in this role."""
        ...

    def deadline_ms(self) -> int | None:
        """When this role wants `DeadlineReached`; None for never."""
        ...
