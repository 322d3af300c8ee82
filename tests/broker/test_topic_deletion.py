"""A topic that is deleted: its directory gets another name at once and goes later, and its name is free for another topic meanwhile."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from odradek.base.error_codes import ErrorCode
from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.filesystem import RealFileSystem
from tests.support.node_in_process import NodeInProcess
from tests.support.wire_client import WireClient

WAIT_S_MAX = 20
# The longest that Kafka allows; with partition, identity and suffix it would be longer than a file system's names may be.
LONGEST = "a" * 249
PARTITIONS = 2


def node_in(directory: Path, **settings: str) -> NodeInProcess:
    return NodeInProcess({"log.dirs": str(directory)} | {name.replace("_", "."): text for name, text in settings.items()}, RealFileSystem())


def create(client: WireClient, name: str, **configs: str) -> None:
    wanted = [CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()]
    topic = CreatableTopic(name=name, num_partitions=PARTITIONS, replication_factor=1, configs=wanted)
    assert client.request(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7).topics[0].error_code == ErrorCode.NONE


def delete(client: WireClient, name: str) -> None:
    answer = client.request(DeleteTopicsRequest(topic_names=[name], timeout_ms=5000), DeleteTopicsResponse, 5)
    assert answer.responses[0].error_code == ErrorCode.NONE


def produce(client: WireClient, name: str, *, count: int = 1) -> int:
    """The offset of the last of `count` records."""
    batch = encode_batch([Record(timestamp=int(time.time() * 1000), value=b"x")])
    for _ in range(count):
        data = [TopicProduceData(name=name, partition_data=[PartitionProduceData(1, batch)])]
        answer = client.request(ProduceRequest(acks=-1, timeout_ms=5000, topic_data=data), ProduceResponse, 9)
        assert answer.responses[0].partition_responses[0].error_code == ErrorCode.NONE
    return answer.responses[0].partition_responses[0].base_offset


def end_of(client: WireClient, name: str) -> int:
    topic = ListOffsetsTopic(name=name, partitions=[ListOffsetsPartition(partition_index=1, timestamp=-1)])
    answer = client.request(ListOffsetsRequest(replica_id=-1, topics=[topic]), ListOffsetsResponse, 7)
    return answer.topics[0].partitions[0].offset


def directories(directory: Path, suffix: str = "") -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.is_dir() and path.name.startswith("a") and path.name.endswith(suffix))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S_MAX
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


def test_name_is_free_at_once_however_long_it_is(tmp_path: Path) -> None:
    with node_in(tmp_path) as node:
        client = node.client()
        for _ in range(3):
            create(client, LONGEST)
            assert produce(client, LONGEST, count=2) == 1
            delete(client, LONGEST)
        create(client, LONGEST)

        assert end_of(client, LONGEST) == 0
        leaving = directories(tmp_path, "-delete")
        assert len(leaving) == len(set(leaving)) == 3 * PARTITIONS
        assert all(len(name.encode()) <= 255 for name in leaving)
        client.close()


def test_directories_go_after_their_delay(tmp_path: Path) -> None:
    with node_in(tmp_path) as node:
        client = node.client()
        create(client, "a-slow")
        create(client, "a-quick", file_delete_delay_ms="0")
        delete(client, "a-slow")
        delete(client, "a-quick")

        wait_until(lambda: not [name for name in directories(tmp_path) if name.startswith("a-quick")])

        assert len(directories(tmp_path, "-delete")) == PARTITIONS
        client.close()


def test_crash_between_deletion_and_removal_brings_nothing_back(tmp_path: Path) -> None:
    """The copy of the directory is what a crash of the process leaves, with the name already taken again."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    with node_in(before) as node:
        client = node.client()
        create(client, "again", file_delete_delay_ms="0")
        produce(client, "again", count=5)
        create(client, "alone")
        produce(client, "alone", count=5)
        delete(client, "alone")
        delete(client, "again")
        create(client, "again", file_delete_delay_ms="0")
        produce(client, "again", count=2)
        shutil.copytree(before, after)
        client.close()

    with node_in(after) as restarted:
        client = restarted.client()
        assert end_of(client, "again") == 2
        assert end_of(client, "alone") == -1
        create(client, "alone")
        assert produce(client, "alone") == 0
        wait_until(lambda: not [name for name in directories(after) if name.startswith("again-") and name.endswith("-delete")])
        client.close()


def test_crash_before_the_renaming_is_made_up_for(tmp_path: Path) -> None:
    """The metadata know that the topic is gone, its directories do not: they are set aside at the next start, and the name is free."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    with node_in(before) as node:
        client = node.client()
        create(client, "a-topic")
        produce(client, "a-topic", count=5)
        delete(client, "a-topic")
        client.close()
    shutil.copytree(before, after)
    (after / ".kafka_cleanshutdown").unlink()
    for path in list(after.iterdir()):
        if path.name.endswith("-delete"):
            path.rename(after / path.name.partition(".")[0])
    assert directories(after) == ["a-topic-0", "a-topic-1"]

    with node_in(after) as restarted:
        client = restarted.client()
        assert end_of(client, "a-topic") == -1
        create(client, "a-topic")
        assert produce(client, "a-topic") == 0
        assert len(directories(after, "-stray")) == PARTITIONS
        client.close()
