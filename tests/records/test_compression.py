"""Every codec at every level, read back by us and by the libraries other clients use; and data that lies about its size."""

from __future__ import annotations

import contextlib
import gzip
import random

import lz4.frame  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from kafka.codec import gzip_encode, lz4_decode, lz4_encode, snappy_decode, snappy_encode, zstd_encode  # type: ignore[import-untyped]

from odradek.base.errors import CorruptRecords, Misuse
from odradek.records.compression import Codec, codec_named, compress, decompress
from odradek.records.lz4_framing import read_frame, xxh32
from odradek.records.snappy_framing import read_blocks

COMPRESSING = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]
MIXED = b"".join(b"record number %d of many;" % number for number in range(8_000)) + random.Random(5).randbytes(100_000)
SIZE_MAX = 1 << 20


@given(codec=st.sampled_from(list(Codec)), data=st.binary(max_size=2_000))
def test_what_is_compressed_comes_back(codec: Codec, data: bytes) -> None:
    assert decompress(codec, compress(codec, data), len(data)) == data


@pytest.mark.parametrize("codec", COMPRESSING)
def test_several_blocks_come_back(codec: Codec) -> None:
    compressed = compress(codec, MIXED)

    assert len(compressed) < len(MIXED)
    assert decompress(codec, compressed, len(MIXED)) == MIXED


@pytest.mark.parametrize(
    ("codec", "level"),
    [(Codec.GZIP, level) for level in (-1, 1, 6, 9)]
    + [(Codec.LZ4, level) for level in range(1, 18)]
    + [(Codec.ZSTD, level) for level in (-131_072, -5, 0, 1, 3, 12)],
)
def test_every_level_comes_back(codec: Codec, level: int) -> None:
    assert decompress(codec, compress(codec, MIXED, level), len(MIXED)) == MIXED


def test_levels_matter() -> None:
    assert len(compress(Codec.GZIP, MIXED, 9)) < len(compress(Codec.GZIP, MIXED, 1))
    assert len(compress(Codec.LZ4, MIXED, 17)) < len(compress(Codec.LZ4, MIXED, 1)) < len(compress(Codec.LZ4, MIXED, 9))
    assert len(compress(Codec.ZSTD, MIXED, 12)) < len(compress(Codec.ZSTD, MIXED, -5))


def test_default_level_is_kafkas() -> None:
    """Level 9 of lz4 is the fast compressor in Kafka, not the ninth of the thorough ones."""
    assert compress(Codec.GZIP, MIXED) == compress(Codec.GZIP, MIXED, 6)
    assert compress(Codec.LZ4, MIXED) == compress(Codec.LZ4, MIXED, 9)
    assert compress(Codec.ZSTD, MIXED) == compress(Codec.ZSTD, MIXED, 3)


@pytest.mark.parametrize(("codec", "level"), [(Codec.GZIP, 10), (Codec.ZSTD, 23)])
def test_level_that_does_not_exist_is_misuse(codec: Codec, level: int) -> None:
    with pytest.raises(Misuse):
        compress(codec, b"data", level)


def test_names_are_those_of_the_settings() -> None:
    assert [codec_named(name) for name in ("none", "uncompressed", "gzip", "snappy", "lz4", "zstd")] == [0, 0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="brotli"):
        codec_named("brotli")


def test_other_libraries_read_what_we_write() -> None:
    assert gzip.decompress(compress(Codec.GZIP, MIXED)) == MIXED
    assert snappy_decode(compress(Codec.SNAPPY, MIXED)) == MIXED
    assert lz4_decode(compress(Codec.LZ4, MIXED)) == MIXED
    assert lz4.frame.decompress(compress(Codec.LZ4, MIXED, 17)) == MIXED
    assert zstandard.ZstdDecompressor().decompress(compress(Codec.ZSTD, MIXED)) == MIXED


def test_we_read_what_other_clients_write() -> None:
    assert decompress(Codec.GZIP, gzip_encode(MIXED), SIZE_MAX) == MIXED
    assert decompress(Codec.SNAPPY, snappy_encode(MIXED), SIZE_MAX) == MIXED
    assert decompress(Codec.ZSTD, zstd_encode(MIXED), SIZE_MAX) == MIXED
    assert decompress(Codec.ZSTD, zstandard.ZstdCompressor(write_content_size=False).compress(MIXED), SIZE_MAX) == MIXED


@pytest.mark.parametrize("block_size", [4, 5, 6, 7])
@pytest.mark.parametrize("has_checksums", [False, True])
@pytest.mark.parametrize("has_size", [False, True])
def test_every_frame_of_lz4_that_java_reads_is_read(block_size: int, has_checksums: bool, has_size: bool) -> None:
    data = MIXED[:40_000]
    frame = lz4.frame.compress(
        data,
        block_size=block_size,
        block_linked=False,
        block_checksum=has_checksums,
        content_checksum=has_checksums,
        store_size=has_size,
    )

    assert decompress(Codec.LZ4, frame + b"ignored", SIZE_MAX) == data


def test_linked_blocks_of_lz4_are_refused() -> None:
    """`Lz4BlockInputStream` refuses them, so no Java consumer could read such a record."""
    with pytest.raises(CorruptRecords, match="depend"):
        decompress(Codec.LZ4, lz4.frame.compress(MIXED, block_linked=True), SIZE_MAX)


def test_wrong_descriptor_checksum_is_overlooked_only_for_the_oldest_messages() -> None:
    """KAFKA-3160."""
    frame = bytearray(lz4_encode(b"data" * 100))
    frame[6] ^= 0xFF

    assert read_frame(bytes(frame), SIZE_MAX, is_descriptor_checked=False) == b"data" * 100
    with pytest.raises(CorruptRecords, match="descriptor"):
        read_frame(bytes(frame), SIZE_MAX)


def test_wrong_block_checksum_of_lz4_is_noticed() -> None:
    frame = bytearray(lz4.frame.compress(MIXED[:1000], block_linked=False, block_checksum=True, store_size=False))
    frame[-5] ^= 0xFF

    with pytest.raises(CorruptRecords, match="checksum"):
        decompress(Codec.LZ4, bytes(frame), SIZE_MAX)


@pytest.mark.parametrize(
    ("data", "digest"),
    [(b"", 0x02CC5D05), (b"a", 0x550D7456), (b"abc", 0x32D153FF), (b"Nobody inspects the spammish repetition", 0xE2293B2F)],
)
def test_xxhash_gives_the_published_digests(data: bytes, digest: int) -> None:
    assert xxh32(data) == digest


def test_snappy_without_framing_is_read_as_snappy_java_does() -> None:
    import cramjam

    assert read_blocks(bytes(cramjam.snappy.compress_raw(MIXED)), SIZE_MAX) == MIXED


def test_joined_streams_are_read_through() -> None:
    assert read_blocks(compress(Codec.SNAPPY, b"one") + compress(Codec.SNAPPY, b"two"), SIZE_MAX) == b"onetwo"
    assert decompress(Codec.GZIP, gzip.compress(b"one") + gzip.compress(b"two") + b"\0\0", SIZE_MAX) == b"onetwo"
    assert decompress(Codec.ZSTD, compress(Codec.ZSTD, b"one") + compress(Codec.ZSTD, b"two"), SIZE_MAX) == b"onetwo"


@pytest.mark.parametrize("codec", list(Codec))
def test_size_is_limited_to_the_byte(codec: Codec) -> None:
    compressed = compress(codec, MIXED)

    assert decompress(codec, compressed, len(MIXED)) == MIXED
    with pytest.raises(CorruptRecords):
        decompress(codec, compressed, len(MIXED) - 1)


@pytest.mark.parametrize("codec", COMPRESSING)
def test_bomb_is_stopped(codec: Codec) -> None:
    bomb = compress(codec, bytes(64 << 20))

    with pytest.raises(CorruptRecords):
        decompress(codec, bomb, 1 << 20)


def test_snappy_block_that_claims_gigabytes_is_refused_unread() -> None:
    with pytest.raises(CorruptRecords, match="cannot hold"):
        read_blocks(b"\xff\xff\xff\x7f" + bytes(20), 1 << 40)


@given(codec=st.sampled_from(COMPRESSING), data=st.data())
def test_damaged_data_fails_in_one_way_only(codec: Codec, data: st.DataObject) -> None:
    compressed = bytearray(compress(codec, MIXED[:3_000]))
    for _ in range(data.draw(st.integers(1, 3))):
        compressed[data.draw(st.integers(0, len(compressed) - 1))] = data.draw(st.integers(0, 255))
    del compressed[data.draw(st.integers(0, len(compressed))) :]

    with contextlib.suppress(CorruptRecords):
        assert len(decompress(codec, bytes(compressed), 10_000)) <= 10_000


@given(codec=st.sampled_from(COMPRESSING), data=st.binary(max_size=100))
def test_any_bytes_fail_in_one_way_only(codec: Codec, data: bytes) -> None:
    with contextlib.suppress(CorruptRecords):
        decompress(codec, data, 10_000)
