"""What a replica must never forget: the epoch it has reached, whom it voted for there, and who leads it (`QuorumStateData`).

Kept as one line of JSON in `__cluster_metadata-0/quorum-state`, in the form Kafka writes: data version 1 when the voters are in the log
(kraft.version 1), version 0 with the static voters otherwise. It is on disk before anybody hears of the epoch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from odradek.base.errors import CorruptRecords
from odradek.base.identifiers import ZERO_UUID, uuid_from_text, uuid_to_text
from odradek.raft.voters import VoterKey

NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionState:
    """`leader_id` is -1 while unknown, `voted` is None when no vote was given in this epoch."""

    epoch: int = 0
    leader_id: int = NOBODY
    voted: VoterKey | None = None

    def to_json(self, kraft_version: int, static_voters: Iterable[int]) -> str:
        """The line of the file."""
        voted_id = NOBODY if self.voted is None else self.voted.node_id
        if kraft_version == 0:
            fields: dict[str, object] = {
                "clusterId": "",
                "leaderId": self.leader_id,
                "leaderEpoch": self.epoch,
                "votedId": voted_id,
                "appliedOffset": 0,
                "currentVoters": [{"voterId": voter} for voter in static_voters],
                "data_version": 0,
            }
        else:
            directory_id = ZERO_UUID if self.voted is None else self.voted.directory_id
            fields = {
                "leaderId": self.leader_id,
                "leaderEpoch": self.epoch,
                "votedId": voted_id,
                "votedDirectoryId": uuid_to_text(directory_id),
                "data_version": 1,
            }
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ElectionState:
        """The state that the line holds, in either data version.

        Raises:
            CorruptRecords: the line is not what a Kafka node writes.
        """
        try:
            fields = json.loads(text)
            voted_id = int(fields["votedId"])
            directory_id = uuid_from_text(fields["votedDirectoryId"]) if "votedDirectoryId" in fields else ZERO_UUID
            return cls(
                epoch=int(fields["leaderEpoch"]),
                leader_id=int(fields["leaderId"]),
                voted=None if voted_id == NOBODY else VoterKey(voted_id, directory_id),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptRecords(f"the quorum state cannot be read: {text[:200]!r}") from error
