"""The header of a batch: what is read from it, what a produced batch is refused for, and what stamping changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from odradek.base.error_codes import ErrorCode
from odradek.config.log_configuration import TimestampType
from odradek.records.batch import decode_records
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.header import (
    HEADER_SIZE,
    append_time_header,
    batch_size_at,
    check_batch,
    computed_crc,
    is_crc_right,
    needs_looking_into,
    parse_header,
    restamp_append_time,
    restamp_timestamps,
    stamp,
    write_stamped_front,
)
from odradek.records.record import Record
from odradek.wire.checksum import crc32c

RECORDS = [Record(0, 1_000, b"key", b"value"), Record(1, 900, None, b"other"), Record(2, 1_500, b"key", None)]
PRODUCE_VERSION = 11
MESSAGE_BYTES_MAX = 1_000_000
INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
INT32 = st.integers(min_value=-(2**31), max_value=2**31 - 1)


def judged(batch: bytes, *, version: int = PRODUCE_VERSION, message_bytes_max: int = MESSAGE_BYTES_MAX) -> ErrorCode:
    """What becomes of `batch` in the middle of a larger frame."""
    frame = b"front" + batch + b"behind"
    return ErrorCode(check_batch(frame, 5, 5 + len(batch), version, message_bytes_max))


def altered(batch: bytes, position: int, new: bytes, *, is_crc_renewed: bool = True) -> bytes:
    """`batch` with other bytes at `position`, and a checksum that is right for them."""
    buffer = bytearray(batch)
    buffer[position : position + len(new)] = new
    if is_crc_renewed:
        buffer[17:21] = crc32c(bytes(buffer[21:])).to_bytes(4, "big")
    return bytes(buffer)


def test_header_is_read_as_it_was_written() -> None:
    batch = encode_batch(
        RECORDS,
        base_offset=2**40,
        compression=Codec.GZIP,
        producer_id=2**50,
        producer_epoch=7,
        base_sequence=2**31 - 2,
        is_transactional=True,
        leader_epoch=3,
    )

    header = parse_header(b"x" + batch, 1)

    assert (header.base_offset, header.last_offset(), header.next_offset()) == (2**40, 2**40 + 2, 2**40 + 3)
    assert (header.size, header.magic, header.partition_leader_epoch) == (len(batch), 2, 3)
    assert (header.base_timestamp, header.max_timestamp) == (1_000, 1_500)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (2**50, 7, 2**31 - 2)
    assert (header.record_count, header.last_offset_delta) == (3, 2)
    assert (header.codec(), header.is_transactional(), header.is_control()) == (Codec.GZIP, True, False)
    assert header.has_producer_id()
    assert not header.is_log_append_time()
    assert not header.has_delete_horizon()


def test_last_sequence_wraps_to_zero_behind_the_largest() -> None:
    header = parse_header(encode_batch(RECORDS, producer_id=1, producer_epoch=0, base_sequence=2**31 - 2), 0)

    assert header.last_sequence() == 0


def test_last_sequence_is_none_without_sequences() -> None:
    assert parse_header(encode_batch(RECORDS), 0).last_sequence() == -1


@given(base_offset=INT64, leader_epoch=INT32, producer_id=INT64, producer_epoch=st.integers(-(2**15), 2**15 - 1), base_sequence=INT32)
def test_header_carries_every_number_of_its_fields(
    base_offset: int, leader_epoch: int, producer_id: int, producer_epoch: int, base_sequence: int
) -> None:
    batch = encode_batch(
        RECORDS,
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
    )

    header = parse_header(batch, 0)

    assert (header.base_offset, header.partition_leader_epoch) == (base_offset, leader_epoch)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (producer_id, producer_epoch, base_sequence)
    assert header.crc == computed_crc(batch, 0, header.size)


@pytest.mark.parametrize("codec", list(Codec))
def test_good_batch_is_accepted(codec: Codec) -> None:
    assert judged(encode_batch(RECORDS, compression=codec)) == ErrorCode.NONE


@pytest.mark.parametrize("value_size", [10, 1_000, 5_000, 500_000])
def test_checksum_is_compared_whatever_the_size(value_size: int) -> None:
    batch = encode_batch([Record(value=bytes(value_size))])
    broken = altered(batch, len(batch) - 2, b"\x01", is_crc_renewed=False)

    assert judged(batch) == ErrorCode.NONE
    assert judged(broken) == ErrorCode.CORRUPT_MESSAGE
    assert not is_crc_right(broken, 0, len(broken))


def test_no_records_are_refused() -> None:
    assert judged(b"") == ErrorCode.INVALID_RECORD


def test_two_batches_are_refused() -> None:
    assert judged(encode_batch(RECORDS) * 2) == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("size", [1, 11, 16, 60])
def test_incomplete_batch_behind_the_first_is_passed_over(size: int) -> None:
    """`ByteBufferLogInputStream` ends there, and the broker trims what it did not read."""
    batch = encode_batch(RECORDS)

    assert judged(batch + batch[:size]) == ErrorCode.NONE


def test_nonsense_behind_the_first_batch_is_corrupt() -> None:
    assert judged(encode_batch(RECORDS) + bytes(20)) == ErrorCode.CORRUPT_MESSAGE


@pytest.mark.parametrize("size", [5, 16, 17, 60])
def test_batch_that_ends_early_is_refused(size: int) -> None:
    assert judged(encode_batch(RECORDS)[:size]) == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("magic", [0, 1])
def test_old_message_format_is_refused(magic: int) -> None:
    """KIP-724: nothing older than magic 2 is written any more."""
    assert judged(altered(encode_batch(RECORDS), 16, bytes([magic]), is_crc_renewed=False)) == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("magic", [3, 127, 128, 255])
def test_unknown_message_format_is_corrupt(magic: int) -> None:
    assert judged(altered(encode_batch(RECORDS), 16, bytes([magic]))) == ErrorCode.CORRUPT_MESSAGE


@pytest.mark.parametrize("length", [-1, 0, 13, 48])
def test_impossible_length_is_corrupt(length: int) -> None:
    batch = altered(encode_batch(RECORDS), 8, length.to_bytes(4, "big", signed=True), is_crc_renewed=False)

    assert judged(batch) == ErrorCode.CORRUPT_MESSAGE


def test_zstd_is_refused_below_produce_version_seven() -> None:
    """KIP-110."""
    batch = encode_batch(RECORDS, compression=Codec.ZSTD)

    assert judged(batch, version=6) == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert judged(batch, version=7) == ErrorCode.NONE


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_unknown_codec_is_refused(codec: int) -> None:
    assert judged(altered(encode_batch(RECORDS), 21, codec.to_bytes(2, "big"))) == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


def test_base_offset_must_be_zero() -> None:
    assert judged(encode_batch(RECORDS, base_offset=1)) == ErrorCode.INVALID_RECORD


def test_batch_above_the_size_limit_is_too_large_even_if_corrupt() -> None:
    batch = encode_batch(RECORDS)

    assert judged(batch, message_bytes_max=len(batch)) == ErrorCode.NONE
    assert judged(altered(batch, 61, b"\xff", is_crc_renewed=False), message_bytes_max=len(batch) - 1) == ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("record_count", [2**31 - 1, 40_000_000])
def test_few_bytes_cannot_take_many_offsets(codec: Codec, record_count: int) -> None:
    """Bodies stay closed, but what no codec can have made of so many records is refused; Kafka counts and refuses them too."""
    batch = altered(encode_batch(RECORDS, compression=codec), 23, (record_count - 1).to_bytes(4, "big"))

    assert judged(altered(batch, 57, record_count.to_bytes(4, "big"))) == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("codec", list(Codec))
def test_smallest_records_in_their_best_compression_are_accepted(codec: Codec) -> None:
    batch = encode_batch([Record(index, 0, None, None) for index in range(200_000)], compression=codec)

    assert judged(batch, message_bytes_max=1 << 30) == ErrorCode.NONE


@pytest.mark.parametrize(("last_offset_delta", "record_count"), [(2, 2), (2, 4), (-1, 0), (-2, -1), (2**31 - 1, -(2**31)), (0, 0)])
def test_count_and_offsets_must_agree(last_offset_delta: int, record_count: int) -> None:
    batch = altered(encode_batch(RECORDS), 23, last_offset_delta.to_bytes(4, "big", signed=True))

    assert judged(altered(batch, 57, record_count.to_bytes(4, "big", signed=True))) == ErrorCode.INVALID_RECORD


def test_control_batch_of_a_client_is_refused() -> None:
    assert judged(encode_batch(RECORDS[:1], is_control=True)) == ErrorCode.INVALID_RECORD


def test_producer_id_needs_a_sequence() -> None:
    assert judged(encode_batch(RECORDS, producer_id=5, producer_epoch=0)) == ErrorCode.INVALID_RECORD
    assert judged(encode_batch(RECORDS, producer_id=5, producer_epoch=0, base_sequence=0)) == ErrorCode.NONE


@given(st.binary(max_size=200))
def test_any_bytes_get_a_code_and_no_exception(frame: bytes) -> None:
    assert check_batch(frame, 0, len(frame), PRODUCE_VERSION, MESSAGE_BYTES_MAX) != ErrorCode.NONE


@given(st.data())
def test_any_changed_byte_is_noticed_or_harmless(data: st.DataObject) -> None:
    """Base offset, length, leader epoch and magic lie outside the checksum; of them only the leader epoch is the broker's to set."""
    batch = encode_batch(RECORDS)
    position = data.draw(st.integers(0, len(batch) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != batch[position]))

    code = judged(altered(batch, position, bytes([byte]), is_crc_renewed=False))

    assert (code == ErrorCode.NONE) == (12 <= position < 16)


def test_size_is_found_without_reading_past_the_end() -> None:
    batch = encode_batch(RECORDS)

    assert batch_size_at(batch, 0, len(batch)) == len(batch)
    assert [batch_size_at(batch, 0, end) for end in (0, 11, 16, len(batch) - 1)] == [0, 0, 0, 0]


def test_stamp_changes_offset_and_epoch_and_keeps_the_checksum_right() -> None:
    buffer = bytearray(b"front" + encode_batch(RECORDS, compression=Codec.LZ4))

    stamp(buffer, 5, 77, 9)

    stamped = bytes(buffer[5:])
    header = parse_header(stamped, 0)
    assert (header.base_offset, header.partition_leader_epoch) == (77, 9)
    assert is_crc_right(stamped, 0, header.size)
    assert [record.offset for record in decode_records(stamped)] == [77, 78, 79]


def test_stamped_front_is_what_stamp_writes() -> None:
    batch = encode_batch(RECORDS)
    buffer = bytearray(batch)
    stamp(buffer, 0, 77, 9)

    front = BytesWriter()
    write_stamped_front(front, 77, len(batch), 9)
    assert front.getvalue() + batch[16:] == bytes(buffer)


def test_append_time_header_is_what_restamping_in_place_writes() -> None:
    batch = encode_batch(RECORDS, compression=Codec.SNAPPY, is_transactional=True, producer_id=4, producer_epoch=0, base_sequence=0)
    buffer = bytearray(batch)
    stamp(buffer, 0, 50, 2)
    restamp_append_time(buffer, 0, len(batch), 123_456)

    header = append_time_header(b"front" + batch, 5, len(batch), 50, 2, 123_456)

    assert header + batch[HEADER_SIZE:] == bytes(buffer)
    assert is_crc_right(bytes(buffer), 0, len(batch))
    assert [record.timestamp for record in decode_records(bytes(buffer))] == [123_456] * 3
    assert parse_header(bytes(buffer), 0).is_transactional()


def test_restamping_can_take_the_append_time_back() -> None:
    batch = encode_batch(RECORDS, timestamp_type=TimestampType.LOG_APPEND_TIME, append_time_ms=9_999)
    buffer = bytearray(batch)

    restamp_timestamps(buffer, 0, len(batch), 1_500, False)

    assert bytes(buffer) == encode_batch(RECORDS)


def looked_into(
    batch: bytes, *, is_every_record_judged: bool = False, target_codec: int = -1, latest_ms: int = 10_000, is_log_append_time: bool = False
) -> bool:
    return needs_looking_into(parse_header(batch, 0), is_every_record_judged, target_codec, latest_ms, is_log_append_time)


def test_ordinary_batch_is_not_looked_into() -> None:
    assert not looked_into(encode_batch(RECORDS))
    assert not looked_into(encode_batch(RECORDS, compression=Codec.ZSTD), target_codec=Codec.ZSTD)


def test_batch_is_looked_into_when_something_can_be_wrong_or_has_to_change() -> None:
    batch = encode_batch(RECORDS)

    assert looked_into(batch, is_every_record_judged=True)
    assert looked_into(batch, target_codec=Codec.ZSTD)
    assert looked_into(encode_batch(RECORDS, compression=Codec.ZSTD), target_codec=Codec.NONE)
    assert looked_into(batch, latest_ms=1_499)
    assert looked_into(encode_batch(RECORDS, timestamp_type=TimestampType.LOG_APPEND_TIME, append_time_ms=5))


def test_timestamps_do_not_matter_where_the_broker_stamps() -> None:
    assert not looked_into(encode_batch(RECORDS), latest_ms=1, is_log_append_time=True)
