"""Records of committed offsets, gathered as fast as a coordinator needs that loads a million of them. Compiled by mypyc.

What all but a few records look like is read here in place, where it lies in the log: a commit in the version that 4.1 and later write,
outside of a transaction. The generated codec reads everything else, and the same of these (a test compares them). Of a commit nothing is
made but what the coordinator keeps: all the partitions of one topic that a group has committed are found by the bytes of their keys but
for the last four, and share names and topic id; what a later record takes the place of is let go at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final

from librt.strings import read_i16_be, read_i32_be, read_i64_be
from mypy_extensions import i64

from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.coordinator.group.committed_offset import CommittedOffset
from odradek.coordinator.latest_records import LatestRecords
from odradek.protocol.internal_records.group import OffsetCommitKey
from odradek.records.key_values import KeyValue, RecordCursor

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


@final
class CommittedPlace:
    """What a group has committed of one topic, by partition."""

    __slots__ = ("by_partition", "group_id", "topic")

    def __init__(self, group_id: str, topic: str) -> None:
        self.group_id = group_id
        self.topic = topic
        self.by_partition: dict[int, CommittedOffset] = {}

    def earliest_behind(self, record_offset: i64) -> CommittedOffset | None:
        """The first commit in the log behind `record_offset`."""
        earliest: CommittedOffset | None = None
        for committed in self.by_partition.values():
            if committed.record_offset > record_offset and (earliest is None or committed.record_offset < earliest.record_offset):
                earliest = committed
        return earliest


@final
class PlainCommits:
    """A `Gatherer` of what one partition holds. It remembers the groups and topics it has read, so it lives no longer than the loading."""

    __slots__ = ("_has_others_of_commits", "_others", "_places", "_topic_ids")

    def __init__(self) -> None:
        # By the part of a key that says group and topic.
        self._places: dict[bytes, CommittedPlace] = {}
        self._topic_ids: dict[bytes, Uuid] = {}
        self._others = LatestRecords()
        # Whether there is anything under the key of a commit among the others.
        self._has_others_of_commits = False

    @property
    def places(self) -> Iterable[CommittedPlace]:
        """All commits that were read here."""
        return self._places.values()

    def others(self) -> Iterable[KeyValue]:
        """All other records that count, in the order of their offsets."""
        return self._others.others()

    def take_batch(self, data: bytes, begin: i64, end: i64, record_count: i64, base_offset: i64, first_offset: i64) -> None:
        """As `Gatherer` says."""
        cursor = RecordCursor(data, begin, end, record_count, base_offset)
        while cursor.advance():
            if cursor.offset < first_offset:
                continue
            is_whole = cursor.key_begin >= 0 and cursor.value_begin >= 0
            if not is_whole or not self._take_commit(
                data, cursor.key_begin, cursor.key_end, cursor.value_begin, cursor.value_end, cursor.offset
            ):
                self._leave((cursor.offset, cursor.key(), cursor.value()))

    def take(self, record: KeyValue) -> None:
        """The next record."""
        offset, key, value = record
        if key is None or value is None:
            self._leave(record)
            return
        key_size: i64 = len(key)
        both = key + value
        if not self._take_commit(both, 0, key_size, key_size, len(both), offset):
            self._leave(record)

    def place_of(self, key: bytes) -> CommittedPlace | None:
        """Where commits under `key` are, which is one of a commit."""
        return self._places.get(key[: len(key) - PARTITION_SIZE])

    def _take_commit(self, data: bytes, key_begin: i64, key_end: i64, value_begin: i64, value_end: i64, record_offset: i64) -> bool:
        """Whether it was one."""
        if not _is_of_commit(data, key_begin, key_end):
            return False
        committed = self._read_commit(data, value_begin, value_end, record_offset)
        if committed is None:
            return False
        partition_position = key_end - PARTITION_SIZE
        prefix = data[key_begin:partition_position]
        place = self._places.get(prefix)
        if place is None:
            place = _read_place(data[key_begin:key_end])
            if place is None:
                return False
            self._places[prefix] = place
        place.by_partition[i64(read_i32_be(data, partition_position))] = committed
        if self._has_others_of_commits:
            self._others.forget(data[key_begin:key_end])
        return True

    def _leave(self, record: KeyValue) -> None:
        """It is replayed like any other; if it is of a commit, what was committed under its key before does not count any more."""
        key = record[1]
        if key is not None and _is_of_commit(key, 0, len(key)):
            self._has_others_of_commits = True
            place = self.place_of(key)
            if place is not None:
                place.by_partition.pop(i64(read_i32_be(key, len(key) - PARTITION_SIZE)), None)
        self._others.take(record)

    def _read_commit(self, data: bytes, begin: i64, end: i64, record_offset: i64) -> CommittedOffset | None:
        """The commit in the value of a record; None if it is of another form."""
        metadata_position = begin + METADATA_POSITION
        if end < metadata_position or read_i16_be(data, begin) != PLAIN_VERSION:
            return None
        metadata_size: i64 = data[begin + METADATA_SIZE_POSITION] - 1
        metadata_end = metadata_position + metadata_size
        tags_position = metadata_end + TIMESTAMP_SIZE
        if metadata_size < 0 or metadata_size > METADATA_SIZE_MAX or tags_position >= end:
            return None
        metadata = ""
        if metadata_size > 0:
            try:
                metadata = data[metadata_position:metadata_end].decode()
            except UnicodeDecodeError:
                return None
        topic_id = ZERO_UUID
        if data[tags_position] == 0:
            if end != tags_position + 1:
                return None
        else:
            id_position = tags_position + len(TOPIC_ID_TAG)
            if end != id_position + UUID_SIZE or data[tags_position:id_position] != TOPIC_ID_TAG:
                return None
            read = Uuid(data[id_position:end])
            topic_id = self._topic_ids.setdefault(read, read)
        return CommittedOffset(
            read_i64_be(data, begin + OFFSET_POSITION),
            i64(read_i32_be(data, begin + LEADER_EPOCH_POSITION)),
            metadata,
            read_i64_be(data, metadata_end),
            NO_EXPIRY,
            topic_id,
            record_offset,
        )


def _is_of_commit(data: bytes, key_begin: i64, key_end: i64) -> bool:
    return key_end - key_begin >= KEY_SIZE_MIN and read_i16_be(data, key_begin) == OFFSET_COMMIT_TYPE


def _read_place(key: bytes) -> CommittedPlace | None:
    """None where `key` cannot be read, which whoever replays it will say."""
    try:
        decoded, end = OffsetCommitKey.decode(key, TYPE_SIZE, 0)
    except ProtocolViolation:
        return None
    return CommittedPlace(decoded.group, decoded.topic) if end == len(key) else None
