"""The replica as events and effects: who persists what before saying it, and when something is committed."""

from __future__ import annotations

import random

from odradek.base.identifiers import Uuid
from odradek.raft.batches import read_batches
from odradek.raft.control_records import QuorumHistory
from odradek.raft.effects import (
    AppendToLog,
    Effect,
    FlushLog,
    HighWatermarkAdvanced,
    LeadershipChanged,
    PersistElection,
    ProposalRefused,
)
from odradek.raft.election_state import ElectionState
from odradek.raft.events import BatchesProposed, DeadlineReached, LogFlushed, ProposedBatch, Started
from odradek.raft.node import RaftNode, RaftTimeouts
from odradek.raft.roles.resigned import Resigned
from odradek.raft.voters import Voter, VoterEndpoint, VoterKey, VoterSet
from odradek.records.control import ControlType

DIRECTORY = Uuid(b"\x09" * 16)


def a_voter(node_id: int, *, port: int = 9093, directory: Uuid = DIRECTORY) -> Voter:
    return Voter(key=VoterKey(node_id, directory), endpoints=(VoterEndpoint("CONTROLLER", "127.0.0.1", port),))


def a_node(
    *voters: Voter,
    local: Voter | None = None,
    election: ElectionState | None = None,
    log_end_offset: int = 0,
    log_end_epoch: int = 0,
    voters_offset: int = -1,
    kraft_version: int = 1,
) -> RaftNode:
    return RaftNode(
        local=local or voters[0],
        history=QuorumHistory(kraft_version=kraft_version, voters=VoterSet.of(voters), voters_offset=voters_offset),
        election=election or ElectionState(),
        log_end_offset=log_end_offset,
        log_end_epoch=log_end_epoch,
        timeouts=RaftTimeouts(),
        dice=random.Random(1),
    )


def control_types(effects: list[Effect]) -> list[ControlType]:
    (append,) = [effect for effect in effects if isinstance(effect, AppendToLog)]
    return [record.control_type for batch in read_batches(append.batches[0].data) for record in batch.control_records]


def test_only_voter_leads_the_next_epoch_at_once_and_persists_before_it_appends() -> None:
    node = a_node(a_voter(1), election=ElectionState(epoch=4, leader_id=1), log_end_offset=10, log_end_epoch=4)

    effects = node.step(Started(), now_ms=0)

    assert [type(effect) for effect in effects] == [
        PersistElection,
        LeadershipChanged,
        PersistElection,
        LeadershipChanged,
        AppendToLog,
        FlushLog,
    ]
    assert effects[0] == PersistElection(ElectionState(epoch=5, voted=VoterKey(1, DIRECTORY)))
    assert effects[2] == PersistElection(ElectionState(epoch=5, leader_id=1))
    assert effects[3] == LeadershipChanged(1, 5)
    assert node.high_watermark is None


def test_epoch_goes_beyond_what_the_log_holds_when_the_election_file_was_lost() -> None:
    node = a_node(a_voter(1), log_end_offset=10, log_end_epoch=7)

    node.step(Started(), now_ms=0)

    assert node.epoch == 8


def test_first_leader_brings_the_voters_of_the_bootstrap_snapshot_into_the_log() -> None:
    """KIP-853, `LeaderState.java`: LeaderChange, KRaftVersion and Voters in one control batch."""
    effects = a_node(a_voter(1)).step(Started(), now_ms=0)

    assert control_types(effects) == [ControlType.LEADER_CHANGE, ControlType.KRAFT_VERSION, ControlType.KRAFT_VOTERS]


def test_later_leader_writes_the_voters_only_when_it_listens_elsewhere() -> None:
    same = a_node(a_voter(1), voters_offset=2, log_end_offset=10)
    moved = a_node(a_voter(1), local=a_voter(1, port=9999), voters_offset=2, log_end_offset=10)

    assert control_types(same.step(Started(), now_ms=0)) == [ControlType.LEADER_CHANGE]
    assert control_types(moved.step(Started(), now_ms=0)) == [
        ControlType.LEADER_CHANGE,
        ControlType.KRAFT_VERSION,
        ControlType.KRAFT_VOTERS,
    ]
    assert moved.voters.by_node_id[1].endpoints[0].port == 9999


def test_static_quorum_writes_no_voters() -> None:
    node = a_node(Voter(key=VoterKey(1), endpoints=()), kraft_version=0)

    assert control_types(node.step(Started(), now_ms=0)) == [ControlType.LEADER_CHANGE]


def test_records_are_committed_when_they_are_on_disk_and_not_before() -> None:
    node = a_node(a_voter(1), voters_offset=0, log_end_offset=1)
    node.step(Started(), now_ms=0)

    assert node.step(LogFlushed(2), now_ms=1) == [HighWatermarkAdvanced(2)]
    batches = (ProposedBatch(b"x", 3), ProposedBatch(b"y", 1))
    assert node.step(BatchesProposed(batches), now_ms=2) == [AppendToLog(2, 1, batches), FlushLog(6)]
    assert node.high_watermark == 2
    assert node.step(LogFlushed(6), now_ms=3) == [HighWatermarkAdvanced(6)]


def test_flush_reported_again_changes_nothing() -> None:
    node = a_node(a_voter(1), voters_offset=0, log_end_offset=1)
    node.step(Started(), now_ms=0)
    node.step(LogFlushed(2), now_ms=1)

    assert node.step(LogFlushed(2), now_ms=2) == []
    assert node.step(LogFlushed(1), now_ms=3) == []


def test_proposal_is_refused_before_the_node_leads() -> None:
    assert a_node(a_voter(1)).step(BatchesProposed((ProposedBatch(b"x", 1),)), now_ms=0) == [ProposalRefused()]


def test_one_of_three_voters_does_not_elect_itself() -> None:
    voters = [a_voter(1), a_voter(2), a_voter(3)]
    node = a_node(*voters, election=ElectionState(epoch=4, leader_id=1))

    node.step(Started(), now_ms=0)
    assert isinstance(node.role, Resigned)
    deadline_ms = node.deadline_ms()
    assert deadline_ms is not None
    assert 1000 <= deadline_ms < 2000

    effects = node.step(DeadlineReached(), now_ms=deadline_ms)
    assert effects[0] == PersistElection(ElectionState(epoch=5, voted=VoterKey(1, DIRECTORY)))
    assert not node.is_leader


def test_node_that_is_no_voter_stays_out_of_elections() -> None:
    node = a_node(a_voter(2), local=a_voter(1))

    assert node.step(Started(), now_ms=0) == []
    assert node.deadline_ms() is None


def test_voter_with_another_disk_is_another_voter() -> None:
    voters = VoterSet.of([a_voter(1)])

    assert not voters.contains(VoterKey(1, Uuid(b"\x08" * 16)))
    assert VoterSet.of([Voter(key=VoterKey(1), endpoints=())]).contains(VoterKey(1, DIRECTORY))
