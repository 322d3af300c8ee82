"""The replica that leads one epoch: it alone appends, and it knows how far every voter's disk has come.

The high watermark is the largest offset that a majority of voters holds on disk, but it moves only past records of the leader's own epoch
(Raft, section 5.4.2: an older record on a majority can still be overwritten by a leader that has not seen it). The record that makes this
possible at once is the LeaderChange at `epoch_start_offset`.
"""

from __future__ import annotations

from odradek.raft.election_state import ElectionState
from odradek.raft.voters import VoterKey, VoterSet


class Leader:
    """`granted_by` elected it. Offsets are ends: the next offset a voter would write."""

    __slots__ = ("_end_offset_by_voter", "_epoch", "_key", "_voters", "epoch_start_offset", "granted_by", "high_watermark")

    def __init__(self, *, epoch: int, key: VoterKey, voters: VoterSet, granted_by: frozenset[int], epoch_start_offset: int) -> None:
        self._epoch = epoch
        self._key = key
        self._voters = voters
        self.granted_by = granted_by
        self.epoch_start_offset = epoch_start_offset
        self.high_watermark: int | None = None
        self._end_offset_by_voter = dict.fromkeys(voters.by_node_id, 0)

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def leader_id(self) -> int:
        return self._key.node_id

    @property
    def voters(self) -> VoterSet:
        return self._voters

    def end_offset_of(self, node_id: int) -> int:
        """How far the disk of one voter has come."""
        return self._end_offset_by_voter[node_id]

    def on_voter_progress(self, node_id: int, end_offset: int) -> bool:
        """Take a voter's end offset; whether the high watermark has moved."""
        assert node_id in self._end_offset_by_voter, f"node {node_id} is no voter"
        if end_offset <= self._end_offset_by_voter[node_id]:
            return False
        self._end_offset_by_voter[node_id] = end_offset
        held_by_majority = sorted(self._end_offset_by_voter.values(), reverse=True)[self._voters.majority - 1]
        if held_by_majority <= self.epoch_start_offset:
            return False
        if self.high_watermark is not None and held_by_majority <= self.high_watermark:
            return False
        self.high_watermark = held_by_majority
        return True

    def election(self) -> ElectionState:
        return ElectionState(epoch=self._epoch, leader_id=self._key.node_id)

    def deadline_ms(self) -> int | None:
        # A quorum of one needs no check that the others are still there.
        return None
