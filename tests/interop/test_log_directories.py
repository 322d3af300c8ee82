"""Several log directories, asked the same of Apache Kafka and of a node of ours: where partitions go, what cordoning does, what is told.

Left out are assignments that a client makes itself: 4.3.1 takes them also where everything is cordoned, later ones do not (KAFKA-20832).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from odradek.config.resource_type import AlterOperation, ResourceType
from odradek.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic
from odradek.protocol.messages.create_topics import (
    CreatableTopic,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from odradek.protocol.messages.describe_log_dirs import DescribeLogDirsRequest, DescribeLogDirsResponse
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek.storage.filesystem import RealFileSystem
from tests.support.node_in_process import NodeInProcess
from tests.support.reference_kafka import ReferenceNode, missing_reason
from tests.support.wire_client import WireClient

WAIT_S_MAX = 30
CORDONED = "cordoned.log.dirs"


class Asked:
    """Collects what a node answers, with its directories by their last names."""

    def __init__(self, client: WireClient, directory: Path) -> None:
        self.client = client
        self.directory = directory
        self.lines: list[str] = []

    def path(self, name: str) -> str:
        return name if name in ("*", "") else str(self.directory / name)

    def cordon(self, name: str | None) -> None:
        operation = AlterOperation.DELETE if name is None else AlterOperation.SET
        change = AlterableConfig(name=CORDONED, config_operation=operation, value=None if name is None else self.path(name))
        resource = AlterConfigsResource(resource_type=ResourceType.BROKER, resource_name="1", configs=[change])
        response = self.client.request(IncrementalAlterConfigsRequest(resources=[resource]), IncrementalAlterConfigsResponse, 1)
        self.lines.append(f"cordon {name}: {response.responses[0].error_code}")

    def create(self, name: str, partitions: int) -> None:
        topic = CreatableTopic(name=name, num_partitions=partitions, replication_factor=1)
        self._create(f"create {name}", topic)

    def _create(self, what: str, topic: CreatableTopic) -> None:
        response = self.client.request(CreateTopicsRequest(topics=[topic], timeout_ms=10_000), CreateTopicsResponse, 7)
        self.lines.append(f"{what}: {response.topics[0].error_code} {response.topics[0].error_message}")

    def grow(self, name: str, count: int) -> None:
        request = CreatePartitionsRequest(topics=[CreatePartitionsTopic(name=name, count=count, assignments=None)], timeout_ms=10_000)
        response = self.client.request(request, CreatePartitionsResponse, 3)
        self.lines.append(f"grow {name}: {response.results[0].error_code} {response.results[0].error_message}")

    def describe(self, topic: str, count: int, version: int = 5) -> None:
        """Where the `count` partitions of `topic` lie, once they are there."""

        def is_there() -> bool:
            found = [
                partition
                for result in self._directories(version).results
                for of in result.topics
                if of.name == topic
                for partition in of.partitions
            ]
            return len(found) == count and all(partition.offset_lag >= 0 for partition in found)

        self._wait(is_there)
        for result in sorted(self._directories(version).results, key=lambda result: result.log_dir):
            partitions = [partition for of_topic in result.topics if of_topic.name == topic for partition in of_topic.partitions]
            sizes = sorted({(partition.partition_size, partition.offset_lag, partition.is_future_key) for partition in partitions})
            self.lines.append(
                f"{Path(result.log_dir).name}: {result.error_code}, {len(partitions)} of {topic} {sizes}, cordoned {result.is_cordoned}, "
                f"room known {result.total_bytes >= result.usable_bytes > 0}"
            )

    def wait_until_cordoned(self, *names: str) -> None:
        """Wait until the broker knows, and the controller does."""
        self._wait(lambda: {Path(result.log_dir).name for result in self._directories(5).results if result.is_cordoned} == set(names))
        self._wait(lambda: self._would_be_refused() is (len(names) == 2))

    def _would_be_refused(self) -> bool:
        topic = CreatableTopic(name="only-asked", num_partitions=1, replication_factor=1)
        response = self.client.request(CreateTopicsRequest(topics=[topic], timeout_ms=10_000, validate_only=True), CreateTopicsResponse, 7)
        return response.topics[0].error_code != 0

    def _wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S_MAX
        while not is_so():
            assert time.monotonic() < deadline, "\n".join(self.lines)
            time.sleep(0.1)

    def _directories(self, version: int) -> DescribeLogDirsResponse:
        return self.client.request(DescribeLogDirsRequest(topics=None), DescribeLogDirsResponse, version)


def outcomes(client: WireClient, directory: Path) -> list[str]:
    asked = Asked(client, directory)
    asked.create("before", 4)
    asked.describe("before", 4)
    asked.cordon("nowhere")
    asked.cordon("second")
    asked.wait_until_cordoned("second")
    asked.create("after", 4)
    asked.describe("after", 4)
    asked.describe("before", 4, version=4)
    asked.grow("before", 6)
    asked.describe("before", 6)
    asked.cordon("*")
    asked.wait_until_cordoned("data", "second")
    asked.create("refused", 1)
    asked.grow("before", 7)
    asked.cordon(None)
    asked.wait_until_cordoned()
    asked.create("last", 4)
    asked.describe("last", 4)
    return asked.lines


@pytest.mark.skipif(missing_reason() is not None, reason=missing_reason() or "")
def test_directories_are_chosen_cordoned_and_described_as_apache_kafka_does(tmp_path: Path) -> None:
    """KIP-113, KIP-827, KIP-1066."""
    theirs = tmp_path / "theirs"
    reference = ReferenceNode(theirs, {"log.dirs": f"{theirs / 'data'},{theirs / 'second'}"})
    reference.start()
    try:
        host, _, port = reference.bootstrap.rpartition(":")
        client = WireClient(host, int(port))
        expected = outcomes(client, theirs)
        client.close()
    finally:
        reference.stop()

    ours = tmp_path / "ours"
    for name in ("data", "second"):
        (ours / name).mkdir(parents=True)
    with NodeInProcess({"log.dirs": f"{ours / 'data'},{ours / 'second'}"}, RealFileSystem()) as node:
        client = node.client()
        found = outcomes(client, ours)
        client.close()

    assert found == expected
