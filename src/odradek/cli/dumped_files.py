"""The small files of a log and of a log directory, entry by entry: indexes, producer snapshots, checkpoints, identities."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from struct import Struct
from typing import Final

from odradek.base.errors import CorruptRecords
from odradek.cli.dumped_records import Fields, time_text
from odradek.config.properties import parse_properties
from odradek.storage.file_names import offset_of
from odradek.storage.producer_snapshot import decode_snapshot

_OFFSET_INDEX_ENTRY = Struct(">ii")
_TIME_INDEX_ENTRY = Struct(">qi")
_ABORTED_ENTRY = Struct(">hqqqq")
_EPOCH_COLUMNS: Final = ("leader_epoch", "start_offset")
_OFFSET_COLUMNS: Final = ("topic", "partition", "offset")


def offset_index(path: Path) -> Iterator[Fields]:
    """`.index`: offsets and where the batch that ends with them begins."""
    last_offset = -1
    base_offset = offset_of(path.name) or 0
    for relative_offset, position in _entries(path, _OFFSET_INDEX_ENTRY):
        offset = base_offset + relative_offset
        if relative_offset < 0 or offset <= last_offset:
            raise CorruptRecords(f"the entry for offset {offset} does not follow the one for {last_offset}")
        last_offset = offset
        yield {"offset": offset, "position": position}


def time_index(path: Path) -> Iterator[Fields]:
    """`.timeindex`: the largest timestamp so far, and the offset that had it."""
    last = (-1, -1)
    base_offset = offset_of(path.name) or 0
    for timestamp, relative_offset in _entries(path, _TIME_INDEX_ENTRY):
        entry = (timestamp, base_offset + relative_offset)
        if entry[0] < last[0] or entry[1] < last[1]:
            raise CorruptRecords(f"the entry for timestamp {entry[0]} and offset {entry[1]} goes behind the one before it")
        last = entry
        yield {"timestamp": time_text(timestamp), "timestamp_ms": timestamp, "offset": entry[1]}


def transaction_index(path: Path) -> Iterator[Fields]:
    """`.txnindex`: transactions that were aborted."""
    for version, producer_id, first_offset, last_offset, last_stable_offset in _entries(path, _ABORTED_ENTRY):
        if version != 0:
            raise CorruptRecords(f"an entry has version {version}")
        yield {
            "producer_id": producer_id,
            "first_offset": first_offset,
            "last_offset": last_offset,
            "last_stable_offset": last_stable_offset,
        }


def _entries(path: Path, entry: Struct) -> Iterable[tuple[int, ...]]:
    data = path.read_bytes()
    if len(data) % entry.size:
        raise CorruptRecords(f"its {len(data)} bytes are not whole entries of {entry.size} bytes")
    # A running Kafka keeps room for more entries, filled with zeros; it cuts them off when it stops.
    used = len(data.rstrip(b"\0"))
    return entry.iter_unpack(data[: -(-used // entry.size) * entry.size])


def producer_snapshot(path: Path) -> Iterator[Fields]:
    """`.snapshot`: what the log remembers of each producer."""
    for producer in decode_snapshot(path.read_bytes()):
        first_offset = producer.transaction_first_offset
        yield {
            "producer_id": producer.producer_id,
            "producer_epoch": producer.epoch,
            "last_sequence": producer.last_sequence(),
            "last_offset": producer.last_data_offset(),
            "last_offset_delta": producer.last_offset_delta(),
            "timestamp": time_text(producer.last_timestamp),
            "coordinator_epoch": producer.coordinator_epoch,
            "transaction_first_offset": first_offset if first_offset >= 0 else None,
        }


def epoch_checkpoint(path: Path) -> Iterator[Fields]:
    """`leader-epoch-checkpoint`."""
    return _checkpoint(path, _EPOCH_COLUMNS)


def offset_checkpoint(path: Path) -> Iterator[Fields]:
    """The checkpoints of a log directory: one offset for each partition."""
    return _checkpoint(path, _OFFSET_COLUMNS)


def _checkpoint(path: Path, columns: tuple[str, ...]) -> Iterator[Fields]:
    text = _text(path)
    if not text:
        # Kafka makes the file empty and writes it when there is something to say.
        return
    lines = text.split("\n")
    if len(lines) < 3 or lines[0] != "0" or lines[-1]:
        raise CorruptRecords("it is not a checkpoint of version 0")
    if lines[1] != str(len(lines) - 3):
        raise CorruptRecords(f"it announces {lines[1]} entries and has {len(lines) - 3}")
    for line in lines[2:-1]:
        fields = line.split()
        if len(fields) != len(columns):
            raise CorruptRecords(f"the entry {line!r} does not have {len(columns)} fields")
        yield {column: field if column == "topic" else _number(field) for column, field in zip(columns, fields, strict=True)}


def json_file(path: Path) -> Iterator[Fields]:
    """`quorum-state` and `.kafka_cleanshutdown`: one JSON object."""
    try:
        fields = json.loads(_text(path))
    except ValueError as error:
        raise CorruptRecords(f"it is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise CorruptRecords("it is not a JSON object")
    yield fields


def properties_file(path: Path) -> Iterator[Fields]:
    """`meta.properties`."""
    try:
        yield dict(parse_properties(_text(path)))
    except ValueError as error:
        raise CorruptRecords(f"it is not a file of properties: {error}") from error


def partition_metadata(path: Path) -> Iterator[Fields]:
    """`partition.metadata`: the topic's id."""
    pairs = [line.partition(": ") for line in _text(path).splitlines()]
    fields: Fields = {name: value for name, separator, value in pairs if separator}
    if set(fields) != {"version", "topic_id"}:
        raise CorruptRecords("it does not hold a version and a topic id")
    yield fields


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptRecords("it is not text") from error


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise CorruptRecords(f"{text!r} stands where a number belongs") from error


Reader = Callable[[Path], Iterator[Fields]]

READER_BY_NAME: Final[dict[str, Reader]] = {
    "leader-epoch-checkpoint": epoch_checkpoint,
    "recovery-point-offset-checkpoint": offset_checkpoint,
    "log-start-offset-checkpoint": offset_checkpoint,
    "replication-offset-checkpoint": offset_checkpoint,
    "cleaner-offset-checkpoint": offset_checkpoint,
    "partition.metadata": partition_metadata,
    "meta.properties": properties_file,
    "quorum-state": json_file,
    ".kafka_cleanshutdown": json_file,
}
READER_BY_SUFFIX: Final[dict[str, Reader]] = {
    ".index": offset_index,
    ".timeindex": time_index,
    ".txnindex": transaction_index,
    ".snapshot": producer_snapshot,
}
