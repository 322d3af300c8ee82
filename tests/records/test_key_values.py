"""The fast reading of keys and values says what the whole reading of records says, or nothing."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.base.errors import CorruptRecords
from odradek.records.batch import batch_body, parse_header
from odradek.records.builder import encode_batch
from odradek.records.key_values import KeyValue, NotPlain, RecordCursor
from odradek.records.record import Header, Record, read_records

BASE_OFFSET = 1_000
MOMENT_MS = 1_700_000_000_000

contents = st.none() | st.binary(max_size=300)
plain_records = st.builds(Record, timestamp=st.integers(MOMENT_MS - 10**9, MOMENT_MS + 10**9), key=contents, value=contents)


def body_of(records: list[Record]) -> bytes:
    batch = encode_batch(records, base_offset=BASE_OFFSET)
    return batch_body(batch, 0, parse_header(batch, 0))


def read_key_values(body: bytes, record_count: int, base_offset: int) -> list[KeyValue]:
    """Every record of an uncompressed `body`, which must hold exactly `record_count` of them.

    Raises:
        NotPlain: one has headers, or is malformed.
    """
    found: list[KeyValue] = []
    cursor = RecordCursor(body, 0, len(body), record_count, base_offset)
    while cursor.advance():
        found.append((cursor.offset, cursor.key(), cursor.value()))
    return found


def read_whole(body: bytes, count: int) -> list[KeyValue]:
    return [(record.offset, record.key, record.value) for record in read_records(body, count, BASE_OFFSET, MOMENT_MS)]


@given(st.lists(plain_records, min_size=1, max_size=5))
def test_plain_records_are_read(records: list[Record]) -> None:
    body = body_of(records)

    assert read_key_values(body, len(records), BASE_OFFSET) == read_whole(body, len(records))


@given(
    st.lists(plain_records, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    st.integers(-3, 3),
)
def test_whatever_is_damaged_is_read_alike_or_left_alone(records: list[Record], damages: list[tuple[int, int]], shift: int) -> None:
    body = bytearray(body_of(records))
    for place, byte in damages:
        body[place % len(body)] = byte
    cut = bytes(body[: len(body) + min(shift, 0)]) + b"\x00" * max(shift, 0)

    with suppress(NotPlain):
        found = read_key_values(cut, len(records), BASE_OFFSET)
        assert found == read_whole(cut, len(records))


def test_headers_are_left_to_the_whole_reading() -> None:
    body = body_of([Record(timestamp=MOMENT_MS, key=b"k", value=b"v", headers=[Header("h", b"1")])])

    with pytest.raises(NotPlain):
        read_key_values(body, 1, BASE_OFFSET)


def test_record_count_that_is_not_so_is_left_to_the_whole_reading() -> None:
    body = body_of([Record(timestamp=MOMENT_MS, key=b"k", value=b"v")])
    for count in (0, 2):
        with pytest.raises(NotPlain):
            read_key_values(body, count, BASE_OFFSET)
        with pytest.raises(CorruptRecords):
            read_records(body, count, BASE_OFFSET, MOMENT_MS)
