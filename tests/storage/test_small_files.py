"""Snapshots, checkpoints, epochs and the little files of a directory: Kafka's bytes, and what happens when they are broken."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.base.errors import StartRefused
from odradek.base.identifiers import TopicPartition, Uuid, uuid_to_text
from odradek.storage.checkpoint_file import EpochStart, read_offset_checkpoint, write_offset_checkpoint
from odradek.storage.clean_shutdown import has_clean_shutdown, read_broker_epoch, remove_clean_shutdown, write_clean_shutdown
from odradek.storage.errors import CorruptCheckpoint, CorruptSnapshot
from odradek.storage.file_names import leaving_directory_name, parse_log_directory_name
from odradek.storage.leader_epochs import NOTHING_WRITTEN, LeaderEpochs
from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.storage.meta_properties import MetaProperties, read_meta_properties, write_meta_properties
from odradek.storage.partition_metadata import read_partition_metadata, write_partition_metadata
from odradek.storage.producer_entry import ProducerEntry
from odradek.storage.producer_snapshot import decode_snapshot, encode_snapshot

INT64 = st.integers(0, 2**63 - 1)
INT32 = st.integers(0, 2**31 - 1)
INT16 = st.integers(0, 2**15 - 1)
SOME_ID = Uuid(bytes(range(200, 216)))


@pytest.fixture
def filesystem() -> MemoryFileSystem:
    made = MemoryFileSystem()
    made.make_directories("/d")
    return made


def fields(entry: ProducerEntry) -> tuple[int, ...]:
    last = entry.batches[-1] if entry.batches else None
    batch = (last.last_sequence, last.last_offset, last.offset_delta, last.timestamp) if last is not None else ()
    return (entry.producer_id, entry.epoch, entry.coordinator_epoch, entry.last_timestamp, entry.transaction_first_offset, *batch)


def test_snapshot_has_the_bytes_of_kafka() -> None:
    """KAFKA-FACTS 2.4; these bytes were read by Apache Kafka's own dump tool."""
    entry = ProducerEntry(7, 2, 3, -1, 100)
    entry.add_batch(2, 9, 112, 4, 1_700_000_000_000)

    expected = "0001 4f188203 00000001 0000000000000007 0002 00000009 0000000000000070 00000004 0000018bcfe56800 00000003 0000000000000064"
    data = encode_snapshot([entry])
    assert data == bytes.fromhex(expected)
    assert [fields(again) for again in decode_snapshot(data)] == [fields(entry)]


@given(st.lists(st.tuples(INT64, INT16, INT32, INT64, INT32, INT64, INT32, st.integers(-1, 2**62)), max_size=20))
def test_snapshot_brings_back_every_producer(drawn: list[tuple[int, ...]]) -> None:
    entries = []
    for producer_id, epoch, last_sequence, last_offset, delta, timestamp, coordinator_epoch, first_offset in drawn:
        entry = ProducerEntry(producer_id, epoch, coordinator_epoch, timestamp, first_offset)
        entry.add_batch(epoch, last_sequence, last_offset, delta, timestamp)
        entries.append(entry)

    assert [fields(entry) for entry in decode_snapshot(encode_snapshot(entries))] == [fields(entry) for entry in entries]


@given(position=st.integers(0, 55), change=st.integers(1, 255))
def test_any_changed_byte_makes_a_snapshot_corrupt(position: int, change: int) -> None:
    data = bytearray(encode_snapshot([ProducerEntry(7, 2, 3, 4, 5)]))
    data[position] ^= change

    with pytest.raises(CorruptSnapshot):
        decode_snapshot(bytes(data))


@pytest.mark.parametrize("size", [0, 5, 9, 30])
def test_torn_snapshot_is_corrupt(size: int) -> None:
    with pytest.raises(CorruptSnapshot):
        decode_snapshot(encode_snapshot([ProducerEntry(7, 2)])[:size])


def test_offset_checkpoint_has_the_text_of_kafka(filesystem: MemoryFileSystem) -> None:
    offsets = {TopicPartition("orders", 0): 5, TopicPartition("a.b_c", 12): 2**40}

    write_offset_checkpoint(filesystem, "/d/recovery-point-offset-checkpoint", offsets)

    assert filesystem.read_bytes("/d/recovery-point-offset-checkpoint") == b"0\n2\norders 0 5\na.b_c 12 1099511627776\n"
    assert read_offset_checkpoint(filesystem, "/d/recovery-point-offset-checkpoint") == offsets
    assert read_offset_checkpoint(filesystem, "/d/absent") == {}


@pytest.mark.parametrize("text", [b"0\n", b"1\n0\n", b"0\n2\na 0 1\n", b"0\n1\na 0\n", b"0\n1\na 0 x\n", b"0\n1\na 0 1", b"\xff\xfe"])
def test_broken_checkpoint_is_refused(filesystem: MemoryFileSystem, text: bytes) -> None:
    filesystem.write_bytes("/d/c", text, sync=False)

    with pytest.raises(CorruptCheckpoint):
        read_offset_checkpoint(filesystem, "/d/c")


def test_empty_checkpoint_has_no_entries(filesystem: MemoryFileSystem) -> None:
    """Kafka makes its checkpoints empty and writes them when there is something to say."""
    filesystem.write_bytes("/d/c", b"", sync=False)

    assert read_offset_checkpoint(filesystem, "/d/c") == {}


def epochs(filesystem: MemoryFileSystem, *entries: tuple[int, int]) -> LeaderEpochs:
    made = LeaderEpochs(filesystem, "/d")
    for epoch, start_offset in entries:
        made.assign(epoch, start_offset)
    return made


def test_end_of_an_epoch_is_the_start_of_the_next(filesystem: MemoryFileSystem) -> None:
    """KIP-101, KIP-279: an epoch that is not there is answered with the greatest one below."""
    held = epochs(filesystem, (2, 0), (4, 10), (7, 20))

    answers = {epoch: held.end_offset_for(epoch, 30) for epoch in (-1, 1, 2, 3, 4, 6, 7, 8)}

    assert answers == {-1: (-1, -1), 1: (1, 0), 2: (2, 10), 3: (2, 10), 4: (4, 20), 6: (4, 20), 7: (7, 30), 8: (-1, -1)}


def test_epoch_of_an_offset_is_that_of_its_reign(filesystem: MemoryFileSystem) -> None:
    held = epochs(filesystem, (2, 5), (4, 10))

    assert [held.epoch_for_offset(offset) for offset in (4, 5, 9, 10, 99)] == [-1, 2, 2, 4, 4]


def test_contradicting_epochs_are_replaced(filesystem: MemoryFileSystem) -> None:
    held = epochs(filesystem, (2, 0), (4, 10), (7, 20))

    assert not held.assign(7, 25)
    assert held.assign(5, 10)

    assert held.entries == [EpochStart(2, 0), EpochStart(5, 10)]
    held.write_changes()
    assert LeaderEpochs(filesystem, "/d").entries == held.entries


def test_epoch_is_nowhere_on_the_disk_until_its_first_record_is(filesystem: MemoryFileSystem) -> None:
    """Ten thousand partitions are elected again at every start."""
    held = epochs(filesystem, (2, 0))
    held.write_changes()
    assert held.written_epoch == 2

    held.assign(3, 10)
    assert (held.latest_epoch, held.written_epoch) == (3, NOTHING_WRITTEN)
    assert LeaderEpochs(filesystem, "/d").entries == [EpochStart(2, 0)]

    assert not held.assign(3, 10)
    held.write_changes()
    assert held.written_epoch == 3
    assert LeaderEpochs(filesystem, "/d").entries == [EpochStart(2, 0), EpochStart(3, 10)]


def test_truncation_keeps_the_epoch_that_holds_the_new_start(filesystem: MemoryFileSystem) -> None:
    held = epochs(filesystem, (2, 0), (4, 10), (7, 20))

    held.truncate_from_start(15)
    held.truncate_from_end(20)

    assert held.entries == [EpochStart(4, 15)]
    held.truncate_from_start(15)
    held.write_changes()
    assert LeaderEpochs(filesystem, "/d").entries == [EpochStart(4, 15)]


def test_partition_metadata_has_the_text_of_kafka(filesystem: MemoryFileSystem) -> None:
    write_partition_metadata(filesystem, "/d", SOME_ID)

    assert filesystem.read_bytes("/d/partition.metadata") == f"version: 0\ntopic_id: {uuid_to_text(SOME_ID)}".encode()
    assert read_partition_metadata(filesystem, "/d") == SOME_ID
    assert read_partition_metadata(filesystem, "/") is None
    filesystem.write_bytes("/d/partition.metadata", b"version: 0\n", sync=False)
    with pytest.raises(CorruptCheckpoint):
        read_partition_metadata(filesystem, "/d")


def test_clean_shutdown_has_the_text_of_kafka(filesystem: MemoryFileSystem) -> None:
    assert not has_clean_shutdown(filesystem, "/d")
    write_clean_shutdown(filesystem, "/d", 42)

    assert filesystem.read_bytes("/d/.kafka_cleanshutdown") == b'{"version":0,"brokerEpoch":42}'
    assert (has_clean_shutdown(filesystem, "/d"), read_broker_epoch(filesystem, "/d")) == (True, 42)
    remove_clean_shutdown(filesystem, "/d")
    assert (has_clean_shutdown(filesystem, "/d"), read_broker_epoch(filesystem, "/d")) == (False, -1)


def test_empty_clean_shutdown_file_counts_and_says_nothing(filesystem: MemoryFileSystem) -> None:
    filesystem.write_bytes("/d/.kafka_cleanshutdown", b"", sync=False)

    assert (has_clean_shutdown(filesystem, "/d"), read_broker_epoch(filesystem, "/d")) == (True, -1)


def test_meta_properties_are_read_as_written(filesystem: MemoryFileSystem) -> None:
    meta = MetaProperties(cluster_id="5L6g3nShT-eMCtK--X86sw", node_id=3, directory_id=SOME_ID)

    write_meta_properties(filesystem, "/d", meta, 1_700_000_000_000)

    assert read_meta_properties(filesystem, "/d") == meta
    text = filesystem.read_bytes("/d/meta.properties").decode()
    assert text.startswith("#\n#Tue Nov 14 22:13:20 UTC 2023\nversion=1\ncluster.id=5L6g3nShT-eMCtK--X86sw\nnode.id=3\n")


def test_meta_properties_of_the_zookeeper_era_are_read(filesystem: MemoryFileSystem) -> None:
    filesystem.write_bytes("/d/meta.properties", b"version=0\nbroker.id=5\ncluster.id=abc\n", sync=False)

    assert read_meta_properties(filesystem, "/d") == MetaProperties(cluster_id="abc", node_id=5, directory_id=None, version=0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"version=1\nnode.id=1\n", "/d/meta.properties has no cluster.id"),
        (b"version=1\ncluster.id=a\nnode.id=x\n", "/d/meta.properties cannot be understood"),
        (b"version=9\ncluster.id=a\nnode.id=1\n", "version 9 is unknown"),
        (b"version=1\ncluster.id=a\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\n", "is reserved"),
        (b"version=1\ncluster.id=a\nnode.id=1\ndirectory.id=short\n", "cannot be understood"),
    ],
)
def test_unreadable_meta_properties_refuse_the_start_with_one_sentence(filesystem: MemoryFileSystem, text: bytes, complaint: str) -> None:
    filesystem.write_bytes("/d/meta.properties", text, sync=False)

    with pytest.raises(StartRefused, match=complaint):
        read_meta_properties(filesystem, "/d")


def test_names_of_log_directories_are_told_from_others() -> None:
    assert parse_log_directory_name("orders-0") == TopicPartition("orders", 0)
    assert parse_log_directory_name("a-b.c-12") == TopicPartition("a-b.c", 12)
    for name in ("orders", "-0", "orders-", "orders-x", "orders-0.0123-delete", "lost+found"):
        assert parse_log_directory_name(name) is None


def test_name_of_a_leaving_directory_fits_a_file_system() -> None:
    name = leaving_directory_name(TopicPartition("t" * 249, 12), "-delete", random.Random(1))

    assert len(name) == 255
    assert name.endswith("-delete")
