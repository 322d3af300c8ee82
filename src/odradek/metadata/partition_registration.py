"""What the cluster has agreed about one partition: who holds it, who leads it, in which epoch.

A registration is a value. A `PartitionRecord` makes one, a `PartitionChangeRecord` makes the next one from the last; the controller and
the image use the same two functions, so that they cannot disagree. The leader epoch grows whenever the change names a leader (even the
same one) or changes the replicas; the partition epoch grows with every change (`PartitionRegistration.java`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from odradek.base.identifiers import UNASSIGNED_DIRECTORY, Uuid
from odradek.protocol.internal_records.metadata import PartitionChangeRecord, PartitionRecord

NO_LEADER = -1
LEADER_UNCHANGED = -2
RECOVERY_STATE_UNCHANGED = -1
RECOVERED = 0
RECOVERING = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRegistration:
    """Broker ids in Kafka's order: the first replica is the preferred leader. `directories` runs beside `replicas`."""

    replicas: tuple[int, ...]
    directories: tuple[Uuid, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int
    partition_epoch: int
    leader_recovery_state: int = RECOVERED
    removing_replicas: tuple[int, ...] = ()
    adding_replicas: tuple[int, ...] = ()
    eligible_leader_replicas: tuple[int, ...] = ()
    last_known_elr: tuple[int, ...] = ()

    @classmethod
    def from_record(cls, record: PartitionRecord) -> PartitionRegistration:
        """The registration that `record` states in full."""
        return cls(
            replicas=tuple(record.replicas),
            directories=_directories_of(record.replicas, record.directories),
            isr=tuple(record.isr),
            leader=record.leader,
            leader_epoch=record.leader_epoch,
            partition_epoch=record.partition_epoch,
            leader_recovery_state=record.leader_recovery_state,
            removing_replicas=tuple(record.removing_replicas),
            adding_replicas=tuple(record.adding_replicas),
            eligible_leader_replicas=tuple(record.eligible_leader_replicas or ()),
            last_known_elr=tuple(record.last_known_elr or ()),
        )

    def changed_by(self, change: PartitionChangeRecord) -> PartitionRegistration:
        """The registration after `change`."""
        replicas = self.replicas if change.replicas is None else tuple(change.replicas)
        is_leader_named = change.leader != LEADER_UNCHANGED
        directories = change.directories
        return PartitionRegistration(
            replicas=replicas,
            directories=_directories_after(self, replicas) if directories is None else _directories_of(replicas, directories),
            isr=self.isr if change.isr is None else tuple(change.isr),
            leader=change.leader if is_leader_named else self.leader,
            leader_epoch=self.leader_epoch + 1 if is_leader_named else self.leader_epoch,
            partition_epoch=self.partition_epoch + 1,
            leader_recovery_state=(
                self.leader_recovery_state if change.leader_recovery_state == RECOVERY_STATE_UNCHANGED else change.leader_recovery_state
            ),
            removing_replicas=self.removing_replicas if change.removing_replicas is None else tuple(change.removing_replicas),
            adding_replicas=self.adding_replicas if change.adding_replicas is None else tuple(change.adding_replicas),
            eligible_leader_replicas=(
                self.eligible_leader_replicas if change.eligible_leader_replicas is None else tuple(change.eligible_leader_replicas)
            ),
            last_known_elr=self.last_known_elr if change.last_known_elr is None else tuple(change.last_known_elr),
        )

    def without_eligible_leaders(self) -> PartitionRegistration:
        """The registration after a `ClearElrRecord`, which counts as a change of the partition."""
        if not self.eligible_leader_replicas and not self.last_known_elr:
            return self
        return self.changed_by(PartitionChangeRecord(eligible_leader_replicas=[], last_known_elr=[]))

    def to_record(self, topic_id: Uuid, partition_index: int) -> PartitionRecord:
        """The record that states this registration in full."""
        return PartitionRecord(
            partition_id=partition_index,
            topic_id=topic_id,
            replicas=list(self.replicas),
            isr=list(self.isr),
            removing_replicas=list(self.removing_replicas),
            adding_replicas=list(self.adding_replicas),
            leader=self.leader,
            leader_recovery_state=self.leader_recovery_state,
            leader_epoch=self.leader_epoch,
            partition_epoch=self.partition_epoch,
            directories=list(self.directories),
            # Absent and empty mean the same; Kafka leaves the tag out, and so do we, to keep snapshots equal byte by byte.
            eligible_leader_replicas=list(self.eligible_leader_replicas) or None,
            last_known_elr=list(self.last_known_elr) or None,
        )

    @property
    def has_leader(self) -> bool:
        return self.leader != NO_LEADER

    @property
    def has_preferred_leader(self) -> bool:
        return self.leader == self.replicas[0]

    @property
    def is_reassigning(self) -> bool:
        return bool(self.removing_replicas or self.adding_replicas)

    def directory_of(self, broker_id: int) -> Uuid:
        """The log directory that holds the replica of `broker_id`, which must be one of the replicas."""
        return self.directories[self.replicas.index(broker_id)]


def _directories_of(replicas: Sequence[int], directories: Sequence[Uuid]) -> tuple[Uuid, ...]:
    # A record older than metadata version 17 has no directories at all: every replica is then where its broker put it.
    if not directories:
        return (UNASSIGNED_DIRECTORY,) * len(replicas)
    return tuple(directories)


def _directories_after(before: PartitionRegistration, replicas: tuple[int, ...]) -> tuple[Uuid, ...]:
    if replicas == before.replicas:
        return before.directories
    directory_by_broker = dict(zip(before.replicas, before.directories, strict=True))
    return tuple(directory_by_broker.get(replica, UNASSIGNED_DIRECTORY) for replica in replicas)
