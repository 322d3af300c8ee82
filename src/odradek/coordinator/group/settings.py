"""What the group coordinator has to know of the node's settings; asked anew for every decision, since most can change while running."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """Kafka's settings of the same names (`GroupCoordinatorConfig.java`); times in milliseconds."""

    initial_rebalance_delay_ms: int = 3_000
    session_timeout_ms_min: int = 6_000
    session_timeout_ms_max: int = 1_800_000
    # group.max.size: members of one classic group.
    members_max: int = (1 << 31) - 1
    # How long a new member may take for its first JoinGroup to be answered before its session begins to count.
    new_member_join_timeout_ms: int = 300_000
    offset_metadata_bytes_max: int = 4_096
    offsets_retention_ms: int = 604_800_000
    offsets_retention_check_interval_ms: int = 600_000
