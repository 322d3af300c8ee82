"""Index files: a search answers as a linear scan would, wherever the entries lie, and the bytes are Kafka's."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.storage.errors import CorruptIndex
from odradek.storage.index_entries import SEARCH_BLOCK_ENTRIES
from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.storage.offset_index import OffsetIndex
from odradek.storage.open_files import FileHandle, OpenFiles
from odradek.storage.time_index import TimeIndex
from odradek.storage.transaction_index import AbortedTransaction, TransactionIndex

BASE = 1000
STEPS = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 5000)), max_size=3 * SEARCH_BLOCK_ENTRIES)


def new_handle(name: str) -> FileHandle:
    return FileHandle(OpenFiles(MemoryFileSystem()), f"/{name}")


def filled_offset_index(steps: list[tuple[int, int]], written: int) -> tuple[OffsetIndex, list[tuple[int, int]]]:
    """An index with an entry for each step, the first `written` of them in the file."""
    index = OffsetIndex(new_handle("a.index"), BASE, is_new=True)
    offset, position = BASE, 0
    entries = []
    for number, (offset_step, position_step) in enumerate(steps):
        offset, position = offset + offset_step, position + position_step
        index.append(offset, position)
        entries.append((offset, position))
        if number + 1 == written:
            index.entries.write_pending()
    return index, entries


@given(steps=STEPS, written=st.integers(0, 800), sought=st.lists(st.integers(BASE - 5, BASE + 20_000), max_size=20))
def test_offset_search_answers_as_a_linear_scan(steps: list[tuple[int, int]], written: int, sought: list[int]) -> None:
    index, entries = filled_offset_index(steps, written)

    for offset in [*sought, *[entry[0] for entry in entries[:50]]]:
        assert index.position_for(offset) == max((position for known, position in entries if known <= offset), default=0)


@given(steps=STEPS, written=st.integers(0, 800), sought=st.lists(st.integers(0, 2_000_000), max_size=20))
def test_position_search_answers_as_a_linear_scan(steps: list[tuple[int, int]], written: int, sought: list[int]) -> None:
    index, entries = filled_offset_index(steps, written)

    for position in [*sought, *[entry[1] for entry in entries[-50:]]]:
        assert index.position_at_most(position) == max((known for _, known in entries if known <= position), default=0)
        assert index.offset_at_or_behind(position) == next((offset for offset, known in entries if known >= position), None)


@given(steps=STEPS, written=st.integers(0, 800), cut=st.integers(BASE - 5, BASE + 20_000))
def test_truncated_offset_index_has_only_what_is_below(steps: list[tuple[int, int]], written: int, cut: int) -> None:
    index, entries = filled_offset_index(steps, written)
    index.position_for(cut)

    index.truncate_to(cut)

    kept = [entry for entry in entries if entry[0] < cut]
    assert index.all_entries() == kept
    assert index.last_entry() == (kept[-1] if kept else (BASE, 0))
    assert index.position_for(cut + 1) == (kept[-1][1] if kept else 0)


@given(
    steps=st.lists(st.tuples(st.integers(-3, 50), st.integers(1, 50)), max_size=700),
    written=st.integers(0, 800),
    sought=st.lists(st.integers(-5, 20_000), max_size=20),
)
def test_time_search_answers_as_a_linear_scan(steps: list[tuple[int, int]], written: int, sought: list[int]) -> None:
    index = TimeIndex(new_handle("a.timeindex"), BASE, is_new=True)
    timestamp, offset = 0, BASE
    for number, (time_step, offset_step) in enumerate(steps):
        timestamp, offset = timestamp + time_step, offset + offset_step
        index.append_if_later(timestamp, offset)
        if number + 1 == written:
            index.entries.write_pending()

    entries = index.all_entries()
    assert all(earlier[0] < later[0] and earlier[1] < later[1] for earlier, later in pairwise(entries))
    for moment in sought:
        assert index.offset_for(moment) == max((known for reached, known in entries if reached <= moment), default=BASE)


def test_offset_index_has_the_bytes_of_kafka() -> None:
    """KAFKA-FACTS 2.3: i32 relative offset, i32 position."""
    index = OffsetIndex(new_handle("a.index"), BASE, is_new=True)

    index.append(BASE + 258, 70_000)
    index.entries.write_pending()

    assert index.entries.handle.file().pread(100, 0) == bytes.fromhex("00000102 00011170")


def test_time_index_has_the_bytes_of_kafka() -> None:
    """KAFKA-FACTS 2.3: i64 timestamp, i32 relative offset."""
    index = TimeIndex(new_handle("a.timeindex"), BASE, is_new=True)

    index.append_if_later(1_700_000_000_000, BASE + 3)
    index.append_if_later(1_700_000_000_000, BASE + 9)
    index.entries.write_pending()

    assert index.entries.handle.file().pread(100, 0) == bytes.fromhex("0000018bcfe56800 00000003")


def test_transaction_index_has_the_bytes_of_kafka_and_reads_them_again() -> None:
    handle = new_handle("a.txnindex")
    index = TransactionIndex(handle, BASE, is_new=True)
    aborted = AbortedTransaction(producer_id=7, first_offset=1001, last_offset=1005, last_stable_offset=1006)

    index.append(aborted)

    assert handle.file().pread(100, 0) == bytes.fromhex("0000 0000000000000007 00000000000003e9 00000000000003ed 00000000000003ee")
    assert TransactionIndex(handle, BASE, is_new=False).entries() == [aborted]


def test_transaction_index_without_aborts_has_no_file() -> None:
    handle = new_handle("a.txnindex")
    index = TransactionIndex(handle, BASE, is_new=False)

    assert index.entries() == []
    assert not handle.is_open


def test_torn_entry_counts_as_absent_and_is_overwritten() -> None:
    handle = new_handle("a.index")
    handle.file(create=True).append(bytes.fromhex("00000001 00000064 0000"))
    index = OffsetIndex(handle, BASE, is_new=False)
    assert index.all_entries() == [(BASE + 1, 100)]

    index.append(BASE + 5, 200)
    index.entries.write_pending()

    assert handle.file().pread(100, 0) == bytes.fromhex("00000001 00000064 00000005 000000c8")


def test_index_of_another_segment_is_corrupt() -> None:
    handle = new_handle("a.index")
    handle.file(create=True).append(bytes.fromhex("fffffff0 00000064"))

    with pytest.raises(CorruptIndex):
        OffsetIndex(handle, BASE, is_new=False).check()


def test_time_index_that_goes_back_is_corrupt() -> None:
    handle = new_handle("a.timeindex")
    handle.file(create=True).append(bytes.fromhex("0000000000000064 00000001 0000000000000032 00000005"))

    with pytest.raises(CorruptIndex):
        TimeIndex(handle, BASE, is_new=False).check()
