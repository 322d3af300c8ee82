"""Groups of the classic protocol: how members join, share, come back and go (KIP-134, KIP-345, KIP-394, KIP-814)."""

from odradek.protocol.messages.join_group import JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from tests.conformance.differential.group_requests import admitted, alone, await_coordinator, heartbeat, join, leave, leave_alone, sync
from tests.conformance.differential.scripts import coordinated_script
from tests.conformance.differential.wire import Exchange

REBALANCE: str = "error_code=27"


@coordinated_script
def members_of_a_classic_group_come_and_go(exchange: Exchange) -> None:
    await_coordinator(exchange)
    a, b, group = exchange, exchange.another(), exchange.topic
    first = admitted(a, "a", join(group))
    a.ask("a: JoinGroup with its id", join(group, first), 9)
    a.ask("a: Heartbeat before it has synced", heartbeat(group, first, 1), 4)
    a.ask("a: SyncGroup as the leader", sync(group, first, 1, {first: b"all"}), 5)
    a.ask_each("a: Heartbeat", heartbeat(group, first, 1), range(5))
    a.ask("a: SyncGroup again", sync(group, first, 1), 5)

    second = admitted(b, "b", join(group))
    b.ask_later("b: JoinGroup with its id, and waits", join(group, second), 9)
    a.ask_until("a: Heartbeat while b waits", heartbeat(group, first, 1), 4, REBALANCE)
    a.ask("a: SyncGroup while b waits", sync(group, first, 1), 5)
    a.ask("a: JoinGroup again", join(group, first), 9)
    b.hear()
    b.ask_later("b: SyncGroup, and waits", sync(group, second, 2), 5)
    a.ask("a: SyncGroup as the leader", sync(group, first, 2, {first: b"left", second: b"right"}), 5)
    b.hear()
    a.ask("a: Heartbeat in the new generation", heartbeat(group, first, 2), 4)

    b.ask("b: LeaveGroup", leave(group, (second, None)), 5)
    a.ask("a: Heartbeat after b has gone", heartbeat(group, first, 2), 4)
    a.ask("a: JoinGroup again", join(group, first), 9)
    a.ask("a: SyncGroup as the leader", sync(group, first, 3, {first: b"all"}), 5)
    a.ask("a: LeaveGroup", leave_alone(group, first), 1)
    a.ask("a: Heartbeat after it has gone", heartbeat(group, first, 3), 4)


@coordinated_script
def classic_members_join_in_every_version(exchange: Exchange) -> None:
    await_coordinator(exchange)
    for version in range(10):
        group = f"{exchange.topic}-{version}"
        answer = exchange.ask("JoinGroup", join(group), version)
        assert isinstance(answer, JoinGroupResponse)
        if answer.error_code:
            exchange.ask("JoinGroup with its id", join(group, answer.member_id), version)
        is_old = version < 5
        request = sync(
            group,
            answer.member_id,
            1,
            {answer.member_id: b"all"},
            protocol_type=None if is_old else "consumer",
            protocol=None if is_old else "range",
        )
        exchange.ask("SyncGroup", request, min(version, 5))
        exchange.ask("Heartbeat", heartbeat(group, answer.member_id, 1), min(version, 4))
        request_to_go = leave_alone(group, answer.member_id) if version < 3 else leave(group, (answer.member_id, None))
        exchange.ask("LeaveGroup", request_to_go, min(version, 5))


@coordinated_script
def static_members_come_back_without_a_rebalance(exchange: Exchange) -> None:
    await_coordinator(exchange)
    a, b, group = exchange, exchange.another(), exchange.topic

    def joined(connection: Exchange, label: str, version: int, instance_id: str) -> str:
        answer = connection.ask(label, join(group, instance_id=instance_id), version)
        assert isinstance(answer, JoinGroupResponse)
        return answer.member_id

    first = joined(a, "a: JoinGroup", 9, "one")
    a.ask("a: SyncGroup as the leader", sync(group, first, 1, {first: b"all"}, instance_id="one"), 5)
    b.ask_later("b: JoinGroup, and waits", join(group, instance_id="two"), 9)
    a.ask_until("a: Heartbeat while b waits", heartbeat(group, first, 1, "one"), 4, REBALANCE)
    a.ask("a: JoinGroup again", join(group, first, instance_id="one"), 9)
    answer = b.hear()
    assert isinstance(answer, JoinGroupResponse)
    second = answer.member_id
    b.ask_later("b: SyncGroup, and waits", sync(group, second, 2, instance_id="two"), 5)
    a.ask("a: SyncGroup as the leader", sync(group, first, 2, {first: b"left", second: b"right"}, instance_id="one"), 5)
    b.hear()

    again = joined(b, "b: JoinGroup after a restart", 9, "two")
    a.ask("a: Heartbeat, and nothing has changed", heartbeat(group, first, 2, "one"), 4)
    b.ask("b: SyncGroup after a restart", sync(group, again, 2, instance_id="two"), 5)
    for version in (8, 9):
        first = joined(a, "a: JoinGroup of the leader after a restart", version, "one")
        a.ask("a: SyncGroup after a restart", sync(group, first, 2, {first: b"left", again: b"right"}, instance_id="one"), 5)
    b.ask("b: Heartbeat, and nothing has changed", heartbeat(group, again, 2, "two"), 4)

    a.ask("b: Heartbeat of its former self", heartbeat(group, second, 2, "two"), 4)
    a.ask("b: SyncGroup of its former self", sync(group, second, 2, instance_id="two"), 5)
    a.ask("b: JoinGroup of its former self", join(group, second, instance_id="two"), 9)
    a.ask("b: LeaveGroup of its former self", leave(group, (second, "two")), 5)
    a.ask("b: Heartbeat of its former self without an instance id", heartbeat(group, second, 2), 4)
    a.ask("LeaveGroup by a tool, by instance ids", leave(group, ("", "one"), ("", "two"), ("", "three")), 5)


@coordinated_script
def static_members_with_other_topics_call_for_a_rebalance(exchange: Exchange) -> None:
    """That the protocol's name changes for all is what Kafka looks at."""
    await_coordinator(exchange)
    group = exchange.topic
    answer = exchange.ask("JoinGroup", join(group, instance_id="one"), 9)
    assert isinstance(answer, JoinGroupResponse)
    exchange.ask("SyncGroup", sync(group, answer.member_id, 1, {answer.member_id: b"all"}, instance_id="one"), 5)
    other = (("roundrobin", b"meta"),)
    answer = exchange.ask("JoinGroup after a restart with another protocol", join(group, instance_id="one", protocols=other), 9)
    assert isinstance(answer, JoinGroupResponse)
    exchange.ask("Heartbeat in the new generation", heartbeat(group, answer.member_id, answer.generation_id, "one"), 4)


@coordinated_script
def classic_members_that_come_again_are_told_what_they_may_know(exchange: Exchange) -> None:
    """Only a leader, or who has something new to say, calls for another generation."""
    await_coordinator(exchange)
    a, b, group = exchange, exchange.another(), exchange.topic
    first = alone(a, group)
    second = admitted(b, "b", join(group))
    b.ask_later("b: JoinGroup with its id, and waits", join(group, second), 9)
    a.ask_until("a: Heartbeat while b waits", heartbeat(group, first, 1), 4, REBALANCE)
    a.ask("a: JoinGroup again", join(group, first), 9)
    b.hear()
    b.ask("b: JoinGroup whose answer was lost", join(group, second), 9)
    a.ask("a: JoinGroup whose answer was lost", join(group, first), 9)
    b.ask_later("b: SyncGroup, and waits", sync(group, second, 2), 5)
    a.ask("a: SyncGroup as the leader", sync(group, first, 2, {first: b"left", second: b"right"}), 5)
    b.hear()
    b.ask("b: JoinGroup in a stable group, with nothing new", join(group, second), 9)
    b.ask_later("b: JoinGroup with something new, and waits", join(group, second, protocols=(("range", b"new"),)), 9)
    a.ask_until("a: Heartbeat while b waits", heartbeat(group, first, 2), 4, REBALANCE)
    a.ask_later("a: JoinGroup again", join(group, first), 9)
    a.hear()
    b.hear()
    b.ask_later("b: SyncGroup, and waits", sync(group, second, 3), 5)
    a.ask("a: SyncGroup as the leader", sync(group, first, 3, {first: b"left", second: b"right"}), 5)
    b.hear()
    a.ask_later("a: JoinGroup of the leader, which calls for a rebalance", join(group, first), 9)
    b.ask_until("b: Heartbeat while a waits", heartbeat(group, second, 3), 4, REBALANCE)
    b.ask("b: LeaveGroup", leave(group, (second, None)), 5)
    a.hear()


@coordinated_script
def classic_members_that_fall_silent_are_removed(exchange: Exchange) -> None:
    await_coordinator(exchange)
    a, b, group = exchange, exchange.another(), exchange.topic
    first = alone(a, group)
    second = admitted(b, "b", join(group, session_timeout_ms=600))
    b.ask_later("b: JoinGroup with its id, and waits", join(group, second, session_timeout_ms=600), 9)
    a.ask_until("a: Heartbeat while b waits", heartbeat(group, first, 1), 4, REBALANCE)
    a.ask("a: JoinGroup again", join(group, first), 9)
    b.hear()
    b.ask_later("b: SyncGroup, and waits", sync(group, second, 2), 5)
    a.ask("a: SyncGroup as the leader", sync(group, first, 2, {first: b"left", second: b"right"}), 5)
    b.hear()
    a.ask_until("a: Heartbeat until b has been silent for its session", heartbeat(group, first, 2), 4, REBALANCE)
    a.ask("a: JoinGroup again", join(group, first), 9)
    b.ask("b: Heartbeat after its session", heartbeat(group, second, 2), 4)
    b.ask("b: JoinGroup after its session", join(group, second), 9)


@coordinated_script
def classic_members_that_do_not_come_back_are_left_behind(exchange: Exchange) -> None:
    """The rebalance timeout: of those who rejoin, and of those who fetch what they were assigned."""
    await_coordinator(exchange)
    a, b, group = exchange, exchange.another(), exchange.topic
    first = alone(a, group, rebalance_timeout_ms=700)
    second = admitted(b, "b", join(group, rebalance_timeout_ms=700))
    b.ask("b: JoinGroup, and a does not come back", join(group, second, rebalance_timeout_ms=700), 9)
    a.ask("a: Heartbeat after the rebalance", heartbeat(group, first, 1), 4)
    b.ask_until("b: Heartbeat until it should have synced", heartbeat(group, second, 2), 4, "error_code=25")
    b.ask("b: SyncGroup too late", sync(group, second, 2, {second: b"all"}), 5)


@coordinated_script
def classic_members_leave_several_at_once(exchange: Exchange) -> None:
    await_coordinator(exchange)
    group = exchange.topic
    for version in range(3):
        member = alone(exchange, group)
        exchange.ask("LeaveGroup", leave_alone(group, member), version)
        exchange.ask("LeaveGroup again", leave_alone(group, member), version)
    for version in (3, 4, 5):
        member = alone(exchange, group)
        exchange.ask("LeaveGroup of one and of a stranger", leave(group, (member, None), ("stranger", None)), version)
    exchange.ask("LeaveGroup of nobody", leave(group), 5)
    pending = admitted(exchange, "pending", join(group))
    exchange.ask("LeaveGroup of one who has only an id", leave(group, (pending, None)), 5)
    exchange.ask("JoinGroup of one who has gone", join(group, pending), 9)
    unknown = exchange.topic + "-not"
    exchange.ask("LeaveGroup of an unknown group", leave(unknown, ("somebody", None), ("", "one")), 5)
    exchange.ask("LeaveGroup of an unknown group", leave_alone(unknown, "somebody"), 1)
    reason = [MemberIdentity(member_id="somebody", reason="is tired")]
    exchange.ask("LeaveGroup with a reason", LeaveGroupRequest(group_id=unknown, members=reason), 5)
