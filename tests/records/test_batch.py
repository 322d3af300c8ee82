"""Batches there and back, what a piece of a log holds, and what damaged bytes do."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.base.errors import CorruptRecords, Misuse
from odradek.config.log_configuration import TimestampType
from odradek.records.batch import batch_body, check_crc, decode_records, iterate_batches
from odradek.records.builder import BatchBuilder, assemble_batch, encode_batch
from odradek.records.compression import Codec
from odradek.records.header import parse_header, restamp_timestamps
from odradek.records.record import Header, Record, read_records
from tests.records.strategies import CODECS, records

ONE = [Record(0, 5, b"k", b"v")]


@given(drawn=records(), codec=CODECS, base_offset=st.integers(0, 2**60))
def test_what_is_encoded_is_decoded(drawn: list[Record], codec: Codec, base_offset: int) -> None:
    batch = encode_batch(drawn, base_offset=base_offset, compression=codec)

    assert decode_records(batch) == [replace(record, offset=base_offset + record.offset) for record in drawn]
    assert parse_header(batch, 0).max_timestamp == max(record.timestamp for record in drawn)


@given(records())
def test_builder_makes_what_encoding_at_once_makes(drawn: list[Record]) -> None:
    builder = BatchBuilder()
    for record in drawn:
        builder.append(record.key, record.value, timestamp=record.timestamp, headers=record.headers)

    batch = encode_batch(builder.records())

    assert batch == encode_batch(drawn)
    assert len(builder) == len(drawn)
    assert len(batch) <= builder.size


def test_records_of_a_large_batch_come_back() -> None:
    drawn = [Record(number, 1_700_000_000_000 + number * 1000, b"%d" % number, b"x" * (number % 300)) for number in range(5_000)]

    assert decode_records(encode_batch(drawn, compression=Codec.LZ4)) == drawn


def test_header_key_that_is_not_utf8_survives() -> None:
    record = read_records(b"\x14\0\0\0\1\1\2\4\xff\xfe\1", 1, 0, 0)[0]

    assert record.headers == (Header("\udcff\udcfe", None),)
    assert decode_records(encode_batch([record])) == [record]


def test_log_append_time_replaces_every_timestamp() -> None:
    drawn = [Record(0, 5, b"a"), Record(1, 9, b"b")]
    batch = encode_batch(drawn, timestamp_type=TimestampType.LOG_APPEND_TIME, append_time_ms=777)

    assert [record.timestamp for record in decode_records(batch)] == [777, 777]
    buffer = bytearray(batch)
    restamp_timestamps(buffer, 0, len(batch), 9, False)
    assert decode_records(bytes(buffer)) == drawn


def test_timestamps_wrap_as_java_longs_do() -> None:
    assert read_records(encode_batch([Record(0, 0), Record(1, 200)])[61:], 2, 0, 2**63 - 100)[1].timestamp == 200 - 100 - 2**63


def test_empty_batch_that_compaction_left_has_no_records() -> None:
    """An emptied batch keeps its place for the sequence numbers of its producer."""
    batch = assemble_batch(
        b"",
        base_offset=10,
        leader_epoch=1,
        attributes=Codec.GZIP,
        last_offset_delta=4,
        base_timestamp=-1,
        max_timestamp=90,
        producer_id=3,
        producer_epoch=0,
        base_sequence=7,
        record_count=0,
    )

    assert decode_records(batch) == []
    assert [(at.position, at.header.last_offset()) for at in iterate_batches(batch)] == [(0, 14)]


def test_batches_of_a_log_are_found_one_after_the_other() -> None:
    first, second = encode_batch(ONE * 3), encode_batch(ONE, base_offset=3, compression=Codec.ZSTD)
    data = b"front" + first + second + second[:-1]

    found = list(iterate_batches(data, 5))

    assert [(at.position, at.header.base_offset, at.header.size) for at in found] == [
        (5, 0, len(first)),
        (5 + len(first), 3, len(second)),
    ]
    assert [at.position for at in iterate_batches(data, 5, 5 + len(first))] == [5]


def test_nonsense_between_batches_is_corrupt() -> None:
    batch = encode_batch(ONE)
    found = iterate_batches(batch + bytes(40) + batch)

    assert next(found).position == 0
    with pytest.raises(CorruptRecords, match=f"at {len(batch)}"):
        next(found)


def test_wrong_checksum_is_corrupt() -> None:
    batch = bytearray(encode_batch(ONE, base_offset=42))
    check_crc(bytes(batch), 0, parse_header(bytes(batch), 0))
    batch[-1] ^= 1

    with pytest.raises(CorruptRecords, match="offset 42"):
        check_crc(bytes(batch), 0, parse_header(bytes(batch), 0))


def test_unknown_codec_is_corrupt() -> None:
    batch = bytearray(encode_batch(ONE))
    batch[22] = 6

    with pytest.raises(CorruptRecords, match="codec 6"):
        decode_records(bytes(batch))


def test_batch_that_is_cut_off_is_corrupt() -> None:
    with pytest.raises(CorruptRecords, match="whole"):
        decode_records(encode_batch(ONE)[:-1])


def test_decompressed_size_is_limited() -> None:
    batch = encode_batch([Record(0, 0, None, bytes(100_000))], compression=Codec.GZIP)

    assert len(decode_records(batch, size_max=101_000)) == 1
    with pytest.raises(CorruptRecords):
        decode_records(batch, size_max=100_000)


def test_body_is_the_same_under_every_codec() -> None:
    plain = encode_batch(ONE * 9)

    for codec in Codec:
        batch = encode_batch(ONE * 9, compression=codec)
        assert batch_body(batch, 0, parse_header(batch, 0)) == plain[61:]


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"", 1),
        (b"\x0c\0\0\0\1\1\0", 2),
        (b"\x0c\0\0\0\1\1\0\0", 1),
        (b"\x0e\0\0\0\1\1\0", 1),
        (b"\x0a\0\0\0\1\1\0", 1),
        (b"\x01\0\0\0\1\1\0", 1),
        (b"\x0c\0\0\0\x10\1\0", 1),
        (b"\x0c\0\0\0\1\x10\0", 1),
        (b"\x0c\0\0\0\1\1\1", 1),
        (b"\x0c\0\0\0\1\1\x10", 1),
        (b"\x10\0\0\0\1\1\2\1\1", 1),
        (b"\x80\x80\x80\x80\x80\x80\x01", 1),
        (b"\x0c\0\0\0\1\1\0", -1),
    ],
)
def test_malformed_records_are_corrupt(body: bytes, count: int) -> None:
    with pytest.raises(CorruptRecords):
        read_records(body, count, 0, 0)


@given(drawn=records(count_max=3), codec=CODECS, data=st.data())
def test_damaged_batch_fails_in_one_way_only(drawn: list[Record], codec: Codec, data: st.DataObject) -> None:
    batch = bytearray(encode_batch(drawn, compression=codec))
    for _ in range(data.draw(st.integers(1, 4))):
        batch[data.draw(st.integers(0, len(batch) - 1))] = data.draw(st.integers(0, 255))

    with contextlib.suppress(CorruptRecords):
        for at in iterate_batches(bytes(batch)):
            decode_records(bytes(batch), at.position, size_max=100_000)


@given(st.binary(max_size=200), st.integers(0, 20))
def test_any_bytes_as_records_fail_in_one_way_only(body: bytes, count: int) -> None:
    with contextlib.suppress(CorruptRecords):
        assert len(read_records(body, count, 0, 0)) == count


def test_no_records_cannot_be_encoded() -> None:
    with pytest.raises(Misuse):
        encode_batch([])


def test_lone_surrogate_in_a_header_key_cannot_be_encoded() -> None:
    with pytest.raises(Misuse, match="header key"):
        encode_batch([Record(headers=(Header("\ud800", b""),))])
