"""What a partition of groups is loaded from comes to what its records come to one by one, in whatever batches and order they lie there."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from odradek.base.errors import CorruptRecords
from odradek.base.identifiers import ZERO_UUID
from odradek.broker.coordinator_loading import EndOfTransaction, GatheredRecords
from odradek.coordinator.group.classic_group import ClassicGroup
from odradek.coordinator.group.consumer_group import ConsumerGroup
from odradek.coordinator.group.consumer_records import group_epoch
from odradek.coordinator.group.group_loading import COMMITS_OF_A_PART_MAX, PLACES_OF_A_PART_MAX
from odradek.coordinator.group.records import RECORD_TYPES, group_metadata, group_tombstone, offset_commit, offset_tombstone
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.shard import GroupShard
from odradek.coordinator.latest_records import LatestRecords
from odradek.coordinator.record import CoordinatorRecord, decode_record
from odradek.protocol.internal_records import group as records
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.control import ControlType
from odradek.records.end_marker import encode_end_marker
from odradek.records.header import HEADER_SIZE
from odradek.records.plain_walk import PlainBatches
from odradek.records.record import Header, Record

BASE_OFFSET = 100


@dataclass(frozen=True)
class Batch:
    """A batch of plain records, or of a transaction of producer 1 or 2. A record with a header is read as none of ours would be."""

    entries: Sequence[tuple[bytes, bytes | None]]
    producer_id: int = -1
    codec: Codec = Codec.NONE
    has_header: bool = False


@dataclass(frozen=True)
class Marker:
    producer_id: int
    is_committed: bool


Log = Sequence[Batch | Marker]

groups = st.sampled_from(["a", "b"])
topics = st.sampled_from(["t", "u"])
partitions = st.integers(0, 1)
moments = st.integers(0, 9)


def entry(record: CoordinatorRecord) -> tuple[bytes, bytes | None]:
    return record.encoded_key(), record.encoded_value()


def commit(group: str, topic: str, partition: int, moment: int, expires: int = -1) -> tuple[bytes, bytes | None]:
    """In the plain form, unless it says when it expires."""
    return entry(
        offset_commit(
            group,
            topic,
            partition,
            offset=moment,
            leader_epoch=0,
            metadata="",
            commit_timestamp_ms=moment,
            expire_timestamp_ms=expires,
            topic_id=ZERO_UUID,
        )
    )


def of_old_release(group: str, topic: str, partition: int, moment: int | None) -> tuple[bytes, bytes | None]:
    value = None if moment is None else records.LegacyOffsetCommitValue(offset=moment, commit_timestamp=moment)
    return entry(CoordinatorRecord(records.LegacyOffsetCommitKey(group, topic, partition), value))


def classic(group: str, moment: int) -> tuple[bytes, bytes | None]:
    value = records.GroupMetadataValue(protocol_type="consumer", protocol=None, leader=None, current_state_timestamp=moment)
    return entry(group_metadata(group, value))


def tombstone_of_consumer_group(group: str) -> tuple[bytes, bytes | None]:
    return entry(CoordinatorRecord(records.ConsumerGroupMetadataKey(group), None))


def tombstone(group: str, topic: str, partition: int) -> tuple[bytes, bytes | None]:
    return entry(offset_tombstone(group, topic, partition))


def with_another_key(key_value: tuple[bytes, bytes | None]) -> tuple[bytes, bytes | None]:
    """It means the same to whoever replays it, and is another key to whoever compacts."""
    key, value = key_value
    return key + b"\0\0\0\0", value


commits = st.builds(commit, groups, topics, partitions, moments)
tombstones = st.builds(tombstone, groups, topics, partitions)
plain = st.one_of(
    commits,
    commits,
    tombstones,
    st.builds(commit, groups, topics, partitions, moments, st.just(5)),
    st.builds(of_old_release, groups, topics, partitions, st.none() | moments),
    (commits | tombstones).map(with_another_key),
    st.builds(classic, groups, moments),
    st.builds(lambda group: entry(group_tombstone(group)), groups),
    st.builds(lambda group, epoch: entry(group_epoch(group, epoch, 0)), groups, moments),
    st.builds(tombstone_of_consumer_group, groups),
    st.just((b"\x7f\xff", b"of a later release")),
)
producers = st.integers(1, 2)
logs = st.lists(
    st.one_of(
        st.builds(
            Batch,
            st.lists(plain, min_size=1, max_size=6),
            codec=st.sampled_from([Codec.NONE, Codec.GZIP]),
            has_header=st.sampled_from([False, False, True]),
        ),
        st.builds(Batch, st.lists(commits, min_size=1, max_size=2), producer_id=producers),
        st.builds(Marker, producers, st.booleans()),
    ),
    max_size=8,
)


def encoded(log: Log, base_offset: int = BASE_OFFSET) -> bytes:
    data, offset = b"", base_offset
    for part in log:
        if isinstance(part, Marker):
            data += encode_end_marker(
                ControlType.COMMIT if part.is_committed else ControlType.ABORT,
                coordinator_epoch=0,
                producer_id=part.producer_id,
                producer_epoch=0,
                timestamp=7,
                base_offset=offset,
            )
        else:
            headers = [Header("h", b"")] if part.has_header else []
            data += encode_batch(
                [Record(timestamp=7, key=key, value=value, headers=headers) for key, value in part.entries],
                base_offset=offset,
                compression=part.codec,
                producer_id=part.producer_id,
                producer_epoch=0,
                base_sequence=0,
                is_transactional=part.producer_id >= 0,
            )
        offset += records_count(part)
    return data


def records_count(part: Batch | Marker) -> int:
    return len(part.entries) if isinstance(part, Batch) else 1


def pieces_of(log: Log, parts_count: int) -> Iterator[bytes]:
    """The log, read so many batches at a time."""
    offset = BASE_OFFSET
    for first in range(0, len(log), parts_count):
        piece = log[first : first + parts_count]
        yield encoded(piece, offset)
        offset += sum(map(records_count, piece))


def shard() -> GroupShard:
    return GroupShard(GroupSettings, random.Random(1))


def replay(into: GroupShard, offset: int, key: bytes | None, value: bytes | None, producer_id: int) -> None:
    record = decode_record(RECORD_TYPES, key, value)
    if record is not None:
        into.replay(record, offset=offset, producer_id=producer_id)


def loaded(pieces: Iterable[bytes], first_offset: int) -> GroupShard:
    """As the runner loads it."""
    into = shard()
    gathered = GatheredRecords(into.gatherer())
    for piece in pieces:
        gathered.take(piece, first_offset)
    for item in gathered.in_order():
        if isinstance(item, EndOfTransaction):
            into.replay_end_of_transaction(item.producer_id, is_committed=item.is_committed)
        else:
            replay(into, item.offset, item.key, item.value, item.producer_id)
    assert sum(into.replay_gathered()) <= gathered.records_count
    return into


def replayed_one_by_one(log: Log, first_offset: int) -> GroupShard:
    """Every record that a complete compaction would leave, and all of transactions."""
    into = shard()
    latest: dict[bytes, int] = {}
    for offset, part in with_offsets(log):
        if isinstance(part, Batch) and part.producer_id < 0:
            latest.update({key: offset + delta for delta, (key, _) in enumerate(part.entries) if offset + delta >= first_offset})
    for offset, part in with_offsets(log):
        if isinstance(part, Marker):
            into.replay_end_of_transaction(part.producer_id, is_committed=part.is_committed)
            continue
        for delta, (key, value) in enumerate(part.entries):
            if part.producer_id >= 0 or latest.get(key) == offset + delta:
                replay(into, offset + delta, key, value, part.producer_id)
    return into


def with_offsets(log: Log) -> Iterator[tuple[int, Batch | Marker]]:
    offset = BASE_OFFSET
    for part in log:
        yield offset, part
        offset += records_count(part)


def state_of(of: GroupShard) -> object:
    described: dict[str, object] = {}
    for group in of.groups:
        if isinstance(group, ClassicGroup):
            described[group.group_id] = (group.protocol_type, group.state_since_ms)
        else:
            assert isinstance(group, ConsumerGroup)
            described[group.group_id] = group.epoch
    offsets = {group_id: of.offsets.of_group(group_id) for group_id in of.offsets.groups()}
    pending = {group_id: sorted(of.offsets.pending_partitions(group_id)) for group_id in ("a", "b")}
    return described, offsets, pending


# A name that nobody joined by is a group since the first commit behind the last record that took it away, whatever that commit was.
@example([Batch([commit("a", "t", 0, 1), entry(group_tombstone("a")), commit("a", "t", 1, 2), commit("a", "u", 0, 3)])], 0, 1)
@example([Batch([commit("a", "t", 0, 1), commit("a", "t", 1, 2, 5)])], 0, 1)
@example([Batch([commit("a", "t", 1, 2, 5), commit("a", "t", 0, 1)])], 0, 1)
@example([Batch([commit("a", "t", 0, 3)]), Batch([commit("a", "t", 1, 2)], producer_id=1), Marker(1, True)], 0, 1)
@example([Batch([commit("a", "t", 0, 3)], producer_id=1), Batch([commit("a", "t", 0, 2)]), Marker(1, True)], 0, 1)
@example([Batch([commit("a", "t", 0, 3), of_old_release("a", "t", 0, None)])], 0, 1)
@example([Batch([of_old_release("a", "t", 0, None), commit("a", "t", 0, 3)])], 0, 1)
@example([Batch([commit("a", "t", 0, 3), of_old_release("a", "t", 0, 2)])], 0, 1)
@example([Batch([commit("a", "t", 0, 3), with_another_key(tombstone("a", "t", 0))])], 0, 1)
@example([Batch([commit("a", "t", 0, 3), commit("a", "t", 1, 2, 5), classic("a", 1)])], 0, 1)
# What comes under the same key takes the place of what was there, in whatever form the two are.
@example([Batch([commit("a", "t", 0, 3), tombstone("a", "t", 0)])], 0, 1)
@example([Batch([tombstone("a", "t", 0), commit("a", "t", 0, 3)])], 0, 1)
@example([Batch([commit("a", "t", 0, 3, 5), commit("a", "t", 0, 2)])], 0, 1)
@example([Batch([commit("a", "t", 0, 3), commit("a", "t", 0, 2, 5)])], 0, 1)
@given(logs, st.integers(0, 4), st.integers(1, 3))
def test_loading_comes_to_what_the_records_come_to_one_by_one(log: Log, skipped_count: int, parts_count: int) -> None:
    """The log may start within its first batch."""
    is_plain = bool(log) and isinstance(log[0], Batch) and log[0].producer_id < 0
    first_offset = BASE_OFFSET + (min(skipped_count, records_count(log[0]) - 1) if is_plain else 0)

    assert state_of(loaded(pieces_of(log, parts_count), first_offset)) == state_of(replayed_one_by_one(log, first_offset))


def test_commits_of_one_place_that_were_gathered_and_replayed_are_brought_together() -> None:
    log: Log = [
        Batch([commit("a", "t", index, 1) for index in range(3)]),
        Batch([commit("a", "t", index, 2) for index in (0, 3)], producer_id=1),
        Batch([commit("a", "t", 1, 3)]),
        Marker(1, True),
    ]

    offsets = loaded([encoded(log)], 0).offsets.of_group("a")["t"]

    assert {index: committed.offset for index, committed in offsets.items()} == {0: 2, 1: 3, 2: 1, 3: 2}


def test_all_records_of_the_log_are_counted() -> None:
    log: Log = [
        Batch([commit("a", "t", 0, 1)] * 3),
        Batch([commit("a", "t", 0, 1)] * 2, has_header=True),
        Batch([commit("a", "t", 0, 1)], producer_id=1),
        Marker(1, True),
        Batch([commit("a", "t", 0, 1)], codec=Codec.GZIP),
    ]
    gathered = GatheredRecords(shard().gatherer())
    gathered.take(encoded(log), 0)

    assert gathered.records_count == 8


@pytest.mark.parametrize("spoilt", [Batch([commit("a", "t", 0, 1)]), Batch([commit("a", "t", 0, 1)], producer_id=1), Marker(1, True)])
def test_batch_that_fails_its_checksum_is_refused(spoilt: Batch | Marker) -> None:
    data = bytearray(encoded([Batch([commit("b", "t", 0, 1)]), spoilt]))
    data[-1] ^= 1

    with pytest.raises(CorruptRecords, match="checksum"):
        GatheredRecords(shard().gatherer()).take(bytes(data), 0)


def test_bytes_that_are_no_batch_are_refused() -> None:
    with pytest.raises(CorruptRecords, match="no record batch"):
        GatheredRecords(shard().gatherer()).take(encoded([Batch([commit("a", "t", 0, 1)])]) + bytes(64), 0)


def test_interpreter_is_let_go_after_so_many_records() -> None:
    batches = PlainBatches(encoded([Batch([commit("a", "t", 0, 1)] * 10)] * 5 + [Marker(1, True)]))
    gatherer = LatestRecords()

    assert batches.give_to(gatherer, 0, 15)
    assert batches.records_count == 20
    assert batches.give_to(gatherer, 0, 15)
    assert batches.records_count == 40
    assert not batches.give_to(gatherer, 0, 15)
    assert batches.records_count == 50


def test_many_commits_are_brought_in_part_by_part() -> None:
    into = shard()
    for number in range(PLACES_OF_A_PART_MAX + 1):
        into.gatherer().take((number, *commit(f"group-{number}", "t", 0, 1)))
    for number in range(COMMITS_OF_A_PART_MAX + 1):
        into.gatherer().take((number, *commit("large", "t", number, 1)))

    assert list(into.replay_gathered()) == [PLACES_OF_A_PART_MAX, COMMITS_OF_A_PART_MAX + 2, 0]


@given(st.lists(st.tuples(st.sampled_from([None, b"a", b"b"]), st.binary(max_size=2) | st.none()), min_size=1, max_size=8))
def test_latest_records_are_the_last_of_each_key_in_their_order(entries: list[tuple[bytes | None, bytes | None]]) -> None:
    batch = encode_batch([Record(timestamp=7, key=key, value=value) for key, value in entries])
    latest = LatestRecords()
    latest.take_batch(batch, HEADER_SIZE, len(batch), len(entries), BASE_OFFSET, 0)

    keys = [key for key, _ in entries]
    assert list(latest.others()) == [
        (BASE_OFFSET + index, key, value) for index, (key, value) in enumerate(entries) if key not in keys[index + 1 :]
    ]
