"""WriteTxnMarkers (key 27): a coordinator, or an operator who ends a hanging transaction, has markers written into partitions here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.broker.request import RequestContext
from odradek.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node


async def handle(node: Node, request: WriteTxnMarkersRequest, context: RequestContext) -> WriteTxnMarkersResponse:
    """One code for each partition of each producer: what several markers of one come to is answered together, the last word counts."""
    codes: dict[int, dict[tuple[str, int], ErrorCode]] = {}
    for marker in request.markers:
        for topic in marker.topics:
            for index in topic.partition_indexes:
                place = (topic.name, index)
                codes.setdefault(marker.producer_id, {})[place] = await _write(node, marker, place)
    return WriteTxnMarkersResponse(markers=[_result(producer_id, by_place) for producer_id, by_place in codes.items()])


async def _write(node: Node, marker: WritableTxnMarker, place: tuple[str, int]) -> ErrorCode:
    if marker.producer_epoch < 0:
        # No producer is ever in such an epoch, so none could be fenced by it.
        return ErrorCode.INVALID_PRODUCER_EPOCH
    if node.partitions.get(*place) is None:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return await node.transactions.markers.write(
        place,
        marker.producer_id,
        marker.producer_epoch,
        marker.coordinator_epoch,
        is_commit=marker.transaction_result,
        transaction_version=marker.transaction_version,
    )


def _result(producer_id: int, codes: Mapping[tuple[str, int], ErrorCode]) -> WritableTxnMarkerResult:
    by_topic: dict[str, list[WritableTxnMarkerPartitionResult]] = {}
    for (topic, index), code in codes.items():
        by_topic.setdefault(topic, []).append(WritableTxnMarkerPartitionResult(partition_index=index, error_code=code))
    topics = [WritableTxnMarkerTopicResult(name=name, partitions=partitions) for name, partitions in by_topic.items()]
    return WritableTxnMarkerResult(producer_id=producer_id, topics=topics)
