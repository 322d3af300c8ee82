"""Strings, bytes, counts and tagged fields in both encodings: known bytes, and refusal of every length that cannot be."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from odradek.base.errors import Misuse, ProtocolViolation
from odradek.base.identifiers import Uuid
from odradek.wire import reading, writing
from odradek.wire.refusals import MALFORMED

Reader = Callable[[bytes, int], tuple[object, int]]

STRING_FORMS = [
    (writing.write_string, reading.read_string, "00026869"),
    (writing.write_nullable_string, reading.read_nullable_string, "00026869"),
    (writing.write_compact_string, reading.read_compact_string, "036869"),
    (writing.write_compact_nullable_string, reading.read_compact_nullable_string, "036869"),
]
BYTES_FORMS = [
    (writing.write_bytes, reading.read_bytes, "000000026869"),
    (writing.write_nullable_bytes, reading.read_nullable_bytes, "000000026869"),
    (writing.write_compact_bytes, reading.read_compact_bytes, "036869"),
    (writing.write_compact_nullable_bytes, reading.read_compact_nullable_bytes, "036869"),
]


@pytest.mark.parametrize(("write", "read", "expected"), STRING_FORMS)
def test_string_has_the_bytes_of_its_form(write: Callable[[bytearray, str], None], read: Reader, expected: str) -> None:
    out = bytearray()
    write(out, "hi")
    assert out.hex() == expected
    assert read(bytes(out) + b"rest", 0) == ("hi", len(out))


@pytest.mark.parametrize(("write", "read", "expected"), BYTES_FORMS)
def test_bytes_have_the_bytes_of_their_form(write: Callable[[bytearray, bytes], None], read: Reader, expected: str) -> None:
    out = bytearray()
    write(out, b"hi")
    assert out.hex() == expected
    assert read(bytes(out) + b"rest", 0) == (b"hi", len(out))


@pytest.mark.parametrize(("read", "whole"), [(read, whole) for _, read, whole in STRING_FORMS + BYTES_FORMS])
def test_value_that_is_cut_off_is_refused(read: Reader, whole: str) -> None:
    data = bytes.fromhex(whole)
    for size in range(len(data)):
        with pytest.raises((ProtocolViolation, *MALFORMED)):
            read(data[:size], 0)


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (reading.read_string, "ffff"),
        (reading.read_compact_string, "00"),
        (reading.read_bytes, "ffffffff"),
        (reading.read_compact_bytes, "00"),
    ],
)
def test_null_is_refused_where_a_value_is_needed(read: Reader, data: str) -> None:
    with pytest.raises(ProtocolViolation, match="null"):
        read(bytes.fromhex(data), 0)


@pytest.mark.parametrize(
    ("write", "read", "expected"),
    [
        (writing.write_nullable_string, reading.read_nullable_string, "ffff"),
        (writing.write_compact_nullable_string, reading.read_compact_nullable_string, "00"),
        (writing.write_nullable_bytes, reading.read_nullable_bytes, "ffffffff"),
        (writing.write_compact_nullable_bytes, reading.read_compact_nullable_bytes, "00"),
    ],
)
def test_null_reads_back(write: Callable[[bytearray, None], None], read: Reader, expected: str) -> None:
    out = bytearray()
    write(out, None)
    assert out.hex() == expected
    assert read(bytes(out), 0) == (None, len(out))


def test_string_longer_than_kafka_allows_is_refused_in_the_compact_form_too() -> None:
    longest = bytearray()
    writing.write_compact_string(longest, "x" * 32_767)
    assert reading.read_compact_string(bytes(longest), 0)[1] == len(longest)
    with pytest.raises(ProtocolViolation, match="32768"):
        reading.read_compact_string(b"\x81\x80\x02" + b"x" * 32_768, 0)
    with pytest.raises(Misuse, match="32768"):
        writing.write_compact_string(bytearray(), "x" * 32_768)


def test_count_is_compared_with_what_is_left_of_the_frame() -> None:
    assert reading.read_count(b"\x00\x00\x00\x02" + bytes(8), 0, 4) == (2, 4)
    with pytest.raises(ProtocolViolation, match="3 elements of at least 4 bytes"):
        reading.read_count(b"\x00\x00\x00\x03" + bytes(8), 0, 4)
    with pytest.raises(ProtocolViolation, match="elements"):
        reading.read_compact_count(b"\xff\xff\xff\xff\x0f" + bytes(8), 0, 1)
    assert reading.read_nullable_count(b"\xff\xff\xff\xff", 0, 4) == (-1, 4)
    assert reading.read_compact_nullable_count(b"\x00", 0, 4) == (-1, 1)


def test_elements_of_fixed_size_read_back() -> None:
    out = bytearray()
    writing.write_int8_elements(out, [-1, 2])
    writing.write_int16_elements(out, [-3])
    writing.write_int32_elements(out, [4, -5])
    writing.write_int64_elements(out, [1 << 40])
    writing.write_uuid_elements(out, [Uuid(bytes(range(16)))])
    data = bytes(out)
    assert reading.read_int8_elements(data, 0, 2) == ([-1, 2], 2)
    assert reading.read_int16_elements(data, 2, 1) == ([-3], 4)
    assert reading.read_int32_elements(data, 4, 2) == ([4, -5], 12)
    assert reading.read_int64_elements(data, 12, 1) == ([1 << 40], 20)
    assert reading.read_uuid_elements(data, 20, 1) == ([Uuid(bytes(range(16)))], 36)


def test_uuid_of_another_size_is_not_written() -> None:
    with pytest.raises(Misuse, match="UUID"):
        writing.write_uuid_elements(bytearray(), [Uuid(b"short")])


def test_tagged_fields_are_skipped_whole_or_refused() -> None:
    """KIP-482."""
    out = bytearray(b"\x02")
    writing.write_tagged_field(out, 0, b"abc")
    writing.write_tagged_field(out, 300, b"")
    assert reading.skip_tagged_fields(bytes(out), 0) == len(out)
    for size in range(len(out)):
        with pytest.raises(ProtocolViolation):
            reading.skip_tagged_fields(bytes(out[:size]), 0)
