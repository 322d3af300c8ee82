"""What tools ask of groups: who coordinates them, which there are, what they are like; and to be rid of them."""

from odradek.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from odradek.protocol.messages.delete_groups import DeleteGroupsRequest
from odradek.protocol.messages.describe_groups import DescribeGroupsRequest
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest
from odradek.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from tests.conformance.differential.group_requests import alone, await_coordinator, beat, commit, fetch_offsets, first_beat, leave
from tests.conformance.differential.scripts import coordinated_script, make_topic
from tests.conformance.differential.wire import Exchange


@coordinated_script
def coordinators_are_found_in_every_version(exchange: Exchange) -> None:
    await_coordinator(exchange)
    # Old versions look for groups only, and for one at a time.
    exchange.ask("FindCoordinator of a group", FindCoordinatorRequest(key="readers"), 0)
    exchange.ask_each("FindCoordinator of a group", FindCoordinatorRequest(key="readers", key_type=0), (1, 2, 3))
    exchange.ask_until("FindCoordinator of a transaction", FindCoordinatorRequest(key="writer", key_type=1), 3, "node_id=1")
    exchange.ask_each("FindCoordinator of a transaction", FindCoordinatorRequest(key="writer", key_type=1), (1, 2, 3))
    for key_type in (0, 1):
        several = FindCoordinatorRequest(key_type=key_type, coordinator_keys=["one", "two", "one", ""])
        exchange.ask_each(f"FindCoordinator of several of kind {key_type}", several, (4, 5, 6))
        exchange.ask_each(f"FindCoordinator of none of kind {key_type}", FindCoordinatorRequest(key_type=key_type), (4, 5, 6))
        exchange.ask_each(f"FindCoordinator of kind {key_type} without a name", FindCoordinatorRequest(key_type=key_type), (1, 2, 3))
    exchange.ask_each("FindCoordinator of kind 9", FindCoordinatorRequest(key="readers", key_type=9), (1, 2, 3))
    exchange.ask_each("FindCoordinator of kind 9", FindCoordinatorRequest(key_type=9, coordinator_keys=["readers"]), (4, 5, 6))
    exchange.ask_each("FindCoordinator of a share partition too early", FindCoordinatorRequest(key_type=2, coordinator_keys=["x"]), (4, 5))


@coordinated_script
def groups_are_described_in_every_version(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_topic(exchange)
    stable, empty, simple, modern, unknown = (exchange.topic + suffix for suffix in ("-stable", "-empty", "-simple", "-modern", "-not"))
    member = alone(exchange, stable)
    gone = alone(exchange, empty)
    exchange.quietly(leave(empty, (gone, None)), 5)
    exchange.quietly(commit(simple, name, (0, 1)), 9)
    exchange.quietly(first_beat(modern, "member", [name]), 1)
    for label, group in (("stable", stable), ("empty", empty), ("simple", simple), ("modern", modern), ("unknown", unknown), ("no", "")):
        exchange.ask_each(f"DescribeGroups of a {label} group", DescribeGroupsRequest(groups=[group]), range(7))
    exchange.ask("DescribeGroups of several", DescribeGroupsRequest(groups=[stable, unknown, stable]), 6)
    exchange.ask("DescribeGroups of none", DescribeGroupsRequest(groups=[]), 6)
    exchange.ask_each(
        "DescribeGroups with operations",
        DescribeGroupsRequest(groups=[stable, unknown, ""], include_authorized_operations=True),
        range(3, 7),
    )
    for label, group in (("modern", modern), ("classic", stable), ("unknown", unknown), ("no", "")):
        exchange.ask_each(f"ConsumerGroupDescribe of a {label} group", ConsumerGroupDescribeRequest(group_ids=[group]), (0, 1))
    exchange.ask(
        "ConsumerGroupDescribe with operations",
        ConsumerGroupDescribeRequest(group_ids=[modern], include_authorized_operations=True),
        1,
    )
    exchange.quietly(beat(modern, "member", -1), 1)
    exchange.ask("ConsumerGroupDescribe of an empty group", ConsumerGroupDescribeRequest(group_ids=[modern]), 1)
    exchange.quietly(leave(stable, (member, None)), 5)


@coordinated_script
def groups_are_listed_by_state_and_type(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_topic(exchange)
    stable, empty, simple, modern = (exchange.topic + suffix for suffix in ("-stable", "-empty", "-simple", "-modern"))
    alone(exchange, stable)
    gone = alone(exchange, empty, protocol_type="connect")
    exchange.quietly(leave(empty, (gone, None)), 5)
    exchange.quietly(commit(simple, name, (0, 1)), 9)
    exchange.quietly(first_beat(modern, "member", [name]), 1)

    def listed(label: str, version: int, states: list[str] | None = None, types: list[str] | None = None) -> None:
        """The node has the groups of every other script as well; what is told is this one's."""
        answer = exchange.quietly(ListGroupsRequest(states_filter=states or [], types_filter=types or []), version)
        assert isinstance(answer, ListGroupsResponse)
        answer.groups = sorted((it for it in answer.groups if it.group_id.startswith(exchange.topic)), key=lambda it: it.group_id)
        exchange.note(label, answer, version)

    for version in range(6):
        listed("ListGroups", version)
    for states in (["Stable"], ["stable"], ["STABLE", "empty"], ["PreparingRebalance"], ["Dead"], ["nonsense"], [""]):
        listed(f"ListGroups in states {states}", 4, states)
    for types in (["classic"], ["Consumer"], ["CONSUMER", "classic"], ["share"], ["nonsense"], [""]):
        listed(f"ListGroups of types {types}", 5, None, types)
    listed("ListGroups by both", 5, ["Stable"], ["classic"])


@coordinated_script
def groups_are_deleted_or_refused(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_topic(exchange)
    stable, empty, simple, modern, unknown = (exchange.topic + suffix for suffix in ("-stable", "-empty", "-simple", "-modern", "-not"))
    member = alone(exchange, stable)
    for version in range(3):
        gone = alone(exchange, empty)
        exchange.quietly(leave(empty, (gone, None)), 5)
        exchange.quietly(commit(simple, name, (0, 1)), 9)
        exchange.ask("DeleteGroups", DeleteGroupsRequest(groups_names=[empty]), version)
        exchange.ask("DeleteGroups of a simple group", DeleteGroupsRequest(groups_names=[simple]), version)
        exchange.ask("DeleteGroups again", DeleteGroupsRequest(groups_names=[simple]), version)
        exchange.ask("DeleteGroups of a group with members", DeleteGroupsRequest(groups_names=[stable]), version)
        exchange.ask("DeleteGroups without a name", DeleteGroupsRequest(groups_names=[""]), version)
        exchange.ask("DeleteGroups of none", DeleteGroupsRequest(groups_names=[]), version)
    exchange.ask("DeleteGroups of one twice", DeleteGroupsRequest(groups_names=[unknown, unknown]), 2)
    exchange.quietly(commit(simple, name, (0, 1)), 9)
    exchange.quietly(DeleteGroupsRequest(groups_names=[simple]), 2)
    exchange.ask("OffsetFetch after DeleteGroups", fetch_offsets(simple, None), 9)
    exchange.quietly(first_beat(modern, "member", [name]), 1)
    exchange.ask("DeleteGroups of a consumer group with members", DeleteGroupsRequest(groups_names=[modern]), 2)
    exchange.quietly(beat(modern, "member", -1), 1)
    exchange.ask("DeleteGroups of an empty consumer group", DeleteGroupsRequest(groups_names=[modern]), 2)
    exchange.quietly(leave(stable, (member, None)), 5)
    exchange.ask("DeleteGroups after its last member has gone", DeleteGroupsRequest(groups_names=[stable]), 2)
