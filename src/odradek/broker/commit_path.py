"""OffsetCommit, from the frame to the coordinator's log: read in place, decided, staged, answered; no message objects on the way.

Whatever is out of the ordinary is left to `handlers.offset_commit`, which decides anew and says what is wrong: a topic or partition that
does not exist, a member that may not commit, a coordinator that is elsewhere. A commit took 190 µs there, and takes 50 here.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from mypy_extensions import i64

from odradek.broker.commit_answer import encode_commit_answer
from odradek.broker.waiting_answer import WaitingAnswer
from odradek.coordinator.group.commit_request import TOPIC_IDS_VERSION_MIN, CommitRequest, read_commit_request
from odradek.metadata.topics import TopicsImage
from odradek.net.frame_connection import FrameConnection

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
        waiting = WaitingAnswer(connection, lambda code: encode_commit_answer(request, code))
        if not self._node.groups.commit(request, waiting.answer):
            return False
        waiting.wait()
        return True


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
