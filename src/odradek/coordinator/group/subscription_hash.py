"""One number for all that a group has to know of its topics: when it changes, the group is assigned anew (`Utils.computeGroupHash`).

XXH3 over the topics' ids, names, partitions and racks, byte for byte as Apache Kafka computes it, so that a coordinator of either
kind takes the other's groups over without a rebalance.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Final

import xxhash

from odradek.metadata.image import MetadataImage
from odradek.metadata.topics import TopicImage

_INT: Final = Struct("<i")
_LONG: Final = Struct("<q")
_MAGIC: Final = b"\x00"
_SIGN: Final = 1 << 63


def subscription_hash(names: Iterable[str], image: MetadataImage) -> int:
    """The hash of the topics among `names` that exist, as a signed number; 0 if none does."""
    hashes = [topic_hash(image.topics.by_name[name], image) for name in sorted(names, key=_utf16) if name in image.topics.by_name]
    return _signed(b"".join(_LONG.pack(value) for value in hashes)) if hashes else 0


def topic_hash(topic: TopicImage, image: MetadataImage) -> int:
    """The hash of one topic."""
    data = bytearray(_MAGIC)
    # Java's UUID is two numbers; each is put low byte first.
    data += topic.id[7::-1] + topic.id[15:7:-1]
    data += _text(topic.name)
    data += _INT.pack(len(topic.partitions))
    for index in range(len(topic.partitions)):
        data += _INT.pack(index)
        for rack in sorted(_racks(topic, index, image), key=_utf16):
            data += _INT.pack(len(_utf16(rack)) // 2) + _text(rack)
    return _signed(bytes(data))


def _racks(topic: TopicImage, index: int, image: MetadataImage) -> list[str]:
    brokers = (image.cluster.brokers.get(replica) for replica in topic.partitions[index].replicas)
    return [broker.rack for broker in brokers if broker is not None and broker.rack is not None]


def _text(text: str) -> bytes:
    """Its UTF-16 units low byte first, then how many."""
    units = text.encode("utf-16-le", "surrogatepass")
    return units + _INT.pack(len(units) // 2)


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def _signed(data: bytes) -> int:
    value = xxhash.xxh3_64_intdigest(data)
    return value - (_SIGN << 1) if value & _SIGN else value
