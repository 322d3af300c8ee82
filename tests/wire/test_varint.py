"""Variable-length integers: known bytes, round trips, and every way to be malformed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from odradek.base.errors import Misuse, ProtocolViolation
from odradek.wire import varint

uint32 = st.integers(0, 2**32 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"), (2**28, "8080808001"), (2**32 - 1, "ffffffff0f")],
)
def test_unsigned_numbers_have_the_bytes_that_kafka_gives_them(value: int, encoded: str) -> None:
    out = bytearray()
    varint.write_unsigned_varint(out, value)
    assert out.hex() == encoded


@pytest.mark.parametrize(("value", "encoded"), [(0, "00"), (-1, "01"), (1, "02"), (-64, "7f"), (64, "8001"), (-(2**31), "ffffffff0f")])
def test_signed_numbers_have_the_bytes_that_kafka_gives_them(value: int, encoded: str) -> None:
    out, long_out = bytearray(), bytearray()
    varint.write_varint(out, value)
    varint.write_varlong(long_out, value)
    assert (out.hex(), long_out.hex()) == (encoded, encoded)


@given(uint32)
@example(2**32 - 1)
def test_unsigned_numbers_read_back(value: int) -> None:
    out = bytearray(b"x")
    varint.write_unsigned_varint(out, value)
    assert varint.read_unsigned_varint(bytes(out), 1) == (value, len(out))
    assert varint.unsigned_varint_size(value) == len(out) - 1


@given(int32)
@example(-(2**31))
def test_signed_numbers_read_back(value: int) -> None:
    out = bytearray()
    varint.write_varint(out, value)
    assert varint.read_varint(bytes(out), 0) == (value, len(out))
    assert varint.varint_size(value) == len(out)


@given(int64)
@example(-(2**63))
@example(2**63 - 1)
def test_long_numbers_read_back(value: int) -> None:
    out = bytearray()
    varint.write_varlong(out, value)
    assert varint.read_varlong(bytes(out), 0) == (value, len(out))
    assert varint.varint_size(value) == len(out)
    assert len(out) <= 10


@given(int64)
def test_truncated_numbers_are_refused(value: int) -> None:
    out = bytearray()
    varint.write_varlong(out, value)
    for size in range(len(out)):
        with pytest.raises(ProtocolViolation, match="ends inside"):
            varint.read_varlong(bytes(out[:size]), 0)
        with pytest.raises(ProtocolViolation):
            varint.read_unsigned_varint(bytes(out[:size]), 0)


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff\x10", b"\x80\x80\x80\x80\x80\x00", b"\xff" * 100])
def test_numbers_of_more_than_32_bits_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="32 bits"):
        varint.read_unsigned_varint(data, 0)


@pytest.mark.parametrize("data", [b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x00", b"\xff" * 100])
def test_numbers_of_more_than_64_bits_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation, match="64 bits"):
        varint.read_varlong(data, 0)


def test_numbers_that_do_not_fit_are_not_written() -> None:
    for write, value in (
        (varint.write_unsigned_varint, -1),
        (varint.write_unsigned_varint, 2**32),
        (varint.write_varint, 2**31),
        (varint.write_varlong, -(2**63) - 1),
    ):
        out = bytearray()
        with pytest.raises(Misuse):
            write(out, value)
        assert out == b""
