"""The read side of a node without sockets, quorum or disk: partitions over logs in memory, a purgatory whose time stands still.

`SmallNode` has what `fetch_path` and the handlers of partitions ask of `odradek.broker.node.Node`. Topics are made by replaying
the records that a controller would write, so that the registry under test does all of the work.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from odradek.base.clock import ManualClock
from odradek.base.identifiers import Uuid
from odradek.broker.fetch_sessions import FetchSessionCache
from odradek.broker.node import Node
from odradek.broker.partition import Partition
from odradek.broker.partitions import PartitionRegistry
from odradek.broker.purgatory import Purgatory
from odradek.broker.request import RequestContext
from odradek.config.log_configuration import LogConfiguration
from odradek.config.settings import Settings
from odradek.metadata.cluster import BrokerRegistration
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.internal_records.metadata import (
    BrokerEndpoint,
    PartitionRecord,
    RegisterBrokerRecord,
    RemoveTopicRecord,
    TopicRecord,
    UnfenceBrokerRecord,
)
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.log_directories import LogDirectories
from odradek.storage.memory_filesystem import MemoryFileSystem
from odradek.storage.meta_properties import MetaProperties, write_meta_properties
from odradek.testing.virtual_loop import InlineExecutor

NODE_ID = 1
PLAINTEXT = "PLAINTEXT"


class ManualTimer:
    """The event loop's `call_later`, fired by hand."""

    def __init__(self) -> None:
        self.callback: Callable[[], None] | None = None
        self.delay_s: float | None = None

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> ManualTimer:
        self.callback, self.delay_s = callback, delay_s
        return self

    def cancel(self) -> None:
        self.callback = self.delay_s = None

    def fire(self) -> None:
        callback, self.callback, self.delay_s = self.callback, None, None
        if callback is not None:
            callback()


def memory_log_directories(clock: ManualClock, paths: Sequence[str] = ("/data",)) -> LogDirectories:
    """Formatted log directories on a disk in memory."""
    filesystem = MemoryFileSystem()
    for number, path in enumerate(paths):
        filesystem.make_directories(path)
        meta = MetaProperties(cluster_id="small", node_id=NODE_ID, directory_id=Uuid(bytes(15) + bytes([100 + number])))
        write_meta_properties(filesystem, path, meta, clock.now_ms())
    return LogDirectories.open(filesystem, paths, clock, random.Random(3), node_id=NODE_ID)


class SmallNode:
    """See the module. `settings` holds Kafka's names."""

    def __init__(self, settings: Settings | None = None, log_configuration: LogConfiguration | None = None) -> None:
        self.node_id = NODE_ID
        self.clock = ManualClock()
        self.timer = ManualTimer()
        self.settings = settings or Settings()
        self.log_configuration_by_topic: dict[str, LogConfiguration] = {}
        self.default_log_configuration = log_configuration or LogConfiguration()
        self.purgatory = Purgatory(self.clock, self.timer.call_later)
        self.logs = memory_log_directories(self.clock)
        self.dice = random.Random(5)
        self.pool = InlineExecutor()
        self.partitions = PartitionRegistry(NODE_ID, self.logs, self.purgatory, self._configuration_of)
        self.fetch_sessions = FetchSessionCache(self.clock, random.Random(7))
        self.image: MetadataImage = EMPTY_IMAGE
        self.replay(
            RegisterBrokerRecord(
                broker_id=NODE_ID, end_points=[BrokerEndpoint(name=PLAINTEXT, host="broker-1", port=9092)], rack="cellar", fenced=True
            ),
            UnfenceBrokerRecord(id=NODE_ID),
        )

    @property
    def as_node(self) -> Node:
        """For functions that are typed for the real one."""
        return cast(Node, self)

    def endpoint_for(self, broker: BrokerRegistration, context: RequestContext) -> tuple[str, int] | None:
        return Node.endpoint_for(self.as_node, broker, context)

    @property
    def advertised(self) -> Mapping[str, object]:
        return {PLAINTEXT: None}

    def replay(self, *records: MetadataRecord) -> None:
        """Publish an image with `records` on top of the last one."""
        delta = MetadataDelta(self.image)
        for record in records:
            delta.replay(record)
        self.image = delta.apply(self.image.offset + len(records), 1)
        self.partitions.on_metadata_update(delta, self.image)

    def create_topic(
        self, name: str, partitions: int = 1, *, leader: int = NODE_ID, replicas: tuple[int, ...] = (NODE_ID,), leader_epoch: int = 0
    ) -> Uuid:
        """A topic of its own id, by the records of the controller."""
        topic_id = Uuid(random.Random(name).randbytes(16))
        records: list[MetadataRecord] = [TopicRecord(name=name, topic_id=topic_id)]
        records.extend(
            partition_record(topic_id, index, leader=leader, replicas=replicas, leader_epoch=leader_epoch) for index in range(partitions)
        )
        self.replay(*records)
        return topic_id

    def delete_topic(self, topic_id: Uuid) -> None:
        self.replay(RemoveTopicRecord(topic_id=topic_id))

    def partition(self, topic: str, index: int = 0) -> Partition:
        found = self.partitions.get(topic, index)
        assert found is not None
        return found

    def append(self, topic: str, *values: bytes, index: int = 0, timestamp: int = 1_000) -> None:
        """One batch, as the produce path leaves it at the end of a turn."""
        partition = self.partition(topic, index)
        partition.log.append(batch_of(*values, timestamp=timestamp), partition.leader_epoch, self.clock.now_ms())
        partition.after_append()

    def advance(self, elapsed_ms: int) -> None:
        """Let time pass, and the timer fire if it is armed for then."""
        self.clock.advance(elapsed_ms)
        self.purgatory.expire_due()

    def context(self, api_key: int, api_version: int, listener: str = PLAINTEXT) -> RequestContext:
        return RequestContext(
            api_key=api_key,
            api_version=api_version,
            correlation_id=77,
            client_id="reader",
            listener_name=listener,
            client_host="10.0.0.9",
            client_port=50000,
            dialled_host="127.0.0.1",
            dialled_port=9092,
            connection_id=1,
        )

    def _configuration_of(self, topic: str, image: MetadataImage) -> LogConfiguration:
        return self.log_configuration_by_topic.get(topic, self.default_log_configuration)


def partition_record(
    topic_id: Uuid, index: int = 0, *, leader: int = NODE_ID, replicas: tuple[int, ...] = (NODE_ID,), leader_epoch: int = 0
) -> PartitionRecord:
    return PartitionRecord(
        partition_id=index,
        topic_id=topic_id,
        replicas=list(replicas),
        isr=list(replicas),
        leader=leader,
        leader_epoch=leader_epoch,
        directories=[Uuid(bytes(15) + b"\x07")] * len(replicas),
    )


def batch_of(*values: bytes, timestamp: int = 1_000) -> bytes:
    """A batch as a producer makes it: the offsets count from 0."""
    return encode_batch([Record(position, timestamp + position, None, value, ()) for position, value in enumerate(values)])
