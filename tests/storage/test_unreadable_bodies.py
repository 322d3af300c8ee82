"""Batches whose checksum is right and whose body is nonsense: stored as they came, found by their readers, and no harm to the node.

Kafka looks into every body and refuses these. Here bodies stay closed on their way into the log (batches are opaque), so whatever looks
into them later has to live with everything that a producer can think of.
"""

from __future__ import annotations

import zlib

import pytest

from odradek.records.compression import Codec, compress
from odradek.records.header import ACCEPTED, check_batch
from odradek.storage import segment as segment_module
from odradek.storage.retention import drop_old_segments, make_way
from odradek.storage.segment import TimestampAt
from tests.storage.building import LOG_PATH, START_MS, Shelf, batch, batch_around, small_segments, values_in

GOOD_BODY = batch("a" * 20, "b" * 20, "c" * 20)[61:]
LATER_MS = START_MS + 1000

# Name: (body, codec, how many records its header announces).
NONSENSE: dict[str, tuple[bytes, int, int]] = {
    "noise": (bytes(range(200)) * 2, 0, 5),
    "zeros": (bytes(100), 0, 3),
    "ends early": (GOOD_BODY[:-1], 0, 3),
    "more than announced": (GOOD_BODY + GOOD_BODY, 0, 3),
    "fewer than announced": (GOOD_BODY, 0, 4),
    "record longer than the batch": (b"\xfe\xff\xff\xff\x0f" + bytes(40), 0, 2),
    "noise for gzip": (bytes(range(100)), Codec.GZIP, 3),
    "noise for snappy": (bytes(range(100)), Codec.SNAPPY, 3),
    "noise for lz4": (bytes(range(100)), Codec.LZ4, 3),
    "noise for zstd": (bytes(range(100)), Codec.ZSTD, 3),
    "half a frame of zstd": (compress(Codec.ZSTD, GOOD_BODY)[:-3], Codec.ZSTD, 3),
    "compressed noise": (compress(Codec.LZ4, bytes(range(200))), Codec.LZ4, 3),
    "far more than it may become": (zlib.compress(bytes(100 << 20), 9, wbits=31), Codec.GZIP, 1_000),
}


def shelf_with(name: str, **settings: int) -> tuple[Shelf, bytes]:
    """A log with a good batch, a nonsensical one and a good one, a second apart; and the bytes of the middle one."""
    body, codec, record_count = NONSENSE[name]
    nonsense = batch_around(body, record_count=record_count, codec=codec, max_timestamp=LATER_MS)
    assert check_batch(nonsense, 0, len(nonsense), 9, 1 << 30) == ACCEPTED, "it would not have come so far"
    shelf = Shelf(small_segments(1 << 20, 1, **settings))
    shelf.append("before")
    shelf.append_batch(nonsense)
    shelf.append("behind", timestamp=LATER_MS + 1000)
    return shelf, nonsense


@pytest.mark.parametrize("name", NONSENSE)
def test_readers_get_the_bytes_that_came(name: str) -> None:
    shelf, nonsense = shelf_with(name)

    data = shelf.log.read(1, len(nonsense), at_least_one=True).read()

    assert data[16:] == nonsense[16:]
    end = shelf.log.log_end_offset
    assert values_in(shelf.log.read(end - 1, 1 << 20).read()) == [(end - 1, b"behind")]


@pytest.mark.parametrize("name", NONSENSE)
def test_times_are_found_before_in_and_behind_it(name: str) -> None:
    """Who asks for a time in the batch is sent to its beginning, so that nothing is missed."""
    shelf, _ = shelf_with(name)
    end = shelf.log.log_end_offset

    assert shelf.log.offset_for_timestamp(START_MS) == TimestampAt(START_MS, 0, 1)
    assert shelf.log.offset_for_timestamp(START_MS + 1) == TimestampAt(LATER_MS, 1, 1)
    assert shelf.log.offset_for_timestamp(LATER_MS + 1) == TimestampAt(LATER_MS + 1000, end - 1, 1)
    assert shelf.log.offset_of_max_timestamp() == TimestampAt(LATER_MS + 1000, end - 1, 1)


@pytest.mark.parametrize("name", NONSENSE)
def test_greatest_time_may_be_its_own(name: str) -> None:
    shelf, _ = shelf_with(name)
    shelf.log.truncate_to(shelf.log.log_end_offset - 1)

    assert shelf.log.offset_of_max_timestamp() == TimestampAt(LATER_MS, 1, 1)


@pytest.mark.parametrize("name", NONSENSE)
def test_recovery_keeps_it_and_all_that_lies_behind(name: str) -> None:
    shelf, _ = shelf_with(name)
    before = shelf.log.read(0, 1 << 30).read()
    names = {file: shelf.filesystem.read_bytes(f"{LOG_PATH}/{file}") for file in shelf.names() if file.endswith(".log")}

    shelf.open()

    assert shelf.log.read(0, 1 << 30).read() == before
    assert {file: shelf.filesystem.read_bytes(f"{LOG_PATH}/{file}") for file in names} == names


@pytest.mark.parametrize("name", NONSENSE)
def test_it_is_cut_off_and_dropped_like_any_other(name: str) -> None:
    shelf, nonsense = shelf_with(name, retention_ms=5000)
    # An offset in the middle of the batch takes all of it away.
    shelf.log.truncate_to(2)
    assert shelf.log.read(0, 1 << 20).size == len(batch("before"))
    shelf.append_batch(nonsense)
    shelf.log.high_watermark = shelf.log.log_end_offset
    shelf.log.delete_records_before(2)
    shelf.clock.advance(60_000)

    make_way(shelf.log, shelf.clock.now_ms())
    assert drop_old_segments(shelf.log, shelf.clock.now_ms(), 10).segments

    assert shelf.log.log_start_offset == shelf.log.log_end_offset


def test_header_that_lies_about_its_greatest_time_hides_nothing_behind_it() -> None:
    """The greatest time of a header is believed on the way in; the records say something else."""
    shelf = Shelf(small_segments(1 << 20, 1))
    shelf.append_batch(batch_around(GOOD_BODY, record_count=3, max_timestamp=LATER_MS))
    shelf.append("behind", timestamp=START_MS + 500)

    assert shelf.log.offset_for_timestamp(START_MS + 1) == TimestampAt(START_MS + 500, 3, 1)


def test_huge_batch_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_module, "RECORDS_LOOKED_AT_MAX", 3)
    shelf = Shelf(small_segments(1 << 20, 1))
    shelf.append("a", "b", "c", timestamp=START_MS)
    shelf.append("d", "e", "f", "g", timestamp=LATER_MS)

    assert shelf.log.offset_for_timestamp(START_MS) == TimestampAt(START_MS, 0, 1)
    assert shelf.log.offset_for_timestamp(LATER_MS) == TimestampAt(LATER_MS, 3, 1)
    shelf.log.high_watermark = 7
    shelf.log.delete_records_before(5)
    assert shelf.log.offset_for_timestamp(LATER_MS) == TimestampAt(LATER_MS, 5, 1)
