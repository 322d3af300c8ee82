"""`odradek log dump` tells what is in every kind of file, and says in one sentence what is wrong with a damaged one."""

from __future__ import annotations

import json
from pathlib import Path
from struct import pack

import pytest

from odradek.base.identifiers import Uuid
from odradek.cli.main import main
from odradek.metadata.record_codec import encode_metadata_record
from odradek.protocol.internal_records.group import OffsetCommitKey, OffsetCommitValue
from odradek.protocol.internal_records.metadata import FeatureLevelRecord, TopicRecord
from odradek.protocol.internal_records.raft import SnapshotFooterRecord, SnapshotHeaderRecord
from odradek.protocol.message import Message, encode_message
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.control import ControlRecord, ControlType, encode_control_batch
from odradek.records.end_marker import encode_end_marker
from odradek.records.record import Header, Record
from odradek.wire.checksum import crc32c
from tests.storage.building import batch_around

TIME_MS = 1_700_000_000_123
TIME = "2023-11-14T22:13:20.123Z"
SEGMENT = "00000000000000000000.log"
METADATA_VERSION = 30
TOPIC_ID = Uuid(bytes(range(16)))

Captured = pytest.CaptureFixture[str]


def written(directory: Path, name: str, data: bytes) -> Path:
    """A file of a log in `directory`."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def dumped(capsys: Captured, *arguments: object) -> list[dict[str, object]]:
    """What `-o json` prints, without the file's name, which is on every line."""
    assert main(["log", "dump", "-o", "json", *map(str, arguments)]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(document.pop("file") in map(str, arguments) for document in documents)
    return documents


def refusal(capsys: Captured, *arguments: object) -> str:
    """What is said of a file that cannot be dumped to its end."""
    assert main(["log", "dump", *map(str, arguments)]) == 1
    return capsys.readouterr().err


def two_batches() -> bytes:
    records = [Record(0, TIME_MS, b"key", b"value", (Header("h", None),)), Record(1, TIME_MS, None, b"\xff")]
    produced = encode_batch(
        records, compression=Codec.ZSTD, producer_id=7, producer_epoch=1, base_sequence=4, is_transactional=True, leader_epoch=2
    )
    marker = encode_end_marker(
        ControlType.COMMIT, coordinator_epoch=3, producer_id=7, producer_epoch=1, timestamp=TIME_MS, base_offset=2, leader_epoch=2
    )
    return produced + marker


def test_segment_is_shown_batch_by_batch(tmp_path: Path, capsys: Captured) -> None:
    first, second = dumped(capsys, written(tmp_path / "orders-0", SEGMENT, two_batches()))

    assert first | {"crc": 0, "size_bytes": 0} == {
        "position": 0,
        "first_offset": 0,
        "last_offset": 1,
        "records": 2,
        "size_bytes": 0,
        "codec": "zstd",
        "timestamp": TIME,
        "leader_epoch": 2,
        "producer_id": 7,
        "producer_epoch": 1,
        "first_sequence": 4,
        "last_sequence": 5,
        "flags": "transactional",
        "magic": 2,
        "crc": 0,
    }
    assert (second["position"], second["flags"], "contents" in second) == (first["size_bytes"], "control,transactional", False)


def test_records_are_shown_when_asked_for(tmp_path: Path, capsys: Captured) -> None:
    first, second = dumped(capsys, written(tmp_path / "orders-0", SEGMENT, two_batches()), "--records")[:2]

    assert first["contents"] == [
        {"offset": 0, "timestamp": TIME, "key": "key", "value": "value", "headers": [["h", None]]},
        {"offset": 1, "timestamp": TIME, "key": None, "value": "0xff"},
    ]
    assert second["contents"] == [{"offset": 2, "timestamp": TIME, "type": "COMMIT", "data": {"coordinator_epoch": 3}}]


def test_table_is_for_people(tmp_path: Path, capsys: Captured) -> None:
    path = written(tmp_path / "orders-0", SEGMENT, two_batches())

    assert main(["log", "dump", "--deep", str(path)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["position", "first_offset", "last_offset", "records"]
    assert lines[2] == f'  0  {TIME}  key=key  value=value  headers=[["h", null]]'
    assert lines[5] == f'  2  {TIME}  COMMIT  data={{"coordinator_epoch": 3}}'


def test_several_files_are_told_apart(tmp_path: Path, capsys: Captured) -> None:
    first = written(tmp_path / "orders-0", SEGMENT, two_batches())
    second = written(tmp_path / "orders-1", SEGMENT, b"")

    assert main(["log", "dump", str(first), str(second)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(first)
    assert lines[-2:] == [str(second), "empty"]


def metadata_batch() -> bytes:
    records: list[Message] = [
        FeatureLevelRecord(name="metadata.version", feature_level=METADATA_VERSION),
        TopicRecord(name="orders", topic_id=TOPIC_ID),
    ]
    return encode_batch([Record(0, TIME_MS, None, encode_metadata_record(record, METADATA_VERSION)) for record in records])


DECODED_METADATA = [
    {"offset": 0, "timestamp": TIME, "type": "FeatureLevelRecord", "data": {"name": "metadata.version", "feature_level": METADATA_VERSION}},
    {"offset": 1, "timestamp": TIME, "type": "TopicRecord", "data": {"name": "orders", "topic_id": "AAECAwQFBgcICQoLDA0ODw"}},
]


def test_metadata_log_is_decoded_without_being_asked(tmp_path: Path, capsys: Captured) -> None:
    (batch,) = dumped(capsys, written(tmp_path / "__cluster_metadata-0", SEGMENT, metadata_batch()))

    assert batch["contents"] == DECODED_METADATA


@pytest.mark.parametrize("name", ["bootstrap.checkpoint", "__cluster_metadata-0/00000000000000000042-0000000003.checkpoint"])
def test_snapshot_of_the_metadata_is_decoded(name: str, tmp_path: Path, capsys: Captured) -> None:
    header = SnapshotHeaderRecord(version=0, last_contained_log_timestamp=5)
    data = (
        encode_control_batch([ControlRecord(ControlType.SNAPSHOT_HEADER, encode_message(header, 0))], timestamp=TIME_MS)
        + metadata_batch()
        + encode_control_batch([ControlRecord(ControlType.SNAPSHOT_FOOTER, encode_message(SnapshotFooterRecord(), 0))], timestamp=TIME_MS)
    )

    first, middle, last = dumped(capsys, written(tmp_path, name, data))

    assert first["contents"] == [
        {"offset": 0, "timestamp": TIME, "type": "SNAPSHOT_HEADER", "data": {"version": 0, "last_contained_log_timestamp": 5}}
    ]
    assert middle["contents"] == DECODED_METADATA
    assert last["flags"] == "control"


def test_committed_offsets_are_decoded(tmp_path: Path, capsys: Captured) -> None:
    key = pack(">h", 1) + encode_message(OffsetCommitKey(group="g", topic="orders", partition=3), 0)
    value = pack(">h", 3) + encode_message(OffsetCommitValue(offset=99, leader_epoch=2, metadata="m", commit_timestamp=TIME_MS), 3)
    batch = encode_batch([Record(0, TIME_MS, key, value), Record(1, TIME_MS, key, None), Record(2, TIME_MS, b"\x7f\x00", b"?")])

    (shown,) = dumped(capsys, written(tmp_path / "__consumer_offsets-7", SEGMENT, batch), "--records")[:1]

    contents = shown["contents"]
    assert isinstance(contents, list)
    assert contents[0]["type"] == "OffsetCommit"
    assert contents[0]["key"] == {"group": "g", "topic": "orders", "partition": 3}
    assert contents[0]["data"]["offset"] == 99
    assert contents[1]["data"] is None
    assert contents[2]["value"] == "?"


def test_indexes_show_absolute_offsets(tmp_path: Path, capsys: Captured) -> None:
    base = "00000000000000000100"
    # What a running Kafka leaves behind the entries is room, filled with zeros.
    offsets = written(tmp_path, f"{base}.index", pack(">iiii", 5, 4096, 9, 9000) + bytes(80))
    times = written(tmp_path, f"{base}.timeindex", pack(">qiqi", TIME_MS, 5, TIME_MS + 1, 9))
    aborted = written(tmp_path, f"{base}.txnindex", pack(">hqqqq", 0, 7, 101, 108, 109))

    assert dumped(capsys, offsets) == [{"offset": 105, "position": 4096}, {"offset": 109, "position": 9000}]
    assert [entry["offset"] for entry in dumped(capsys, times)] == [105, 109]
    assert dumped(capsys, aborted) == [{"producer_id": 7, "first_offset": 101, "last_offset": 108, "last_stable_offset": 109}]


def test_producer_snapshot_is_shown(tmp_path: Path, capsys: Captured) -> None:
    body = pack(">iqhiqiqiq", 1, 7, 2, 30, 500, 4, TIME_MS, 6, -1)
    path = written(tmp_path, "00000000000000000501.snapshot", pack(">hI", 1, crc32c(body)) + body)

    assert dumped(capsys, path) == [
        {
            "producer_id": 7,
            "producer_epoch": 2,
            "last_sequence": 30,
            "last_offset": 500,
            "last_offset_delta": 4,
            "timestamp": TIME,
            "coordinator_epoch": 6,
            "transaction_first_offset": None,
        }
    ]


@pytest.mark.parametrize(
    ("name", "text", "entries"),
    [
        ("leader-epoch-checkpoint", "0\n2\n0 0\n3 77\n", [{"leader_epoch": 0, "start_offset": 0}, {"leader_epoch": 3, "start_offset": 77}]),
        ("recovery-point-offset-checkpoint", "0\n1\norders 2 77\n", [{"topic": "orders", "partition": 2, "offset": 77}]),
        ("replication-offset-checkpoint", "0\n0\n", []),
        ("cleaner-offset-checkpoint", "", []),
        ("partition.metadata", "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw", [{"version": "0", "topic_id": "AAECAwQFBgcICQoLDA0ODw"}]),
        ("meta.properties", "#\n#date\nversion=1\nnode.id=4\n", [{"version": "1", "node.id": "4"}]),
        ("quorum-state", '{"leaderId":1,"data_version":1}', [{"leaderId": 1, "data_version": 1}]),
        (".kafka_cleanshutdown", '{"version":0,"brokerEpoch":3}', [{"version": 0, "brokerEpoch": 3}]),
    ],
)
def test_text_files_are_shown(name: str, text: str, entries: list[dict[str, object]], tmp_path: Path, capsys: Captured) -> None:
    assert dumped(capsys, written(tmp_path, name, text.encode())) == entries


def test_what_is_right_is_printed_before_what_is_damaged(tmp_path: Path, capsys: Captured) -> None:
    data = two_batches()
    path = written(tmp_path / "orders-0", SEGMENT, data[:-1] + b"\xff")

    assert main(["log", "dump", str(path)]) == 1

    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert captured.err.splitlines()[0] == f"error: {path} is damaged"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        (SEGMENT, two_batches()[:-1], "ends inside the batch at position"),
        (SEGMENT, two_batches()[:12], "ends inside the batch at position 0"),
        (SEGMENT, two_batches()[:-1] + b"\xff", "fails its checksum"),
        (SEGMENT, b"HTTP/1.1 200 OK\r\n\r\n", "position 0"),
        (SEGMENT, bytes(8) + pack(">i", 3) + bytes(4) + b"\x02" + bytes(100), "impossible"),
        ("0.index", b"1234567", "whole entries"),
        ("0.index", pack(">iiii", 5, 1, 4, 2), "does not follow"),
        ("0.timeindex", pack(">qiqi", 5, 1, 4, 2), "goes behind"),
        ("0.txnindex", pack(">hqqqq", 1, 0, 0, 0, 0), "version 1"),
        ("0.snapshot", bytes(20), "version 0"),
        ("leader-epoch-checkpoint", b"1\n0\n", "version 0"),
        ("leader-epoch-checkpoint", b"0\n2\n0 0\n", "announces 2"),
        ("leader-epoch-checkpoint", b"0\n1\n0 x\n", "number"),
        ("leader-epoch-checkpoint", b"\xff\xfe", "not text"),
        ("partition.metadata", b"nothing", "topic id"),
        ("quorum-state", b"{", "not JSON"),
        ("quorum-state", b"[]", "not a JSON object"),
    ],
)
def test_damaged_file_gets_one_sentence(name: str, data: bytes, reason: str, tmp_path: Path, capsys: Captured) -> None:
    lines = refusal(capsys, written(tmp_path / "orders-0", name, data)).splitlines()

    assert lines[0].endswith(f"{name} is damaged")
    assert reason in lines[1]
    assert len(lines) == 2


def test_file_that_is_not_there_or_not_of_a_log_is_refused(tmp_path: Path, capsys: Captured) -> None:
    assert "there is no file" in refusal(capsys, tmp_path / SEGMENT)
    assert "as far as its name says" in refusal(capsys, written(tmp_path, "notes.txt", b""))
    (tmp_path / "1.log").mkdir()
    assert "cannot be read" in refusal(capsys, tmp_path / "1.log")


def test_batch_whose_producer_sent_nonsense_does_not_hide_those_behind_it(tmp_path: Path, capsys: Captured) -> None:
    """Its checksum is right, so the file is not damaged."""
    nonsense = batch_around(b"no records at all", record_count=2)
    path = written(tmp_path / "orders-0", SEGMENT, nonsense + two_batches())

    first, second, third = dumped(capsys, path, "--records")

    assert (first["records"], "contents" in first) == (2, False)
    assert "announces" in str(first["unreadable"])
    assert "contents" in second
    assert "unreadable" not in second
    assert third["position"] == len(nonsense) + int(str(second["size_bytes"]))


def test_room_at_the_end_of_a_segment_is_not_damage(tmp_path: Path, capsys: Captured) -> None:
    """`log.preallocate` sets the whole segment aside."""
    assert len(dumped(capsys, written(tmp_path / "orders-0", SEGMENT, two_batches() + bytes(100_000)))) == 2
