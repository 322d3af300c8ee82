"""Records of committed offsets, read as fast as a coordinator needs that loads a million of them. Compiled by mypyc.

What all but a few records look like is read here in place: a commit in the version that 4.1 and later write, outside of a transaction. The
generated codec reads everything else, and the same of these (a test compares them). All the partitions of one topic that a group has
committed share their strings: a key but for its last four bytes says group and topic.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final, final

from librt.strings import read_i16_be, read_i32_be, read_i64_be
from mypy_extensions import i64

from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.coordinator.group.committed_offset import CommittedOffset
from odradek.protocol.internal_records.group import OffsetCommitKey
from odradek.records.key_values import KeyValue

# `coordinator.group.records.OFFSET_COMMIT` and its version, for the compiler.
OFFSET_COMMIT_TYPE: Final[i64] = 1
PLAIN_VERSION: Final[i64] = 4
TYPE_SIZE: Final[i64] = 2
# Type, two empty strings, partition.
KEY_SIZE_MIN: Final[i64] = 10
PARTITION_SIZE: Final[i64] = 4
# Where a value has what: its version, the offset, the leader epoch, and the metadata behind its size plus one.
OFFSET_POSITION: Final[i64] = 2
LEADER_EPOCH_POSITION: Final[i64] = 10
METADATA_SIZE_POSITION: Final[i64] = 14
METADATA_POSITION: Final[i64] = 15
# Larger ones have a size of more than one byte.
METADATA_SIZE_MAX: Final[i64] = 0x7E
TIMESTAMP_SIZE: Final[i64] = 8
# One tagged field, number 0, of 16 bytes.
TOPIC_ID_TAG: Final = b"\x01\x00\x10"
UUID_SIZE: Final[i64] = 16
NO_EXPIRY: Final[i64] = -1

OffsetsByGroup = dict[str, dict[str, dict[int, CommittedOffset]]]


@final
class PlainCommits:
    """Remembers the groups and topics it has read, so it lives no longer than the loading."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        # Group and topic by the part of a key that says them.
        self._places: dict[bytes, tuple[str, str]] = {}

    def replay(self, records: list[KeyValue], position: i64, offsets: OffsetsByGroup, known_groups: Set[str]) -> i64:
        """Put commits into `offsets`, from `position` on; the position of the first record that is none, or of an unknown group."""
        count: i64 = len(records)
        while position < count:
            record_offset, key, value = records[position]
            if key is None or value is None:
                break
            committed = read_commit(value, record_offset)
            place = self._place_of(key)
            if committed is None or place is None or place[0] not in known_groups:
                break
            partition = i64(read_i32_be(key, len(key) - PARTITION_SIZE))
            offsets.setdefault(place[0], {}).setdefault(place[1], {})[partition] = committed
            position += 1
        return position

    def _place_of(self, key: bytes) -> tuple[str, str] | None:
        size: i64 = len(key)
        if size < KEY_SIZE_MIN:
            return None
        prefix = key[: size - PARTITION_SIZE]
        place = self._places.get(prefix)
        if place is None:
            place = _read_place(key)
            if place is not None:
                self._places[prefix] = place
        return place


def _read_place(key: bytes) -> tuple[str, str] | None:
    if read_i16_be(key, 0) != OFFSET_COMMIT_TYPE:
        return None
    try:
        decoded, end = OffsetCommitKey.decode(key, TYPE_SIZE, 0)
    except ProtocolViolation:
        return None
    return (decoded.group, decoded.topic) if end == len(key) else None


def read_commit(value: bytes, record_offset: i64) -> CommittedOffset | None:
    """The commit in the value of a record; None if it is of another form."""
    size: i64 = len(value)
    if size < METADATA_POSITION or read_i16_be(value, 0) != PLAIN_VERSION:
        return None
    metadata_size: i64 = value[METADATA_SIZE_POSITION] - 1
    end = METADATA_POSITION + metadata_size
    tags_position = end + TIMESTAMP_SIZE
    if metadata_size < 0 or metadata_size > METADATA_SIZE_MAX or tags_position >= size:
        return None
    metadata = ""
    if metadata_size > 0:
        try:
            metadata = value[METADATA_POSITION:end].decode()
        except UnicodeDecodeError:
            return None
    topic_id = ZERO_UUID
    if value[tags_position] == 0:
        if size != tags_position + 1:
            return None
    else:
        begin = tags_position + len(TOPIC_ID_TAG)
        if size != begin + UUID_SIZE or value[tags_position:begin] != TOPIC_ID_TAG:
            return None
        topic_id = Uuid(value[begin:])
    return CommittedOffset(
        read_i64_be(value, OFFSET_POSITION),
        i64(read_i32_be(value, LEADER_EPOCH_POSITION)),
        metadata,
        read_i64_be(value, end),
        NO_EXPIRY,
        topic_id,
        record_offset,
    )
