"""A commit is read, written and answered by the short way exactly as by the handler and the generated codec."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.broker.commit_answer import encode_commit_answer
from odradek.broker.handlers import offset_commit as offset_commit_handler
from odradek.coordinator.group.commit_records import committed_of, encode_commits
from odradek.coordinator.group.commit_request import CommitRequest, read_commit_request
from odradek.coordinator.group.offsets import OffsetStore
from odradek.coordinator.group.records import BASE_SEQUENCE, RECORD_TYPES, offset_commit
from odradek.coordinator.record import decode_record
from odradek.protocol import apis
from odradek.protocol.headers import RequestHeader, decode_request_header, encode_request_header, encode_response_header
from odradek.protocol.internal_records.group import OffsetCommitKey, OffsetCommitValue
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from odradek.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse
from odradek.records.batch import decode_records, iterate_batches
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from tests.broker.sick_node import SickNode, tell
from tests.support.node_in_process import NodeInProcess
from tests.support.wire_client import WireClient

VERSIONS = range(2, 11)
API_KEY = OffsetCommitRequest.API_KEY
CORRELATION_ID = 77
NOW_MS = 1_700_000_000_123

names = st.sampled_from(["", "orders", "größe", "x" * 300, "y" * 20_000])
partitions = st.builds(
    OffsetCommitRequestPartition,
    partition_index=st.integers(-(2**31), 2**31 - 1),
    committed_offset=st.integers(-(2**63), 2**63 - 1),
    committed_leader_epoch=st.integers(-(2**31), 2**31 - 1),
    committed_metadata=st.sampled_from([None, "", "so far", "ü" * 70, "z" * 5_000, "\U0001f600"]),
)
topics = st.builds(
    OffsetCommitRequestTopic,
    name=names,
    topic_id=st.sampled_from([ZERO_UUID, Uuid(bytes(range(16))), Uuid(bytes(range(1, 17)))]),
    partitions=st.lists(partitions, max_size=4),
)
requests = st.builds(
    OffsetCommitRequest,
    group_id=names,
    generation_id_or_member_epoch=st.integers(-(2**31), 2**31 - 1),
    member_id=names,
    group_instance_id=st.none() | names,
    topics=st.lists(topics, max_size=3),
)


def said_in(version: int, request: OffsetCommitRequest, *, retention_ms: int = -1) -> OffsetCommitRequest:
    """The request without what its version cannot say."""
    request.retention_time_ms = retention_ms if version <= 4 else -1
    if version < 7:
        request.group_instance_id = None
    for topic in request.topics:
        topic.name, topic.topic_id = ("", topic.topic_id) if version >= 10 else (topic.name, ZERO_UUID)
        if version < 6:
            for partition in topic.partitions:
                partition.committed_leader_epoch = -1
    return request


def frame_of(version: int, request: OffsetCommitRequest, client_id: str | None = "client") -> bytes:
    out = bytearray()
    encode_request_header(out, RequestHeader(API_KEY, version, CORRELATION_ID, client_id))
    request.encode(out, version)
    return bytes(out)


def decoded(frame: bytes, version: int) -> OffsetCommitRequest:
    _, position = decode_request_header(frame, 0)
    request, _ = OffsetCommitRequest.decode(frame, position, version)
    return request


def fields_of(request: CommitRequest | OffsetCommitRequest) -> object:
    return (
        request.group_id,
        request.generation_id_or_member_epoch,
        request.member_id,
        request.group_instance_id,
        [
            (
                topic.name,
                topic.topic_id,
                [
                    (it.partition_index, it.committed_offset, it.committed_leader_epoch, it.committed_metadata or "")
                    for it in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


def is_ordinary(request: OffsetCommitRequest, version: int) -> bool:
    """Whether the short way is meant to take it."""
    said = [topic.topic_id if version >= 10 else topic.name for topic in request.topics]
    is_each_once = len(set(said)) == len(said) and all(topic.partitions for topic in request.topics)
    return bool(said) and is_each_once and request.retention_time_ms == -1


@given(version=st.sampled_from(VERSIONS), request=requests, client_id=st.none() | names, around=st.binary(max_size=9))
def test_frame_is_read_as_the_codec_reads_it(version: int, request: OffsetCommitRequest, client_id: str | None, around: bytes) -> None:
    frame = frame_of(version, said_in(version, request), client_id)

    # What stands before and behind it belongs to other frames.
    read = read_commit_request(around + frame + around, len(around), len(around) + len(frame))

    assert (read is not None) == is_ordinary(request, version)
    if read is not None:
        assert (read.version, read.correlation_id) == (version, CORRELATION_ID)
        assert fields_of(read) == fields_of(decoded(frame, version))


@pytest.mark.parametrize("version", range(2, 5))
def test_retention_of_its_own_is_left_to_the_codec(version: int) -> None:
    topic = OffsetCommitRequestTopic(name="orders", partitions=[OffsetCommitRequestPartition(committed_offset=1)])
    frame = frame_of(version, said_in(version, OffsetCommitRequest(group_id="g", topics=[topic]), retention_ms=5))

    assert read_commit_request(frame, 0, len(frame)) is None


@given(version=st.sampled_from(VERSIONS), request=requests, data=st.data())
def test_damaged_frame_is_read_by_both_or_refused_by_both(version: int, request: OffsetCommitRequest, data: st.DataObject) -> None:
    damaged = bytearray(frame_of(version, said_in(version, request)))
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(8, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    frame = bytes(damaged[: data.draw(st.integers(12, len(damaged)))])

    try:
        read = read_commit_request(frame, 0, len(frame))
    except ProtocolViolation:
        with pytest.raises(ProtocolViolation):
            decoded(frame, version)
        return
    if read is not None:
        assert fields_of(read) == fields_of(decoded(frame, version))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_truncation_is_refused(version: int) -> None:
    topic = OffsetCommitRequestTopic("orders", Uuid(bytes(range(16))), [OffsetCommitRequestPartition(3, 5, 7, "so far")])
    frame = frame_of(version, said_in(version, OffsetCommitRequest("readers", 3, "member", "instance", -1, [topic])))

    for end in range(8, len(frame)):
        with pytest.raises(ProtocolViolation):
            read_commit_request(frame, 0, end)


@given(version=st.sampled_from(VERSIONS), request=requests, code=st.sampled_from([0, 15, 16, 22, 89]))
def test_answer_has_the_bytes_of_the_codec(version: int, request: OffsetCommitRequest, code: int) -> None:
    frame = frame_of(version, said_in(version, request))
    read = read_commit_request(frame, 0, len(frame))
    if read is None:
        return

    answered = [
        OffsetCommitResponseTopic(
            topic.name, topic.topic_id, [OffsetCommitResponsePartition(partition.partition_index, code) for partition in topic.partitions]
        )
        for topic in request.topics
    ]
    expected = bytearray(4)
    encode_response_header(expected, CORRELATION_ID, apis.response_header_version(API_KEY, version))
    OffsetCommitResponse(topics=answered).encode(expected, version)
    expected[0:4] = (len(expected) - 4).to_bytes(4, "big")
    assert encode_commit_answer(read, code) == bytes(expected)


@given(request=requests, has_ids=st.booleans())
@example(
    request=OffsetCommitRequest("g", topics=[OffsetCommitRequestTopic("t", partitions=[OffsetCommitRequestPartition()] * 70)]), has_ids=True
)
def test_records_have_the_bytes_of_the_codec_and_come_to_the_same(request: OffsetCommitRequest, has_ids: bool) -> None:
    frame = frame_of(9, said_in(9, request))
    read = read_commit_request(frame, 0, len(frame))
    if read is None:
        return
    if has_ids:
        for number, named in enumerate(read.topics):
            named.topic_id = Uuid(bytes([number + 1] * 16))

    expected = [
        offset_commit(
            read.group_id,
            topic.name,
            partition.partition_index,
            offset=partition.committed_offset,
            leader_epoch=partition.committed_leader_epoch,
            metadata=partition.committed_metadata,
            commit_timestamp_ms=NOW_MS,
            expire_timestamp_ms=-1,
            topic_id=topic.topic_id,
        )
        for topic in read.topics
        for partition in topic.partitions
    ]
    batch = encode_commits(read, NOW_MS, BASE_SEQUENCE)
    written = [Record(0, NOW_MS, it.encoded_key(), it.encoded_value()) for it in expected]
    assert batch == encode_batch(written, base_sequence=BASE_SEQUENCE)

    replayed, taken_in = OffsetStore(), OffsetStore()
    for offset, record in enumerate(decode_records(batch, 0)):
        known = decode_record(RECORD_TYPES, record.key, record.value)
        assert known is not None
        assert isinstance(known.key, OffsetCommitKey)
        assert isinstance(known.value, OffsetCommitValue)
        replayed.replay(known.key.group, known.key.topic, known.key.partition, known.value, record_offset=offset, producer_id=-1)
    offset = 0
    for topic in read.topics:
        for partition in topic.partitions:
            taken_in.of_topic(read.group_id, topic.name)[partition.partition_index] = committed_of(topic, partition, NOW_MS, offset)
            offset += 1
    assert list(taken_in.groups()) == list(replayed.groups())
    assert taken_in.of_group(read.group_id) == replayed.of_group(read.group_id)


# Through a whole node


def found_coordinator(client: WireClient) -> None:
    code = -1
    while code != ErrorCode.NONE:
        code = client.request(FindCoordinatorRequest(coordinator_keys=["readers"]), FindCoordinatorResponse, 4).coordinators[0].error_code
    code = -1
    while code != ErrorCode.NONE:
        groups = [OffsetFetchRequestGroup(group_id="readers", topics=None)]
        code = client.request(OffsetFetchRequest(groups=groups), OffsetFetchResponse, 8).groups[0].error_code


def conversation(seed: int, settings: dict[str, str]) -> tuple[list[object], object, list[object]]:
    """Commits of all kinds and versions: what was answered, what is committed in the end, and the log's records but for their times."""
    dice = random.Random(seed)
    answers: list[object] = []
    with NodeInProcess({"offsets.topic.num.partitions": "1", **settings}) as node:
        client = node.client()
        created = [CreatableTopic(name=name, num_partitions=2, replication_factor=1) for name in ("orders", "returns")]
        made = client.request(CreateTopicsRequest(topics=created), CreateTopicsResponse, 7).topics
        ids = {topic.name: topic.topic_id for topic in made} | {"unknown": Uuid(bytes([9] * 16))}
        name_of = {topic_id: name for name, topic_id in ids.items()}
        found_coordinator(client)
        for _ in range(60):
            version = dice.choice(VERSIONS)
            wanted = [
                OffsetCommitRequestTopic(
                    name if version < 10 else "",
                    ids[name] if version >= 10 else ZERO_UUID,
                    [
                        OffsetCommitRequestPartition(
                            dice.choice([0, 0, 1, 1, 2]), dice.randrange(1000), -1, dice.choice(["", None, "m", "x" * 4096, "x" * 4097])
                        )
                        for _ in range(dice.randrange(3))
                    ],
                )
                for name in dice.choice([["orders"], ["orders"], ["orders", "returns"], ["orders", "unknown"], ["orders", "orders"], []])
            ]
            request = OffsetCommitRequest(
                dice.choice(["readers", "others", ""]), dice.choice([-1, -1, -1, 0]), dice.choice(["", "", "", "stranger"]), topics=wanted
            )
            answer = client.request(request, OffsetCommitResponse, version)
            answers.append(
                [
                    (topic.name or name_of[topic.topic_id], [(it.partition_index, it.error_code) for it in topic.partitions])
                    for topic in answer.topics
                ]
            )
        groups = [OffsetFetchRequestGroup(group_id=group, topics=None) for group in ("readers", "others", "")]
        committed = [
            (
                group.group_id,
                group.error_code,
                sorted((t.name, p.partition_index, p.committed_offset, p.metadata) for t in group.topics for p in t.partitions),
            )
            for group in client.request(OffsetFetchRequest(groups=groups), OffsetFetchResponse, 8).groups
        ]
        return answers, committed, records_of(client, name_of)


def records_of(client: WireClient, name_of: dict[Uuid, str]) -> list[object]:
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1 << 20, log_start_offset=-1)
    request = FetchRequest(max_bytes=1 << 20, topics=[FetchTopic(topic="__consumer_offsets", partitions=[partition])])
    data = bytes(client.request(request, FetchResponse, 12).responses[0].partitions[0].records or b"")
    found: list[object] = []
    for item in iterate_batches(data):
        for record in decode_records(data, item.position):
            known = decode_record(RECORD_TYPES, record.key, record.value)
            assert known is not None
            assert isinstance(known.key, OffsetCommitKey)
            assert isinstance(known.value, OffsetCommitValue)
            value = known.value
            # Each node gives its topics ids of its own.
            told = (value.offset, value.leader_epoch, value.metadata, value.expire_timestamp, name_of[value.topic_id])
            found.append(
                (item.position == record.offset, known.key.group, known.key.topic, known.key.partition, known.value_version, told)[1:]
            )
    return found


def test_plain_commit_needs_no_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(*asked: object) -> object:
        raise AssertionError(f"the handler was asked: {asked}")

    monkeypatch.setattr(offset_commit_handler, "handle", handle)
    with NodeInProcess({"offsets.topic.num.partitions": "1"}) as node:
        client = node.client()
        client.request(
            CreateTopicsRequest(topics=[CreatableTopic(name="orders", num_partitions=1, replication_factor=1)]), CreateTopicsResponse, 7
        )
        found_coordinator(client)
        topic = OffsetCommitRequestTopic(name="orders", partitions=[OffsetCommitRequestPartition(committed_offset=1)])
        answers = [
            client.request(OffsetCommitRequest(group_id=group, topics=[topic]), OffsetCommitResponse, 9).topics[0].partitions[0].error_code
            for group in ("readers", "")
        ]

    assert answers == [ErrorCode.NONE, ErrorCode.NONE]


@pytest.mark.parametrize("seed", range(3))
def test_conversation_comes_to_the_same_by_either_way(seed: int) -> None:
    """With a topic that is compressed nothing goes the short way."""
    short = conversation(seed, {})
    handler = conversation(seed, {"offsets.topic.compression.codec": "1"})

    assert short == handler
    assert len(short[2]) > 20


def test_commit_is_refused_while_the_disk_is_full_and_taken_again_without_a_restart() -> None:
    """What the coordinator believed is read again from the log: nothing that was refused is told."""

    async def commit(node: SickNode, offset: int) -> int:
        topic = OffsetCommitRequestTopic(name="orders", partitions=[OffsetCommitRequestPartition(0, offset)])
        answer = await node.ask(OffsetCommitRequest(group_id="readers", topics=[topic]), OffsetCommitResponse, 9)
        return answer.topics[0].partitions[0].error_code

    async def committed(node: SickNode) -> list[int]:
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="readers", topics=None)])
        while True:
            group = (await node.ask(request, OffsetFetchResponse, 8)).groups[0]
            if group.error_code == ErrorCode.NONE:
                return [partition.committed_offset for topic in group.topics for partition in topic.partitions]
            await asyncio.sleep(0.1)

    async def story(node: SickNode) -> None:
        await node.create("orders")
        await node.ask(FindCoordinatorRequest(coordinator_keys=["readers"]), FindCoordinatorResponse, 4)
        assert await committed(node) == []
        assert await commit(node, 3) == ErrorCode.NONE
        room = node.disk.capacity_bytes
        node.disk.capacity_bytes = node.disk.used_bytes

        assert await commit(node, 4) == ErrorCode.NOT_COORDINATOR
        node.disk.capacity_bytes = room
        assert await committed(node) == [3]

        async def is_taken() -> bool:
            return await commit(node, 5) == ErrorCode.NONE

        await node.until(is_taken)
        assert await committed(node) == [5]

    tell(story, offsets_topic_num_partitions="1")
