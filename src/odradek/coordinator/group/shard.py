"""The group coordinator's share of one partition of `__consumer_offsets`: its groups, their offsets, and who decides what
(`GroupCoordinatorShard`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final, final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.config.resource_type import ResourceType
from odradek.coordinator.deadlines import Deadlines
from odradek.coordinator.group import classic_requests, consumer_describe
from odradek.coordinator.group.caller import Caller
from odradek.coordinator.group.classic_group import ClassicGroup, ClassicState
from odradek.coordinator.group.classic_in_consumer import ClassicInConsumer
from odradek.coordinator.group.classic_join import ClassicJoin, refusal_of_request, without_repeated_protocols
from odradek.coordinator.group.classic_rebalance import ClassicRebalance, refused_join
from odradek.coordinator.group.commit_records import committed_of
from odradek.coordinator.group.commit_request import CommitRequest
from odradek.coordinator.group.consumer_group import CONSUMER_KEYS, ConsumerGroup, ConsumerKey
from odradek.coordinator.group.consumer_heartbeat import ConsumerHeartbeat
from odradek.coordinator.group.consumer_sessions import ConsumerSessions
from odradek.coordinator.group.consumer_steps import ConsumerSteps
from odradek.coordinator.group.group import Group, Groups
from odradek.coordinator.group.group_loading import GroupLoading
from odradek.coordinator.group.lag import GroupLag, LogEndOffsetOf, group_lag
from odradek.coordinator.group.offset_requests import OffsetRequests
from odradek.coordinator.group.offsets import OffsetStore
from odradek.coordinator.group.plain_commits import PlainCommits
from odradek.coordinator.group.settings import GroupSettings
from odradek.coordinator.record import CoordinatorRecord
from odradek.coordinator.shard import Encoded, Moment, Outcome, Ticket
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage
from odradek.protocol.internal_records import group as records
from odradek.protocol.message import Message
from odradek.protocol.messages.consumer_group_describe import ConsumerGroupDescribeResponse
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from odradek.protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsResponse
from odradek.protocol.messages.describe_groups import DescribedGroup, DescribeGroupsResponse
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberResponse
from odradek.protocol.messages.list_groups import ListedGroup
from odradek.protocol.messages.offset_commit import OffsetCommitRequest
from odradek.protocol.messages.offset_delete import OffsetDeleteRequest
from odradek.protocol.messages.offset_fetch import OffsetFetchRequestGroup
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from odradek.protocol.messages.txn_offset_commit import TxnOffsetCommitRequest

DESCRIBED_AS_NOT_FOUND_SINCE_VERSION: Final = 6
# How many offsets are forgotten in one batch; the rest has its turn right after.
TOMBSTONES_PER_OUTCOME_MAX: Final = 1_000
# How soon the rest of a round of expiry follows.
EXPIRY_PAUSE_MS: Final = 1

Action = Callable[[Moment], Outcome]


@final
class GroupShard:
    """One shard. `settings` is asked anew each time; member ids come from `dice`."""

    def __init__(self, settings: Callable[[], GroupSettings], dice: random.Random) -> None:
        self._settings = settings
        self._groups = Groups()
        self._offsets = OffsetStore()
        self._deadlines: Deadlines[Action] = Deadlines()
        self._rebalance = ClassicRebalance(self._groups, self._deadlines, settings)
        self._join = ClassicJoin(self._groups, self._rebalance, settings, dice)
        self._classic = classic_requests.ClassicRequests(self._rebalance)
        self._offset_requests = OffsetRequests(self._groups, self._offsets, self._rebalance, settings, lambda: self._image)
        # None once it is loaded.
        self._loading: GroupLoading | None = GroupLoading()
        self._image = EMPTY_IMAGE
        self._sessions = ConsumerSessions(self._groups, self._deadlines, self._rebalance, self._settings_of, lambda: self._image)
        steps = ConsumerSteps(self._sessions, lambda: self._image)
        self._heartbeat = ConsumerHeartbeat(self._groups, self._sessions, steps, self._settings_of, lambda: self._image, dice)
        self._mixed = ClassicInConsumer(self._sessions, self._rebalance, steps, self._settings_of, lambda: self._image, dice)

    @property
    def groups(self) -> Groups:
        return self._groups

    @property
    def offsets(self) -> OffsetStore:
        return self._offsets

    def _settings_of(self, group_id: str) -> GroupSettings:
        return self._settings().for_group(self._image.configs.of(ResourceType.GROUP, group_id))

    # Members of consumer groups

    def consumer_heartbeat(self, ticket: Ticket, request: ConsumerGroupHeartbeatRequest, caller: Caller, now: Moment) -> Outcome:
        return self._heartbeat.decide(ticket, request, caller, now)

    def describe_consumer(self, ticket: Ticket, group_id: str) -> Outcome:
        group = self._groups.get(group_id)
        if isinstance(group, ConsumerGroup):
            described = consumer_describe.describe(group, self._image, self._settings_of(group_id).consumer_assignors[0])
        else:
            described = consumer_describe.not_found(group_id, is_of_another_kind=group is not None)
        return Outcome.answer(ticket, ConsumerGroupDescribeResponse(groups=[described]))

    # Members of classic groups

    def join(self, ticket: Ticket, request: JoinGroupRequest, caller: Caller, now: Moment) -> Outcome:
        code = refusal_of_request(request, self._settings())
        if code is not ErrorCode.NONE:
            return Outcome.answer(ticket, refused_join(code, request.member_id))
        without_repeated_protocols(request)
        group = self._groups.get(request.group_id)
        if isinstance(group, ConsumerGroup) and group.is_empty:
            # Nobody is in it: from now on it is a classic group, with the offsets it has.
            tombstones = group.tombstones()
            self._groups.remove(request.group_id)
            outcome = Outcome(tombstones)
            outcome.add(self._join.decide(ticket, request, caller, now))
            return outcome
        if isinstance(group, ConsumerGroup):
            return self._mixed.join(group, ticket, request, caller, now)
        return self._join.decide(ticket, request, caller, now)

    def sync(self, ticket: Ticket, request: SyncGroupRequest, now: Moment) -> Outcome:
        group = self._groups.get(request.group_id)
        if not request.group_id:
            return Outcome.answer(ticket, SyncGroupResponse(error_code=ErrorCode.INVALID_GROUP_ID))
        if isinstance(group, ConsumerGroup):
            return self._mixed.sync(group, ticket, request, now)
        if not isinstance(group, ClassicGroup) or group.is_empty:
            return Outcome.answer(ticket, SyncGroupResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID))
        return self._classic.sync(group, ticket, request, now)

    def heartbeat(self, ticket: Ticket, request: HeartbeatRequest, now: Moment) -> Outcome:
        group = self._groups.get(request.group_id)
        if not request.group_id:
            return Outcome.answer(ticket, HeartbeatResponse(error_code=ErrorCode.INVALID_GROUP_ID))
        if isinstance(group, ConsumerGroup):
            return self._mixed.heartbeat(group, ticket, request, now)
        if not isinstance(group, ClassicGroup):
            return Outcome.answer(ticket, HeartbeatResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID))
        return self._classic.heartbeat(group, ticket, request, now)

    def leave(self, ticket: Ticket, request: LeaveGroupRequest, now: Moment) -> Outcome:
        group = self._groups.get(request.group_id)
        if not request.group_id:
            return Outcome.answer(ticket, LeaveGroupResponse(error_code=ErrorCode.INVALID_GROUP_ID))
        if isinstance(group, ConsumerGroup):
            return self._mixed.leave(group, ticket, request, now)
        if not isinstance(group, ClassicGroup):
            members = [
                MemberResponse(
                    member_id=member.member_id, group_instance_id=member.group_instance_id, error_code=ErrorCode.UNKNOWN_MEMBER_ID
                )
                for member in request.members
            ]
            return Outcome.answer(ticket, LeaveGroupResponse(members=members))
        return self._classic.leave(group, ticket, request, now)

    # Offsets

    def commit_offsets(self, ticket: Ticket, request: OffsetCommitRequest, caller: Caller, now: Moment) -> Outcome:
        return self._offset_requests.commit(ticket, request, caller, now)

    def commit_encoded(self, request: CommitRequest, now: Moment) -> Encoded | None:
        """As `commit_offsets`, where nothing is refused and nothing is out of the ordinary; None where it is."""
        batch = self._offset_requests.commit_encoded(request, now)
        return None if batch is None else Encoded(batch, lambda base_offset: self._take_commits(request, base_offset, now))

    def commit_offsets_in_transaction(self, ticket: Ticket, request: TxnOffsetCommitRequest, caller: Caller, now: Moment) -> Outcome:
        return self._offset_requests.commit_in_transaction(ticket, request, caller, now)

    def fetch_offsets(self, ticket: Ticket, request: OffsetFetchRequestGroup, *, is_stable_required: bool) -> Outcome:
        return self._offset_requests.fetch(ticket, request, is_stable_required=is_stable_required)

    def delete_offsets(self, ticket: Ticket, request: OffsetDeleteRequest) -> Outcome:
        return self._offset_requests.delete(ticket, request)

    # Groups as a whole

    def lags(self, log_end_offset_of: LogEndOffsetOf) -> Iterator[GroupLag]:
        """How far each group is behind; a group that comes or goes meanwhile may be missed."""
        for group in self._groups:
            yield group_lag(group, self._offsets.of_group(group.group_id), log_end_offset_of)

    def list_groups(self, states: Sequence[str], types: Sequence[str]) -> list[ListedGroup]:
        """The groups in one of `states` and of one of `types`, whatever their case; empty means any."""
        wanted_states = {state.strip().lower() for state in states}
        wanted_types = {group_type.strip().lower() for group_type in types}
        return [
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.protocol_type or "",
                group_state=group.state_name,
                group_type=group.type_name,
            )
            for group in self._groups
            if (not wanted_states or group.state_name.lower() in wanted_states)
            and (not wanted_types or group.type_name.lower() in wanted_types)
        ]

    def describe_classic(self, ticket: Ticket, group_id: str, caller: Caller) -> Outcome:
        group = self._groups.get(group_id)
        if isinstance(group, ClassicGroup):
            described = classic_requests.describe(group)
        else:
            described = DescribedGroup(group_id=group_id, group_state=ClassicState.DEAD.value)
            if caller.api_version >= DESCRIBED_AS_NOT_FOUND_SINCE_VERSION:
                described.error_code = ErrorCode.GROUP_ID_NOT_FOUND
                described.error_message = f"Group {group_id} not found." if group is None else f"Group {group_id} is not a classic group."
        return Outcome.answer(ticket, DescribeGroupsResponse(groups=[described]))

    def delete_group(self, ticket: Ticket, group_id: str) -> Outcome:
        """Forget a group that has no members, with all its offsets."""
        group = self._groups.get(group_id)
        code = ErrorCode.GROUP_ID_NOT_FOUND if group is None else group.refusal_of_deletion()
        outcome = Outcome.answer(ticket, DeleteGroupsResponse(results=[DeletableGroupResult(group_id=group_id, error_code=code)]))
        if group is not None and code is ErrorCode.NONE:
            outcome.records += self._offset_requests.tombstones_of_all(group_id)
            outcome.records += self._tombstones_of_group(group)
        return outcome

    def _tombstones_of_group(self, group: Group) -> list[CoordinatorRecord]:
        if isinstance(group, ClassicGroup):
            self._rebalance.forget_all(group)
        elif isinstance(group, ConsumerGroup):
            for member_id in group.members:
                self._sessions.forget(group.group_id, member_id)
        return group.tombstones()

    # State

    def gatherer(self) -> PlainCommits:
        """Of all records only commits are many."""
        assert self._loading is not None
        return self._loading.commits

    def replay_gathered(self) -> Iterator[int]:
        assert self._loading is not None
        return self._loading.finish(self._groups, self._offsets)

    def replay(self, record: CoordinatorRecord, *, offset: int, producer_id: int) -> None:
        key, value = record.key, record.value
        if isinstance(key, records.OffsetCommitKey):
            assert value is None or isinstance(value, records.OffsetCommitValue)
            self._replay_offset(key.group, key.topic, key.partition, value, offset, producer_id)
        elif isinstance(key, records.GroupMetadataKey):
            assert value is None or isinstance(value, records.GroupMetadataValue)
            if value is None:
                self._remove(key.group, offset)
            else:
                self._groups.put(ClassicGroup.of_record(key.group, value))
        elif isinstance(key, CONSUMER_KEYS):
            self._replay_consumer(key, value, offset)
        elif isinstance(key, records.LegacyOffsetCommitKey):
            assert value is None or isinstance(value, records.LegacyOffsetCommitValue)
            self._replay_offset(key.group, key.topic, key.partition, _of_legacy(value), offset, producer_id)

    def _replay_consumer(self, key: ConsumerKey, value: Message | None, offset: int) -> None:
        """A record of a consumer group, which comes into being with the first of them that is not a tombstone."""
        group = self._groups.get(key.group_id)
        if not isinstance(group, ConsumerGroup):
            if value is None or isinstance(key, records.ConsumerGroupPartitionMetadataKey):
                return
            group = ConsumerGroup(key.group_id)
            self._groups.put(group)
        if isinstance(key, records.ConsumerGroupMetadataKey) and value is None:
            self._remove(key.group_id, offset)
            return
        group.replay(key, value)

    def _remove(self, group_id: str, offset: int) -> None:
        self._groups.remove(group_id)
        if self._loading is not None:
            self._loading.note_removed(group_id, offset)

    def _replay_offset(
        self, group_id: str, topic: str, partition: int, value: records.OffsetCommitValue | None, offset: int, producer_id: int
    ) -> None:
        if value is not None:
            self._ensure_group(group_id, value.commit_timestamp, offset)
        elif self._loading is not None:
            self._loading.note_forgotten(group_id, topic, partition, offset)
        self._offsets.replay(group_id, topic, partition, value, record_offset=offset, producer_id=producer_id)

    def _ensure_group(self, group_id: str, commit_timestamp_ms: int, record_offset: int) -> None:
        if self._groups.get(group_id) is None:
            # Nobody ever joined: a group that only keeps offsets.
            group = ClassicGroup(group_id, commit_timestamp_ms)
            self._groups.put(group)
            if self._loading is not None:
                self._loading.note_made(group, record_offset)

    def _take_commits(self, request: CommitRequest, base_offset: int, now: Moment) -> None:
        """The records of `commit_encoded` are staged from `base_offset` on: what replaying them comes to."""
        self._ensure_group(request.group_id, now.wall_ms, base_offset)
        record_offset = base_offset
        for topic in request.topics:
            by_partition = self._offsets.of_topic(request.group_id, topic.name)
            for partition in topic.partitions:
                by_partition[partition.partition_index] = committed_of(topic, partition, now.wall_ms, record_offset)
                record_offset += 1

    def replay_end_of_transaction(self, producer_id: int, *, is_committed: bool) -> None:
        self._offsets.end_transaction(producer_id, is_committed=is_committed)

    def on_loaded(self, image: MetadataImage, now: Moment) -> Outcome:
        """Members have as long as a session to show themselves to this coordinator."""
        outcome = Outcome()
        self._loading = None
        self._image = image
        settings = self._settings()
        for group in self._groups:
            if isinstance(group, ConsumerGroup):
                self._sessions.begin(group, now)
            if not isinstance(group, ClassicGroup):
                continue
            for member in group.members.values():
                self._rebalance.keep_alive(group, member, now)
            if group.is_rebalance_due or len(group.members) > settings.members_max:
                # In the latter case so that those who lose their place can still commit.
                self._rebalance.prepare(group, now, outcome)
        self._schedule_expiry(now.monotonic_ms + settings.offsets_retention_check_interval_ms)
        return outcome

    def on_metadata_update(self, delta: MetadataDelta, image: MetadataImage, now: Moment) -> Iterator[Outcome]:
        """Offsets of topics that are gone go with them; groups look at their topics again with their next heartbeat."""
        self._image = image
        self._refresh_groups(delta)
        for topic in delta.topics.deleted_topics.values():
            tombstones = self._offset_requests.tombstones_of_topic(topic.name, Uuid(topic.id))
            for first in range(0, len(tombstones), TOMBSTONES_PER_OUTCOME_MAX):
                yield Outcome(tombstones[first : first + TOMBSTONES_PER_OUTCOME_MAX])

    def _refresh_groups(self, delta: MetadataDelta) -> None:
        changed = {topic.name for topic in delta.topics.changed_topics.values()}
        changed.update(topic.name for topic in delta.topics.deleted_topics.values())
        if not changed:
            return
        for group in self._groups:
            if isinstance(group, ConsumerGroup) and (group.regex_counts or changed & group.subscribed_names()):
                group.metadata_deadline_ms = 0

    # Time

    def next_deadline_ms(self) -> int | None:
        return self._deadlines.next_ms()

    def act_on_time(self, now: Moment) -> Iterator[Outcome]:
        while (action := self._deadlines.take_due(now.monotonic_ms)) is not None:
            yield action(now)

    def _schedule_expiry(self, at_ms: int) -> None:
        self._deadlines.set("expiry", at_ms, self._expire)

    def _expire(self, now: Moment) -> Outcome:
        """Forget offsets whose retention is over, and groups that have nothing left."""
        outcome = Outcome()
        is_complete = True
        for group in self._groups:
            expired, is_all_expired = self._offset_requests.tombstones_of_expired(group, now)
            outcome.records += expired
            if is_all_expired and group.is_empty:
                outcome.records += self._tombstones_of_group(group)
            if len(outcome.records) >= TOMBSTONES_PER_OUTCOME_MAX:
                is_complete = False
                break
        interval_ms = self._settings().offsets_retention_check_interval_ms if is_complete else EXPIRY_PAUSE_MS
        self._schedule_expiry(now.monotonic_ms + interval_ms)
        return outcome


def _of_legacy(value: records.LegacyOffsetCommitValue | None) -> records.OffsetCommitValue | None:
    if value is None:
        return None
    return records.OffsetCommitValue(offset=value.offset, metadata=value.metadata, commit_timestamp=value.commit_timestamp)
