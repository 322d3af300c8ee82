"""OffsetCommit, OffsetFetch and OffsetDelete, and which offsets nobody wants any more (`OffsetMetadataManager.java`).

Who may commit depends on the group: its members in their generation, tools and consumers without a group while it is empty. A group
that has never been heard of comes into being with its first commit (a "simple" group). That topics and partitions exist has been
checked before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.classic_group import ClassicGroup, ClassicState
from odradek.coordinator.group.classic_rebalance import ClassicRebalance
from odradek.coordinator.group.commit_records import encode_commits
from odradek.coordinator.group.commit_request import CommitRequest
from odradek.coordinator.group.committed_offset import CommittedOffset
from odradek.coordinator.group.group import Group, Groups
from odradek.coordinator.group.offsets import OffsetStore
from odradek.coordinator.group.records import BASE_SEQUENCE, offset_commit, offset_tombstone
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.record import CoordinatorRecord
from odradek.coordinator.shard import Moment, Outcome, Refusal, Ticket
from odradek.metadata.image import MetadataImage
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from odradek.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)
from odradek.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

# From here on an unknown group is told by its own error; older clients know only of generations.
GROUP_ID_NOT_FOUND_SINCE_VERSION: Final = 9
NO_RETENTION: Final = -1
# The time at which an offset expires that the rules for its group decide about.
NO_EXPIRY: Final = -1
INVALID_OFFSET: Final = -1


@final
class OffsetRequests:
    """Decides what has to do with offsets, for a shard."""

    def __init__(
        self,
        groups: Groups,
        offsets: OffsetStore,
        rebalance: ClassicRebalance,
        settings: Callable[[], GroupSettings],
        image: Callable[[], MetadataImage],
    ) -> None:
        self._groups = groups
        self._offsets = offsets
        self._rebalance = rebalance
        self._settings = settings
        self._image = image

    # Commit

    def commit(self, ticket: Ticket, request: OffsetCommitRequest, caller: Caller, now: Moment) -> Outcome:
        """Note the offsets, or refuse all of them."""
        code = self._refusal_of_commit(request, caller.api_version, now)
        if code is not ErrorCode.NONE:
            return Outcome.refusal(ticket, code)
        retention_ms = request.retention_time_ms
        expire_timestamp_ms = NO_EXPIRY if retention_ms == NO_RETENTION else now.wall_ms + retention_ms
        outcome = Outcome()
        response = OffsetCommitResponse()
        for topic in request.topics:
            answered = OffsetCommitResponseTopic(topic_id=topic.topic_id, name=topic.name)
            response.topics.append(answered)
            for partition in topic.partitions:
                record = self._record(request.group_id, topic.name, partition, now, expire_timestamp_ms, topic.topic_id)
                code = ErrorCode.OFFSET_METADATA_TOO_LARGE if record is None else ErrorCode.NONE
                if record is not None:
                    outcome.records.append(record)
                answered.partitions.append(OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=code))
        outcome.answers.append((ticket, response))
        return outcome

    def _refusal_of_commit(self, request: OffsetCommitRequest | CommitRequest, version: int, now: Moment) -> ErrorCode:
        epoch = request.generation_id_or_member_epoch
        group = self._groups.get(request.group_id)
        if group is None:
            if epoch < 0:
                # It comes into being when the first offset is replayed.
                return ErrorCode.NONE
            is_known_error = version >= GROUP_ID_NOT_FOUND_SINCE_VERSION
            return ErrorCode.GROUP_ID_NOT_FOUND if is_known_error else ErrorCode.ILLEGAL_GENERATION
        code = group.refusal_of_commit(request.member_id, request.group_instance_id, epoch, is_transactional=False, version=version)
        if code is not ErrorCode.NONE:
            return code
        if isinstance(group, ClassicGroup) and group.state in (ClassicState.STABLE, ClassicState.PREPARING_REBALANCE):
            self._rebalance.keep_alive(group, group.members[request.member_id], now)
        for topic in request.topics:
            for partition in topic.partitions:
                code = group.refusal_of_partition_commit(request.member_id, epoch, topic.name, topic.topic_id, partition.partition_index)
                if code is not ErrorCode.NONE:
                    return code
        return ErrorCode.NONE

    def commit_encoded(self, request: CommitRequest, now: Moment) -> bytes | None:
        """As `commit`, for a request whose offsets are all noted: the batch of their records, which come back to `take_commits`.

        None where it is for `commit` to say why not.
        """
        if self._refusal_of_commit(request, request.version, now) is not ErrorCode.NONE:
            return None
        # Bytes of UTF-8 are never fewer than Java's characters, so that what is in bounds here is so there.
        if request.metadata_size_max > self._settings().offset_metadata_bytes_max:
            return None
        return encode_commits(request, now.wall_ms, BASE_SEQUENCE)

    def commit_in_transaction(self, ticket: Ticket, request: TxnOffsetCommitRequest, caller: Caller, now: Moment) -> Outcome:
        """Note the offsets in the producer's transaction: they count once that is committed. The caller has it know of the group."""
        code = self._refusal_of_transactional_commit(request, caller)
        if code is not ErrorCode.NONE:
            return Outcome.refusal(ticket, code)
        outcome = Outcome(producer=(request.producer_id, request.producer_epoch))
        response = TxnOffsetCommitResponse()
        for topic in request.topics:
            answered = TxnOffsetCommitResponseTopic(name=topic.name)
            response.topics.append(answered)
            for partition in topic.partitions:
                record = self._record(request.group_id, topic.name, partition, now, NO_EXPIRY, ZERO_UUID)
                code = ErrorCode.OFFSET_METADATA_TOO_LARGE if record is None else ErrorCode.NONE
                if record is not None:
                    outcome.records.append(record)
                answered.partitions.append(TxnOffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=code))
        outcome.answers.append((ticket, response))
        return outcome

    def _record(
        self,
        group_id: str,
        topic: str,
        partition: OffsetCommitRequestPartition | TxnOffsetCommitRequestPartition,
        now: Moment,
        expire_timestamp_ms: int,
        topic_id: Uuid,
    ) -> CoordinatorRecord | None:
        """The record of one offset; None where what its client wants to keep beside it is too large."""
        metadata = partition.committed_metadata or ""
        if _utf16_length(metadata) > self._settings().offset_metadata_bytes_max:
            return None
        return offset_commit(
            group_id,
            topic,
            partition.partition_index,
            offset=partition.committed_offset,
            leader_epoch=partition.committed_leader_epoch,
            metadata=metadata,
            commit_timestamp_ms=now.wall_ms,
            expire_timestamp_ms=expire_timestamp_ms,
            topic_id=topic_id,
        )

    def _refusal_of_transactional_commit(self, request: TxnOffsetCommitRequest, caller: Caller) -> ErrorCode:
        group = self._groups.get(request.group_id)
        if group is None:
            return ErrorCode.NONE if request.generation_id < 0 else ErrorCode.ILLEGAL_GENERATION
        code = group.refusal_of_commit(
            request.member_id, request.group_instance_id, request.generation_id, is_transactional=True, version=caller.api_version
        )
        if code is ErrorCode.NONE:
            code = self._refusal_of_places(group, request)
        # Producers know of generations only.
        return ErrorCode.ILLEGAL_GENERATION if code is ErrorCode.STALE_MEMBER_EPOCH else code

    def _refusal_of_places(self, group: Group, request: TxnOffsetCommitRequest) -> ErrorCode:
        """Why a member may not commit for one of the partitions; NONE if it may for all. A topic that is gone has no id, and no owner."""
        topics = self._image().topics.by_name
        for topic in request.topics:
            known = topics.get(topic.name)
            topic_id = ZERO_UUID if known is None else known.id
            for partition in topic.partitions:
                code = group.refusal_of_partition_commit(
                    request.member_id, request.generation_id, topic.name, topic_id, partition.partition_index
                )
                if code is not ErrorCode.NONE:
                    return code
        return ErrorCode.NONE

    # Fetch

    def fetch(self, ticket: Ticket, request: OffsetFetchRequestGroup, *, is_stable_required: bool) -> Outcome:
        """What one group has committed: of the partitions asked for, or of all where no topics are named (None)."""
        group = self._groups.get(request.group_id)
        code = ErrorCode.GROUP_ID_NOT_FOUND if group is None else group.refusal_of_fetch(request.member_id, request.member_epoch)
        if code not in (ErrorCode.NONE, ErrorCode.GROUP_ID_NOT_FOUND):
            return Outcome(answers=[(ticket, Refusal(code))])
        by_topic = self._offsets.of_group(request.group_id) if code is ErrorCode.NONE else {}
        answered = OffsetFetchResponseGroup(group_id=request.group_id)
        if request.topics is None:
            wanted: Iterable[tuple[str, Uuid, Iterable[int]]] = [(topic, ZERO_UUID, list(by_topic[topic])) for topic in by_topic]
        else:
            wanted = [(topic.name, topic.topic_id, topic.partition_indexes) for topic in request.topics]
        for name, topic_id, partitions in wanted:
            by_partition = by_topic.get(name, {})
            topic_answer = OffsetFetchResponseTopics(name=name, topic_id=topic_id)
            for index in partitions:
                is_unstable = is_stable_required and code is ErrorCode.NONE and self._offsets.is_pending(request.group_id, name, index)
                topic_answer.partitions.append(_fetched(index, by_partition.get(index), topic_id, is_unstable=is_unstable))
            answered.topics.append(topic_answer)
        # A shard answers with whole messages; the handler gathers those of several groups.
        return Outcome.answer(ticket, OffsetFetchResponse(groups=[answered]))

    # Delete

    def delete(self, ticket: Ticket, request: OffsetDeleteRequest) -> Outcome:
        """Forget offsets of topics that no member consumes."""
        group = self._groups.get(request.group_id)
        code = ErrorCode.GROUP_ID_NOT_FOUND if group is None else group.refusal_of_offset_deletion()
        if not request.group_id:
            code = ErrorCode.INVALID_GROUP_ID
        if group is None or code is not ErrorCode.NONE:
            return Outcome.answer(ticket, OffsetDeleteResponse(error_code=code))
        outcome = Outcome()
        response = OffsetDeleteResponse()
        for topic in request.topics:
            is_subscribed = group.is_subscribed_to(topic.name)
            answered = OffsetDeleteResponseTopic(name=topic.name)
            response.topics.append(answered)
            for partition in topic.partitions:
                index = partition.partition_index
                code = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if is_subscribed else ErrorCode.NONE
                answered.partitions.append(OffsetDeleteResponsePartition(partition_index=index, error_code=code))
                if not is_subscribed and self._is_known(request.group_id, topic.name, index):
                    outcome.records.append(offset_tombstone(request.group_id, topic.name, index))
        outcome.answers.append((ticket, response))
        return outcome

    def tombstones_of_all(self, group_id: str) -> list[CoordinatorRecord]:
        """The records that forget everything a group has committed or is about to."""
        places = {(topic, index): None for topic, by_partition in self._offsets.of_group(group_id).items() for index in by_partition}
        places.update(dict.fromkeys(self._offsets.pending_partitions(group_id)))
        return [offset_tombstone(group_id, topic, index) for topic, index in places]

    def tombstones_of_topic(self, topic: str, topic_id: Uuid) -> list[CoordinatorRecord]:
        """The records that forget what all groups committed for a topic that was deleted."""
        found: list[CoordinatorRecord] = []
        for group_id in self._offsets.groups():
            for index, committed in self._offsets.of_group(group_id).get(topic, {}).items():
                if committed.is_of_topic(topic_id):
                    found.append(offset_tombstone(group_id, topic, index))
        return found

    # Expiry

    def tombstones_of_expired(self, group: Group, now: Moment) -> tuple[list[CoordinatorRecord], bool]:
        """The records that forget what has outlived its retention, and whether the group then has nothing left."""
        by_topic = self._offsets.of_group(group.group_id)
        pending = set(self._offsets.pending_partitions(group.group_id))
        retention_ms = self._settings().offsets_retention_ms
        expired: list[CoordinatorRecord] = []
        is_all_expired = True
        for topic, by_partition in by_topic.items():
            is_subscribed = group.is_subscribed_to(topic)
            for index, committed in by_partition.items():
                base_ms = group.expiry_base_ms(committed)
                is_kept = is_subscribed or base_ms is None or (topic, index) in pending
                if is_kept or base_ms is None or not committed.is_expired(base_ms, now.wall_ms, retention_ms):
                    is_all_expired = False
                else:
                    expired.append(offset_tombstone(group.group_id, topic, index))
        return expired, is_all_expired and not pending

    def _is_known(self, group_id: str, topic: str, partition: int) -> bool:
        return self._offsets.get(group_id, topic, partition) is not None or self._offsets.is_pending(group_id, topic, partition)


def _fetched(index: int, committed: CommittedOffset | None, topic_id: Uuid, *, is_unstable: bool) -> OffsetFetchResponsePartitions:
    if is_unstable:
        return OffsetFetchResponsePartitions(
            partition_index=index,
            committed_offset=INVALID_OFFSET,
            committed_leader_epoch=-1,
            metadata="",
            error_code=ErrorCode.UNSTABLE_OFFSET_COMMIT,
        )
    if committed is None or not committed.is_of_topic(topic_id):
        return OffsetFetchResponsePartitions(partition_index=index, committed_offset=INVALID_OFFSET, committed_leader_epoch=-1, metadata="")
    return OffsetFetchResponsePartitions(
        partition_index=index,
        committed_offset=committed.offset,
        committed_leader_epoch=committed.leader_epoch,
        metadata=committed.metadata,
    )


def _utf16_length(text: str) -> int:
    """Java's length of a string: the limit of `offset.metadata.max.bytes` is held against that."""
    return len(text) + sum(character > "\uffff" for character in text)
