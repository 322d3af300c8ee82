"""The names things go by: integers with one meaning each, topic partitions, and Kafka's UUIDs.

A Kafka UUID is 16 bytes on the wire and 22 characters of URL-safe base64 in text. It is kept as `bytes`: hashing and
comparing are then as fast as they can be, and the codec copies it without a conversion (`org.apache.kafka.common.Uuid`).
"""

from __future__ import annotations

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple, NewType

NodeId = NewType("NodeId", int)
Uuid = NewType("Uuid", bytes)

UUID_SIZE = 16
ZERO_UUID = Uuid(bytes(16))
# The topic id of `__cluster_metadata` and, as a directory id, "not assigned yet" (`DirectoryId.java`).
METADATA_TOPIC_ID = Uuid(bytes(15) + b"\x01")
METADATA_TOPIC_NAME = "__cluster_metadata"
MIGRATING_DIRECTORY = ZERO_UUID
UNASSIGNED_DIRECTORY = Uuid(bytes(15) + b"\x01")
LOST_DIRECTORY = Uuid(bytes(15) + b"\x02")
# Kafka keeps the first hundred values for meanings of its own and never draws one of them.
RESERVED_UUIDS_COUNT = 100

NO_NODE = NodeId(-1)
NO_OFFSET = -1
NO_LEADER_EPOCH = -1
NO_PRODUCER_ID = -1
NO_TIMESTAMP = -1


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


def uuid_to_text(uuid: Uuid) -> str:
    """The 22 characters Kafka prints: URL-safe base64 without padding."""
    assert len(uuid) == UUID_SIZE
    return urlsafe_b64encode(uuid).rstrip(b"=").decode("ascii")


def uuid_from_text(text: str) -> Uuid:
    """The UUID that `text` spells.

    Raises:
        ValueError: `text` is not 16 bytes of URL-safe base64.
    """
    if len(text) > 24:
        raise ValueError(f"{text!r} is too long to be a UUID")
    try:
        decoded = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a UUID in base64") from error
    if len(decoded) != UUID_SIZE:
        raise ValueError(f"{text!r} is {len(decoded)} bytes in base64, a UUID has {UUID_SIZE}")
    return Uuid(decoded)


def random_uuid(dice: random.Random) -> Uuid:
    """A version 4 UUID that is not reserved and whose text does not begin with `-` (a shell would take it for an option)."""
    while True:
        drawn = bytearray(dice.randbytes(UUID_SIZE))
        drawn[6] = (drawn[6] & 0x0F) | 0x40
        drawn[8] = (drawn[8] & 0x3F) | 0x80
        uuid = Uuid(bytes(drawn))
        if not uuid_to_text(uuid).startswith("-"):
            return uuid


def is_reserved_uuid(uuid: Uuid) -> bool:
    """Whether Kafka keeps this value for a meaning of its own."""
    return int.from_bytes(uuid, "big") < RESERVED_UUIDS_COUNT
