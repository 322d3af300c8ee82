"""The part of a node that agrees with the cluster: quorum replica, controller, published metadata, and the broker's own membership.

Made from settings and opened log directories in one go, started and stopped as one. The order of a start: the replica leads its quorum, the log is
read and published, the controller becomes active, the broker registers and is unfenced. The order of a stop is the reverse, and it is the
broker's leaving, committed, that makes the next start a clean one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from odradek.base.clock import Clock
from odradek.base.errors import StartRefused
from odradek.base.identifiers import ZERO_UUID, Uuid, random_uuid
from odradek.broker.broker_lifecycle import BrokerLifecycle
from odradek.broker.controller_driver import ControllerDriver, ControllerTimes
from odradek.broker.formatting import BOOTSTRAP_CHECKPOINT, local_voter
from odradek.broker.metadata_publisher import MetadataPublisher
from odradek.broker.producer_id_source import ProducerIdSource
from odradek.broker.raft_driver import RaftDriver, quorum_history
from odradek.config.broker_log_settings import MIN_INSYNC_REPLICAS
from odradek.config.broker_node_settings import (
    BROKER_HEARTBEAT_INTERVAL_MS,
    BROKER_RACK,
    BROKER_SESSION_TIMEOUT_MS,
    CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS,
    CONTROLLER_QUORUM_FETCH_TIMEOUT_MS,
    CONTROLLER_QUORUM_VOTERS,
    DEFAULT_REPLICATION_FACTOR,
    DELETE_TOPIC_ENABLE,
    INTERNAL_METADATA_LOG_SEGMENT_BYTES,
    METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS,
    METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS,
    METADATA_LOG_SEGMENT_BYTES,
    METADATA_LOG_SEGMENT_MS,
    METADATA_MAX_IDLE_INTERVAL_MS,
    METADATA_MAX_RETENTION_BYTES,
    METADATA_MAX_RETENTION_MS,
    NODE_ID,
    NUM_PARTITIONS,
    UNCLEAN_LEADER_ELECTION_ENABLE,
)
from odradek.config.listeners import Endpoint
from odradek.config.log_configuration import LogConfiguration
from odradek.config.precedence import log_directories, metadata_log_directory
from odradek.config.quorum_addresses import parse_voters
from odradek.config.settings import Settings
from odradek.controller.activation import bootstrap_records
from odradek.controller.config_rules import ConfigRules
from odradek.controller.controller import Controller, ControllerSettings
from odradek.controller.topic_defaults import TopicDefaults
from odradek.metadata.cluster import Endpoint as MetadataEndpoint
from odradek.metadata.record_codec import MetadataRecord, decode_metadata_record
from odradek.raft.metadata_log import MetadataLog
from odradek.raft.metadata_log import metadata_log_directory as directory_of_metadata_log
from odradek.raft.node import RaftTimeouts
from odradek.raft.quorum_state_file import QuorumStateFile
from odradek.raft.snapshot_files import read_snapshot
from odradek.raft.snapshot_schedule import SnapshotSettings
from odradek.raft.voters import Voter, VoterEndpoint, VoterKey, VoterSet
from odradek.storage.filesystem import FileSystem
from odradek.storage.log_directories import LogDirectories

DEFAULT_VOTER_LISTENER = "CONTROLLER"


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The parts, assembled. `controller.run()` and `lifecycle.run()` belong in the node's task group."""

    raft: RaftDriver
    controller: ControllerDriver
    publisher: MetadataPublisher
    lifecycle: BrokerLifecycle
    producer_ids: ProducerIdSource

    async def stop(self) -> int:
        """Leave the cluster in order and close the metadata log; the broker epoch to write into the marks of a clean stop, or -1.

        `controller.run()` must still be running, `lifecycle.run()` need not.
        """
        has_left = await self.lifecycle.leave()
        await self.controller.stop()
        self.raft.close()
        return self.lifecycle.epoch if has_left else -1


def open_control_plane(
    settings: Settings,
    *,
    logs: LogDirectories,
    filesystem: FileSystem,
    clock: Clock,
    pool: Executor,
    dice: random.Random,
    broker_endpoints: Sequence[Endpoint],
    controller_endpoints: Sequence[Endpoint],
) -> ControlPlane:
    """Open the metadata log and put the parts around it. `logs` is locked and in use; the endpoints have their final ports.

    Raises:
        StartRefused: the directories or settings do not make a quorum that this release can run.
        CorruptRecords: the metadata log is damaged.
    """
    home = metadata_log_directory(settings)
    raft = _open_raft(settings, home, _directory_id(filesystem, logs, home), filesystem, clock, pool, dice, controller_endpoints, logs)
    publisher = MetadataPublisher()
    controller = ControllerDriver(
        controller=Controller(_controller_settings(settings, logs.cluster_id), ConfigRules(settings, settings[NODE_ID]), dice),
        raft=raft,
        publisher=publisher,
        bootstrap=_bootstrap(filesystem, settings),
        clock=clock,
        pool=pool,
        times=ControllerTimes(
            idle_interval_ms_max=settings[METADATA_MAX_IDLE_INTERVAL_MS], broker_session_timeout_ms=settings[BROKER_SESSION_TIMEOUT_MS]
        ),
        snapshots=_snapshot_settings(settings),
    )
    lifecycle = BrokerLifecycle(
        controller=controller,
        publisher=publisher,
        node_id=settings[NODE_ID],
        cluster_id=logs.cluster_id,
        incarnation_id=random_uuid(dice),
        rack=settings[BROKER_RACK],
        broker_endpoints=[_for_metadata(endpoint) for endpoint in broker_endpoints],
        controller_endpoints=[_for_metadata(endpoint) for endpoint in controller_endpoints],
        directory_ids=[directory.directory_id for directory in logs.directories if directory.directory_id is not None],
        previous_broker_epoch=logs.previous_broker_epoch,
        heartbeat_interval_ms=settings[BROKER_HEARTBEAT_INTERVAL_MS],
    )
    producer_ids = ProducerIdSource(controller, settings[NODE_ID], lambda: lifecycle.epoch)
    return ControlPlane(raft, controller, publisher, lifecycle, producer_ids)


def _open_raft(
    settings: Settings,
    home: str,
    directory_id: Uuid,
    filesystem: FileSystem,
    clock: Clock,
    pool: Executor,
    dice: random.Random,
    endpoints: Sequence[Endpoint],
    logs: LogDirectories,
) -> RaftDriver:
    directory = directory_of_metadata_log(home)
    segment_bytes = settings[INTERNAL_METADATA_LOG_SEGMENT_BYTES]
    configuration = LogConfiguration(
        segment_bytes=settings[METADATA_LOG_SEGMENT_BYTES] if segment_bytes is None else segment_bytes,
        segment_ms=settings[METADATA_LOG_SEGMENT_MS],
    )
    metadata_log = MetadataLog.open(filesystem, directory, configuration, clock, was_clean=logs.was_clean(home))
    static_voters = _static_voters(settings)
    local = local_voter(settings, directory_id, endpoints)
    if static_voters is not None and quorum_history(metadata_log).voters is None:
        # Where the settings name the voters, nobody knows directory ids (kraft.version 0).
        local = Voter(key=VoterKey(settings[NODE_ID]), endpoints=local.endpoints)
    return RaftDriver.open(
        metadata_log,
        QuorumStateFile(filesystem, directory),
        local=local,
        static_voters=static_voters,
        timeouts=RaftTimeouts(
            election_timeout_ms=settings[CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS],
            fetch_timeout_ms=settings[CONTROLLER_QUORUM_FETCH_TIMEOUT_MS],
        ),
        clock=clock,
        pool=pool,
        dice=dice,
    )


def _directory_id(filesystem: FileSystem, logs: LogDirectories, home: str) -> Uuid:
    for directory in logs.directories:
        if directory.path == home:
            return directory.directory_id or ZERO_UUID
    raise StartRefused(f"the metadata log is to be in {home}, which is none of log.dirs; this release keeps it in one of them")


def _static_voters(settings: Settings) -> VoterSet | None:
    addresses = parse_voters(settings[CONTROLLER_QUORUM_VOTERS])
    if not addresses:
        return None
    return VoterSet.of(
        Voter(key=VoterKey(node_id), endpoints=(VoterEndpoint(DEFAULT_VOTER_LISTENER, address.host, address.port),))
        for node_id, address in addresses.items()
    )


def _bootstrap(filesystem: FileSystem, settings: Settings) -> Sequence[MetadataRecord]:
    """What the node was formatted with; without the file, what a cluster of this release starts with."""
    for directory in log_directories(settings):
        path = f"{directory}/{BOOTSTRAP_CHECKPOINT}"
        if filesystem.exists(path):
            return [decode_metadata_record(value) for value in read_snapshot(filesystem.read_bytes(path)).values]
    return bootstrap_records()


def _controller_settings(settings: Settings, cluster_id: str) -> ControllerSettings:
    return ControllerSettings(
        node_id=settings[NODE_ID],
        cluster_id=cluster_id,
        topic_defaults=TopicDefaults(
            partition_count=settings[NUM_PARTITIONS],
            replication_factor=settings[DEFAULT_REPLICATION_FACTOR],
            static_min_insync_replicas=settings[MIN_INSYNC_REPLICAS],
            static_unclean_leader_election_enable=settings[UNCLEAN_LEADER_ELECTION_ENABLE],
        ),
        is_topic_deletion_enabled=settings[DELETE_TOPIC_ENABLE],
        broker_session_timeout_ms=settings[BROKER_SESSION_TIMEOUT_MS],
    )


def _snapshot_settings(settings: Settings) -> SnapshotSettings:
    return SnapshotSettings(
        record_bytes_between_snapshots_max=settings[METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS],
        interval_ms_max=settings[METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS],
        retention_bytes=settings[METADATA_MAX_RETENTION_BYTES],
        retention_ms=settings[METADATA_MAX_RETENTION_MS],
    )


def _for_metadata(endpoint: Endpoint) -> MetadataEndpoint:
    return MetadataEndpoint(endpoint.name, endpoint.host, endpoint.port, int(endpoint.security_protocol))
