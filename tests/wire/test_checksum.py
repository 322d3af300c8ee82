"""CRC-32C against the values of RFC 3720, appendix B.4."""

from __future__ import annotations

import pytest

from odradek.wire.checksum import crc32c


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", 0), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E), (b"123456789", 0xE3069283)],
)
def test_checksum_has_the_published_values(data: bytes, expected: int) -> None:
    assert crc32c(data) == crc32c(bytearray(data)) == crc32c(memoryview(data)) == expected


def test_checksum_continues_where_it_was_left() -> None:
    assert crc32c(b"56789", crc32c(b"1234")) == crc32c(b"123456789")
