"""AllocateProducerIds: a block of producer ids for one broker (KIP-730).

A block is never given twice; what a broker does not use is lost.
"""

from __future__ import annotations

from odradek.base.decision import Decision
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.controller.brokers import checked_broker
from odradek.metadata.image import MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.internal_records.metadata import ProducerIdsRecord
from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse

BLOCK_SIZE = 1000
PRODUCER_ID_MAX = 2**63 - 1


def decide_allocate_producer_ids(
    image: MetadataImage, request: AllocateProducerIdsRequest
) -> Decision[MetadataRecord, AllocateProducerIdsResponse]:
    """The next block.

    Raises:
        RequestRefused: the broker is unknown or speaks from an earlier life, or no ids are left.
    """
    checked_broker(image, request.broker_id, request.broker_epoch)
    start = image.producer_ids.next_producer_id or 0
    if start > PRODUCER_ID_MAX - BLOCK_SIZE:
        raise RequestRefused(ErrorCode.UNKNOWN_SERVER_ERROR, "All producer ids have been given out.")
    record = ProducerIdsRecord(broker_id=request.broker_id, broker_epoch=request.broker_epoch, next_producer_id=start + BLOCK_SIZE)
    return Decision(records=[record], response=AllocateProducerIdsResponse(producer_id_start=start, producer_id_len=BLOCK_SIZE))
