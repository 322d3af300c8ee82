"""The 61-byte header of a record batch (magic 2): reading it, judging a producer's batch by it, and stamping it.

This is the hot part of the room: the path from frame to log calls it for every batch, so mypyc compiles it. Nothing in it makes
an object that it does not return, nothing raises on the way of a good batch, and a body is never copied: the checksum runs over a
`memoryview`. The same source runs interpreted, and a test holds both to the same bytes.

`check_batch` decides with header and checksum alone, as `ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords`
and `LogValidator.validateBatch` do and in their order. What a batch holds is looked at only where `needs_looking_into` says so, by
`records.validation`; otherwise the bytes of the producer go to the log as they came, but for base offset and leader epoch, which
the checksum leaves out.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, final

from librt.strings import BytesWriter, read_i16_be, read_i32_be, read_i64_be, write_i32_be, write_i64_be
from mypy_extensions import i32, i64

from odradek.wire.checksum import crc32c

HEADER_SIZE: Final[i64] = 61
# Base offset and length: what precedes the bytes that the length counts.
LENGTH_END: Final[i64] = 12
MAGIC_POSITION: Final[i64] = 16
CRC_POSITION: Final[i64] = 17
ATTRIBUTES_POSITION: Final[i64] = 21
MAX_TIMESTAMP_POSITION: Final[i64] = 35
CURRENT_MAGIC: Final[i64] = 2
# The smallest length of any magic: a magic 0 message without key and value.
LENGTH_MIN: Final[i64] = 14

CODEC_MASK: Final[i64] = 0x07
LOG_APPEND_TIME_FLAG: Final[i64] = 0x08
TRANSACTIONAL_FLAG: Final[i64] = 0x10
CONTROL_FLAG: Final[i64] = 0x20
DELETE_HORIZON_FLAG: Final[i64] = 0x40
CODEC_ZSTD: Final[i64] = 4
ZSTD_PRODUCE_VERSION_MIN: Final[i64] = 7
# A record without key, value and headers: seven fields of a byte each.
RECORD_SIZE_MIN: Final[i64] = 7
# What no codec exceeds: a block of zstd is 4 bytes at least and becomes 128 KiB at most; the others stay far below.
COMPRESSION_RATIO_MAX: Final[i64] = 1 << 15
SEQUENCE_MAX: Final[i64] = 0x7FFF_FFFF
UINT32_MASK: Final[i64] = 0xFFFF_FFFF

# `base.error_codes.ErrorCode` as plain integers: an enumeration member costs an attribute look-up on the hot path.
ACCEPTED: Final[i64] = 0
CORRUPT_MESSAGE: Final[i64] = 2
MESSAGE_TOO_LARGE: Final[i64] = 10
UNSUPPORTED_COMPRESSION_TYPE: Final[i64] = 76
INVALID_RECORD: Final[i64] = 87

# Below this size copying the bytes costs less than making a memoryview of them.
CRC_COPY_SIZE_MAX: Final[i64] = 2048

_OFFSET = Struct(">q")
_EPOCH = Struct(">i")
_ATTRIBUTES = Struct(">h")
_TIMESTAMP = Struct(">q")
_CRC = Struct(">I")


@final
class BatchHeader:
    """The header of one batch of magic 2, decoded. `size` is of the whole batch, header included; `crc` is unsigned."""

    __slots__ = (
        "attributes",
        "base_offset",
        "base_sequence",
        "base_timestamp",
        "crc",
        "last_offset_delta",
        "magic",
        "max_timestamp",
        "partition_leader_epoch",
        "producer_epoch",
        "producer_id",
        "record_count",
        "size",
    )

    def __init__(
        self,
        base_offset: i64,
        size: i64,
        partition_leader_epoch: i64,
        magic: i64,
        crc: i64,
        attributes: i64,
        last_offset_delta: i64,
        base_timestamp: i64,
        max_timestamp: i64,
        producer_id: i64,
        producer_epoch: i64,
        base_sequence: i64,
        record_count: i64,
    ) -> None:
        self.base_offset = base_offset
        self.size = size
        self.partition_leader_epoch = partition_leader_epoch
        self.magic = magic
        self.crc = crc
        self.attributes = attributes
        self.last_offset_delta = last_offset_delta
        self.base_timestamp = base_timestamp
        self.max_timestamp = max_timestamp
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.base_sequence = base_sequence
        self.record_count = record_count

    def __repr__(self) -> str:
        return f"BatchHeader(offsets {self.base_offset} to {self.last_offset()}, {self.size} bytes, attributes {self.attributes:#x})"

    def codec(self) -> i64:
        """The number of the compression codec; 5 to 7 mean nothing."""
        return self.attributes & CODEC_MASK

    def is_log_append_time(self) -> bool:
        """Whether every record bears `max_timestamp`, the time of the append."""
        return self.attributes & LOG_APPEND_TIME_FLAG != 0

    def is_transactional(self) -> bool:
        return self.attributes & TRANSACTIONAL_FLAG != 0

    def is_control(self) -> bool:
        return self.attributes & CONTROL_FLAG != 0

    def has_delete_horizon(self) -> bool:
        """Whether the cleaner has put the time of removal where the base timestamp was."""
        return self.attributes & DELETE_HORIZON_FLAG != 0

    def has_producer_id(self) -> bool:
        return self.producer_id >= 0

    def last_offset(self) -> i64:
        return self.base_offset + self.last_offset_delta

    def next_offset(self) -> i64:
        """The offset behind the last record, counting records that compaction took away."""
        return self.base_offset + self.last_offset_delta + 1

    def last_sequence(self) -> i64:
        """The sequence number of the last record, -1 without sequence numbers; 2^31-1 is followed by 0."""
        if self.base_sequence < 0:
            return -1
        return (self.base_sequence + self.last_offset_delta) & SEQUENCE_MAX


def parse_header(frame: bytes, position: i64) -> BatchHeader:
    """The header that begins at `position`; the caller has made sure that its 61 bytes are there (`batch_size_at`).

    Raises:
        IndexError: `frame` ends inside the header.
    """
    length = i64(read_i32_be(frame, position + 8))
    partition_leader_epoch = i64(read_i32_be(frame, position + 12))
    magic: i64 = frame[position + MAGIC_POSITION]
    crc = i64(read_i32_be(frame, position + CRC_POSITION))
    attributes = i64(read_i16_be(frame, position + ATTRIBUTES_POSITION))
    last_offset_delta = i64(read_i32_be(frame, position + 23))
    producer_epoch = i64(read_i16_be(frame, position + 51))
    base_sequence = i64(read_i32_be(frame, position + 53))
    record_count = i64(read_i32_be(frame, position + 57))
    return BatchHeader(
        read_i64_be(frame, position),
        length + LENGTH_END,
        partition_leader_epoch,
        magic,
        crc & UINT32_MASK,
        attributes,
        last_offset_delta,
        read_i64_be(frame, position + 27),
        read_i64_be(frame, position + 35),
        read_i64_be(frame, position + 43),
        producer_epoch,
        base_sequence,
        record_count,
    )


def batch_size_at(frame: bytes, position: i64, end: i64) -> i64:
    """The size of the batch of any magic at `position`, 0 if it does not end before `end`, -1 if it cannot be a batch.

    A size and a magic that are there are judged even if the rest is missing, as `ByteBufferLogInputStream` does.
    """
    if end - position < LENGTH_END:
        return 0
    length = i64(read_i32_be(frame, position + 8))
    if length < LENGTH_MIN:
        return -1
    if end - position <= MAGIC_POSITION:
        return 0
    magic: i64 = frame[position + MAGIC_POSITION]
    if magic > CURRENT_MAGIC or (magic == CURRENT_MAGIC and length + LENGTH_END < HEADER_SIZE):
        return -1
    if end - position < length + LENGTH_END:
        return 0
    return length + LENGTH_END


def computed_crc(frame: bytes, position: i64, size: i64) -> i64:
    """The CRC-32C of the batch of `size` bytes at `position`, which covers all from the attributes on."""
    start = position + ATTRIBUTES_POSITION
    if size <= CRC_COPY_SIZE_MAX:
        return crc32c(frame[start : position + size])
    return crc32c(memoryview(frame)[start : position + size])


def is_crc_right(frame: bytes, position: i64, size: i64) -> bool:
    """Whether the batch of `size` bytes at `position` is what its writer made."""
    stored = i64(read_i32_be(frame, position + CRC_POSITION))
    return computed_crc(frame, position, size) == stored & UINT32_MASK


def check_batch(frame: bytes, start: i64, end: i64, produce_version: i64, message_bytes_max: i64) -> i64:
    """The error code of what a producer sent for one partition, 0 for one good batch of magic 2.

    An incomplete batch behind the first is tolerated and not part of it: the batch ends where its own size says, which can be
    before `end`. Null or no records are start == end.
    """
    size = batch_size_at(frame, start, end)
    if size < 0:
        return CORRUPT_MESSAGE
    if size == 0 or frame[start + MAGIC_POSITION] != CURRENT_MAGIC:
        return INVALID_RECORD
    attributes = i64(read_i16_be(frame, start + ATTRIBUTES_POSITION))
    codec = attributes & CODEC_MASK
    # Kafka trips over a codec that does not exist and answers UNKNOWN_SERVER_ERROR; a client can act on this one.
    if codec > CODEC_ZSTD or (codec == CODEC_ZSTD and produce_version < ZSTD_PRODUCE_VERSION_MIN):
        return UNSUPPORTED_COMPRESSION_TYPE
    if start + size != end:
        next_size = batch_size_at(frame, start + size, end)
        if next_size < 0:
            return CORRUPT_MESSAGE
        if next_size > 0:
            return INVALID_RECORD
    if read_i64_be(frame, start) != 0:
        return INVALID_RECORD
    if size > message_bytes_max:
        return MESSAGE_TOO_LARGE
    if not is_crc_right(frame, start, size):
        return CORRUPT_MESSAGE
    record_count = i64(read_i32_be(frame, start + 57))
    last_offset_delta = i64(read_i32_be(frame, start + 23))
    if record_count <= 0 or last_offset_delta + 1 != record_count or attributes & CONTROL_FLAG != 0:
        return INVALID_RECORD
    # A body is not looked into, but a handful of bytes must not take two thousand million offsets.
    body_size_max = size - HEADER_SIZE if codec == 0 else (size - HEADER_SIZE) * COMPRESSION_RATIO_MAX
    if record_count * RECORD_SIZE_MIN > body_size_max:
        return INVALID_RECORD
    base_sequence = i64(read_i32_be(frame, start + 53))
    if read_i64_be(frame, start + 43) >= 0 and base_sequence < 0:
        return INVALID_RECORD
    return ACCEPTED


def needs_looking_into(
    header: BatchHeader, is_every_record_judged: bool, target_codec: i64, timestamp_latest_ms: i64, is_log_append_time: bool
) -> bool:
    """Whether the slow path (`records.validation`) has to see this batch before it is appended.

    `is_every_record_judged` and `target_codec` (-1: what the producer chose) come from the topic's settings once
    (`ProduceRules`); `timestamp_latest_ms` is now plus what the topic allows. The maximum timestamp of the header is believed.
    """
    if is_every_record_judged or header.attributes & LOG_APPEND_TIME_FLAG != 0:
        return True
    if target_codec >= 0 and target_codec != header.codec():
        return True
    return not is_log_append_time and header.max_timestamp > timestamp_latest_ms


def stamp(buffer: bytearray, position: i64, base_offset: i64, leader_epoch: i64) -> None:
    """Write base offset and partition leader epoch into the batch at `position`; the checksum covers neither."""
    _OFFSET.pack_into(buffer, position, base_offset)
    _EPOCH.pack_into(buffer, position + LENGTH_END, leader_epoch)


def write_stamped_front(out: BytesWriter, base_offset: i64, size: i64, leader_epoch: i64) -> None:
    """Write the first 16 bytes of a batch of `size` bytes; the producer's own bytes follow from there on.

    Number by number: packed by `struct` into an object of its own it would take 1,200 instructions more.
    """
    write_i64_be(out, base_offset)
    write_i32_be(out, i32(size - LENGTH_END))
    write_i32_be(out, i32(leader_epoch))


def append_time_header(frame: bytes, position: i64, size: i64, base_offset: i64, leader_epoch: i64, append_time_ms: i64) -> bytes:
    """The 61 bytes of the batch at `position` with the time of the append: maximum timestamp, flag and checksum anew.

    The body stays where it is; it follows at `position + HEADER_SIZE`.
    """
    header = bytearray(frame[position : position + HEADER_SIZE])
    stamp(header, 0, base_offset, leader_epoch)
    attributes = i64(read_i16_be(frame, position + ATTRIBUTES_POSITION))
    _ATTRIBUTES.pack_into(header, ATTRIBUTES_POSITION, attributes | LOG_APPEND_TIME_FLAG)
    _TIMESTAMP.pack_into(header, MAX_TIMESTAMP_POSITION, append_time_ms)
    checksum = crc32c(header[ATTRIBUTES_POSITION:])
    _CRC.pack_into(header, CRC_POSITION, crc32c(memoryview(frame)[position + HEADER_SIZE : position + size], checksum))
    return bytes(header)


def restamp_timestamps(buffer: bytearray, position: i64, size: i64, max_timestamp: i64, is_log_append_time: bool) -> None:
    """Set maximum timestamp and timestamp type of the batch at `position` of a buffer, in place, and the checksum with them."""
    attributes: i64 = buffer[position + ATTRIBUTES_POSITION] << 8 | buffer[position + ATTRIBUTES_POSITION + 1]
    attributes = attributes & 0x7FF7 | (LOG_APPEND_TIME_FLAG if is_log_append_time else 0)
    _ATTRIBUTES.pack_into(buffer, position + ATTRIBUTES_POSITION, attributes)
    _TIMESTAMP.pack_into(buffer, position + MAX_TIMESTAMP_POSITION, max_timestamp)
    with memoryview(buffer) as view:
        _CRC.pack_into(buffer, position + CRC_POSITION, crc32c(view[position + ATTRIBUTES_POSITION : position + size]))


def restamp_append_time(buffer: bytearray, position: i64, size: i64, append_time_ms: i64) -> None:
    """Give the batch at `position` of a buffer the time of the append, in place (`message.timestamp.type=LogAppendTime`)."""
    restamp_timestamps(buffer, position, size, append_time_ms, True)
