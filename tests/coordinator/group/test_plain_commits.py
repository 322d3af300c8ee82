"""The fast way of loading commits comes to what the generated codec and `replay` come to, record by record."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.coordinator.group.plain_commits import PlainCommits
from odradek.coordinator.group.records import RECORD_TYPES, group_metadata, group_tombstone, offset_commit, offset_tombstone
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.shard import GroupShard
from odradek.coordinator.record import CoordinatorRecord, decode_record
from odradek.protocol.internal_records.group import GroupMetadataValue, OffsetCommitKey, OffsetCommitValue
from odradek.records.builder import encode_batch
from odradek.records.header import HEADER_SIZE
from odradek.records.key_values import KeyValue, NotPlain
from odradek.records.record import Header, Record

SOME_ID = Uuid(bytes(range(16)))
FIRST_OFFSET = 10
names = st.sampled_from(["a", "b", "größe", "x" * 200])
commits = st.builds(
    offset_commit,
    names,
    names,
    st.integers(-1, 3),
    offset=st.integers(-1, 2**63 - 1),
    leader_epoch=st.integers(-1, 2**31 - 1),
    metadata=st.sampled_from(["", "m", "ü" * 30, "y" * 126, "y" * 127, "z" * 4000]),
    commit_timestamp_ms=st.integers(-1, 2**40),
    expire_timestamp_ms=st.sampled_from([-1, -1, 5]),
    topic_id=st.sampled_from([ZERO_UUID, SOME_ID]),
)
others = (
    st.builds(offset_tombstone, names, names, st.integers(-1, 3))
    | st.builds(group_tombstone, names)
    | st.builds(group_metadata, names, st.just(GroupMetadataValue(protocol_type="consumer", protocol=None, leader=None)))
)


def commit(partition: int, topic_id: Uuid = SOME_ID) -> CoordinatorRecord:
    return offset_commit(
        "g", "t", partition, offset=5, leader_epoch=1, metadata="m", commit_timestamp_ms=9, expire_timestamp_ms=-1, topic_id=topic_id
    )


def shard() -> GroupShard:
    return GroupShard(GroupSettings, random.Random(1))


def replay_slowly(into: GroupShard, offset: int, key: bytes | None, value: bytes | None) -> None:
    record = decode_record(RECORD_TYPES, key, value)
    if record is not None:
        into.replay(record, offset=offset, producer_id=-1)


def take_as_a_batch(gatherer: PlainCommits, records: Sequence[KeyValue], first_offset: int = 0) -> None:
    """As they lie in the log, between other bytes."""
    batch = encode_batch([Record(timestamp=7, key=key, value=value) for _, key, value in records])
    gatherer.take_batch(b"front" + batch + b"behind", 5 + HEADER_SIZE, 5 + len(batch), len(records), FIRST_OFFSET, first_offset)


def replay_gathered(into: GroupShard) -> int:
    """As the runner does; how many commits were read fast."""
    for record in into.gatherer().others():
        replay_slowly(into, *record)
    return sum(into.replay_gathered())


def state_of(of: GroupShard) -> object:
    groups = {group.group_id: (group.state_name, group.protocol_type) for group in of.groups}
    offsets = {group_id: of.offsets.of_group(group_id) for group_id in of.offsets.groups()}
    return groups, offsets


def encoded(records: Sequence[CoordinatorRecord]) -> list[KeyValue]:
    return [(FIRST_OFFSET + number, record.encoded_key(), record.encoded_value()) for number, record in enumerate(records)]


def that_count(records: Sequence[KeyValue]) -> list[KeyValue]:
    """Of all with one key the last, as a cleaner leaves them: a group that an earlier one has made is not there without it."""
    last_of_key = {key: offset for offset, key, _ in records}
    return [record for record in records if last_of_key[record[1]] == record[0]]


@given(st.lists(commits | others, min_size=1, max_size=30), st.booleans())
@example([commit(0), commit(0), offset_tombstone("g", "t", 0)], False)
@example([commit(0), offset_tombstone("g", "t", 0), commit(0)], True)
def test_state_is_the_same_as_by_the_slow_way(records: list[CoordinatorRecord], is_in_place: bool) -> None:
    slow, fast = shard(), shard()
    for record in that_count(encoded(records)):
        replay_slowly(slow, *record)

    if is_in_place:
        take_as_a_batch(fast.gatherer(), encoded(records))
    else:
        for record in encoded(records):
            fast.gatherer().take(record)
    replay_gathered(fast)

    assert state_of(fast) == state_of(slow)


def test_commits_are_all_read_fast_and_share_what_they_have_in_common() -> None:
    loaded = shard()
    take_as_a_batch(loaded.gatherer(), encoded([commit(index) for index in range(20)]))

    assert list(loaded.gatherer().others()) == []
    assert replay_gathered(loaded) == 20
    assert len({id(loaded.offsets.of_group("g")["t"][index].topic_id) for index in range(20)}) == 1


def test_records_before_the_log_start_do_not_count() -> None:
    loaded = shard()
    take_as_a_batch(loaded.gatherer(), encoded([offset_tombstone("h", "t", 0), commit(0), commit(1)]), first_offset=FIRST_OFFSET + 2)

    assert replay_gathered(loaded) == 1
    assert list(loaded.offsets.of_group("g")["t"]) == [1]


def test_batch_that_is_read_otherwise_may_come_twice() -> None:
    records = encoded([commit(0), offset_tombstone("g", "t", 0), commit(1), offset_tombstone("g", "t", 1), commit(1)])
    entries = [Record(timestamp=7, key=key, value=value) for _, key, value in records]
    batch = encode_batch([*entries, Record(timestamp=7, key=b"\0\1", value=b"", headers=[Header("h", b"")])])
    loaded = shard()
    with pytest.raises(NotPlain):
        loaded.gatherer().take_batch(batch, HEADER_SIZE, len(batch), len(entries) + 1, FIRST_OFFSET, 0)
    for record in records:
        loaded.gatherer().take(record)

    assert [offset for offset, _, _ in loaded.gatherer().others()] == [FIRST_OFFSET + 1]
    assert replay_gathered(loaded) == 1
    assert loaded.offsets.of_group("g")["t"][1].record_offset == FIRST_OFFSET + 4


@given(st.data())
def test_damaged_value_is_read_as_the_codec_reads_it_or_left_alone(data: st.DataObject) -> None:
    key = OffsetCommitKey("g", "t", 3)
    value = bytearray(data.draw(commits).encoded_value() or b"")
    for _ in range(data.draw(st.integers(0, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(value[: data.draw(st.integers(0, len(value)))])
    record = (7, CoordinatorRecord(key, None).encoded_key(), cut)

    gatherer = PlainCommits()
    gatherer.take(record)

    places = list(gatherer.places)
    if places:
        assert list(gatherer.others()) == []
        (place,) = places
        read = place.by_partition[3]
        decoded, _ = OffsetCommitValue.decode(cut, 2, 4)
        assert (decoded.offset, decoded.leader_epoch, decoded.metadata) == (read.offset, read.leader_epoch, read.metadata)
        assert (decoded.commit_timestamp, decoded.expire_timestamp) == (read.commit_timestamp_ms, read.expire_timestamp_ms)
        assert (decoded.topic_id, read.record_offset) == (read.topic_id, 7)
    else:
        assert list(gatherer.others()) == [record]


def test_keys_of_other_kinds_are_left_alone() -> None:
    value = commit(0).encoded_value()
    gatherer = PlainCommits()
    keys = (None, b"", b"\x00", b"\x00\x01\x00\x00", b"\x00\x02" + bytes(8), b"\x00\x01\x00\x09abc" + bytes(4), b"\x00\x01" + bytes(9))
    for number, key in enumerate(keys):
        gatherer.take((number, key, value))

    assert list(gatherer.places) == []
    assert [key for _, key, _ in gatherer.others()] == list(keys)
