"""A replica that led an epoch and no longer may: how a leader starts again.

It must not lead the same epoch a second time. Its log may have ended, before the crash, with records that the new process would append
differently under the same epoch, and two logs with the same (epoch, offset) but other records could never be told apart.
"""

from __future__ import annotations

from odradek.raft.election_state import ElectionState


class Resigned:
    """Knows itself as the former leader of `epoch`."""

    __slots__ = ("_election_deadline_ms", "_epoch", "_node_id")

    def __init__(self, *, epoch: int, node_id: int, election_deadline_ms: int) -> None:
        self._epoch = epoch
        self._node_id = node_id
        self._election_deadline_ms = election_deadline_ms

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def leader_id(self) -> int:
        return self._node_id

    def election(self) -> ElectionState:
        return ElectionState(epoch=self._epoch, leader_id=self._node_id)

    def deadline_ms(self) -> int | None:
        return self._election_deadline_ms
