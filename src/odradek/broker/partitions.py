"""The partitions of this node, kept in step with the metadata.

Each published image creates the partitions that name this node as a replica, hands changed registrations to those that exist,
and drops those that are gone, together with their logs. What a topic's settings amount to is asked from whoever knows the
node's own settings, and given to the logs whole.

A partition whose directory cannot be read is not in the registry but among the offline ones: its clients hear of a storage
error, and the other partitions are served (`ReplicaManager.scala`, `HostedPartition`). One for whose files there was no room is among
them too, and is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, final

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import StorageFailure
from odradek.base.identifiers import MIGRATING_DIRECTORY, UNASSIGNED_DIRECTORY, TopicPartition, Uuid
from odradek.broker.partition import Partition
from odradek.broker.purgatory import Purgatory
from odradek.config.log_configuration import LogConfiguration
from odradek.config.resource_type import CLUSTER_DEFAULT, ResourceType
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage
from odradek.metadata.partition_registration import PartitionRegistration
from odradek.metadata.topics import TopicDelta
from odradek.storage.errors import NoRoom
from odradek.storage.log import Log
from odradek.storage.log_directory import LogDirectory

log = logging.getLogger("odradek.broker.partitions")


class LogStore(Protocol):
    """All logs of the node: `storage.log_directories.LogDirectories`, or a fake."""

    def get(self, topic_partition: TopicPartition) -> Log | None: ...

    def create(
        self, topic_partition: TopicPartition, topic_id: Uuid, configuration: LogConfiguration, directory_id: Uuid | None = None
    ) -> Log: ...

    def directory_of(self, topic_partition: TopicPartition) -> LogDirectory | None: ...

    def is_online(self, directory_id: Uuid) -> bool: ...

    @property
    def has_failed_directory(self) -> bool: ...

    def delete_async(self, topic_partition: TopicPartition) -> None: ...


@final
class PartitionRegistry:
    """Every partition this node holds, by name and by topic id."""

    __slots__ = (
        "_by_id",
        "_by_name",
        "_configuration_of",
        "_image",
        "_logs",
        "_node_id",
        "_offline",
        "_on_placement",
        "_purgatory",
        "_waiting",
    )

    def __init__(
        self,
        node_id: int,
        logs: LogStore,
        purgatory: Purgatory,
        configuration_of: Callable[[str, MetadataImage], LogConfiguration],
        on_placement: Callable[[Uuid, int, Uuid], None] | None = None,
    ) -> None:
        """`configuration_of(topic, image)` merges the topic's settings with those of the node.

        `on_placement` is told the topic id, the index and the directory of a log that does not lie where the metadata says.
        """
        self._node_id = node_id
        self._logs = logs
        self._purgatory = purgatory
        self._configuration_of = configuration_of
        self._by_name: dict[tuple[str, int], Partition] = {}
        self._by_id: dict[tuple[bytes, int], Partition] = {}
        self._offline: set[tuple[str, int]] = set()
        # Those of the offline ones that only wait for room.
        self._waiting: set[tuple[str, int]] = set()
        self._image = EMPTY_IMAGE
        self._on_placement = on_placement

    # Lookups

    def get(self, topic: str, index: int) -> Partition | None:
        """The partition, if this node holds it and can use it."""
        return self._by_name.get((topic, index))

    def by_id(self, topic_id: bytes, index: int) -> Partition | None:
        """The partition, if this node holds it and can use it."""
        return self._by_id.get((topic_id, index))

    def __iter__(self) -> Iterator[Partition]:
        return iter(list(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    def why_absent(self, topic: str, index: int, image: MetadataImage) -> ErrorCode:
        """The error for a partition that `get` does not find, by what the cluster knows of it."""
        if (topic, index) in self._offline:
            return ErrorCode.KAFKA_STORAGE_ERROR
        if image.topics.partition(topic, index) is not None:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    # Metadata

    def on_metadata_update(self, delta: MetadataDelta, image: MetadataImage) -> None:
        """Bring the partitions in step with `image`; `delta` says what changed since the last call."""
        is_first, self._image = self._image is EMPTY_IMAGE, image
        # Gone topics first: the name of one may be the name of a new one in the same delta.
        for topic_image in delta.topics.deleted_topics.values():
            for index in topic_image.partitions:
                self._drop(topic_image.name, index)
        for topic in delta.topics.changed_topics.values():
            self._update_topic(topic, image, is_first=is_first)
        changed = delta.configs.changed
        if any(resource.type == ResourceType.BROKER and resource.name in (CLUSTER_DEFAULT, str(self._node_id)) for resource in changed):
            self.configure_all(image)
        else:
            self.configure_topics((resource.name for resource in changed if resource.type == ResourceType.TOPIC), image)

    # The disk

    def open_waiting(self) -> None:
        """Try again to make the logs for which there was no room."""
        for topic_name, index in sorted(self._waiting):
            topic = self._image.topics.by_name.get(topic_name)
            registration = None if topic is None else topic.partitions.get(index)
            if topic is None or registration is None:
                self._forget_offline(topic_name, index)
                continue
            configuration = self._configuration_of(topic_name, self._image)
            partition = self._open(topic.name, topic.id, index, configuration, registration.directory_of(self._node_id))
            if partition is not None:
                log.info("partition has found room", extra={"partition": str(partition.topic_partition)})
                self._apply(partition, registration)

    def drop_failed(self) -> None:
        """A log directory has failed: its partitions are offline, and whoever waits for them hears of it."""
        for partition in list(self._by_name.values()):
            if partition.log.is_offline:
                self._take_out(partition.topic, partition.index)
                self._offline.add((partition.topic, partition.index))
                partition.lose_directory()

    # Metadata, in detail

    def configure_topics(self, topics: Iterable[str], image: MetadataImage) -> None:
        """The settings of `topics` changed: give their logs the new ones."""
        for topic in topics:
            topic_image = image.topics.by_name.get(topic)
            if topic_image is None:
                continue
            configuration = self._configuration_of(topic, image)
            for index in topic_image.partitions:
                partition = self._by_name.get((topic, index))
                if partition is not None:
                    partition.configure(configuration)

    def configure_all(self, image: MetadataImage) -> None:
        """A setting of the node changed that topics inherit."""
        self.configure_topics(sorted({topic for topic, _ in self._by_name}), image)

    def _update_topic(self, topic: TopicDelta, image: MetadataImage, *, is_first: bool) -> None:
        configuration: LogConfiguration | None = None
        for index, registration in topic.changed_partitions.items():
            if self._node_id not in registration.replicas:
                if (topic.name, index) in self._by_name or (topic.name, index) in self._offline:
                    self._drop(topic.name, index)
                continue
            partition = self._by_name.get((topic.name, index))
            if partition is None:
                if configuration is None:
                    configuration = self._configuration_of(topic.name, image)
                if self._is_out_of_reach(topic, index, registration, is_first=is_first):
                    self._note_offline(topic.name, index, "its log directory has failed")
                    continue
                partition = self._open(topic.name, topic.id, index, configuration, registration.directory_of(self._node_id))
            if partition is not None:
                self._apply(partition, registration)

    def _is_out_of_reach(self, topic: TopicDelta, index: int, registration: PartitionRegistration, *, is_first: bool) -> bool:
        """Whether the log lies in a failed directory, or may: made anew elsewhere, it would have forgotten its records."""
        if not self._logs.has_failed_directory:
            return False
        held = self._logs.get(TopicPartition(topic.name, index))
        if held is not None:
            return held.is_offline and held.topic_id == topic.id
        directory_id = registration.directory_of(self._node_id)
        if directory_id in (UNASSIGNED_DIRECTORY, MIGRATING_DIRECTORY):
            # A partition that is new while the node runs lies nowhere yet; one that the node has found at its start may.
            return is_first
        return not self._logs.is_online(directory_id)

    def _open(self, topic: str, topic_id: Uuid, index: int, configuration: LogConfiguration, directory_id: Uuid) -> Partition | None:
        name = TopicPartition(topic, index)
        try:
            existing = self._logs.get(name)
            if existing is not None and existing.topic_id is None:
                existing.assign_topic_id(topic_id)
            elif existing is not None and existing.topic_id != topic_id:
                # The topic was deleted and created again while this node was away.
                log.info("deleting the log of a former topic of this name", extra={"partition": str(name)})
                self._logs.delete_async(name)
                existing = None
            if existing is None:
                existing = self._logs.create(name, topic_id, configuration, directory_id)
            else:
                existing.configuration = configuration
        except StorageFailure as error:
            self._note_offline(topic, index, str(error))
            if isinstance(error, NoRoom):
                self._waiting.add((topic, index))
            return None
        self._forget_offline(topic, index)
        partition = Partition(self._node_id, topic, index, topic_id, existing, self._purgatory)
        self._by_name[topic, index] = partition
        self._by_id[topic_id, index] = partition
        return partition

    def _apply(self, partition: Partition, registration: PartitionRegistration) -> None:
        was_leader, epoch_before = partition.is_leader, partition.leader_epoch
        try:
            partition.apply(registration)
        except StorageFailure as error:
            self._remove(partition.topic, partition.index)
            self._note_offline(partition.topic, partition.index, str(error))
            return
        self._tell_placement(partition, registration)
        if partition.is_leader != was_leader or partition.leader_epoch != epoch_before:
            log.info(
                "became leader" if partition.is_leader else "became follower",
                extra={
                    "partition": str(partition.topic_partition),
                    "leader": partition.leader_id,
                    "leader_epoch": partition.leader_epoch,
                    "high_watermark": partition.high_watermark,
                },
            )

    def _tell_placement(self, partition: Partition, registration: PartitionRegistration) -> None:
        directory = self._logs.directory_of(partition.topic_partition)
        if self._on_placement is None or directory is None or directory.directory_id is None:
            return
        if directory.directory_id != registration.directory_of(self._node_id):
            self._on_placement(partition.topic_id, partition.index, directory.directory_id)

    def _drop(self, topic: str, index: int) -> None:
        self._forget_offline(topic, index)
        self._remove(topic, index)
        name = TopicPartition(topic, index)
        if self._logs.get(name) is None:
            return
        try:
            self._logs.delete_async(name)
        except StorageFailure as error:
            log.error("log could not be deleted", extra={"partition": str(name), "reason": str(error)})

    def _remove(self, topic: str, index: int) -> None:
        partition = self._take_out(topic, index)
        if partition is not None:
            partition.stop()

    def _take_out(self, topic: str, index: int) -> Partition | None:
        partition = self._by_name.pop((topic, index), None)
        if partition is not None:
            del self._by_id[partition.topic_id, index]
        return partition

    def _note_offline(self, topic: str, index: int, reason: str) -> None:
        if (topic, index) not in self._offline:
            self._offline.add((topic, index))
            log.error("partition is offline", extra={"partition": str(TopicPartition(topic, index)), "reason": reason})

    def _forget_offline(self, topic: str, index: int) -> None:
        self._offline.discard((topic, index))
        self._waiting.discard((topic, index))
