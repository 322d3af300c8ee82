"""The whole node over sockets: what clients get, what peers that do not speak Kafka get, and that a restart keeps everything."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.broker.produce_slow_path import ProduceSlowPath
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from odradek.records.batch import decode_records, iterate_batches
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.memory_filesystem import MemoryFile
from tests.support.node_in_process import NodeInProcess
from tests.support.wire_client import WireClient

NOW_MS = 1_790_000_000_000


@pytest.fixture(scope="module")
def node() -> Iterator[NodeInProcess]:
    with NodeInProcess({"message.max.bytes": "2000000"}) as running:
        yield running


def create(client: WireClient, name: str, partitions: int = 1) -> int:
    topic = CreatableTopic(name=name, num_partitions=partitions, replication_factor=1)
    response = client.request(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7)
    return response.topics[0].error_code


def produce(client: WireClient, topic: str, batch: bytes, *, acks: int = -1, partition: int = 0, version: int = 9) -> tuple[int, int]:
    data = [TopicProduceData(name=topic, partition_data=[PartitionProduceData(partition, batch)])]
    response = client.request(ProduceRequest(acks=acks, timeout_ms=5000, topic_data=data), ProduceResponse, version)
    answered = response.responses[0].partition_responses[0]
    return answered.error_code, answered.base_offset


def fetch(
    client: WireClient, topic: str, offset: int, *, bytes_min: int = 1, wait_ms: int = 2000, version: int = 12
) -> tuple[int, list[bytes | None]]:
    partitions = [FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1 << 20)]
    request = FetchRequest(max_wait_ms=wait_ms, min_bytes=bytes_min, topics=[FetchTopic(topic=topic, partitions=partitions)])
    answered = client.request(request, FetchResponse, version).responses[0].partitions[0]
    return answered.error_code, values_of(answered.records or b"")


def values_of(records: bytes) -> list[bytes | None]:
    return [record.value for batch in iterate_batches(records) for record in decode_records(records, batch.position)]


def batch_of(*values: bytes) -> bytes:
    return encode_batch([Record(number, NOW_MS, None, value) for number, value in enumerate(values)])


def test_records_come_back_as_they_were_produced(node: NodeInProcess) -> None:
    client = node.client()
    assert create(client, "round-trip") == ErrorCode.NONE

    assert produce(client, "round-trip", batch_of(b"a", b"b")) == (ErrorCode.NONE, 0)
    assert produce(client, "round-trip", batch_of(b"c"), acks=1) == (ErrorCode.NONE, 2)

    assert fetch(client, "round-trip", 0) == (ErrorCode.NONE, [b"a", b"b", b"c"])
    client.close()


def test_batch_larger_than_a_receive_arrives_whole(node: NodeInProcess) -> None:
    client = node.client()
    create(client, "large")
    value = bytes(range(256)) * 6000

    assert produce(client, "large", batch_of(value)) == (ErrorCode.NONE, 0)

    assert fetch(client, "large", 0) == (ErrorCode.NONE, [value])
    client.close()


def test_waiting_fetch_is_answered_by_the_next_produce(node: NodeInProcess) -> None:
    writer, reader = node.client(), node.client()
    create(writer, "awaited")
    partitions = [FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1 << 20)]
    request = FetchRequest(max_wait_ms=15_000, min_bytes=1, topics=[FetchTopic(topic="awaited", partitions=partitions)])
    reader.send(request, 12)

    produce(writer, "awaited", batch_of(b"news"))
    answered = reader.receive(FetchResponse, 12).responses[0].partitions[0]

    assert values_of(answered.records or b"") == [b"news"]
    writer.close()
    reader.close()


def test_pipelined_requests_are_answered_in_their_order(node: NodeInProcess) -> None:
    client = node.client()
    create(client, "pipelined")
    data = [TopicProduceData(name="pipelined", partition_data=[PartitionProduceData(0, batch_of(b"x"))])]
    for _ in range(50):
        client.send(ProduceRequest(acks=1, timeout_ms=5000, topic_data=data), 9)
        client.send(MetadataRequest(topics=[MetadataRequestTopic(name="pipelined")]), 9)

    offsets = []
    for _ in range(50):
        offsets.append(client.receive(ProduceResponse, 9).responses[0].partition_responses[0].base_offset)
        assert client.receive(MetadataResponse, 9).topics[0].name == "pipelined"

    assert offsets == list(range(50))
    client.close()


def test_produce_without_acknowledgement_is_not_answered(node: NodeInProcess) -> None:
    client = node.client()
    create(client, "silent")
    data = [TopicProduceData(name="silent", partition_data=[PartitionProduceData(0, batch_of(b"x"))])]

    client.send(ProduceRequest(acks=0, timeout_ms=5000, topic_data=data), 9)

    # The next answer on the connection is that of the next request.
    assert fetch(client, "silent", 0) == (ErrorCode.NONE, [b"x"])
    client.close()


def test_connection_ends_when_a_produce_without_acknowledgement_is_refused(node: NodeInProcess) -> None:
    client = node.client()
    data = [TopicProduceData(name="no-such-topic", partition_data=[PartitionProduceData(0, batch_of(b"x"))])]

    client.send(ProduceRequest(acks=0, timeout_ms=5000, topic_data=data), 9)

    assert client.is_closed_by_peer()


@pytest.mark.parametrize(
    ("acks", "topic", "partition", "code"),
    [
        (2, "refusals", 0, ErrorCode.INVALID_REQUIRED_ACKS),
        (1, "refusals", 7, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (1, "no-such-topic", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ],
)
def test_produce_is_refused_with_the_code_kafka_gives(node: NodeInProcess, acks: int, topic: str, partition: int, code: ErrorCode) -> None:
    client = node.client()
    create(client, "refusals")

    assert produce(client, topic, batch_of(b"x"), acks=acks, partition=partition) == (code, -1)
    client.close()


def test_damaged_batch_is_refused_and_changes_nothing(node: NodeInProcess) -> None:
    client = node.client()
    create(client, "damaged")
    damaged = bytearray(batch_of(b"value"))
    damaged[-1] ^= 1

    assert produce(client, "damaged", bytes(damaged)) == (ErrorCode.CORRUPT_MESSAGE, -1)
    assert produce(client, "damaged", batch_of(b"good")) == (ErrorCode.NONE, 0)
    client.close()


def test_too_large_batch_is_refused(node: NodeInProcess) -> None:
    client = node.client()
    create(client, "too-large")

    assert produce(client, "too-large", batch_of(bytes(2_000_001))) == (ErrorCode.MESSAGE_TOO_LARGE, -1)
    client.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\x00\x00\x00\x02\x00\x12",
        b"\x00\x00\x00\x0a\x7f\xff\x00\x00\x00\x00\x00\x01\xff\xff",
        b"\x00\x00\x00\x0a\x00\x03\x00\x63\x00\x00\x00\x01\xff\xff",
        b"\x00\x00\x00\x0e\x00\x03\x00\x00\x00\x00\x00\x01\xff\xff\x7f\xff\xff\xff",
    ],
    ids=["http", "tls", "negative-size", "huge-size", "short-header", "unknown-api", "unknown-version", "huge-array"],
)
def test_garbage_ends_its_connection_and_nobody_elses(node: NodeInProcess, garbage: bytes) -> None:
    witness = node.client()
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as peer:
        peer.sendall(garbage)
        assert peer.recv(100) == b""

    assert witness.request(MetadataRequest(topics=[]), MetadataResponse, 9).topics == []
    witness.close()


def test_half_a_frame_holds_up_nobody(node: NodeInProcess) -> None:
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as peer:
        peer.sendall(b"\x00\x00\x10\x00\x00\x03\x00\x09")
        client = node.client()
        assert client.request(MetadataRequest(topics=[]), MetadataResponse, 9).topics == []
        client.close()


def test_unknown_version_of_api_versions_is_answered_with_what_there_is(node: NodeInProcess) -> None:
    """KIP-511."""
    client = node.client()
    client.send_raw(b"\x00\x12\x00\x63\x00\x00\x00\x09\xff\xff\x00")

    response = client.receive(ApiVersionsResponse, 0)

    assert response.error_code == ErrorCode.UNSUPPORTED_VERSION
    assert [(row.api_key, row.min_version, row.max_version) for row in response.api_keys] == [(18, 0, 4)]
    assert client.request(ApiVersionsRequest("a", "1"), ApiVersionsResponse, 3).error_code == ErrorCode.NONE
    client.close()


def test_client_is_told_the_address_it_dialled(node: NodeInProcess) -> None:
    client = node.client()

    brokers = client.request(MetadataRequest(topics=[]), MetadataResponse, 9).brokers

    assert [(broker.node_id, broker.host, broker.port) for broker in brokers] == [(1, "127.0.0.1", node.port)]
    client.close()


def test_clean_restart_keeps_topics_and_records() -> None:
    with NodeInProcess() as first:
        client = first.client()
        create(client, "kept", partitions=2)
        produce(client, "kept", batch_of(b"one", b"two"))
        client.close()

    with NodeInProcess(filesystem=first.filesystem) as second:
        client = second.client()
        described = client.request(MetadataRequest(topics=[MetadataRequestTopic(name="kept")]), MetadataResponse, 9)
        assert len(described.topics[0].partitions) == 2
        assert fetch(client, "kept", 0) == (ErrorCode.NONE, [b"one", b"two"])
        assert produce(client, "kept", batch_of(b"three")) == (ErrorCode.NONE, 2)
        client.close()


def test_every_write_is_flushed_before_its_answer_when_the_topic_asks_for_it() -> None:
    with NodeInProcess({"log.flush.interval.messages": "1"}) as node:
        client = node.client()
        create(client, "durable")
        for number in range(5):
            assert produce(client, "durable", batch_of(b"x")) == (ErrorCode.NONE, number)
        client.close()


def test_connections_beyond_the_limit_are_closed() -> None:
    with NodeInProcess({"max.connections.per.ip": "2"}) as node:
        clients = [node.client(), node.client()]
        for client in clients:
            client.request(MetadataRequest(topics=[]), MetadataResponse, 9)
        with socket.create_connection(("127.0.0.1", node.port), timeout=10) as third:
            assert third.recv(1) == b""
        for client in clients:
            client.close()


def test_idle_connection_is_closed() -> None:
    with NodeInProcess({"connections.max.idle.ms": "150"}) as node, socket.create_connection(("127.0.0.1", node.port), timeout=10) as peer:
        assert peer.recv(1) == b""


def test_mistake_of_ours_ends_one_connection_and_not_the_node(node: NodeInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    client, witness = node.client(), node.client()
    create(client, "mistaken")

    def mistake(*_: object) -> int:
        raise ZeroDivisionError

    # Read on the loop's thread while this one waits for the answer; restored before the next test.
    monkeypatch.setattr(ProduceSlowPath, "why_absent", mistake)
    client.send(ProduceRequest(acks=1, topic_data=[TopicProduceData(name="absent", partition_data=[PartitionProduceData(0, b"")])]), 9)
    assert client.is_closed_by_peer()
    monkeypatch.undo()

    assert produce(witness, "mistaken", batch_of(b"y")) == (ErrorCode.NONE, 0)
    witness.close()


def test_nothing_is_acknowledged_that_was_not_written(node: NodeInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    client = node.client()
    create(client, "unwritten")
    append = MemoryFile.append

    def refuse(file: MemoryFile, data: bytes | bytearray | memoryview) -> None:
        # The node writes to other logs meanwhile.
        if b"not to be written" in bytes(data):
            raise ZeroDivisionError
        append(file, data)

    monkeypatch.setattr(MemoryFile, "append", refuse)
    assert produce(client, "unwritten", batch_of(b"not to be written")) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
    client.close()


def test_nobody_is_told_of_a_cluster_without_brokers_while_the_node_stops() -> None:
    """librdkafka lets go of the only broker that it knows when it hears of a cluster that has none, and never comes back."""
    with NodeInProcess() as node:
        told: list[int] = []

        def ask_until_the_end(client: WireClient) -> None:
            with suppress(OSError):
                while True:
                    told.append(len(client.request(MetadataRequest(topics=[]), MetadataResponse, 12).brokers))

        askers = [threading.Thread(target=ask_until_the_end, args=[node.client()]) for _ in range(3)]
        for asker in askers:
            asker.start()
        while len(told) < 100:
            time.sleep(0.001)
        node.stop()
        for asker in askers:
            asker.join(10)
            assert not asker.is_alive()

    assert set(told) == {1}
