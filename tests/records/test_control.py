"""Control batches: the markers of transactions and the quorum's own records."""

from __future__ import annotations

import pytest

from odradek.base.errors import CorruptRecords
from odradek.records.batch import decode_records
from odradek.records.builder import encode_batch
from odradek.records.control import (
    ControlRecord,
    ControlType,
    EndMarker,
    control_key,
    control_type_of,
    encode_control_batch,
    end_marker_of,
)
from odradek.records.end_marker import encode_end_marker, read_end_marker
from odradek.records.header import is_crc_right, parse_header
from odradek.records.record import Record


def said(marker: EndMarker | None) -> tuple[ControlType, int]:
    """What a marker says."""
    assert marker is not None
    return marker.control_type, marker.coordinator_epoch


@pytest.mark.parametrize("control_type", [ControlType.ABORT, ControlType.COMMIT])
def test_marker_comes_back(control_type: ControlType) -> None:
    batch = encode_end_marker(
        control_type, coordinator_epoch=5, producer_id=70, producer_epoch=3, timestamp=99, base_offset=12, leader_epoch=4
    )

    header = parse_header(batch, 0)
    (record,) = decode_records(batch)
    assert said(end_marker_of(record)) == (control_type, 5)
    assert (record.offset, record.timestamp) == (12, 99)
    assert header.is_control()
    assert header.is_transactional()
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (70, 3, -1)
    assert is_crc_right(batch, 0, header.size)


def test_marker_has_kafkas_bytes() -> None:
    batch = encode_end_marker(ControlType.COMMIT, coordinator_epoch=1, producer_id=0, producer_epoch=0, timestamp=0)

    assert batch[61:] == bytes.fromhex("20 00 00 00 08 0000 0001 0c 0000 00000001 00".replace(" ", ""))


@pytest.mark.parametrize("control_type", [ControlType.ABORT, ControlType.COMMIT])
def test_marker_is_the_batch_that_the_builder_makes(control_type: ControlType) -> None:
    value = bytes.fromhex("0000 7fffffff")

    batch = encode_end_marker(
        control_type, coordinator_epoch=(1 << 31) - 1, producer_id=1 << 40, producer_epoch=32_766, timestamp=1 << 41, base_offset=9
    )

    assert batch == encode_batch(
        [Record(0, 1 << 41, control_key(control_type), value)],
        base_offset=9,
        producer_id=1 << 40,
        producer_epoch=32_766,
        is_transactional=True,
        is_control=True,
    )
    assert said(read_end_marker(b"before" + batch, 6, parse_header(batch, 0))) == (control_type, (1 << 31) - 1)


@pytest.mark.parametrize(
    "records",
    [
        [Record(0, 7, control_key(ControlType.LEADER_CHANGE), bytes(6))],
        [Record(0, 7, control_key(ControlType.COMMIT), b"\0\1" + bytes(4))],
        [Record(0, 7, b"\0\1\0\1", bytes(6))],
        [Record(0, 7, control_key(ControlType.COMMIT), bytes(7))],
        [Record(0, 7, control_key(ControlType.COMMIT), bytes(6)), Record(1, 7, control_key(ControlType.COMMIT), bytes(6))],
    ],
)
def test_marker_of_another_form_is_left_to_those_who_read_any(records: list[Record]) -> None:
    batch = encode_batch(records, producer_id=1, producer_epoch=0, is_transactional=True, is_control=True)

    assert read_end_marker(batch, 0, parse_header(batch, 0)) is None


def test_quorum_writes_several_records_in_one_batch() -> None:
    records = [ControlRecord(ControlType.SNAPSHOT_HEADER, b"header"), ControlRecord(ControlType.KRAFT_VOTERS, b"voters")]

    batch = encode_control_batch(records, timestamp=7, leader_epoch=2)

    assert [(control_type_of(record.key), record.value) for record in decode_records(batch)] == [
        (ControlType.SNAPSHOT_HEADER, b"header"),
        (ControlType.KRAFT_VOTERS, b"voters"),
    ]
    assert parse_header(batch, 0).is_control()
    assert not parse_header(batch, 0).is_transactional()


def test_type_from_the_future_is_unknown() -> None:
    assert control_type_of(b"\0\0\0\x63") is ControlType.UNKNOWN


@pytest.mark.parametrize("key", [None, b"", b"\0\0\0", b"\xff\xff\0\0"])
def test_key_that_says_nothing_is_corrupt(key: bytes | None) -> None:
    with pytest.raises(CorruptRecords):
        control_type_of(key)


@pytest.mark.parametrize(
    "record",
    [
        Record(key=control_key(ControlType.LEADER_CHANGE), value=bytes(6)),
        Record(key=control_key(ControlType.COMMIT), value=None),
        Record(key=control_key(ControlType.COMMIT), value=bytes(5)),
        Record(key=control_key(ControlType.COMMIT), value=b"\xff\xff" + bytes(4)),
    ],
)
def test_what_does_not_end_a_transaction_is_corrupt(record: Record) -> None:
    with pytest.raises(CorruptRecords):
        end_marker_of(record)
