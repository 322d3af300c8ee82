"""What Produce does seldom: look into a batch, change it, say more than a code, name the leader that a client should have asked.

The hot path (`produce_path`) calls in here and gets bytes back. Answers of this kind go through the generated codec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.broker.leader_hints import leader_hint
from odradek.broker.produce_frame import TOPIC_ID_VERSION_MIN, ProducedPart, ProduceFrame
from odradek.broker.request import RequestContext
from odradek.broker.response_frame import encode_response
from odradek.metadata.partition_registration import PartitionRegistration
from odradek.net.frame_connection import FrameConnection
from odradek.protocol import apis
from odradek.protocol.messages.produce import (
    BatchIndexAndErrorMessage,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionProduceResponse,
    ProduceResponse,
    TopicProduceResponse,
)
from odradek.records.header import CURRENT_MAGIC, MAGIC_POSITION, batch_size_at
from odradek.records.validation import validate_batch

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.partition import Partition

PRODUCE_KEY = 0
# From this version on a client is told who leads instead (KIP-951).
LEADER_HINT_VERSION_MIN = 10


def _is_one_batch_of_magic_2(data: bytes, part: ProducedPart, size: int) -> bool:
    return data[part.start + MAGIC_POSITION] == CURRENT_MAGIC and batch_size_at(data, part.start + size, part.end) <= 0


class ProduceSlowPath:
    """The rare ways of one node's Produce requests."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    def why_absent(self, frame: ProduceFrame, part: ProducedPart) -> int:
        """The error code for a partition that this node does not lead."""
        node = self._node
        if frame.version < TOPIC_ID_VERSION_MIN:
            return node.partitions.why_absent(part.topic.decode(), part.index, node.image)
        topic = node.image.topics.by_id.get(Uuid(part.topic))
        if topic is None:
            return ErrorCode.UNKNOWN_TOPIC_ID
        return node.partitions.why_absent(topic.name, part.index, node.image)

    def explain(self, partition: Partition, data: bytes, part: ProducedPart) -> None:
        """Say of a batch that its header or checksum has condemned what Kafka says.

        The log start is told only where the batch was whole, so that the log had a look at it; a size or magic that no batch can have is
        called by its name.
        """
        size = int(batch_size_at(data, part.start, part.end))
        if size < 0:
            part.error_message = "The records begin with a size or a magic that no record batch has."
        elif size > 0 and part.error_code == ErrorCode.INVALID_RECORD and _is_one_batch_of_magic_2(data, part, size):
            part.log_start_offset = partition.log.log_start_offset

    def validated_batch(self, partition: Partition, batch: bytes, part: ProducedPart, now_ms: int) -> bytes | None:
        """The batch to append instead of `batch`; None to append it as it is. Sets the part's error if it is refused."""
        outcome = validate_batch(batch, partition.produce_rules, now_ms)
        part.error_code = outcome.error_code
        part.error_message = outcome.message
        part.record_errors = outcome.record_errors
        return outcome.replacement

    def encode_answer(self, frame: ProduceFrame, connection: FrameConnection) -> bytes:
        """The response frame with everything that there is to say."""
        response = ProduceResponse()
        parts = iter(frame.parts)
        endpoints: dict[int, NodeEndpoint] = {}
        for number, count in enumerate(frame.parts_count_by_topic):
            topic = TopicProduceResponse()
            for _ in range(count):
                part = next(parts)
                topic.partition_responses.append(self._partition_response(frame, part, connection, endpoints))
                if frame.version >= TOPIC_ID_VERSION_MIN:
                    topic.topic_id = Uuid(part.topic)
                else:
                    topic.name = part.topic.decode()
            if count == 0:
                self._name_empty_topic(topic, frame.topics[number], frame.version)
            response.responses.append(topic)
        response.node_endpoints = list(endpoints.values())
        return encode_response(self._context(frame, connection), response)

    def _name_empty_topic(self, topic: TopicProduceResponse, raw: bytes, version: int) -> None:
        """A topic without partitions is repeated too; its name stands behind its length."""
        if version >= TOPIC_ID_VERSION_MIN:
            topic.topic_id = Uuid(raw)
        else:
            length_size = 2
            if version >= apis.API_BY_KEY[PRODUCE_KEY].flexible_version_min:
                length_size = next(size for size in range(1, 6) if raw[size - 1] < 0x80)
            topic.name = raw[length_size:].decode()

    def _partition_response(
        self, frame: ProduceFrame, part: ProducedPart, connection: FrameConnection, endpoints: dict[int, NodeEndpoint]
    ) -> PartitionProduceResponse:
        response = PartitionProduceResponse(
            index=part.index,
            error_code=part.error_code,
            base_offset=part.base_offset,
            log_append_time_ms=part.append_time_ms,
            log_start_offset=part.log_start_offset,
            error_message=part.error_message,
            record_errors=[BatchIndexAndErrorMessage(index, message) for index, message in part.record_errors or ()],
        )
        if part.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER and frame.version >= LEADER_HINT_VERSION_MIN:
            hint = leader_hint(self._node, self._context(frame, connection), self._registration_of(frame, part))
            response.current_leader = LeaderIdAndEpoch(hint.leader_id, hint.leader_epoch)
            if hint.endpoint is not None:
                host, port, rack = hint.endpoint
                endpoints[hint.leader_id] = NodeEndpoint(hint.leader_id, host, port, rack)
        return response

    def _registration_of(self, frame: ProduceFrame, part: ProducedPart) -> PartitionRegistration | None:
        topics = self._node.image.topics
        topic = topics.by_id.get(Uuid(part.topic)) if frame.version >= TOPIC_ID_VERSION_MIN else topics.by_name.get(part.topic.decode())
        return None if topic is None else topic.partitions.get(part.index)

    def _context(self, frame: ProduceFrame, connection: FrameConnection) -> RequestContext:
        return RequestContext(
            api_key=PRODUCE_KEY,
            api_version=frame.version,
            correlation_id=frame.correlation_id,
            client_id=frame.client_id,
            listener_name=connection.listener_name,
            client_host=connection.client_host,
            client_port=connection.client_port,
            dialled_host=connection.dialled_host,
            dialled_port=connection.dialled_port,
            connection_id=connection.connection_id,
        )
