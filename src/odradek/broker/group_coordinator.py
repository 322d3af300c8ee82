"""The group coordinator of this node.

What is decided stands in `coordinator.group`; here it meets the node's settings and its `coordinator_driver`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, final

from odradek.broker.dynamic_configuration import DynamicConfiguration
from odradek.broker.lazy_coordinator import LazyCoordinator
from odradek.config import broker_group_settings as setting
from odradek.config.broker_log_settings import MESSAGE_MAX_BYTES
from odradek.controller.topic_names import GROUP_METADATA_TOPIC
from odradek.records.compression import Codec

if TYPE_CHECKING:
    from odradek.base.error_codes import ErrorCode
    from odradek.broker.append_turn import AppendTurn
    from odradek.broker.coordinator_driver import CoordinatorDriver
    from odradek.broker.coordinator_runner import ShardRunner
    from odradek.broker.node import Node
    from odradek.coordinator.group.commit_request import CommitRequest
    from odradek.coordinator.group.settings import GroupSettings
    from odradek.coordinator.group.shard import GroupShard

MS_PER_MINUTE = 60_000
# What all members of a classic group say of their protocols, of which one will be written: so many times what fits into a batch.
PROTOCOLS_EXPECTED_MAX = 8
METADATA_BYTES_MAX_MIN = 16 << 20
ASSIGNOR_BY_CLASS = {
    "org.apache.kafka.coordinator.group.assignor.UniformAssignor": "uniform",
    "org.apache.kafka.coordinator.group.assignor.RangeAssignor": "range",
}


@final
class GroupCoordinator(LazyCoordinator["GroupShard"]):
    """The groups whose partition of `__consumer_offsets` is led here."""

    def __init__(self, node: Node, appends: AppendTurn, tasks: asyncio.TaskGroup, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(GROUP_METADATA_TOPIC, node, appends, tasks, loop)

    def partition_index_of(self, group_id: str) -> int | None:
        """The partition of `__consumer_offsets` that keeps a group; None while there is no such topic."""
        return None if self._driver is None else self._driver.partition_index_of(group_id)

    def runner_at(self, partition_index: int) -> ShardRunner[GroupShard] | None:
        """The runner of a partition of `__consumer_offsets`; None where nobody can be asked now."""
        runner = None if self._driver is None else self._driver.runner_at(partition_index)
        return None if runner is None or runner.peek() is None else runner

    def commit(self, request: CommitRequest, then: Callable[[ErrorCode], None]) -> bool:
        """Note the offsets and call `then` once that is committed, or why it is not; False where the request is to be asked in full."""
        driver = self._driver
        if driver is None:
            return False
        return driver.ask_encoded(request.group_id, lambda shard, now: shard.commit_encoded(request, now), then)

    def _make_driver(self) -> CoordinatorDriver[GroupShard]:
        from odradek.broker.coordinator_driver import CoordinatorDriver
        from odradek.broker.coordinator_runner import RunnerParts
        from odradek.coordinator.group.records import BASE_SEQUENCE, RECORD_TYPES
        from odradek.coordinator.group.shard import GroupShard

        node = self._node
        settings = _settings_of(node.configuration)
        parts = RunnerParts(
            clock=node.clock,
            pool=node.pool,
            purgatory=node.purgatory,
            appends=self._appends,
            record_types=RECORD_TYPES,
            commit_timeout_ms=lambda: node.configuration[setting.OFFSETS_COMMIT_TIMEOUT_MS],
            load_bytes_max=node.settings[setting.OFFSETS_LOAD_BUFFER_SIZE],
            compression=Codec(node.settings[setting.OFFSETS_TOPIC_COMPRESSION_CODEC]),
            base_sequence=BASE_SEQUENCE,
        )
        return CoordinatorDriver(
            self._topic,
            lambda index: GroupShard(settings, random.Random(node.dice.getrandbits(64))),
            node.partitions,
            parts,
            self._tasks,
            self._loop.call_later,
        )


def _settings_of(configuration: DynamicConfiguration) -> Callable[[], GroupSettings]:
    """What the coordinator has to know, as it is set now: read anew only when something was set, and not for every offset (11 µs)."""
    from odradek.coordinator.group.settings import GroupSettings, MigrationPolicy

    def read() -> GroupSettings:
        return GroupSettings(
            initial_rebalance_delay_ms=configuration[setting.GROUP_INITIAL_REBALANCE_DELAY_MS],
            session_timeout_ms_min=configuration[setting.GROUP_MIN_SESSION_TIMEOUT_MS],
            session_timeout_ms_max=configuration[setting.GROUP_MAX_SESSION_TIMEOUT_MS],
            members_max=configuration[setting.GROUP_MAX_SIZE],
            metadata_bytes_max=max(METADATA_BYTES_MAX_MIN, PROTOCOLS_EXPECTED_MAX * configuration[MESSAGE_MAX_BYTES]),
            offset_metadata_bytes_max=configuration[setting.OFFSET_METADATA_MAX_BYTES],
            offsets_retention_ms=configuration[setting.OFFSETS_RETENTION_MINUTES] * MS_PER_MINUTE,
            offsets_retention_check_interval_ms=configuration[setting.OFFSETS_RETENTION_CHECK_INTERVAL_MS],
            consumer_session_timeout_ms=configuration[setting.GROUP_CONSUMER_SESSION_TIMEOUT_MS],
            consumer_heartbeat_interval_ms=configuration[setting.GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS],
            consumer_assignment_interval_ms=configuration[setting.GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS],
            consumer_members_max=configuration[setting.GROUP_CONSUMER_MAX_SIZE],
            consumer_assignors=_assignors(configuration[setting.GROUP_CONSUMER_ASSIGNORS]),
            consumer_regex_refresh_interval_ms=configuration[setting.GROUP_CONSUMER_REGEX_REFRESH_INTERVAL_MS],
            consumer_migration_policy=MigrationPolicy(configuration[setting.GROUP_CONSUMER_MIGRATION_POLICY].lower()),
        )

    return configuration.derived(read)


def _assignors(names: Sequence[str]) -> tuple[str, ...]:
    """The assignors that are chosen, under their short names; Kafka's classes are known by theirs, others cannot run here."""
    from odradek.coordinator.group.consumer_steps import ASSIGNORS

    short = [ASSIGNOR_BY_CLASS.get(name, name) for name in names]
    return tuple(name for name in short if name in ASSIGNORS) or tuple(ASSIGNORS)
