"""The fast way of loading commits comes to what the generated codec and `replay` come to, record by record."""

from __future__ import annotations

import random
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.coordinator.group.group import Groups
from odradek.coordinator.group.plain_commits import PlainCommits, read_commit
from odradek.coordinator.group.records import RECORD_TYPES, group_metadata, group_tombstone, offset_commit, offset_tombstone
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.group.shard import GroupShard
from odradek.coordinator.record import CoordinatorRecord, decode_record
from odradek.protocol.internal_records.group import GroupMetadataValue, OffsetCommitValue
from odradek.records.key_values import KeyValue

SOME_ID = Uuid(bytes(range(16)))
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


def shard() -> GroupShard:
    return GroupShard(GroupSettings, random.Random(1))


def replay_slowly(into: GroupShard, offset: int, key: bytes | None, value: bytes | None) -> None:
    record = decode_record(RECORD_TYPES, key, value)
    if record is not None:
        into.replay(record, offset=offset, producer_id=-1)


def replay_fast(into: GroupShard, records: list[KeyValue]) -> int:
    """As the runner does; how many were read fast."""
    position = fast = 0
    while True:
        reached = into.replay_plain(records, position)
        fast += reached - position
        if reached == len(records):
            return fast
        replay_slowly(into, *records[reached])
        position = reached + 1


def state_of(of: GroupShard) -> object:
    groups = {group.group_id: (group.state_name, group.protocol_type) for group in of.groups}
    offsets = {group_id: of.offsets.of_group(group_id) for group_id in of.offsets.groups()}
    return groups, offsets


def encoded(records: Sequence[CoordinatorRecord]) -> list[KeyValue]:
    return [(10 + number, record.encoded_key(), record.encoded_value()) for number, record in enumerate(records)]


@given(st.lists(commits | others, max_size=30))
def test_state_is_the_same_as_by_the_slow_way(records: list[CoordinatorRecord]) -> None:
    slow, fast = shard(), shard()
    for record in encoded(records):
        replay_slowly(slow, *record)

    replay_fast(fast, encoded(records))

    assert state_of(fast) == state_of(slow)


def test_commits_of_a_known_group_are_all_read_fast() -> None:
    records = [
        offset_commit(
            "g", "t", index, offset=5, leader_epoch=1, metadata="m", commit_timestamp_ms=9, expire_timestamp_ms=-1, topic_id=SOME_ID
        )
        for index in range(20)
    ]

    assert replay_fast(shard(), encoded(records)) == 19


@given(st.data())
def test_damaged_value_is_read_as_the_codec_reads_it_or_left_alone(data: st.DataObject) -> None:
    value = bytearray(data.draw(commits).encoded_value() or b"")
    for _ in range(data.draw(st.integers(0, 3))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(value[: data.draw(st.integers(0, len(value)))])

    read = read_commit(cut, 7)

    if read is not None:
        decoded, _ = OffsetCommitValue.decode(cut, 2, 4)
        assert (decoded.offset, decoded.leader_epoch, decoded.metadata) == (read.offset, read.leader_epoch, read.metadata)
        assert (decoded.commit_timestamp, decoded.expire_timestamp) == (read.commit_timestamp_ms, read.expire_timestamp_ms)
        assert (decoded.topic_id, read.record_offset) == (read.topic_id, 7)


def test_keys_of_other_kinds_are_left_alone() -> None:
    value = offset_commit(
        "g", "t", 0, offset=5, leader_epoch=1, metadata="", commit_timestamp_ms=9, expire_timestamp_ms=-1, topic_id=ZERO_UUID
    ).encoded_value()
    for key in (None, b"", b"\x00", b"\x00\x01\x00\x00", b"\x00\x02" + bytes(8), b"\x00\x01\x00\x09abc" + bytes(4), b"\x00\x01" + bytes(9)):
        assert PlainCommits().replay([(1, key, value)], 0, {}, Groups().ids | {""}) == 0, key
