"""Messages of magic 0 and 1 as kafka-python writes them, alone and wrapped in every codec they know."""

from __future__ import annotations

import contextlib
import zlib
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.legacy_records import LegacyRecordBatchBuilder  # type: ignore[import-untyped]

from odradek.base.errors import CorruptRecords
from odradek.records.batch import check_crc, decode_records, iterate_batches
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec, compress
from odradek.records.record import Record

OLD_CODECS = [Codec.NONE, Codec.GZIP, Codec.SNAPPY, Codec.LZ4]


def written(magic: int, codec: Codec, *, count: int = 3) -> bytes:
    """A message set with `count` records, numbered from 0."""
    if (magic, codec) == (0, Codec.LZ4):
        return wrapped_in_old_lz4(written(0, Codec.NONE, count=count))
    builder = LegacyRecordBatchBuilder(magic, int(codec), 1 << 20)
    for offset in range(count):
        builder.append(offset, timestamp=1_000 + offset, key=b"key" if offset else None, value=b"value %d" % offset)
    return bytes(cast("bytearray", builder.build()))


def wrapped_in_old_lz4(messages: bytes) -> bytes:
    """A wrapper of magic 0 whose frame has the wrong descriptor checksum that clients of that time computed."""
    frame = bytearray(compress(Codec.LZ4, messages))
    frame[6] ^= 0xFF
    checked = b"\0\3" + (-1).to_bytes(4, "big", signed=True) + len(frame).to_bytes(4, "big") + frame
    return bytes(8) + (len(checked) + 4).to_bytes(4, "big") + zlib.crc32(checked).to_bytes(4, "big") + checked


def moved(message: bytes, offset: int) -> bytes:
    """`message` as the broker of that time stored it at `offset`."""
    return offset.to_bytes(8, "big") + message[8:]


def expected(magic: int, base_offset: int = 0) -> list[Record]:
    return [
        Record(base_offset + number, 1_000 + number if magic else -1, b"key" if number else None, b"value %d" % number)
        for number in range(3)
    ]


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", OLD_CODECS)
def test_old_messages_are_read(magic: int, codec: Codec) -> None:
    data = written(magic, codec)

    found = list(iterate_batches(data))
    for at in found:
        check_crc(data, at.position, at.header)
    assert [record for at in found for record in decode_records(data, at.position)] == expected(magic)
    assert len(found) == (3 if codec is Codec.NONE else 1)
    assert {at.header.magic for at in found} == {magic}


@pytest.mark.parametrize("codec", OLD_CODECS[1:])
def test_offsets_inside_a_wrapper_end_at_its_own(codec: Codec) -> None:
    """KIP-31: in magic 1 they are relative, and the wrapper has the last one's."""
    assert decode_records(moved(written(1, codec), 102)) == expected(1, 100)


def test_append_time_of_a_wrapper_is_that_of_all_inside() -> None:
    data = bytearray(written(1, Codec.GZIP))
    data[17] |= 0x08
    data[18:26] = (5_555).to_bytes(8, "big")

    assert [record.timestamp for record in decode_records(bytes(data))] == [5_555] * 3


def test_formats_of_all_ages_lie_in_one_log() -> None:
    data = moved(written(0, Codec.NONE, count=1), 0) + moved(written(1, Codec.GZIP), 3) + encode_batch([Record()], base_offset=4)

    assert [(at.header.magic, at.header.last_offset()) for at in iterate_batches(data)] == [(0, 0), (1, 3), (2, 4)]


def test_wrong_checksum_is_corrupt() -> None:
    data = bytearray(written(1, Codec.NONE, count=1))
    data[-1] ^= 1
    (at,) = iterate_batches(bytes(data))

    with pytest.raises(CorruptRecords, match="checksum"):
        check_crc(bytes(data), 0, at.header)


@given(magic=st.sampled_from([0, 1]), codec=st.sampled_from(OLD_CODECS), data=st.data())
def test_damaged_messages_fail_in_one_way_only(magic: int, codec: Codec, data: st.DataObject) -> None:
    message = bytearray(written(magic, codec))
    for _ in range(data.draw(st.integers(1, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))

    with contextlib.suppress(CorruptRecords):
        for at in iterate_batches(bytes(message)):
            decode_records(bytes(message), at.position, size_max=10_000)
