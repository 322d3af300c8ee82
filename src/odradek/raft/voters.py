"""Who votes: the voters of the quorum, by id and directory id, and the arithmetic of majorities (KIP-853).

A voter is known by its node id together with the id of the directory that holds its log: a node that comes back with an empty disk is
another voter. In a static quorum (kraft.version 0) nobody knows directory ids; they are all zero there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.protocol.internal_records import raft as records


class VoterKey(NamedTuple):
    """The identity of one replica of the metadata log."""

    node_id: int
    directory_id: Uuid = ZERO_UUID


@dataclass(frozen=True, slots=True)
class VoterEndpoint:
    """Where one controller listener of a voter is reached."""

    name: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Voter:
    """One voter with its listeners and the levels of kraft.version that it supports."""

    key: VoterKey
    endpoints: tuple[VoterEndpoint, ...]
    kraft_version_minimum: int = 0
    kraft_version_maximum: int = 1


@dataclass(frozen=True, slots=True)
class VoterSet:
    """All voters by node id; never empty in a running quorum."""

    by_node_id: Mapping[int, Voter]

    @classmethod
    def of(cls, voters: Iterable[Voter]) -> VoterSet:
        return cls({voter.key.node_id: voter for voter in voters})

    @classmethod
    def from_record(cls, record: records.VotersRecord) -> VoterSet:
        return cls.of(
            Voter(
                key=VoterKey(voter.voter_id, voter.voter_directory_id),
                endpoints=tuple(VoterEndpoint(endpoint.name, endpoint.host, endpoint.port) for endpoint in voter.endpoints),
                kraft_version_minimum=voter.kraft_version_feature.min_supported_version,
                kraft_version_maximum=voter.kraft_version_feature.max_supported_version,
            )
            for voter in record.voters
        )

    def to_record(self) -> records.VotersRecord:
        return records.VotersRecord(
            version=0,
            voters=[
                records.VotersRecordVoter(
                    voter_id=voter.key.node_id,
                    voter_directory_id=voter.key.directory_id,
                    endpoints=[records.Endpoint(name=end.name, host=end.host, port=end.port) for end in voter.endpoints],
                    kraft_version_feature=records.KRaftVersionFeature(
                        min_supported_version=voter.kraft_version_minimum, max_supported_version=voter.kraft_version_maximum
                    ),
                )
                for voter in self.by_node_id.values()
            ],
        )

    def contains(self, key: VoterKey) -> bool:
        """Whether `key` votes. A voter without a directory id (static quorum) matches every directory."""
        voter = self.by_node_id.get(key.node_id)
        return voter is not None and voter.key.directory_id in (ZERO_UUID, key.directory_id)

    def is_only_voter(self, key: VoterKey) -> bool:
        """Whether `key` is the whole quorum."""
        return len(self.by_node_id) == 1 and self.contains(key)

    @property
    def majority(self) -> int:
        """How many voters decide."""
        return len(self.by_node_id) // 2 + 1

    def with_updated(self, voter: Voter) -> VoterSet:
        """The set in which `voter`, already a member, has its present listeners and levels."""
        assert self.contains(voter.key), f"node {voter.key.node_id} is no voter"
        return VoterSet({**self.by_node_id, voter.key.node_id: replace(voter, key=self.by_node_id[voter.key.node_id].key)})

    def needs_update(self, voter: Voter) -> bool:
        """Whether the set holds other listeners or levels for this member than it has now."""
        return self.contains(voter.key) and self.with_updated(voter) != self
