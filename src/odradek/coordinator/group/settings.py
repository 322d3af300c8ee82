"""What the group coordinator has to know of the node's settings; asked anew for every decision, since most can change while running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum


class MigrationPolicy(Enum):
    """Which way a group with members may go between the protocols (`ConsumerGroupMigrationPolicy.java`)."""

    BIDIRECTIONAL = "bidirectional"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    DISABLED = "disabled"

    @property
    def is_upgrade_allowed(self) -> bool:
        return self in (MigrationPolicy.BIDIRECTIONAL, MigrationPolicy.UPGRADE)

    @property
    def is_downgrade_allowed(self) -> bool:
        return self in (MigrationPolicy.BIDIRECTIONAL, MigrationPolicy.DOWNGRADE)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """Kafka's settings of the same names (`GroupCoordinatorConfig.java`); times in milliseconds."""

    initial_rebalance_delay_ms: int = 3_000
    session_timeout_ms_min: int = 6_000
    session_timeout_ms_max: int = 1_800_000
    # group.max.size: members of one classic group.
    members_max: int = (1 << 31) - 1
    # What the members of one classic group may say of their protocols, together. What is written of a group has to fit into a record: more
    # than this has no chance to, though members say it for several protocols of which one is written.
    metadata_bytes_max: int = 16 << 20
    # How long a new member may take for its first JoinGroup to be answered before its session begins to count.
    new_member_join_timeout_ms: int = 300_000
    offset_metadata_bytes_max: int = 4_096
    offsets_retention_ms: int = 604_800_000
    offsets_retention_check_interval_ms: int = 600_000
    # Groups of the consumer protocol; a group may have its own values of the first three.
    consumer_session_timeout_ms: int = 45_000
    consumer_heartbeat_interval_ms: int = 5_000
    consumer_assignment_interval_ms: int = 1_000
    consumer_members_max: int = (1 << 31) - 1
    consumer_assignors: tuple[str, ...] = ("uniform", "range")
    consumer_regex_refresh_interval_ms: int = 600_000
    consumer_migration_policy: MigrationPolicy = MigrationPolicy.BIDIRECTIONAL

    def for_group(self, overrides: Mapping[str, str]) -> GroupSettings:
        """These settings with what is set for one group (`ConfigResource` GROUP), by Kafka's names of group settings."""
        if not overrides:
            return self
        return replace(
            self,
            consumer_session_timeout_ms=int(overrides.get("consumer.session.timeout.ms", self.consumer_session_timeout_ms)),
            consumer_heartbeat_interval_ms=int(overrides.get("consumer.heartbeat.interval.ms", self.consumer_heartbeat_interval_ms)),
            consumer_assignment_interval_ms=int(overrides.get("consumer.assignment.interval.ms", self.consumer_assignment_interval_ms)),
        )
