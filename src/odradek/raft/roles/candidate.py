"""A replica that stands for election in a new epoch. It votes for itself first; the vote is on disk before anybody is asked for theirs."""

from __future__ import annotations

from odradek.raft.election_state import NOBODY, ElectionState
from odradek.raft.voters import VoterKey, VoterSet


class Candidate:
    """Counts the votes of one epoch."""

    __slots__ = ("_election_deadline_ms", "_epoch", "_granted_by", "_key", "_voters")

    def __init__(self, *, epoch: int, key: VoterKey, voters: VoterSet, election_deadline_ms: int) -> None:
        assert voters.contains(key), f"node {key.node_id} is no voter and cannot stand for election"
        self._epoch = epoch
        self._key = key
        self._voters = voters
        self._granted_by = {key.node_id}
        self._election_deadline_ms = election_deadline_ms

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def leader_id(self) -> int:
        return NOBODY

    @property
    def granted_by(self) -> frozenset[int]:
        """Node ids of the voters that said yes, this node among them."""
        return frozenset(self._granted_by)

    @property
    def is_elected(self) -> bool:
        return len(self._granted_by) >= self._voters.majority

    def on_vote_granted(self, node_id: int) -> None:
        """Count a yes; one from somebody who does not vote is worth nothing."""
        if node_id in self._voters.by_node_id:
            self._granted_by.add(node_id)

    def election(self) -> ElectionState:
        return ElectionState(epoch=self._epoch, voted=self._key)

    def deadline_ms(self) -> int | None:
        return self._election_deadline_ms
