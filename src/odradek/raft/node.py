"""One replica of the metadata log: it takes events, decides, and answers with effects. No socket, no disk, no clock (KIP-595, KIP-853).

The node knows where the log ends, what the election file says, and which voters the log names. Every change of role passes through
`_become`, which makes the election state durable before anything else of the new role is done. The roles hold what belongs to one
epoch; the node holds what outlives it.

This release runs quorums of one voter, through the same events and effects that larger ones will use: the follower's role and the peers'
messages come as further events, not as another way.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from odradek.base.errors import Misuse
from odradek.raft.control_records import VOTERS_NOT_IN_LOG, QuorumHistory, leader_change, quorum_records
from odradek.raft.effects import (
    AppendToLog,
    Effect,
    FlushLog,
    HighWatermarkAdvanced,
    LeadershipChanged,
    PersistElection,
    ProposalRefused,
)
from odradek.raft.election_state import NOBODY, ElectionState
from odradek.raft.events import AppendRefused, BatchesProposed, DeadlineReached, Event, LogFlushed, ProposedBatch, Started
from odradek.raft.roles.candidate import Candidate
from odradek.raft.roles.leader import Leader
from odradek.raft.roles.resigned import Resigned
from odradek.raft.roles.role import Role
from odradek.raft.roles.unattached import Unattached
from odradek.raft.voters import Voter, VoterSet
from odradek.records.control import ControlRecord, encode_control_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class RaftTimeouts:
    """The settings `controller.quorum.*.timeout.ms`."""

    election_timeout_ms: int = 1000
    fetch_timeout_ms: int = 2000


class RaftNode:
    """The replica on this node. `local` is this node as a voter would be described now, listeners included."""

    def __init__(
        self,
        *,
        local: Voter,
        history: QuorumHistory,
        election: ElectionState,
        log_end_offset: int,
        log_end_epoch: int,
        timeouts: RaftTimeouts,
        dice: random.Random,
    ) -> None:
        self._local = local
        self._history = history
        self._timeouts = timeouts
        self._dice = dice
        self._log_end_offset = log_end_offset
        self._persisted = election
        self._announced = LeadershipChanged(NOBODY, -1)
        # A log may know a later epoch than the election file when the file was lost; never go below what is written.
        self._role: Role = Unattached(epoch=max(election.epoch, log_end_epoch), voted=election.voted, election_deadline_ms=None)

    @property
    def role(self) -> Role:
        return self._role

    @property
    def epoch(self) -> int:
        return self._role.epoch

    @property
    def leader_id(self) -> int:
        """Who leads as far as this node knows; -1 for nobody."""
        return self._role.leader_id

    @property
    def is_leader(self) -> bool:
        return isinstance(self._role, Leader)

    @property
    def log_end_offset(self) -> int:
        return self._log_end_offset

    @property
    def high_watermark(self) -> int | None:
        """The committed end of the log; None until this epoch has committed something."""
        return self._role.high_watermark if isinstance(self._role, Leader) else None

    @property
    def kraft_version(self) -> int:
        return self._history.kraft_version

    @property
    def voters(self) -> VoterSet:
        """The voters that count now.

        Raises:
            Misuse: neither the log nor a snapshot names any.
        """
        if self._history.voters is None:
            raise Misuse("the quorum has no voters")
        return self._history.voters

    def deadline_ms(self) -> int | None:
        """When to report `DeadlineReached`; None for never."""
        return self._role.deadline_ms()

    def step(self, event: Event, now_ms: int) -> list[Effect]:
        """Take one event; what is to be done about it, in order."""
        match event:
            case Started():
                return self._on_started(now_ms)
            case BatchesProposed(batches):
                return self._on_proposed(batches)
            case AppendRefused(end_offset):
                self._log_end_offset = end_offset
                return []
            case LogFlushed(end_offset):
                return self._on_flushed(end_offset)
            case DeadlineReached():
                return self._stand_for_election(now_ms)

    def _on_started(self, now_ms: int) -> list[Effect]:
        if not self.voters.contains(self._local.key):
            return []
        if self.voters.is_only_voter(self._local.key):
            return self._stand_for_election(now_ms)
        deadline_ms = self._election_deadline_ms(now_ms)
        if self._persisted.leader_id == self._local.key.node_id:
            role: Role = Resigned(epoch=self.epoch, node_id=self._local.key.node_id, election_deadline_ms=deadline_ms)
        else:
            role = Unattached(epoch=self.epoch, voted=self._persisted.voted, election_deadline_ms=deadline_ms)
        return self._become(role)

    def _stand_for_election(self, now_ms: int) -> list[Effect]:
        candidate = Candidate(
            epoch=self.epoch + 1,
            key=self._local.key,
            voters=self.voters,
            election_deadline_ms=self._election_deadline_ms(now_ms),
        )
        effects = self._become(candidate)
        if candidate.is_elected:
            effects += self._lead(candidate, now_ms)
        return effects

    def _lead(self, candidate: Candidate, now_ms: int) -> list[Effect]:
        leader = Leader(
            epoch=candidate.epoch,
            key=self._local.key,
            voters=self.voters,
            granted_by=candidate.granted_by,
            epoch_start_offset=self._log_end_offset,
        )
        effects = self._become(leader)
        records = self._epoch_start_records(leader)
        batch = encode_control_batch(records, timestamp=now_ms, leader_epoch=leader.epoch)
        for index, record in enumerate(records):
            self._history.replay(record, leader.epoch_start_offset + index)
        return effects + self._append((ProposedBatch(batch, len(records)),), leader)

    def _epoch_start_records(self, leader: Leader) -> list[ControlRecord]:
        records = [leader_change(leader.leader_id, leader.voters, leader.granted_by)]
        # Voters that stand only in the bootstrap snapshot must come into the log, where followers can read them; and a leader that listens
        # elsewhere than the log says is the one who can correct it (KIP-853).
        must_write_voters = self._history.voters_offset == VOTERS_NOT_IN_LOG or leader.voters.needs_update(self._local)
        if self.kraft_version >= 1 and must_write_voters:
            records += quorum_records(self.kraft_version, leader.voters.with_updated(self._local))
        return records

    def _on_proposed(self, batches: tuple[ProposedBatch, ...]) -> list[Effect]:
        if not isinstance(self._role, Leader):
            return [ProposalRefused()]
        return self._append(batches, self._role)

    def _append(self, batches: tuple[ProposedBatch, ...], leader: Leader) -> list[Effect]:
        base_offset = self._log_end_offset
        self._log_end_offset += sum(batch.record_count for batch in batches)
        return [AppendToLog(base_offset, leader.epoch, batches), FlushLog(self._log_end_offset)]

    def _on_flushed(self, end_offset: int) -> list[Effect]:
        assert end_offset <= self._log_end_offset, f"flushed to {end_offset}, the log ends at {self._log_end_offset}"
        if not isinstance(self._role, Leader) or not self._role.on_voter_progress(self._local.key.node_id, end_offset):
            return []
        assert self._role.high_watermark is not None
        return [HighWatermarkAdvanced(self._role.high_watermark)]

    def _become(self, role: Role) -> list[Effect]:
        assert role.epoch >= self.epoch, f"the epoch would go from {self.epoch} back to {role.epoch}"
        self._role = role
        effects: list[Effect] = []
        if role.election() != self._persisted:
            self._persisted = role.election()
            effects.append(PersistElection(self._persisted))
        leadership = LeadershipChanged(role.leader_id, role.epoch)
        if leadership != self._announced:
            self._announced = leadership
            effects.append(leadership)
        return effects

    def _election_deadline_ms(self, now_ms: int) -> int:
        # Up to twice the timeout, by dice, so that voters that lost their leader together do not stand together.
        return now_ms + self._timeouts.election_timeout_ms + self._dice.randrange(self._timeouts.election_timeout_ms)
