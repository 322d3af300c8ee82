"""What the coming and going of a broker does to the partitions it holds (`ReplicationControlManager#generateLeaderAndIsrUpdates`).

Every change of a broker that touches leadership is one list of records: the broker's own record and one change per partition that is
affected. Partitions are found by a walk over the image; brokers come and go rarely, and an index would have to be kept at every other
change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from odradek.base.identifiers import Uuid
from odradek.controller.partition_change import Election, PartitionChange, PartitionChangeRules
from odradek.controller.topic_defaults import TopicDefaults
from odradek.metadata.cluster import SWITCH_OFF, SWITCH_ON, BrokerRegistration
from odradek.metadata.feature_levels import ELIGIBLE_LEADER_REPLICAS_VERSION
from odradek.metadata.image import MetadataImage
from odradek.metadata.partition_registration import PartitionRegistration
from odradek.metadata.record_codec import MetadataRecord
from odradek.metadata.topics import TopicImage
from odradek.protocol.internal_records.metadata import BrokerRegistrationChangeRecord, PartitionChangeRecord


class PlacedPartition(NamedTuple):
    """One partition where it stands."""

    topic: TopicImage
    partition_index: int
    registration: PartitionRegistration


class Leadership:
    """Decides about leaders on top of one image."""

    __slots__ = ("_defaults", "_image")

    def __init__(self, image: MetadataImage, defaults: TopicDefaults) -> None:
        self._image = image
        self._defaults = defaults

    def has_leaderships(self, broker_id: int) -> bool:
        """Whether the broker leads any partition."""
        return any(partition.registration.leader == broker_id for partition in self._partitions())

    def on_fenced(self, broker: BrokerRegistration) -> list[MetadataRecord]:
        """The broker may serve no longer: its leaderships go elsewhere, then it is fenced."""
        records = self._updates(removed=broker.node_id)
        records.append(BrokerRegistrationChangeRecord(broker_id=broker.node_id, broker_epoch=broker.epoch, fenced=SWITCH_ON))
        return records

    def on_unfenced(self, broker: BrokerRegistration) -> list[MetadataRecord]:
        """The broker serves from now on, and leads what nobody else could lead."""
        change = BrokerRegistrationChangeRecord(broker_id=broker.node_id, broker_epoch=broker.epoch, fenced=SWITCH_OFF)
        return [change, *self._updates(added=broker.node_id)]

    def on_controlled_shutdown(self, broker: BrokerRegistration) -> list[MetadataRecord]:
        """The broker wants to leave: it is marked, and gives its leaderships away."""
        records: list[MetadataRecord] = []
        if not broker.in_controlled_shutdown:
            records.append(
                BrokerRegistrationChangeRecord(broker_id=broker.node_id, broker_epoch=broker.epoch, in_controlled_shutdown=SWITCH_ON)
            )
        return records + self._updates(removed=broker.node_id)

    def on_new_incarnation(self, broker_id: int, *, was_clean_shutdown: bool) -> list[MetadataRecord]:
        """The broker registers anew. After an unclean stop its log may lack its tail, so it is not eligible any more either."""
        if self._is_elr_enabled and not was_clean_shutdown:
            return self._updates(unclean=broker_id)
        return self._updates(removed=broker_id)

    def on_unregistered(self, broker_id: int) -> list[MetadataRecord]:
        """The broker is forgotten by an operator."""
        return self._updates(removed=broker_id)

    def on_directories_offline(self, broker: BrokerRegistration, directories: Collection[Uuid]) -> list[MetadataRecord]:
        """Log directories of the broker have failed: what lies in them is led by others or by nobody; the broker goes on with the rest."""
        failed = [directory for directory in broker.directories if directory in directories]
        if not failed:
            return []

        def lies_there(partition: PlacedPartition) -> bool:
            registration = partition.registration
            return broker.node_id in registration.replicas and registration.directory_of(broker.node_id) in failed

        left = [directory for directory in broker.directories if directory not in directories]
        change = BrokerRegistrationChangeRecord(broker_id=broker.node_id, broker_epoch=broker.epoch, log_dirs=left)
        return [*self._updates(removed=broker.node_id, only=lies_there), change]

    def on_replicas_lost(self, broker_id: int, partitions: Collection[tuple[Uuid, int]]) -> list[MetadataRecord]:
        """The broker's replicas of `partitions`, by topic id and index, lie in a directory that has failed."""
        return self._updates(removed=broker_id, only=lambda partition: (partition.topic.id, partition.partition_index) in partitions)

    def assigned(self, topic: TopicImage, partition_index: int, broker_id: int, directory: Uuid) -> PartitionChangeRecord | None:
        """The change when the broker's replica is found to lie in `directory`; None when that was known."""
        registration = topic.partitions[partition_index]
        change = PartitionChange(
            topic.id,
            partition_index,
            registration,
            self._rules(),
            min_insync_replicas=self._defaults.min_insync_replicas(self._image, topic.name),
        )
        change.target_directories = tuple(
            directory if replica == broker_id else known
            for replica, known in zip(registration.replicas, registration.directories, strict=True)
        )
        return change.build()

    def elected(self, topic: TopicImage, partition_index: int, election: Election) -> PartitionChangeRecord | None:
        """The change that an election asked for by an operator comes to; None when nobody can be elected."""
        return PartitionChange(
            topic.id,
            partition_index,
            topic.partitions[partition_index],
            self._rules(),
            min_insync_replicas=self._defaults.min_insync_replicas(self._image, topic.name),
            election=election,
        ).build()

    @property
    def _is_elr_enabled(self) -> bool:
        return self._image.features.level(ELIGIBLE_LEADER_REPLICAS_VERSION) > 0

    def _updates(
        self,
        *,
        removed: int | None = None,
        added: int | None = None,
        unclean: int | None = None,
        only: Callable[[PlacedPartition], bool] | None = None,
    ) -> list[MetadataRecord]:
        rules = self._rules(removed=removed, added=added, unclean=unclean)
        records: list[MetadataRecord] = []
        # A topic's settings are asked once: a node that starts is elected in thousands of its partitions.
        settings_of: dict[str, tuple[int, Election]] = {}
        for partition in self._affected(removed, added, unclean):
            if only is not None and not only(partition):
                continue
            topic = partition.topic.name
            settings = settings_of.get(topic)
            if settings is None:
                settings = settings_of[topic] = (self._defaults.min_insync_replicas(self._image, topic), self._election(topic))
            change = PartitionChange(
                partition.topic.id,
                partition.partition_index,
                partition.registration,
                rules,
                min_insync_replicas=settings[0],
                election=settings[1],
            )
            change.target_isr = tuple(broker for broker in partition.registration.isr if broker not in (removed, unclean))
            record = change.build()
            if record is not None:
                records.append(record)
        return records

    def _rules(self, *, removed: int | None = None, added: int | None = None, unclean: int | None = None) -> PartitionChangeRules:
        return PartitionChangeRules(
            metadata_version=self._image.features.metadata_version_or_minimum,
            is_elr_enabled=self._is_elr_enabled,
            is_acceptable_leader=lambda broker, directory: self._is_acceptable(broker, directory, added, (removed, unclean)),
            unclean_shutdown_broker=unclean,
        )

    def _affected(self, removed: int | None, added: int | None, unclean: int | None) -> Iterator[PlacedPartition]:
        for partition in self._partitions():
            registration = partition.registration
            if (
                (removed is not None and removed in registration.isr)
                or (added is not None and not registration.has_leader)
                or (unclean is not None and unclean in registration.isr + registration.eligible_leader_replicas)
            ):
                yield partition

    def _election(self, topic: str) -> Election:
        return Election.UNCLEAN if self._defaults.is_unclean_election_enabled(self._image, topic) else Election.ONLINE

    def _is_acceptable(self, broker_id: int, directory: Uuid, added: int | None, gone: tuple[int | None, int | None]) -> bool:
        broker = self._image.cluster.brokers.get(broker_id)
        if broker is None or broker_id in gone:
            return False
        return (broker_id == added or broker.is_active) and broker.has_online_directory(directory)

    def _partitions(self) -> Iterator[PlacedPartition]:
        for topic in self._image.topics.by_id.values():
            for index, registration in topic.partitions.items():
                yield PlacedPartition(topic, index, registration)
