"""One batch, made by hand, to one partition: what a test sends that no client would, or whose very answer it wants to see."""

from __future__ import annotations

from collections.abc import Sequence

from odradek.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from odradek.records.builder import NO_PRODUCER_EPOCH, NO_SEQUENCE, encode_batch
from odradek.records.record import Record
from tests.support.wire_client import WireClient

# The last version that names topics by their names.
PRODUCE_VERSION = 12
ACKS_ALL = -1
TIMEOUT_MS = 10_000


def batch_of(
    values: Sequence[bytes],
    *,
    timestamp_ms: int,
    producer_id: int = -1,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
) -> bytes:
    """A batch of records without keys, as a producer sends it."""
    records = [Record(index, timestamp_ms, None, value, ()) for index, value in enumerate(values)]
    return encode_batch(records, producer_id=producer_id, producer_epoch=producer_epoch, base_sequence=base_sequence)


def produce(client: WireClient, topic: str, partition: int, batch: bytes) -> PartitionProduceResponse:
    """Send `batch` with acks=all; what the node says of it."""
    data = [TopicProduceData(name=topic, partition_data=[PartitionProduceData(partition, batch)])]
    request = ProduceRequest(acks=ACKS_ALL, timeout_ms=TIMEOUT_MS, topic_data=data)
    return client.request(request, ProduceResponse, PRODUCE_VERSION).responses[0].partition_responses[0]
