"""The next state of one partition when its in-sync set or its brokers change (`PartitionChangeBuilder`).

Leaders come, in this order, from the in-sync set; from the eligible replicas, when nobody is in sync (KIP-966: they hold everything below
the high watermark); from the last known leader, when nobody is eligible either; and, where the topic allows unclean elections, from any
live replica. The last two can lose records, so the partition is marked as recovering.

The result is a record that states only what differs, or None when nothing does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from odradek.base.identifiers import Uuid
from odradek.metadata.partition_registration import (
    LEADER_UNCHANGED,
    NO_LEADER,
    RECOVERING,
    RECOVERY_STATE_UNCHANGED,
    PartitionRegistration,
)
from odradek.protocol.internal_records.metadata import PartitionChangeRecord

LEADER_EPOCH_BUMP_ON_SHRINK_UNTIL = 12


class Election(Enum):
    """How far an election may go."""

    PREFERRED = "preferred"
    ONLINE = "online"
    UNCLEAN = "unclean"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionChangeRules:
    """What holds for all partitions of one decision. `is_acceptable_leader` takes a broker id and a directory id."""

    metadata_version: int
    is_elr_enabled: bool
    is_acceptable_leader: Callable[[int, Uuid], bool]
    unclean_shutdown_broker: int | None = None


class PartitionChange:
    """Works out one change. Use once: set the target, call `build`."""

    def __init__(
        self,
        topic_id: Uuid,
        partition_index: int,
        registration: PartitionRegistration,
        rules: PartitionChangeRules,
        *,
        min_insync_replicas: int,
        election: Election = Election.ONLINE,
    ) -> None:
        self._registration = registration
        self._rules = rules
        self._min_insync_replicas = min_insync_replicas
        self._election = election
        self.target_isr = registration.isr
        self.target_directories = registration.directories
        self._target_elr = registration.eligible_leader_replicas
        self._record = PartitionChangeRecord(topic_id=topic_id, partition_id=partition_index)

    def build(self) -> PartitionChangeRecord | None:
        """The record of the change; None when nothing changes."""
        self._settle_eligible_leaders()
        self._elect()
        self._state_eligible_leaders()
        self._state_isr()
        self._bump_epoch_on_shrink()
        self._state_last_known_leader()
        if self.target_directories != self._registration.directories:
            self._record.directories = list(self.target_directories)
        return None if _says_nothing(self._record) else self._record

    def _settle_eligible_leaders(self) -> None:
        if not self._rules.is_elr_enabled:
            return
        if len(self.target_isr) >= self._min_insync_replicas:
            self._target_elr = ()
            return
        # Whoever falls out of the in-sync set while it is below its minimum stays eligible: no record was acknowledged without it since.
        candidates = sorted({*self._target_elr, *self._registration.isr})
        self._target_elr = tuple(
            broker for broker in candidates if broker not in self.target_isr and broker != self._rules.unclean_shutdown_broker
        )

    def _elect(self) -> None:
        leader, is_unclean = self._elected()
        if leader == self._registration.leader:
            return
        self._record.leader = leader
        if leader in self._target_elr:
            self.target_isr = (leader,)
            self._target_elr = tuple(broker for broker in self._target_elr if broker != leader)
        elif is_unclean:
            self._record.isr = [leader]
            if self._registration.leader_recovery_state != RECOVERING:
                self._record.leader_recovery_state = RECOVERING

    def _elected(self) -> tuple[int, bool]:
        replicas = self._registration.replicas
        current = self._registration.leader
        in_order = (replicas[0], current, *replicas[1:]) if self._election is Election.PREFERRED else (current, *replicas)
        for broker in in_order:
            if self._is_clean_leader(broker):
                return broker, False
        if (last_known := self._last_known_leader()) is not None:
            return last_known, True
        if self._election is Election.UNCLEAN:
            for broker in replicas:
                if self._is_acceptable(broker):
                    return broker, True
        return NO_LEADER, False

    def _is_acceptable(self, broker: int) -> bool:
        return broker in self._registration.replicas and self._rules.is_acceptable_leader(broker, self._registration.directory_of(broker))

    def _is_clean_leader(self, broker: int) -> bool:
        is_complete = broker in self.target_isr or (not self.target_isr and broker in self._target_elr)
        return is_complete and self._is_acceptable(broker)

    def _last_known_leader(self) -> int | None:
        if not self._rules.is_elr_enabled or self._target_elr or self.target_isr:
            return None
        if len(self._registration.last_known_elr) != 1:
            return None
        broker = self._registration.last_known_elr[0]
        return broker if self._is_acceptable(broker) else None

    def _state_eligible_leaders(self) -> None:
        # An unclean election makes one replica the truth: what the others hold above its log is void, so nobody stays eligible.
        if self._record.isr is not None or not self._rules.is_elr_enabled:
            self._target_elr = ()
        if self._target_elr != self._registration.eligible_leader_replicas:
            self._record.eligible_leader_replicas = list(self._target_elr)

    def _state_isr(self) -> None:
        if self._record.isr is not None or self.target_isr == self._registration.isr:
            return
        # Without eligible leaders an empty set would mean that the records are lost; the last member then stays in, although it is down.
        if self.target_isr or self._rules.is_elr_enabled:
            self._record.isr = list(self.target_isr)

    def _bump_epoch_on_shrink(self) -> None:
        is_old = self._rules.metadata_version < LEADER_EPOCH_BUMP_ON_SHRINK_UNTIL
        if not is_old or self._record.leader != LEADER_UNCHANGED or self._record.isr is None:
            return
        if not set(self._registration.isr) <= set(self._record.isr):
            self._record.leader = self._registration.leader

    def _state_last_known_leader(self) -> None:
        if not self._rules.is_elr_enabled:
            return
        last_known = self._registration.last_known_elr
        if self._record.leader == NO_LEADER and not last_known:
            self._record.last_known_elr = [self._registration.leader]
        elif self._record.leader >= 0 and last_known:
            self._record.last_known_elr = []


def _says_nothing(record: PartitionChangeRecord) -> bool:
    return (
        record.isr is None
        and record.directories is None
        and record.leader == LEADER_UNCHANGED
        and record.eligible_leader_replicas is None
        and record.last_known_elr is None
        and record.leader_recovery_state == RECOVERY_STATE_UNCHANGED
    )
