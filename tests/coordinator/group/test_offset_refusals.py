"""Everything that is refused to those who commit, fetch and delete offsets: one case an error."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.coordinator.group.group import Group
from odradek.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from odradek.protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse
from odradek.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.coordinator.group.consumer_story import Consumer, ConsumerStory, settle
from tests.coordinator.group.group_story import ClassicRequestsStory, GroupStory
from tests.coordinator.group.migration_story import ORDERS, MigrationStory, subscription_bytes
from tests.coordinator.group.shard_story import GROUP, ShardStory
from tests.coordinator.refusal_case import RefusalCase, ids_of

GENERATION = 1
# The epoch in which a group of KIP-848 has its first assignment.
EPOCH = 2
PRODUCER = 7


def commit_of_member(member_id: str | None = None, generation: int = GENERATION, **details: object) -> ErrorCode:
    story = GroupStory()
    (member,) = story.stable_group()
    return story.commit(5, member if member_id is None else member_id, generation, **details)  # type: ignore[arg-type]


def commit_before_the_assignment_is_there() -> ErrorCode:
    story = GroupStory()
    member, _ = story.join_with_id()
    story.advance(story.settings.initial_rebalance_delay_ms * 2)
    return story.commit(5, member, GENERATION)


def commit_of_a_former_self() -> ErrorCode:
    story = GroupStory()
    former = story.join(instance_id="one")
    story.advance(story.settings.initial_rebalance_delay_ms * 2)
    member_id = story.answers[former].member_id  # type: ignore[union-attr]
    story.sync(member_id, GENERATION, {member_id: b"all"}, instance_id="one")
    story.join(instance_id="one")
    group: Group = story.group
    return group.refusal_of_commit(member_id, "one", GENERATION, is_transactional=False, version=9)


class ModernStory(ClassicRequestsStory, ConsumerStory):
    """A consumer group whose members commit."""


def modern_commit(member_id: str = "one", epoch: int = EPOCH, *, version: int = 9) -> ErrorCode:
    story = ModernStory(ORDERS)
    Consumer(story, "one").join()
    return story.commit(5, member_id, epoch, version=version)


def commit_for_what_another_has_now() -> ErrorCode:
    """KIP-1251: an older epoch counts only for what the member has had since then."""
    story = ModernStory(ORDERS)
    one = Consumer(story, "one")
    one.join()
    two = Consumer(story, "two")
    two.join()
    one.beat()
    one.beat()
    return story.commit(5, "one", EPOCH - 1, partition=0)


def transactional_commit(
    story: ShardStory, member_id: str = "", generation: int = -1, *, metadata: str = "", topic: str = "orders", partition: int = 0
) -> ErrorCode:
    partitions = [TxnOffsetCommitRequestPartition(partition_index=partition, committed_offset=5, committed_metadata=metadata)]
    request = TxnOffsetCommitRequest(
        transactional_id="copier",
        group_id=GROUP,
        producer_id=PRODUCER,
        producer_epoch=0,
        generation_id=generation,
        member_id=member_id,
        topics=[TxnOffsetCommitRequestTopic(name=topic, partitions=partitions)],
    )
    ticket = story.ask(lambda ticket: story.shard.commit_offsets_in_transaction(ticket, request, story.caller(5), story.now))
    answer = story.answers[ticket]
    return ErrorCode(answer.topics[0].partitions[0].error_code) if hasattr(answer, "topics") else story.code(ticket)


def transactional_commit_of_member(member_id: str | None = None, generation: int = GENERATION) -> ErrorCode:
    story = GroupStory()
    (member,) = story.stable_group()
    return transactional_commit(story, member if member_id is None else member_id, generation)


def transactional_commit_of_a_coming_epoch() -> ErrorCode:
    story = ModernStory(ORDERS)
    Consumer(story, "one").join()
    return transactional_commit(story, "one", EPOCH + 1)


def shared_story() -> ModernStory:
    """Partitions 0 to 2 are still those of one since EPOCH, 3 to 5 are those of two; both are an epoch further now."""
    story = ModernStory({"orders": 6})
    one, two = Consumer(story, "one"), Consumer(story, "two")
    one.join()
    two.join()
    settle(story, one, two)
    assert (one.holds, one.epoch) == ({"orders": {0, 1, 2}}, EPOCH + 1)
    return story


def fetch(story: ShardStory, member_id: str | None = None, epoch: int = -1, *, is_stable_required: bool = False) -> ErrorCode:
    request = OffsetFetchRequestGroup(
        group_id=GROUP,
        member_id=member_id,
        member_epoch=epoch,
        topics=[OffsetFetchRequestTopics(name="orders", partition_indexes=[0])],
    )
    ticket = story.ask(lambda ticket: story.shard.fetch_offsets(ticket, request, is_stable_required=is_stable_required))
    answer = story.answers[ticket]
    if isinstance(answer, OffsetFetchResponse):
        return ErrorCode(answer.groups[0].topics[0].partitions[0].error_code)
    return story.code(ticket)


def modern_fetch(member_id: str, epoch: int) -> ErrorCode:
    story = ConsumerStory(ORDERS)
    Consumer(story, "one").join()
    return fetch(story, member_id, epoch)


def fetch_of_what_a_transaction_would_commit() -> ErrorCode:
    story = GroupStory()
    story.commit(1)
    record = story.records[-1]
    story.shard.replay(record, offset=len(story.records), producer_id=PRODUCER)
    return fetch(story, is_stable_required=True)


def delete(story: ShardStory) -> ErrorCode:
    """The error of the request, or of the partition."""
    partitions = [OffsetDeleteRequestPartition(partition_index=0)]
    request = OffsetDeleteRequest(group_id=story.group_id, topics=[OffsetDeleteRequestTopic(name="orders", partitions=partitions)])
    ticket = story.ask(lambda ticket: story.shard.delete_offsets(ticket, request))
    answer = story.answer(ticket, OffsetDeleteResponse)
    if answer.error_code != ErrorCode.NONE:
        return ErrorCode(answer.error_code)
    return ErrorCode(answer.topics[0].partitions[0].error_code)


def deletion_of_what_a_member_reads() -> ErrorCode:
    story = MigrationStory(ORDERS)
    member = story.answers[story.join(protocols=(("range", subscription_bytes(["orders"], {})),))].member_id  # type: ignore[union-attr]
    story.join(member, protocols=(("range", subscription_bytes(["orders"], {})),))
    story.advance(1_000)
    return delete(story)


def deletion_in_a_consumer_group() -> ErrorCode:
    story = ConsumerStory(ORDERS)
    Consumer(story, "one").join()
    return delete(story)


def deletion_in_a_group_of_another_kind() -> ErrorCode:
    story = GroupStory()
    story.stable_group(protocol_type="connect")
    return delete(story)


def deletion_in_a_group_without_a_name() -> ErrorCode:
    story = GroupStory()
    story.group_id = ""
    return delete(story)


CASES = [
    RefusalCase("OffsetCommit", "an_unknown_group_since_version_9", ErrorCode.GROUP_ID_NOT_FOUND, lambda: GroupStory().commit(5, "who", 1)),
    RefusalCase("OffsetCommit", "an_unknown_group", ErrorCode.ILLEGAL_GENERATION, lambda: GroupStory().commit(5, "who", 1, version=8)),
    RefusalCase("OffsetCommit", "a_stranger", ErrorCode.UNKNOWN_MEMBER_ID, lambda: commit_of_member("stranger")),
    RefusalCase("OffsetCommit", "nobody_to_a_group_with_members", ErrorCode.UNKNOWN_MEMBER_ID, lambda: commit_of_member("", -1)),
    RefusalCase("OffsetCommit", "a_past_generation", ErrorCode.ILLEGAL_GENERATION, lambda: commit_of_member(generation=0)),
    RefusalCase("OffsetCommit", "a_coming_generation", ErrorCode.ILLEGAL_GENERATION, lambda: commit_of_member(generation=2)),
    RefusalCase("OffsetCommit", "a_former_self", ErrorCode.FENCED_INSTANCE_ID, commit_of_a_former_self),
    RefusalCase("OffsetCommit", "one_without_an_assignment", ErrorCode.REBALANCE_IN_PROGRESS, commit_before_the_assignment_is_there),
    RefusalCase(
        "OffsetCommit", "too_long_metadata", ErrorCode.OFFSET_METADATA_TOO_LARGE, lambda: GroupStory().commit(5, metadata="m" * 4_097)
    ),
    RefusalCase("OffsetCommit", "a_stranger_in_a_consumer_group", ErrorCode.UNKNOWN_MEMBER_ID, lambda: modern_commit("two")),
    RefusalCase("OffsetCommit", "a_coming_epoch", ErrorCode.STALE_MEMBER_EPOCH, lambda: modern_commit(epoch=EPOCH + 1)),
    RefusalCase("OffsetCommit", "a_past_epoch", ErrorCode.STALE_MEMBER_EPOCH, commit_for_what_another_has_now),
    RefusalCase("OffsetCommit", "a_member_in_an_old_version", ErrorCode.UNSUPPORTED_VERSION, lambda: modern_commit(version=8)),
    RefusalCase(
        "TxnOffsetCommit",
        "a_generation_of_an_unknown_group",
        ErrorCode.ILLEGAL_GENERATION,
        lambda: transactional_commit(GroupStory(), "who", 1),
    ),
    RefusalCase("TxnOffsetCommit", "a_stranger", ErrorCode.UNKNOWN_MEMBER_ID, lambda: transactional_commit_of_member("stranger")),
    RefusalCase("TxnOffsetCommit", "a_past_generation", ErrorCode.ILLEGAL_GENERATION, lambda: transactional_commit_of_member(generation=0)),
    RefusalCase("TxnOffsetCommit", "a_coming_epoch", ErrorCode.ILLEGAL_GENERATION, transactional_commit_of_a_coming_epoch),
    RefusalCase(
        "TxnOffsetCommit",
        "a_past_epoch_for_what_another_has_now",
        ErrorCode.ILLEGAL_GENERATION,
        lambda: transactional_commit(shared_story(), "one", EPOCH, partition=3),
    ),
    RefusalCase(
        "TxnOffsetCommit",
        "a_past_epoch_for_a_topic_that_is_gone",
        ErrorCode.ILLEGAL_GENERATION,
        lambda: transactional_commit(shared_story(), "one", EPOCH, topic="gone"),
    ),
    RefusalCase(
        "TxnOffsetCommit",
        "too_long_metadata",
        ErrorCode.OFFSET_METADATA_TOO_LARGE,
        lambda: transactional_commit(GroupStory(), metadata="m" * 4_097),
    ),
    RefusalCase("OffsetFetch", "a_stranger_in_a_consumer_group", ErrorCode.UNKNOWN_MEMBER_ID, lambda: modern_fetch("two", EPOCH)),
    RefusalCase("OffsetFetch", "a_past_epoch", ErrorCode.STALE_MEMBER_EPOCH, lambda: modern_fetch("one", EPOCH - 1)),
    RefusalCase("OffsetFetch", "a_coming_epoch", ErrorCode.STALE_MEMBER_EPOCH, lambda: modern_fetch("one", EPOCH + 1)),
    RefusalCase(
        "OffsetFetch", "what_a_transaction_may_still_commit", ErrorCode.UNSTABLE_OFFSET_COMMIT, fetch_of_what_a_transaction_would_commit
    ),
    RefusalCase("OffsetDelete", "a_group_without_a_name", ErrorCode.INVALID_GROUP_ID, deletion_in_a_group_without_a_name),
    RefusalCase("OffsetDelete", "an_unknown_group", ErrorCode.GROUP_ID_NOT_FOUND, lambda: delete(GroupStory())),
    RefusalCase("OffsetDelete", "a_group_of_another_kind_with_members", ErrorCode.NON_EMPTY_GROUP, deletion_in_a_group_of_another_kind),
    RefusalCase("OffsetDelete", "what_a_member_reads", ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, deletion_of_what_a_member_reads),
    RefusalCase("OffsetDelete", "what_a_consumer_group_reads", ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, deletion_in_a_consumer_group),
]


@pytest.mark.parametrize("case", CASES, ids=ids_of(CASES))
def test_refusal(case: RefusalCase) -> None:
    assert case.ask() is case.code


def test_transaction_of_a_past_epoch_commits_for_what_its_member_has_had_since() -> None:
    """KIP-1251: a heartbeat meanwhile does no harm to a transaction, but another member may begin where it has not committed yet."""
    assert transactional_commit(shared_story(), "one", EPOCH, partition=2) is ErrorCode.NONE


def test_surrogates_of_metadata_count_as_two_as_in_java() -> None:
    assert GroupStory().commit(5, metadata="\U0001f5c0" * 2_048) is ErrorCode.NONE
    assert GroupStory().commit(5, metadata="\U0001f5c0" * 2_049) is ErrorCode.OFFSET_METADATA_TOO_LARGE


def test_offsets_of_a_topic_that_was_made_anew_are_none() -> None:
    """An offset counts for the topic of its id, not for another of the same name."""
    story = GroupStory()
    story.commit(5)
    committed = story.shard.offsets.get(GROUP, "orders", 0)
    assert committed is not None

    assert committed.is_of_topic(Uuid(bytes([9]) * 16))
