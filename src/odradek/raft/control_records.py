"""The records of the metadata log that raft itself writes and reads: who leads, which protocol level, who votes.

They travel in control batches. `QuorumHistory` follows them through a snapshot and the log, because the voters that count are the last
ones *appended*, committed or not (KIP-853).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from odradek.base.identifiers import Uuid
from odradek.protocol.internal_records import raft as records
from odradek.raft.voters import VoterKey, VoterSet
from odradek.records.control import ControlRecord, ControlType

# A voter set that was only in the bootstrap snapshot has no offset in the log yet.
VOTERS_NOT_IN_LOG = -1


@dataclass(slots=True)
class QuorumHistory:
    """What the control records read so far amount to. `voters_offset` is -1 while the voters stand only in the snapshot at 0-0."""

    kraft_version: int = 0
    voters: VoterSet | None = None
    voters_offset: int = VOTERS_NOT_IN_LOG

    def replay(self, record: ControlRecord, offset: int) -> None:
        """Take one control record in; those that do not speak of the quorum are passed over."""
        if record.control_type is ControlType.KRAFT_VERSION:
            self.kraft_version = records.KRaftVersionRecord.decode(record.value, 0, 0)[0].kraft_version
        elif record.control_type is ControlType.KRAFT_VOTERS:
            self.voters = VoterSet.from_record(records.VotersRecord.decode(record.value, 0, 0)[0])
            self.voters_offset = offset


def leader_change(leader_id: int, voters: VoterSet, granted_by: frozenset[int]) -> ControlRecord:
    """The first record of an epoch. Version 0, which has no directory ids, is what Kafka 4.3 writes."""
    message = records.LeaderChangeMessage(
        version=0,
        leader_id=leader_id,
        voters=[_leader_change_voter(node_id) for node_id in voters.by_node_id],
        granting_voters=[_leader_change_voter(node_id) for node_id in sorted(granted_by)],
    )
    value = bytearray()
    message.encode(value, 0)
    return ControlRecord(ControlType.LEADER_CHANGE, bytes(value))


def quorum_records(kraft_version: int, voters: VoterSet) -> Sequence[ControlRecord]:
    """The protocol level and the voters, as they stand in a snapshot's first batch or at the start of an epoch."""
    version_value, voters_value = bytearray(), bytearray()
    records.KRaftVersionRecord(version=0, kraft_version=kraft_version).encode(version_value, 0)
    voters.to_record().encode(voters_value, 0)
    return (
        ControlRecord(ControlType.KRAFT_VERSION, bytes(version_value)),
        ControlRecord(ControlType.KRAFT_VOTERS, bytes(voters_value)),
    )


def snapshot_header(last_contained_log_timestamp_ms: int) -> ControlRecord:
    """The record every snapshot begins with."""
    value = bytearray()
    records.SnapshotHeaderRecord(version=0, last_contained_log_timestamp=last_contained_log_timestamp_ms).encode(value, 0)
    return ControlRecord(ControlType.SNAPSHOT_HEADER, bytes(value))


def snapshot_footer() -> ControlRecord:
    """The record every whole snapshot ends with."""
    value = bytearray()
    records.SnapshotFooterRecord(version=0).encode(value, 0)
    return ControlRecord(ControlType.SNAPSHOT_FOOTER, bytes(value))


def voter_key(node_id: int, directory_id: Uuid, kraft_version: int) -> VoterKey:
    """How this node is known in the quorum at a level of kraft.version."""
    return VoterKey(node_id) if kraft_version == 0 else VoterKey(node_id, directory_id)


def _leader_change_voter(node_id: int) -> records.LeaderChangeMessageVoter:
    return records.LeaderChangeMessageVoter(voter_id=node_id)
