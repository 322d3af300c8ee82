"""What members of classic groups are refused, and how."""

from odradek.protocol.messages.join_group import JoinGroupResponse
from tests.conformance.differential.group_requests import admitted, alone, await_coordinator, heartbeat, join, leave, leave_alone, sync
from tests.conformance.differential.scripts import coordinated_script
from tests.conformance.differential.wire import Exchange


@coordinated_script
def joins_of_classic_groups_are_refused(exchange: Exchange) -> None:
    await_coordinator(exchange)
    group = exchange.topic
    exchange.ask_each("JoinGroup of a group without a name", join(""), range(10))
    exchange.ask_each("JoinGroup with a session that is too short", join(group, session_timeout_ms=499), range(10))
    exchange.ask_each("JoinGroup with a session that is too long", join(group, session_timeout_ms=1_800_001), range(10))
    exchange.ask("JoinGroup with a negative session", join(group, session_timeout_ms=-1), 9)
    exchange.ask_each("JoinGroup with an id in a group that is not there", join(group, "stranger"), range(10))
    exchange.ask("JoinGroup without a protocol", join(group, protocols=()), 9)
    exchange.ask("JoinGroup without a kind of protocol", join(group, protocol_type=""), 9)

    member = alone(exchange, group)
    exchange.ask_each("JoinGroup with an unknown id", join(group, "stranger"), range(10))
    exchange.ask_each("JoinGroup with another kind of protocol", join(group, protocol_type="connect"), range(10))
    exchange.ask_each("JoinGroup with no common protocol", join(group, protocols=(("other", b""),)), range(10))
    exchange.ask("JoinGroup without a protocol", join(group, protocols=()), 9)
    exchange.ask("JoinGroup without a kind of protocol", join(group, protocol_type=""), 9)
    exchange.ask("JoinGroup of a member with another kind of protocol", join(group, member, protocol_type="connect"), 9)
    exchange.ask("JoinGroup of a static member that nobody knows", join(group, "stranger", instance_id="one"), 9)
    exchange.ask("JoinGroup of a dynamic member that says it is static", join(group, member, instance_id="one"), 9)
    exchange.ask("Heartbeat, and the group goes on", heartbeat(group, member, 1), 4)
    pending = admitted(exchange, "pending", join(group))
    exchange.ask("JoinGroup of one who was given an id and says it is static", join(group, pending, instance_id="one"), 9)


@coordinated_script
def odd_joins_of_classic_groups_are_taken(exchange: Exchange) -> None:
    await_coordinator(exchange)
    for label, request in (
        ("all the time to rebalance", join(exchange.topic + "-max", rebalance_timeout_ms=2**31 - 1, instance_id="one")),
        ("an empty name of a protocol", join(exchange.topic + "-unnamed", protocols=(("", b"meta"),), instance_id="one")),
        ("an empty instance id", join(exchange.topic + "-empty", instance_id="")),
        ("odd characters", join("a b/ß\n", instance_id="one two")),
    ):
        answer = exchange.ask(f"JoinGroup with {label}", request, 9)
        assert isinstance(answer, JoinGroupResponse)
        said = sync(
            request.group_id,
            answer.member_id,
            1,
            {answer.member_id: b"all"},
            instance_id=request.group_instance_id,
            protocol=answer.protocol_name,
        )
        exchange.ask(f"SyncGroup with {label}", said, 5)
    # Whoever has no time is too late at once, but it may be that the SyncGroup is still in time: so none is sent.
    for rebalance_timeout_ms in (0, -1):
        request = join(exchange.topic + str(rebalance_timeout_ms), rebalance_timeout_ms=rebalance_timeout_ms, instance_id="one")
        exchange.ask(f"JoinGroup with {rebalance_timeout_ms} ms to rebalance", request, 9)


@coordinated_script
def classic_groups_are_full_at_their_size(exchange: Exchange) -> None:
    await_coordinator(exchange)
    group = exchange.topic
    members = [exchange.another() for _ in range(3)]
    first = alone(members[0], group)
    ids = [first]
    for number, connection in enumerate(members[1:], start=2):
        ids.append(admitted(connection, f"{number}", join(group)))
        connection.ask_later(f"{number}: JoinGroup with its id, and waits", join(group, ids[-1]), 9)
    members[0].ask_until("1: Heartbeat while they wait", heartbeat(group, first, 1), 4, "error_code=27")
    fourth = admitted(exchange, "4: while they wait", join(group))
    exchange.ask("4: LeaveGroup of one who has only an id", leave(group, (fourth, None)), 5)
    members[0].ask("1: JoinGroup again", join(group, first), 9)
    for connection in members[1:]:
        connection.hear()
    exchange.ask("4: JoinGroup", join(group), 9)
    exchange.ask("4: JoinGroup with an id of its own", join(group, "stranger"), 9)
    exchange.ask("4: JoinGroup with an instance id", join(group, instance_id="one"), 9)
    exchange.ask("3: LeaveGroup", leave(group, (ids[2], None)), 5)


@coordinated_script
def syncs_of_classic_groups_are_refused(exchange: Exchange) -> None:
    await_coordinator(exchange)
    group = exchange.topic
    exchange.ask_each("SyncGroup of a group without a name", sync("", "stranger", 1, protocol_type=None, protocol=None), range(5))
    exchange.ask("SyncGroup of a group without a name", sync("", "stranger", 1), 5)
    exchange.ask_each("SyncGroup of an unknown group", sync(group, "stranger", 1, protocol_type=None, protocol=None), range(5))
    exchange.ask("SyncGroup of an unknown group", sync(group, "stranger", 1), 5)
    pending = admitted(exchange, "pending", join(group))
    exchange.ask("SyncGroup of one who has only an id", sync(group, pending, 0), 5)
    exchange.ask("LeaveGroup", leave(group, (pending, None)), 5)
    member = alone(exchange, group)
    exchange.ask_each("SyncGroup of a stranger", sync(group, "stranger", 1, protocol_type=None, protocol=None), range(5))
    exchange.ask_each("SyncGroup of a past generation", sync(group, member, 0, protocol_type=None, protocol=None), range(5))
    exchange.ask("SyncGroup of a coming generation", sync(group, member, 2), 5)
    exchange.ask("SyncGroup without a kind of protocol", sync(group, member, 1, protocol_type=None), 5)
    exchange.ask("SyncGroup without a protocol", sync(group, member, 1, protocol=None), 5)
    exchange.ask("SyncGroup of another kind of protocol", sync(group, member, 1, protocol_type="connect"), 5)
    exchange.ask("SyncGroup of another protocol", sync(group, member, 1, protocol="other"), 5)
    exchange.ask("SyncGroup of an unknown instance id", sync(group, member, 1, instance_id="one"), 5)
    exchange.ask("SyncGroup as it should be", sync(group, member, 1), 5)


@coordinated_script
def heartbeats_of_classic_groups_are_refused(exchange: Exchange) -> None:
    await_coordinator(exchange)
    group = exchange.topic
    exchange.ask_each("Heartbeat of a group without a name", heartbeat("", "stranger", 1), range(5))
    exchange.ask_each("Heartbeat of an unknown group", heartbeat(group, "stranger", 1), range(5))
    pending = admitted(exchange, "pending", join(group))
    exchange.ask("Heartbeat of one who has only an id", heartbeat(group, pending, 0), 4)
    exchange.ask("LeaveGroup", leave(group, (pending, None)), 5)
    exchange.ask("Heartbeat of an empty group", heartbeat(group, "stranger", 0), 4)
    member = alone(exchange, group)
    exchange.ask_each("Heartbeat of a stranger", heartbeat(group, "stranger", 1), range(5))
    exchange.ask_each("Heartbeat of nobody", heartbeat(group, "", 1), range(5))
    exchange.ask_each("Heartbeat of a past generation", heartbeat(group, member, 0), range(5))
    exchange.ask_each("Heartbeat of a coming generation", heartbeat(group, member, 2), range(5))
    exchange.ask_each("Heartbeat of a negative generation", heartbeat(group, member, -1), range(5))
    exchange.ask("Heartbeat of an unknown instance id", heartbeat(group, member, 1, "one"), 4)
    exchange.ask("LeaveGroup of a group without a name", leave_alone("", member), 1)
    exchange.ask("LeaveGroup of a group without a name", leave("", (member, None)), 5)
    exchange.ask("LeaveGroup of an unknown instance id", leave(group, (member, "one")), 5)
    exchange.ask("LeaveGroup of nobody in particular", leave(group, ("", None)), 5)
    exchange.ask("Heartbeat, and the group goes on", heartbeat(group, member, 1), 4)
