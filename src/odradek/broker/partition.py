"""One partition as this node holds it: its log, who leads it in which epoch, and how far its records are visible.

The registration comes from the metadata image and is never decided here. Of the rules of replication this class has those that a
leader needs alone: it fences requests by leader epoch, refuses `acks=all` while too few replicas are in sync, and moves the high
watermark by the rule of `replication.high_watermark`. The purgatory hears of every move under the partition itself as the key.

Invariants: `is_leader` means that `leader_id` is this node; the leader epoch never goes back; the log start offset is never above
the high watermark, nor that above the log end offset (the log holds these two).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from odradek.base.error_codes import NO_ERROR, ErrorCode
from odradek.base.errors import StorageFailure
from odradek.base.identifiers import NO_LEADER_EPOCH, TopicPartition, Uuid
from odradek.broker.purgatory import Purgatory
from odradek.config.log_configuration import LogConfiguration
from odradek.controller.topic_names import is_internal_topic
from odradek.metadata.partition_registration import NO_LEADER, PartitionRegistration
from odradek.records.produce_rules import ProduceRules
from odradek.replication.high_watermark import effective_min_in_sync, next_high_watermark

if TYPE_CHECKING:
    from odradek.storage.log import Log


@final
class Partition:
    """One replica on this node. `registration` is what the cluster agreed on last."""

    __slots__ = (
        "_purgatory",
        "has_enough_in_sync",
        "index",
        "is_internal",
        "is_leader",
        "is_stopped",
        "leader_epoch",
        "leader_epoch_start_offset",
        "leader_id",
        "log",
        "node_id",
        "produce_rules",
        "registration",
        "topic",
        "topic_id",
    )

    def __init__(self, node_id: int, topic: str, index: int, topic_id: Uuid, log: Log, purgatory: Purgatory) -> None:
        self.node_id = node_id
        self.topic = topic
        self.index = index
        self.topic_id = topic_id
        self.log = log
        self.leader_id = NO_LEADER
        self.leader_epoch = NO_LEADER_EPOCH
        # Where the log ended when this node began to lead; -1 while it follows.
        self.leader_epoch_start_offset = -1
        self.is_leader = False
        self.is_stopped = False
        self.registration: PartitionRegistration | None = None
        self.is_internal = is_internal_topic(topic)
        self.produce_rules = ProduceRules(log.configuration)
        # Whether `acks=all` can be promised: `min.insync.replicas`, but never more than there are replicas.
        self.has_enough_in_sync = True
        self._purgatory = purgatory

    def configure(self, configuration: LogConfiguration) -> None:
        """The topic's settings are now these."""
        self.log.configuration = configuration
        self.produce_rules = ProduceRules(configuration)
        self._count_in_sync()

    def __repr__(self) -> str:
        return f"Partition({self.topic}-{self.index}, leader={self.leader_id}, epoch={self.leader_epoch})"

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.index)

    # Roles

    def apply(self, registration: PartitionRegistration) -> None:
        """Take over what the cluster has agreed on: lead or follow in `registration.leader_epoch`.

        Raises:
            StorageFailure: the new epoch could not be noted, so the partition cannot be led.
        """
        assert registration.leader_epoch >= self.leader_epoch, "the leader epoch of a partition never goes back"
        is_new_epoch = registration.leader_epoch > self.leader_epoch
        if self.is_leader:
            self._finish_reign()
        self.registration = registration
        self._count_in_sync()
        self.leader_id = registration.leader
        self.leader_epoch = registration.leader_epoch
        self.is_leader = registration.leader == self.node_id
        if not self.is_leader:
            self.leader_epoch_start_offset = -1
        elif is_new_epoch or self.leader_epoch_start_offset < 0:
            # Even a re-elected leader opens its epoch in the log: a follower that holds the tail of the old reign can only find
            # where to truncate if the two have different numbers (KIP-101).
            self.leader_epoch_start_offset = self.log.log_end_offset
            self._open_epoch()
        if self.is_leader:
            self.advance_high_watermark()
        # Who waits here may wait for the wrong leader now, or in the wrong epoch.
        self._purgatory.complete(self)

    def _finish_reign(self) -> None:
        """Bring to the log what was staged under the registration that is about to go.

        A new epoch begins behind it, and its producers are told of success: refused with NOT_LEADER_OR_FOLLOWER though it is in the log, a
        record would come again.
        """
        try:
            self.log.write_staged()
        except StorageFailure:
            # Who staged it learns of that at the end of the turn.
            return
        self.advance_high_watermark()

    def _open_epoch(self) -> None:
        try:
            self.log.leader_epochs.assign(self.leader_epoch, self.log.log_end_offset)
        except OSError as error:
            raise StorageFailure(f"leader epoch {self.leader_epoch} of {self.topic_partition} could not be noted: {error}") from error

    def stop(self) -> None:
        """This node holds the partition no longer: nobody is served from it again."""
        self.is_leader = False
        self.is_stopped = True
        self.leader_id = NO_LEADER
        self._purgatory.complete(self)

    def lose_directory(self) -> None:
        """The disk under the log has failed: whoever waits for the partition is told so."""
        self.is_leader = False
        self._purgatory.complete(self)

    def refusal(self, current_leader_epoch: int, *, is_leader_required: bool) -> ErrorCode:
        """Why a request that believes in `current_leader_epoch` (-1: in none) is not served here; NONE if it is."""
        if self.is_stopped:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if self.log.is_offline:
            return ErrorCode.KAFKA_STORAGE_ERROR
        if current_leader_epoch >= 0 and current_leader_epoch != self.leader_epoch:
            return ErrorCode.FENCED_LEADER_EPOCH if current_leader_epoch < self.leader_epoch else ErrorCode.UNKNOWN_LEADER_EPOCH
        if is_leader_required and not self.is_leader:
            return ErrorCode.NOT_LEADER_OR_FOLLOWER
        return NO_ERROR

    # In-sync replicas and the high watermark

    @property
    def high_watermark(self) -> int:
        """The first offset that consumers do not see yet."""
        return self.log.high_watermark

    @property
    def low_watermark(self) -> int:
        """The smallest log start offset over the live replicas: what is below is deleted everywhere."""
        return self.log.log_start_offset

    def _count_in_sync(self) -> None:
        registration = self.registration
        if registration is not None:
            wanted = effective_min_in_sync(self.log.configuration.min_insync_replicas, len(registration.replicas))
            self.has_enough_in_sync = wanted <= 1 or len(registration.isr) >= wanted

    @property
    def _is_between_own_reigns(self) -> bool:
        """Whether nobody leads, and nobody but this only replica ever will: what it has taken nobody can take back."""
        registration = self.registration
        return registration is not None and registration.leader == NO_LEADER and registration.replicas == (self.node_id,)

    def advance_high_watermark(self) -> bool:
        """Move the high watermark to where the in-sync replicas allow; only the leader does, or an only replica. Whether it moved."""
        registration = self.registration
        assert registration is not None
        assert self.is_leader or self._is_between_own_reigns
        log = self.log
        before = log.high_watermark
        # Of one replica the in-sync set is empty while it is fenced.
        in_sync_count = 1 if len(registration.replicas) == 1 else len(registration.isr)
        # The only log end this node knows is its own; replication adds those of the followers in sync.
        after = next_high_watermark(
            before,
            (int(log.tail.promised_end()),) if in_sync_count == 1 else (before,),
            in_sync_count=in_sync_count,
            replicas_min_in_sync=effective_min_in_sync(log.configuration.min_insync_replicas, len(registration.replicas)),
        )
        if after == before:
            return False
        log.advance_high_watermark(after)
        return True

    def after_append(self) -> None:
        """The log has grown: show what may be seen to everybody who waits for it. Once per turn of the loop and partition."""
        if self.is_leader or self._is_between_own_reigns:
            self.advance_high_watermark()
        # A follower waits for the log end, which has moved even where the high watermark has not.
        self._purgatory.complete(self)

    # The log start

    def delete_records_before(self, offset: int) -> bool:
        """Forget everything below `offset`; False if that is gone already.

        Raises:
            OffsetOutOfRange: `offset` is above the high watermark.
            StorageFailure: the disk refused.
        """
        has_moved = self.log.delete_records_before(offset)
        if has_moved:
            self.log_start_moved()
        return has_moved

    def log_start_moved(self) -> None:
        """Records were deleted: who waits for more behind one of them has to hear of it."""
        self._purgatory.complete(self)

    # Epochs

    def end_of_epoch(self, leader_epoch: int) -> tuple[int, int]:
        """The largest epoch not above `leader_epoch` that the log has, and the offset behind its last record; -1, -1 if none (KIP-320)."""
        return self.log.leader_epochs.end_offset_for(leader_epoch, self.log.log_end_offset)
