"""Operations as a whole, on a broker that says what a test wants: who is asked, when it is tried again, when it is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.client.admin.admin_client import AdminClient, connected
from odradek.client.connection import ClientIdentity
from odradek.client.core import keyed_call
from odradek.client.core.address import Address
from odradek.client.core.group_calls import NoConsumerGroup
from odradek.client.core.transaction_calls import FencedProducer, TransactionFilter, UnknownStates
from odradek.client.errors import DeadlinePassed, NobodyReached, Refused
from odradek.protocol.internal_records.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
)
from odradek.protocol.message import Message, encode_message
from odradek.protocol.messages import consumer_group_describe, describe_groups, metadata
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse
from odradek.protocol.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse
from odradek.protocol.messages.list_offsets import (
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from tests.client.scripted_broker import NODE_ID, HangUp, Script, ScriptedBroker, all_apis

IDENTITY = ClientIdentity("tests", "1")
TIMEOUT_S = 20.0
Answer = Message | bytes | None


def on(script: Script, work: Callable[[AdminClient], Awaitable[None]], *, timeout_s: float = TIMEOUT_S) -> ScriptedBroker:
    """Do `work` with a client of the broker; what it was asked."""

    async def run() -> ScriptedBroker:
        async with ScriptedBroker(script) as broker, connected([broker.address], IDENTITY, timeout_s=timeout_s) as admin:
            await work(admin)
        return broker

    return asyncio.run(run())


def answering(request_type: type[Message], answers: Iterator[Answer]) -> Script:
    """Requests of this type get these answers in turn."""
    return lambda request, version: next(answers) if isinstance(request, request_type) else None


def deleted(code: int) -> DeleteGroupsResponse:
    return DeleteGroupsResponse(results=[DeletableGroupResult("readers", code)])


@pytest.mark.parametrize(
    ("code", "lookups"),
    [(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, 1), (ErrorCode.NOT_COORDINATOR, 2), (ErrorCode.COORDINATOR_NOT_AVAILABLE, 2)],
)
def test_coordinator_that_is_not_ready_is_asked_again_and_one_that_moved_is_looked_up(code: ErrorCode, lookups: int) -> None:
    async def work(admin: AdminClient) -> None:
        assert (await admin.delete_groups(["readers"])).done == {"readers": None}

    broker = on(answering(DeleteGroupsRequest, iter([deleted(code), deleted(0)])), work)

    assert broker.asked.count("DeleteGroupsRequest") == 2
    assert broker.asked.count("FindCoordinatorRequest") == lookups


def test_request_whose_connection_broke_is_sent_again_on_a_new_one() -> None:
    broke = iter([True, False])

    def script(request: Message, version: int) -> Answer:
        if not isinstance(request, DeleteGroupsRequest):
            return None
        if next(broke):
            raise HangUp
        return deleted(0)

    async def work(admin: AdminClient) -> None:
        assert (await admin.delete_groups(["readers"])).done == {"readers": None}

    assert on(script, work).asked.count("FindCoordinatorRequest") == 2


def test_coordinator_that_cannot_be_found_yet_is_looked_for_again() -> None:
    answers: Iterator[Answer] = iter(
        [FindCoordinatorResponse(coordinators=[Coordinator("readers", -1, "", -1, ErrorCode.COORDINATOR_NOT_AVAILABLE)]), None]
    )

    def script(request: Message, version: int) -> Answer:
        return deleted(0) if isinstance(request, DeleteGroupsRequest) else answering(FindCoordinatorRequest, answers)(request, version)

    async def work(admin: AdminClient) -> None:
        assert (await admin.delete_groups(["readers"])).done == {"readers": None}

    on(script, work)


def test_operation_is_given_up_at_its_deadline_with_what_was_last_heard() -> None:
    async def work(admin: AdminClient) -> None:
        with pytest.raises(DeadlinePassed, match=r"not done within 0\.4 s; the last answer was COORDINATOR_LOAD_IN_PROGRESS 14"):
            await admin.delete_groups(["readers"])

    def script(request: Message, version: int) -> Answer:
        return deleted(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS) if isinstance(request, DeleteGroupsRequest) else None

    on(script, work, timeout_s=0.4)


def test_broker_that_cannot_be_reached_where_it_says_it_is_is_named() -> None:
    def script(request: Message, version: int) -> Answer:
        if isinstance(request, FindCoordinatorRequest):
            return FindCoordinatorResponse(coordinators=[Coordinator("readers", 7, "127.0.0.1", 1)])
        return None

    async def work(admin: AdminClient) -> None:
        with pytest.raises(
            DeadlinePassed, match=r"broker 7 cannot be reached at the address that it advertises, 127\.0\.0\.1:1: .*refused"
        ):
            await admin.delete_groups(["readers"])

    on(script, work, timeout_s=0.4)


def test_cluster_that_was_never_reached_is_not_waited_for() -> None:
    async def run() -> None:
        async with connected([Address("127.0.0.1", 1)], IDENTITY, timeout_s=TIMEOUT_S) as admin:
            with pytest.raises(NobodyReached):
                await admin.list_groups()

    asyncio.run(run())


def test_each_group_has_its_own_outcome() -> None:
    def script(request: Message, version: int) -> Answer:
        if not isinstance(request, DeleteGroupsRequest):
            return None
        codes = {"a": ErrorCode.NONE, "b": ErrorCode.NON_EMPTY_GROUP, "c": ErrorCode.GROUP_ID_NOT_FOUND}
        return DeleteGroupsResponse(results=[DeletableGroupResult(name, codes[name]) for name in request.groups_names])

    async def work(admin: AdminClient) -> None:
        outcomes = await admin.delete_groups(["a", "b", "c"])
        assert outcomes.done == {"a": None}
        assert {name: error.name for name, error in outcomes.refused.items() if isinstance(error, Refused)} == {
            "b": "NON_EMPTY_GROUP",
            "c": "GROUP_ID_NOT_FOUND",
        }

    assert on(script, work).asked == ["FindCoordinatorRequest", "DeleteGroupsRequest"]


def test_many_groups_are_asked_about_in_requests_of_bounded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_call.in_parts, "__defaults__", (3,))
    sizes: list[int] = []

    def script(request: Message, version: int) -> Answer:
        if not isinstance(request, DeleteGroupsRequest):
            return None
        sizes.append(len(request.groups_names))
        return DeleteGroupsResponse(results=[DeletableGroupResult(name, 0) for name in request.groups_names])

    async def work(admin: AdminClient) -> None:
        assert len((await admin.delete_groups([str(n) for n in range(8)])).done) == 8

    on(script, work)
    assert sizes == [3, 3, 2]


# Groups


def test_group_is_described_as_a_classic_one_where_it_is_none_of_kip_848() -> None:
    subscribed = b"\x00\x03" + encode_message(ConsumerProtocolSubscription(topics=["orders"]), 3)
    # A version that is newer than ours, with a field at its end that we do not know.
    assigned = (
        b"\x00\x09" + encode_message(ConsumerProtocolAssignment([ConsumerProtocolAssignmentTopicPartition("orders", [1, 0])]), 3) + b"new"
    )

    def script(request: Message, version: int) -> Answer:
        if isinstance(request, consumer_group_describe.ConsumerGroupDescribeRequest):
            groups = [
                consumer_group_describe.DescribedGroup(ErrorCode.GROUP_ID_NOT_FOUND, f"{name} is another", name)
                for name in request.group_ids
            ]
            return consumer_group_describe.ConsumerGroupDescribeResponse(groups=groups)
        if isinstance(request, describe_groups.DescribeGroupsRequest):
            told = {
                "readers": describe_groups.DescribedGroup(
                    group_id="readers",
                    group_state="Stable",
                    protocol_type="consumer",
                    protocol_data="range",
                    members=[
                        describe_groups.DescribedGroupMember("a", "static", "client", "/host", subscribed, assigned),
                        describe_groups.DescribedGroupMember("b", None, "client", "/host", b"", b"own protocol"),
                    ],
                ),
                "connect": describe_groups.DescribedGroup(group_id="connect", group_state="Stable", protocol_type="connect"),
                "nobody": describe_groups.DescribedGroup(ErrorCode.GROUP_ID_NOT_FOUND, None, "nobody"),
                "dead": describe_groups.DescribedGroup(group_id="dead", group_state="Dead"),
            }
            return describe_groups.DescribeGroupsResponse(groups=[told[name] for name in request.groups])
        return None

    async def work(admin: AdminClient) -> None:
        outcomes = await admin.describe_groups(["readers", "connect", "nobody", "dead"])
        group = outcomes.done["readers"]
        assert (group.type, group.state, group.assignor, group.coordinator_id, group.epoch) == ("Classic", "Stable", "range", NODE_ID, None)
        first, second = group.members
        assert (first.instance_id, first.assignment) == ("static", (TopicPartition("orders", 0), TopicPartition("orders", 1)))
        assert first.subscribed_topics == ("orders",)
        assert (second.assignment, second.subscribed_topics) == ((), ())
        assert isinstance(outcomes.refused["connect"], NoConsumerGroup)
        assert str(outcomes.refused["nobody"]) == "nobody is another [GROUP_ID_NOT_FOUND 69]"
        assert str(outcomes.refused["dead"]) == "dead is another [GROUP_ID_NOT_FOUND 69]"

    on(script, work)


def test_broker_without_kip_848_has_classic_groups_only() -> None:
    def script(request: Message, version: int) -> Answer:
        if isinstance(request, ApiVersionsRequest):
            return ApiVersionsResponse(api_keys=[api for api in all_apis().api_keys if api.api_key != 69])
        if isinstance(request, describe_groups.DescribeGroupsRequest):
            return describe_groups.DescribeGroupsResponse(groups=[describe_groups.DescribedGroup(group_id="readers", group_state="Empty")])
        return None

    async def work(admin: AdminClient) -> None:
        assert (await admin.describe_groups(["readers"])).done["readers"].state == "Empty"

    assert on(script, work).asked == ["FindCoordinatorRequest", "DescribeGroupsRequest"]


def test_groups_are_those_of_all_brokers_in_the_order_of_their_names() -> None:
    answers: Iterator[Answer] = iter(
        [
            ListGroupsResponse(error_code=ErrorCode.COORDINATOR_LOAD_IN_PROGRESS),
            ListGroupsResponse(groups=[ListedGroup("b", "consumer", "Stable", "Consumer"), ListedGroup("a", "", "Empty", "Classic")]),
        ]
    )

    async def work(admin: AdminClient) -> None:
        groups = await admin.list_groups(states=["stable"], types=["consumer"])
        assert [(group.group_id, group.type, group.state, group.coordinator_id) for group in groups] == [
            ("a", "Classic", "Empty", NODE_ID),
            ("b", "Consumer", "Stable", NODE_ID),
        ]

    broker = on(answering(ListGroupsRequest, answers), work)
    (asked, *_) = [request for request, _ in broker.requests if isinstance(request, ListGroupsRequest)]
    assert (asked.states_filter, asked.types_filter) == (["stable"], ["consumer"])


def committed(*codes: int) -> OffsetCommitResponse:
    partitions = [OffsetCommitResponsePartition(index, code) for index, code in enumerate(codes)]
    return OffsetCommitResponse(topics=[OffsetCommitResponseTopic(name="orders", partitions=partitions)])


def test_offsets_are_committed_for_each_partition_that_is_not_refused() -> None:
    answers: Iterator[Answer] = iter([committed(27, 27), committed(0, 12)])
    offsets = {TopicPartition("orders", 1): 5, TopicPartition("orders", 0): 3}

    async def work(admin: AdminClient) -> None:
        errors = await admin.commit_offsets("readers", offsets)
        assert errors[TopicPartition("orders", 0)] is None
        second = errors[TopicPartition("orders", 1)]
        assert second is not None
        assert second.name == "OFFSET_METADATA_TOO_LARGE"

    broker = on(answering(OffsetCommitRequest, answers), work)
    (request, version), *_ = [one for one in broker.requests if isinstance(one[0], OffsetCommitRequest)]
    assert isinstance(request, OffsetCommitRequest)
    assert version == 9
    (topic,) = request.topics
    assert [(one.partition_index, one.committed_offset) for one in topic.partitions] == [(0, 3), (1, 5)]
    assert (request.member_id, request.generation_id_or_member_epoch) == ("", -1)


# Offsets of partitions


def described_topic(leader_id: int) -> metadata.MetadataResponseTopic:
    partitions = [metadata.MetadataResponsePartition(partition_index=0, leader_id=leader_id)]
    return metadata.MetadataResponseTopic(name="orders", partitions=partitions)


def test_end_is_asked_of_the_leader_and_again_of_the_next_one() -> None:
    ends: Iterator[Answer] = iter(
        ListOffsetsResponse(topics=[ListOffsetsTopicResponse("orders", [ListOffsetsPartitionResponse(0, code, -1, offset)])])
        for code, offset in ((ErrorCode.NOT_LEADER_OR_FOLLOWER, -1), (ErrorCode.NONE, 42))
    )
    found: list[ScriptedBroker] = []

    def script(request: Message, version: int) -> Answer:
        if isinstance(request, metadata.MetadataRequest):
            brokers = [metadata.MetadataResponseBroker(NODE_ID, "127.0.0.1", found[0].port)]
            unknown = metadata.MetadataResponseTopic(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "gone")
            return metadata.MetadataResponse(brokers=brokers, topics=[described_topic(NODE_ID), unknown])
        return answering(ListOffsetsRequest, ends)(request, version)

    async def run() -> None:
        async with ScriptedBroker(script) as broker:
            found.append(broker)
            async with connected([broker.address], IDENTITY, timeout_s=TIMEOUT_S) as admin:
                wanted = [TopicPartition("orders", 0), TopicPartition("orders", 9), TopicPartition("gone", 0)]
                assert await admin.log_end_offsets(wanted) == {TopicPartition("orders", 0): 42}

    asyncio.run(run())
    assert found[0].asked.count("ListOffsetsRequest") == 2


def test_partition_without_a_leader_has_no_end_that_could_be_known() -> None:
    def script(request: Message, version: int) -> Answer:
        return metadata.MetadataResponse(topics=[described_topic(-1)]) if isinstance(request, metadata.MetadataRequest) else None

    async def work(admin: AdminClient) -> None:
        assert await admin.log_end_offsets([TopicPartition("orders", 0)]) == {}

    assert "ListOffsetsRequest" not in on(script, work).asked


# Transactions


def test_state_that_the_coordinator_does_not_know_is_told() -> None:
    async def work(admin: AdminClient) -> None:
        with pytest.raises(UnknownStates, match="Wondering"):
            await admin.list_transactions(TransactionFilter(states=["Wondering"]))

    on(answering(ListTransactionsRequest, iter([ListTransactionsResponse(unknown_state_filters=["Wondering"])])), work)


def test_producer_is_fenced_once_its_transaction_has_been_aborted() -> None:
    answers: Iterator[Answer] = iter(
        [InitProducerIdResponse(error_code=ErrorCode.CONCURRENT_TRANSACTIONS), InitProducerIdResponse(producer_id=5, producer_epoch=2)]
    )

    async def work(admin: AdminClient) -> None:
        assert await admin.fence_producer("copier") == FencedProducer(5, 2)

    broker = on(answering(InitProducerIdRequest, answers), work)
    (asked, *_) = [request for request, _ in broker.requests if isinstance(request, InitProducerIdRequest)]
    assert (asked.transactional_id, asked.producer_id, asked.producer_epoch, asked.keep_prepared_txn) == ("copier", -1, -1, False)
    (lookup, *_) = [request for request, _ in broker.requests if isinstance(request, FindCoordinatorRequest)]
    assert lookup.key_type == 1


# Several brokers


def test_each_is_asked_about_what_is_its_own() -> None:
    """Two brokers: each has a group, and the second coordinates what the first is asked to find."""
    brokers: list[ScriptedBroker] = []

    def script_of(index: int) -> Script:
        def script(request: Message, version: int) -> Answer:
            if isinstance(request, metadata.MetadataRequest):
                return metadata.MetadataResponse(
                    brokers=[metadata.MetadataResponseBroker(number, "127.0.0.1", broker.port) for number, broker in enumerate(brokers)]
                )
            if isinstance(request, FindCoordinatorRequest):
                return FindCoordinatorResponse(
                    coordinators=[
                        Coordinator(key, int(key[-1]), "127.0.0.1", brokers[int(key[-1])].port) for key in request.coordinator_keys
                    ]
                )
            if isinstance(request, ListGroupsRequest):
                return ListGroupsResponse(groups=[ListedGroup(f"group{index}")])
            if isinstance(request, DeleteGroupsRequest):
                return DeleteGroupsResponse(results=[DeletableGroupResult(name, 0) for name in request.groups_names])
            return None

        return script

    async def run() -> None:
        async with ScriptedBroker(script_of(0)) as first, ScriptedBroker(script_of(1)) as second:
            brokers.extend([first, second])
            async with connected([first.address], IDENTITY, timeout_s=TIMEOUT_S) as admin:
                listed = await admin.list_groups()
                assert [(group.group_id, group.coordinator_id) for group in listed] == [("group0", 0), ("group1", 1)]
                assert set((await admin.delete_groups(["a0", "b1", "c1", "d0"])).done) == {"a0", "b1", "c1", "d0"}

    asyncio.run(run())
    deleted_at = [
        [request.groups_names for request, _ in broker.requests if isinstance(request, DeleteGroupsRequest)] for broker in brokers
    ]
    assert deleted_at == [[["a0", "d0"]], [["b1", "c1"]]]
    # The second is only ever asked what it alone knows.
    assert brokers[1].asked == ["ListGroupsRequest", "DeleteGroupsRequest"]
