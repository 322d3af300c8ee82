"""A replica that knows an epoch but no leader of it: how a fresh node starts, and where a voter goes when it hears of a newer epoch."""

from __future__ import annotations

from odradek.raft.election_state import NOBODY, ElectionState
from odradek.raft.voters import VoterKey


class Unattached:
    """Waits to hear of a leader; stands for election when `election_deadline_ms` passes. An observer has no deadline."""

    __slots__ = ("_election_deadline_ms", "_epoch", "_voted")

    def __init__(self, *, epoch: int, voted: VoterKey | None, election_deadline_ms: int | None) -> None:
        self._epoch = epoch
        self._voted = voted
        self._election_deadline_ms = election_deadline_ms

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def leader_id(self) -> int:
        return NOBODY

    def election(self) -> ElectionState:
        return ElectionState(epoch=self._epoch, voted=self._voted)

    def deadline_ms(self) -> int | None:
        return self._election_deadline_ms
