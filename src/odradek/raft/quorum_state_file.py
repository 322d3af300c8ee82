"""`quorum-state` beside the metadata log: the one file that must be on disk before an epoch or a vote is spoken of."""

from __future__ import annotations

from odradek.raft.election_state import ElectionState
from odradek.raft.voters import VoterSet
from odradek.storage.filesystem import FileSystem

QUORUM_STATE = "quorum-state"


class QuorumStateFile:
    """Reads and writes one replica's election state."""

    __slots__ = ("_filesystem", "_path")

    def __init__(self, filesystem: FileSystem, directory: str) -> None:
        self._filesystem = filesystem
        self._path = f"{directory}/{QUORUM_STATE}"

    def read(self) -> ElectionState:
        """What was written last; the state of a replica that never took part when there is no file.

        Raises:
            CorruptRecords: the file is not what a Kafka node writes.
        """
        if not self._filesystem.exists(self._path):
            return ElectionState()
        return ElectionState.from_json(self._filesystem.read_bytes(self._path).decode("utf-8", errors="replace"))

    def write(self, state: ElectionState, kraft_version: int, voters: VoterSet) -> None:
        """Write `state` so that either it or the one before is found, also after a power cut."""
        text = state.to_json(kraft_version, sorted(voters.by_node_id))
        self._filesystem.replace(self._path, text.encode(), sync=True)
