"""Where the node's objects meet: made here in the order in which they need one another, run, and taken apart in the reverse order.

Nothing else constructs the real clock, dice, disk or sockets, so that a test can assemble the same node from others. The order of a start:
sockets are bound (a port in use is said before a file is touched), the directories are locked, the quorum elects this node and replays the
metadata, the logs are opened with the settings that the metadata holds, the broker registers, and only then connections are accepted.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from odradek.base.clock import Clock
from odradek.base.errors import StorageFailure
from odradek.base.identifiers import NodeId, Uuid, random_uuid
from odradek.broker.append_turn import AppendTurn
from odradek.broker.broker_lifecycle import BrokerLifecycle
from odradek.broker.cold_reads import ColdReads
from odradek.broker.controller_driver import ControllerDriver, ControllerTimes
from odradek.broker.directory_assignments import DirectoryAssignments
from odradek.broker.directory_watch import DirectoryWatch
from odradek.broker.dispatch import Dispatcher
from odradek.broker.dynamic_configuration import DynamicConfiguration, SettingsChange
from odradek.broker.farewell import Farewell
from odradek.broker.fetch_sessions import FetchSessionCache
from odradek.broker.formatting import BOOTSTRAP_CHECKPOINT
from odradek.broker.group_commit import GroupCommit
from odradek.broker.group_coordinator import GroupCoordinator
from odradek.broker.log_closer import close_logs, threads_for
from odradek.broker.log_housekeeping import LogHousekeeping
from odradek.broker.log_opener import LogOpener, ProgressListener
from odradek.broker.metadata_publisher import MetadataPublisher
from odradek.broker.metrics_address import MetricsAddress
from odradek.broker.node import Node
from odradek.broker.partitions import PartitionRegistry
from odradek.broker.produce_path import ProducePath
from odradek.broker.produce_slow_path import ProduceSlowPath
from odradek.broker.producer_id_source import ProducerIdSource
from odradek.broker.purgatory import Purgatory
from odradek.broker.quorum_voters import local_voter, static_voters
from odradek.broker.raft_driver import RaftDriver
from odradek.broker.ready_report import ReadyReport
from odradek.broker.server import Server
from odradek.broker.timed_flush import TimedFlush
from odradek.broker.transaction_coordinator import TransactionCoordinator
from odradek.broker.transactional_produce import TransactionalProduce
from odradek.config import broker as setting
from odradek.config.listeners import LOCALHOST, Endpoint, advertised_listeners, broker_listeners, controller_listeners, told_endpoints
from odradek.config.log_configuration import LogConfiguration
from odradek.config.precedence import cordoned_log_directories, log_directories, metadata_log_directory
from odradek.config.settings import Settings
from odradek.controller.activation import bootstrap_records
from odradek.controller.config_rules import ConfigRules
from odradek.controller.controller import Controller, ControllerSettings
from odradek.controller.topic_defaults import TopicDefaults
from odradek.metadata import cluster
from odradek.metadata.feature_levels import METADATA_VERSION_LATEST
from odradek.metadata.image import MetadataImage
from odradek.metadata.record_codec import MetadataRecord, decode_metadata_record
from odradek.net.network import Network, SystemNetwork
from odradek.net.readiness import EpollReadiness, Readiness, readiness_of
from odradek.net.turn import Turn
from odradek.raft import metadata_log as metadata_log_files
from odradek.raft.metadata_log import MetadataLog
from odradek.raft.node import RaftTimeouts
from odradek.raft.quorum_state_file import QuorumStateFile
from odradek.raft.snapshot_files import read_snapshot
from odradek.raft.snapshot_schedule import SnapshotSettings
from odradek.storage.filesystem import FileSystem
from odradek.storage.log_directories import LogDirectories

if TYPE_CHECKING:
    from odradek.broker.metrics_endpoint import MetricsEndpoint

log = logging.getLogger("odradek.broker.assembly")

# Threads that wait for disks; more would only queue at the same disk.
POOL_THREADS = 4


@final
class NodeRun:
    """One node from its start to its stop."""

    def __init__(
        self,
        settings: Settings,
        filesystem: FileSystem,
        clock: Clock,
        dice: random.Random,
        *,
        pool: Executor | None = None,
        network: Network | None = None,
        metrics: MetricsAddress | None = None,
    ) -> None:
        """Without `pool` the node waits for its disk in threads; without `network` its sockets are the operating system's.

        Metrics are to be had at `metrics`, or not at all.
        """
        self._settings = settings
        self._filesystem = filesystem
        self._clock = clock
        self._dice = dice
        self._loop = asyncio.get_running_loop()
        # A pool that was given is used for everything, so that whoever gave it decides in which order things happen.
        self._owns_pool = pool is None
        self._pool: Executor = pool or ThreadPoolExecutor(POOL_THREADS, thread_name_prefix="odradek-disk")
        self._turn = Turn(self._loop.call_soon)
        self._purgatory = Purgatory(clock, self._loop.call_later)
        self._publisher = MetadataPublisher()
        self._configuration = DynamicConfiguration(settings, settings[setting.NODE_ID])
        # Sockets that are none have descriptors that only the loop they came with knows.
        self._readiness: Readiness = readiness_of(self._loop, self._turn) if network is None else self._loop
        self._server = Server(settings, self._loop, self._turn, clock, network or SystemNetwork(), self._readiness)
        self._metrics_address = metrics
        self._metrics: MetricsEndpoint | None = None

    async def run(self, stop: asyncio.Event, ready: Callable[[ReadyReport], None], on_recovery: ProgressListener | None = None) -> None:
        """Start, serve until `stop` is set, and stop in good order. `on_recovery` is told how far the opening of the logs has come.

        Raises:
            StartRefused: the node cannot start.
            BaseExceptionGroup: a part of the node failed for good; what could be closed was closed.
        """
        ports = self._server.bind()
        try:
            self._bind_metrics()
            logs = LogDirectories.open(
                self._filesystem,
                log_directories(self._settings),
                self._clock,
                self._dice,
                node_id=self._settings[setting.NODE_ID],
            )
            try:
                await self._run_with(logs, ports, stop, ready, on_recovery)
            finally:
                # After a clean stop everything is closed already, and this does nothing more.
                for directory in logs.directories:
                    directory.release()
        finally:
            self._server.close()
            if self._metrics is not None:
                self._metrics.close()
            if isinstance(self._readiness, EpollReadiness):
                self._readiness.close()
            self._purgatory.close()
            self._pool.shutdown(wait=True, cancel_futures=True)

    async def _run_with(
        self,
        logs: LogDirectories,
        ports: Mapping[str, int],
        stop: asyncio.Event,
        ready: Callable[[ReadyReport], None],
        on_recovery: ProgressListener | None,
    ) -> None:
        logs.producer_id_expiration_ms = self._settings[setting.PRODUCER_ID_EXPIRATION_MS]
        was_clean = logs.was_clean(metadata_log_directory(self._settings))
        previous_broker_epoch = logs.previous_broker_epoch
        logs.take_into_use()
        # Only now: a directory that would not give up the mark of its clean stop must not be written to.
        directory_id = self._metadata_directory_id(logs)
        driver = self._controller_driver(logs, directory_id, ports, was_clean=was_clean)
        await driver.start()
        # From here on the settings stored in the metadata hold, for the logs too.
        self._publisher.add(self._configuration)
        image = self._publisher.image
        logs.topic_id_of = lambda name: topic.id if (topic := image.topics.by_name.get(name)) is not None else None
        if not await self._open_logs(logs, image, stop, on_recovery):
            # What is not open yet would be taken for clean, or fall out of the checkpoints: everything stays as a crash leaves it.
            driver.raft.close()
            return
        set_strays_aside(logs, image)
        lifecycle = self._lifecycle(logs, driver, ports, previous_broker_epoch)
        self._cordon(self._configuration.current, logs)
        self._configuration.on_change(lambda change: self._on_cordoned(change, logs, lifecycle))
        assignments = DirectoryAssignments(driver, self._settings[setting.NODE_ID], lambda: lifecycle.epoch)
        partitions = PartitionRegistry(
            self._settings[setting.NODE_ID], logs, self._purgatory, self._configuration.log_configuration, assignments.note
        )
        self._publisher.add(partitions)
        watch = DirectoryWatch(logs, partitions, lifecycle, metadata_directory=metadata_log_directory(self._settings))
        logs.on_directory_failure = watch.on_failure
        node = self._node(logs, driver, partitions, lifecycle, ports)
        housekeeping = LogHousekeeping(logs, partitions, self._configuration, self._clock, self._pool)
        group_commit = GroupCommit(self._loop, self._pool)
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(driver.run(), name="controller"),
                    tasks.create_task(housekeeping.run(), name="log housekeeping"),
                    tasks.create_task(TimedFlush(partitions, group_commit, self._clock).run(), name="timed flush"),
                ]
                await lifecycle.start()
                background += [
                    tasks.create_task(lifecycle.run(), name="heartbeats"),
                    tasks.create_task(watch.run(), name="log directories"),
                    tasks.create_task(assignments.run(), name="directory assignments"),
                ]
                self._serve(node, tasks, group_commit)
                await self._open_metrics(node, tasks)
                ready(self._report(logs, node))
                await stop.wait()
                if self._metrics is not None:
                    self._metrics.close()
                node.groups.close()
                node.transactions.close()
                await self._leave(driver, lifecycle)
                for task in background:
                    task.cancel()
        finally:
            await self._close(logs, driver, lifecycle.epoch)

    async def _close(self, logs: LogDirectories, driver: ControllerDriver, broker_epoch: int) -> None:
        """Close everything that lies on disks. The quorum's log first: the mark of a clean stop, which comes last, speaks for it too."""
        # Where the node ends because a part of it has failed, clients are still connected.
        self._server.close()
        directory = metadata_log_directory(self._settings)
        try:
            driver.raft.close()
        except (OSError, StorageFailure) as error:
            log.error("metadata log could not be closed", extra={"directory": directory, "reason": str(error)})
            logs.leave_unclean(directory)
        threads = threads_for(self._configuration[setting.NUM_RECOVERY_THREADS_PER_DATA_DIR])
        with self._threads("odradek-closing", threads * len(logs.directories)) as pool:
            await close_logs(logs, pool, threads_per_directory=threads, broker_epoch=broker_epoch)

    async def _open_logs(
        self, logs: LogDirectories, image: MetadataImage, stop: asyncio.Event, on_recovery: ProgressListener | None
    ) -> bool:
        """Open all logs, in threads of their own; False if `stop` came first."""
        threads = self._configuration[setting.NUM_RECOVERY_THREADS_PER_DATA_DIR]
        with self._threads("odradek-recovery", threads * len(logs.directories)) as pool:
            opener = LogOpener(logs, self._clock, pool, threads_per_directory=threads, on_progress=on_recovery)
            return await opener.open_all(lambda topic: self._configuration.log_configuration(topic, image), stop)

    @contextmanager
    def _threads(self, name: str, count: int) -> Iterator[Executor]:
        """So many threads for one piece of work, which end with it; a pool that was given to the node is used for everything instead."""
        if not self._owns_pool:
            yield self._pool
            return
        own = ThreadPoolExecutor(count, thread_name_prefix=name)
        try:
            yield own
        finally:
            own.shutdown(wait=True, cancel_futures=True)

    def _serve(self, node: Node, tasks: asyncio.TaskGroup, group_commit: GroupCommit) -> None:
        appends = AppendTurn(self._turn, self._purgatory, self._clock, group_commit)
        node.logs.on_shortage = appends.refuse_until_end
        produce = ProducePath(node.partitions, appends, self._clock, ProduceSlowPath(node), TransactionalProduce(node))
        node.groups = GroupCoordinator(node, appends, tasks, self._loop)
        node.transactions = TransactionCoordinator(node, appends, tasks, self._loop)
        self._publisher.add(node.groups)
        self._publisher.add(node.transactions)
        controller_names = frozenset(self._settings[setting.CONTROLLER_LISTENER_NAMES])
        self._server.open(Dispatcher(node, produce, tasks, controller_names))
        # What was set in an earlier life of the node holds from the start.
        self._apply(self._configuration.current, node)
        self._configuration.on_change(lambda change: self._on_settings_changed(change, node))

    def _bind_metrics(self) -> None:
        if self._metrics_address is not None:
            # A node without metrics does not load what they need.
            from odradek.broker.metrics_endpoint import MetricsEndpoint

            self._metrics = MetricsEndpoint(self._metrics_address)

    async def _open_metrics(self, node: Node, tasks: asyncio.TaskGroup) -> None:
        if self._metrics is not None:
            from odradek.broker.lag_metrics import LagMetrics

            await self._metrics.open(tasks, LagMetrics(node).text)

    async def _leave(self, driver: ControllerDriver, lifecycle: BrokerLifecycle) -> None:
        """Stop in the order of a controlled shutdown: no new connections, no leaderships, no controller."""
        log.info("stopping", extra={"node": self._settings[setting.NODE_ID]})
        await self._server.drain()
        self._publisher.add(Farewell(self._settings[setting.NODE_ID], self._server.fall_silent))
        await lifecycle.leave()
        await self._server.say_goodbye()
        self._server.close()
        await driver.stop()

    def _on_settings_changed(self, change: SettingsChange, node: Node) -> None:
        self._apply(change.after, node)
        node.partitions.configure_all(change.image)

    def _apply(self, settings: Settings, node: Node) -> None:
        """Hand what can change while running to those who do not ask for it each time."""
        self._server.configure(settings)
        node.logs.producer_id_expiration_ms = settings[setting.PRODUCER_ID_EXPIRATION_MS]

    def _on_cordoned(self, change: SettingsChange, logs: LogDirectories, lifecycle: BrokerLifecycle) -> None:
        if cordoned_log_directories(change.before) != cordoned_log_directories(change.after):
            self._cordon(change.after, logs)
            lifecycle.hurry()

    def _cordon(self, settings: Settings, logs: LogDirectories) -> None:
        logs.cordoned_paths = frozenset(cordoned_log_directories(settings))

    # Parts

    def _metadata_directory_id(self, logs: LogDirectories) -> Uuid:
        wanted = metadata_log_directory(self._settings)
        for directory in logs.directories:
            if directory.path == wanted and directory.directory_id is not None and directory.is_online:
                return directory.directory_id
        raise StorageFailure(f"the log directory {wanted}, which holds the metadata log, cannot be used")

    def _controller_driver(
        self, logs: LogDirectories, directory_id: Uuid, ports: Mapping[str, int], *, was_clean: bool
    ) -> ControllerDriver:
        settings = self._settings
        directory = metadata_log_files.metadata_log_directory(metadata_log_directory(settings))
        configuration = LogConfiguration(
            segment_bytes=settings[setting.METADATA_LOG_SEGMENT_BYTES], segment_ms=settings[setting.METADATA_LOG_SEGMENT_MS]
        )
        raft = RaftDriver.open(
            MetadataLog.open(self._filesystem, directory, configuration, self._clock, was_clean=was_clean),
            QuorumStateFile(self._filesystem, directory),
            local=local_voter(settings, directory_id, told_endpoints(settings, controller_listeners(settings), ports)),
            static_voters=static_voters(settings),
            timeouts=RaftTimeouts(
                election_timeout_ms=settings[setting.CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS],
                fetch_timeout_ms=settings[setting.CONTROLLER_QUORUM_FETCH_TIMEOUT_MS],
            ),
            clock=self._clock,
            pool=self._pool,
            dice=self._dice,
        )
        return ControllerDriver(
            controller=self._controller(logs.cluster_id),
            raft=raft,
            publisher=self._publisher,
            bootstrap=read_bootstrap(self._filesystem, metadata_log_directory(settings)),
            clock=self._clock,
            pool=self._pool,
            times=ControllerTimes(
                idle_interval_ms_max=settings[setting.METADATA_MAX_IDLE_INTERVAL_MS],
                broker_session_timeout_ms=settings[setting.BROKER_SESSION_TIMEOUT_MS],
            ),
            snapshots=SnapshotSettings(
                record_bytes_between_snapshots_max=settings[setting.METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS],
                interval_ms_max=settings[setting.METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS],
                retention_bytes=settings[setting.METADATA_MAX_RETENTION_BYTES],
                retention_ms=settings[setting.METADATA_MAX_RETENTION_MS],
            ),
        )

    def _controller(self, cluster_id: str) -> Controller:
        settings = self._settings
        return Controller(
            ControllerSettings(
                node_id=settings[setting.NODE_ID],
                cluster_id=cluster_id,
                topic_defaults=TopicDefaults(
                    partition_count=settings[setting.NUM_PARTITIONS],
                    replication_factor=settings[setting.DEFAULT_REPLICATION_FACTOR],
                    static_min_insync_replicas=settings[setting.MIN_INSYNC_REPLICAS],
                    static_unclean_leader_election_enable=settings[setting.UNCLEAN_LEADER_ELECTION_ENABLE],
                ),
                is_topic_deletion_enabled=settings[setting.DELETE_TOPIC_ENABLE],
                broker_session_timeout_ms=settings[setting.BROKER_SESSION_TIMEOUT_MS],
            ),
            ConfigRules(settings, settings[setting.NODE_ID]),
            self._dice,
        )

    def _lifecycle(
        self, logs: LogDirectories, driver: ControllerDriver, ports: Mapping[str, int], previous_broker_epoch: int
    ) -> BrokerLifecycle:
        settings = self._settings
        return BrokerLifecycle(
            controller=driver,
            publisher=self._publisher,
            node_id=settings[setting.NODE_ID],
            cluster_id=logs.cluster_id,
            incarnation_id=random_uuid(self._dice),
            rack=settings[setting.BROKER_RACK],
            broker_endpoints=_registered(told_endpoints(settings, broker_listeners(settings), ports)),
            controller_endpoints=_registered(told_endpoints(settings, controller_listeners(settings), ports)),
            directory_ids=[
                directory.directory_id for directory in logs.directories if directory.is_online and directory.directory_id is not None
            ],
            previous_broker_epoch=previous_broker_epoch,
            heartbeat_interval_ms=settings[setting.BROKER_HEARTBEAT_INTERVAL_MS],
            directory_failure_timeout_ms=settings[setting.LOG_DIR_FAILURE_TIMEOUT_MS],
            cordoned_directory_ids=logs.cordoned_ids,
        )

    def _node(
        self,
        logs: LogDirectories,
        driver: ControllerDriver,
        partitions: PartitionRegistry,
        lifecycle: BrokerLifecycle,
        ports: Mapping[str, int],
    ) -> Node:
        settings = self._settings
        return Node(
            node_id=NodeId(settings[setting.NODE_ID]),
            cluster_id=logs.cluster_id,
            settings=settings,
            clock=self._clock,
            dice=self._dice,
            metadata=self._publisher,
            configuration=self._configuration,
            partitions=partitions,
            logs=logs,
            controller=driver,
            producer_ids=ProducerIdSource(driver, settings[setting.NODE_ID], lambda: lifecycle.epoch),
            fetch_sessions=FetchSessionCache(
                self._clock, self._dice, lambda: self._configuration[setting.MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS]
            ),
            purgatory=self._purgatory,
            pool=self._pool,
            cold_reads=ColdReads(self._loop, self._pool),
            turn=self._turn,
            bound_ports=dict(ports),
            advertised={endpoint.name: endpoint for endpoint in advertised_listeners(settings)},
        )

    def _report(self, logs: LogDirectories, node: Node) -> ReadyReport:
        addresses = [f"{endpoint.host or LOCALHOST}:{node.bound_ports[endpoint.name]}" for endpoint in broker_listeners(self._settings)]
        return ReadyReport(
            node_id=node.node_id,
            cluster_id=logs.cluster_id,
            client_addresses=tuple(addresses),
            log_directories=tuple(directory.path for directory in logs.directories),
            metrics_address=None if self._metrics is None else self._metrics.url,
        )


def read_bootstrap(filesystem: FileSystem, directory: str) -> list[MetadataRecord]:
    """What a new cluster begins with, as the directory was formatted; the newest release's defaults where the file is missing.

    Raises:
        CorruptRecords: the file is damaged.
    """
    path = f"{directory}/{BOOTSTRAP_CHECKPOINT}"
    if not filesystem.exists(path):
        return list(bootstrap_records(METADATA_VERSION_LATEST))
    return [decode_metadata_record(value) for value in read_snapshot(filesystem.read_bytes(path)).values]


def _registered(endpoints: list[Endpoint]) -> list[cluster.Endpoint]:
    return [cluster.Endpoint(endpoint.name, endpoint.host, endpoint.port, endpoint.security_protocol) for endpoint in endpoints]


def set_strays_aside(logs: LogDirectories, image: MetadataImage) -> None:
    """Take away the logs of partitions that the cluster no longer has here: their topics were deleted while the node was down."""
    for held in logs:
        topic = image.topics.by_name.get(held.topic_partition.topic)
        is_known = topic is not None and held.topic_partition.partition in topic.partitions and held.topic_id in (None, topic.id)
        if not is_known:
            log.warning("log belongs to no partition of the cluster and is set aside", extra={"partition": str(held.topic_partition)})
            try:
                logs.set_aside(held.topic_partition)
            except StorageFailure as error:
                log.error("stray log could not be set aside", extra={"partition": str(held.topic_partition), "reason": str(error)})
