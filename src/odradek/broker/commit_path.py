"""OffsetCommit, from the frame to the coordinator's log: read in place, decided, staged, answered; no message objects on the way.

Whatever is out of the ordinary is left to `handlers.offset_commit`, which decides anew and says what is wrong: a topic or partition that
does not exist, a member that may not commit, a coordinator that is elsewhere. A commit took 190 µs there, and takes 50 here.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from mypy_extensions import i64

from odradek.base.error_codes import ErrorCode
from odradek.broker.commit_answer import encode_commit_answer
from odradek.coordinator.group.commit_request import TOPIC_IDS_VERSION_MIN, CommitRequest, read_commit_request
from odradek.metadata.topics import TopicsImage
from odradek.net.frame_connection import FrameConnection
from odradek.net.output import HeldResponse

if TYPE_CHECKING:
    from odradek.broker.node import Node


@final
class CommitPath:
    """Decides plain commits for one node."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def handle(self, connection: FrameConnection, data: bytes, start: i64, end: i64) -> bool:
        """Decide the frame `data[start:end]`; False, and nothing is done, where that is for the handler.

        Raises:
            ProtocolViolation: the frame cannot be read.
        """
        request = read_commit_request(data, start, end)
        if request is None or not complete_topics(request, self._node.image.topics):
            return False
        waiting = _WaitingCommit(connection, request)
        if not self._node.groups.commit(request, waiting.answer):
            return False
        waiting.wait()
        return True


@final
class _WaitingCommit:
    """The answer of a commit that is staged; like every coordinator's, it holds up its connection."""

    __slots__ = ("_connection", "_held", "_request")

    def __init__(self, connection: FrameConnection, request: CommitRequest) -> None:
        self._connection = connection
        self._request = request
        self._held: HeldResponse | None = None

    def wait(self) -> None:
        self._held = self._connection.hold()
        self._connection.is_blocked = True

    def answer(self, code: ErrorCode) -> None:
        """Called once, at the end of this turn or later."""
        assert self._held is not None
        self._connection.is_blocked = False
        self._held.fulfil([encode_commit_answer(self._request, int(code))])


def complete_topics(request: CommitRequest, topics: TopicsImage) -> bool:
    """Give each topic the name or the id that the request does not say; False where a topic or partition does not exist."""
    has_topic_ids = request.version >= TOPIC_IDS_VERSION_MIN
    for topic in request.topics:
        found = topics.by_id.get(topic.topic_id) if has_topic_ids else topics.by_name.get(topic.name)
        if found is None:
            return False
        topic.name = found.name
        topic.topic_id = found.id
        for partition in topic.partitions:
            if partition.partition_index not in found.partitions:
                return False
    return True
