"""What Kafka's consumers put into the metadata and assignments of the classic protocol, which the coordinator otherwise leaves unread
(`ConsumerProtocol.java`): a version as 16 bits, and a message in it. A newer version begins as the newest that is known.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from odradek.base.errors import ProtocolViolation
from odradek.protocol.internal_records.consumer_protocol import ConsumerProtocolAssignment, ConsumerProtocolSubscription

_VERSION: Final = Struct(">h")


def _read_version(data: bytes, version_max: int) -> int:
    if len(data) < _VERSION.size:
        raise ProtocolViolation("metadata of a consumer is shorter than its version")
    (version,) = _VERSION.unpack_from(data)
    if version < 0:
        raise ProtocolViolation(f"metadata of a consumer has version {version}")
    return min(int(version), version_max)


def subscription_of(metadata: bytes) -> ConsumerProtocolSubscription:
    """What a consumer subscribes to.

    Raises:
        ProtocolViolation: the bytes are no subscription.
    """
    version = _read_version(metadata, ConsumerProtocolSubscription.VERSION_MAX)
    subscription, _ = ConsumerProtocolSubscription.decode(metadata, _VERSION.size, version)
    return subscription


def subscribed_topics(metadata: bytes) -> list[str]:
    """The topics alone, which stand where version 0 has them in every version.

    Raises:
        ProtocolViolation: the bytes are no subscription.
    """
    _read_version(metadata, ConsumerProtocolSubscription.VERSION_MAX)
    subscription, _ = ConsumerProtocolSubscription.decode(metadata, _VERSION.size, 0)
    return subscription.topics


def assignment_of(data: bytes) -> ConsumerProtocolAssignment:
    """What a consumer was assigned.

    Raises:
        ProtocolViolation: the bytes are no assignment.
    """
    version = _read_version(data, ConsumerProtocolAssignment.VERSION_MAX)
    assignment, _ = ConsumerProtocolAssignment.decode(data, _VERSION.size, version)
    return assignment


def assignment_version_for(metadata: bytes) -> int:
    """The version of assignments that a consumer understands: that of its subscription.

    Raises:
        ProtocolViolation: the bytes are no subscription.
    """
    return _read_version(metadata, ConsumerProtocolAssignment.VERSION_MAX)


def encode_assignment(assignment: ConsumerProtocolAssignment, version: int) -> bytes:
    """The bytes that a consumer of the classic protocol takes for its assignment."""
    out = bytearray(_VERSION.pack(version))
    assignment.encode(out, version)
    return bytes(out)
