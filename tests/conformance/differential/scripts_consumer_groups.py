"""Groups of the consumer protocol (KIP-848): members that join, reconcile, come back and go; and groups that change their protocol."""

import time

from odradek.base.identifiers import Uuid
from odradek.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupResponse
from tests.conformance.differential.group_requests import (
    admitted,
    assignment,
    await_coordinator,
    beat,
    commit,
    fetch_offsets,
    first_beat,
    heartbeat,
    join,
    leave,
    subscription,
    sync,
)
from tests.conformance.differential.scripts import coordinated_script, make_topic, settle, topic_id_of
from tests.conformance.differential.wire import ANSWER_SECONDS_MAX, Exchange


def make_known_topic(exchange: Exchange, *, partition_count: int = 1) -> str:
    """A topic that the group coordinator knows of: Kafka tells it last, when clients and leaders know already."""
    name = make_topic(exchange, partition_count=partition_count)
    settle(exchange)
    return name


@coordinated_script
def consumers_revoke_before_others_are_assigned(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_known_topic(exchange, partition_count=4)
    topic = topic_id_of(exchange, name)
    group = exchange.topic
    exchange.ask("a: joins", first_beat(group, "a", [name]), 1)
    exchange.ask("a: has everything", beat(group, "a", 2, owned=(topic, [0, 1, 2, 3])), 1)
    exchange.ask("a: has nothing to say", beat(group, "a", 2), 1)
    exchange.ask("a: says everything again", beat(group, "a", 2, topics=[name], owned=(topic, [0, 1, 2, 3]), rebalance_timeout_ms=5_000), 1)
    exchange.ask("b: joins, and has to wait", first_beat(group, "b", [name]), 1)
    exchange.ask("ConsumerGroupDescribe of b waiting", ConsumerGroupDescribeRequest(group_ids=[group]), 1)
    exchange.ask("a: is told to give up two", beat(group, "a", 2), 1)
    exchange.ask("a: has them still", beat(group, "a", 2, owned=(topic, [0, 1, 2, 3])), 1)
    exchange.ask("b: waits", beat(group, "b", 3, owned=()), 1)
    exchange.ask("ConsumerGroupDescribe of a revoking", ConsumerGroupDescribeRequest(group_ids=[group]), 1)
    exchange.ask("a: has given them up", beat(group, "a", 2, owned=(topic, [0, 1])), 1)
    exchange.ask("b: is assigned", beat(group, "b", 3, owned=()), 1)
    exchange.ask("b: has them", beat(group, "b", 3, owned=(topic, [2, 3])), 1)
    exchange.ask("ConsumerGroupDescribe of both settled", ConsumerGroupDescribeRequest(group_ids=[group]), 1)
    exchange.ask("b: leaves", beat(group, "b", -1), 1)
    exchange.ask("a: takes over", beat(group, "a", 3, owned=(topic, [0, 1])), 1)
    exchange.ask("a: leaves", beat(group, "a", -1), 1)


@coordinated_script
def consumers_join_with_an_id_of_the_coordinator_in_version_0(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_known_topic(exchange)
    group = exchange.topic
    answer = exchange.ask("joins without an id", first_beat(group, "", [name]), 0)
    assert isinstance(answer, ConsumerGroupHeartbeatResponse)
    exchange.ask("goes on with the one it was given", beat(group, answer.member_id or "", answer.member_epoch), 0)
    exchange.ask("leaves", beat(group, answer.member_id or "", -1), 0)
    exchange.ask("joins with one of its own", first_beat(group, "mine", [name]), 0)


@coordinated_script
def consumers_subscribe_by_a_regular_expression(exchange: Exchange) -> None:
    """Kafka looks for the topics in another thread, and tells of them with a later heartbeat; what is told is what comes of it."""
    await_coordinator(exchange)
    # No other topic that the expression would find.
    name = make_topic(exchange)
    topic = topic_id_of(exchange, name)
    group = exchange.topic
    answer = exchange.quietly(first_beat(group, "a", regex=f"{name}.*"), 1)

    def ask_until(
        label: str, text: str, regex: str, topics: list[str] | None = None, owned: tuple[Uuid, list[int]] | tuple[()] = ()
    ) -> None:
        nonlocal answer
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while time.monotonic() < deadline:
            assert isinstance(answer, ConsumerGroupHeartbeatResponse)
            epoch = answer.member_epoch
            said = beat(group, "a", epoch, regex=regex, topics=topics, owned=owned, rebalance_timeout_ms=5_000)
            answer = exchange.quietly(said, 1)
            assert isinstance(answer, ConsumerGroupHeartbeatResponse)
            if text in exchange.notation.told(answer) and answer.member_epoch == epoch:
                break
        exchange.note(label, answer, 1)

    ask_until("joins", "partitions=[0]", f"{name}.*")
    exchange.ask("ConsumerGroupDescribe", ConsumerGroupDescribeRequest(group_ids=[group]), 1)
    exchange.ask("subscribes to what is no expression", beat(group, "a", 2, regex="(unclosed"), 1)
    exchange.ask("joins with what is no expression", first_beat(group + "-other", "b", regex="["), 1)
    ask_until("subscribes by a name instead", "partitions=[0]", "", [name], (topic, [0]))
    ask_until("subscribes by none any more", "assignment=()", "", [])
    exchange.ask("ConsumerGroupDescribe", ConsumerGroupDescribeRequest(group_ids=[group]), 1)


@coordinated_script
def static_consumers_go_for_a_while_and_come_back(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_known_topic(exchange, partition_count=2)
    topic = topic_id_of(exchange, name)
    group = exchange.topic
    exchange.ask("a: joins", first_beat(group, "a", [name], instance_id="one"), 1)
    exchange.ask("a: has everything", beat(group, "a", 2, owned=(topic, [0, 1]), instance_id="one"), 1)
    exchange.ask("b: joins as the same instance", first_beat(group, "b", [name], instance_id="one"), 1)
    exchange.ask("b: goes on as the same instance", beat(group, "b", 2, instance_id="one"), 1)
    exchange.ask("b: leaves as the same instance", beat(group, "b", -1, instance_id="one"), 1)
    exchange.ask("a: goes for a while", beat(group, "a", -2, instance_id="one"), 1)
    exchange.ask("ConsumerGroupDescribe of one that is away", ConsumerGroupDescribeRequest(group_ids=[group]), 1)
    exchange.ask("b: joins as the same instance", first_beat(group, "b", [name], instance_id="one"), 1)
    exchange.ask("a: goes on as the same instance", beat(group, "a", 2, instance_id="one"), 1)
    exchange.ask("b: says another instance id", beat(group, "b", 2, instance_id="two"), 1)
    exchange.ask("b: leaves", beat(group, "b", -1, instance_id="one"), 1)
    exchange.ask("b: leaves again", beat(group, "b", -1, instance_id="one"), 1)


@coordinated_script
def heartbeats_of_consumers_are_refused(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_known_topic(exchange, partition_count=2)
    topic = topic_id_of(exchange, name)
    group = exchange.topic
    for label, request in (
        ("without a group", first_beat("", "a", [name])),
        ("with a blank group", first_beat(" ", "a", [name])),
        ("without an id", first_beat(group, "", [name])),
        ("with an empty instance id", first_beat(group, "a", [name], instance_id="")),
        ("with an empty rack", first_beat(group, "a", [name], rack_id="")),
        ("without a rebalance timeout", beat(group, "a", 0, topics=[name], owned=())),
        ("without topics", beat(group, "a", 0, owned=(), rebalance_timeout_ms=5_000)),
        ("without saying what it has", beat(group, "a", 0, topics=[name], rebalance_timeout_ms=5_000)),
        ("with something that it has", beat(group, "a", 0, topics=[name], owned=(topic, [0]), rebalance_timeout_ms=5_000)),
        ("with an assignor that does not exist", first_beat(group, "a", [name], assignor="nonsense")),
        ("with a negative rebalance timeout", beat(group, "z", 0, topics=[name], owned=(), rebalance_timeout_ms=-5)),
    ):
        exchange.ask(f"joins {label}", request, 1)
    exchange.ask("leaves a group that is not there", beat(group + "-not", "a", -1), 1)
    exchange.ask("goes on in a group that is not there", beat(group + "-not", "a", 5), 1)
    exchange.ask("goes on in a nonsensical epoch", beat(group, "a", -3), 1)
    exchange.ask("leaves for a while without an instance id", beat(group, "a", -2), 1)
    exchange.ask("goes on without an id", beat(group, "", 3), 1)
    exchange.ask("leaves without an id", beat(group, "", -1), 1)
    exchange.quietly(beat(group, "z", -1), 1)

    one = group + "-one"
    exchange.ask("a: joins", first_beat(one, "a", [name]), 1)
    exchange.ask("a: goes on in a coming epoch", beat(one, "a", 3, owned=(topic, [0, 1])), 1)
    exchange.ask("a: goes on in the epoch before, with no more than it has", beat(one, "a", 1, owned=(topic, [0])), 1)
    exchange.ask("a: goes on in the epoch before, and says nothing", beat(one, "a", 1), 1)
    exchange.ask("b: goes on unknown", beat(one, "b", 2), 1)
    exchange.ask("b: leaves unknown", beat(one, "b", -1), 1)
    exchange.ask("b: goes on as an unknown instance", beat(one, "b", 2, instance_id="one"), 1)
    exchange.ask("b: leaves as an unknown instance", beat(one, "b", -1, instance_id="one"), 1)
    exchange.ask("a: joins again", first_beat(one, "a", [name]), 1)
    for member in ("b", "c"):
        exchange.ask(f"{member}: joins", first_beat(one, member, [name]), 1)
    exchange.ask("d: joins a full group", first_beat(one, "d", [name]), 1)
    exchange.ask("c: joins a full group that it is in", first_beat(one, "c", [name]), 1)


@coordinated_script
def consumers_commit_in_their_epoch(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_known_topic(exchange, partition_count=2)
    topic = topic_id_of(exchange, name)
    group = exchange.topic
    exchange.quietly(first_beat(group, "a", [name]), 1)
    exchange.ask("OffsetCommit", commit(group, name, (0, 1), member_id="a", epoch=2), 9)
    exchange.ask("OffsetCommit by id", commit(group, "", (0, 2), member_id="a", epoch=2, topic_id=topic), 10)
    exchange.ask_each("OffsetCommit in an old version", commit(group, name, (0, 1), member_id="a", epoch=2), (2, 7, 8))
    for label, member, epoch in (("past", "a", 1), ("coming", "a", 3), ("stranger's", "b", 2), ("no", "", -1)):
        exchange.ask(f"OffsetCommit of a {label} epoch", commit(group, name, (0, 9), member_id=member, epoch=epoch), 9)
        fetched = fetch_offsets(group, name, 0, member_id=member or None, epoch=epoch)
        exchange.ask(f"OffsetFetch of a {label} epoch", fetched, 9)
    exchange.ask("OffsetFetch", fetch_offsets(group, name, 0, member_id="a", epoch=2), 9)
    exchange.ask("JoinGroup with what is no subscription", join(group), 9)
    exchange.ask("Heartbeat of the classic protocol", heartbeat(group, "a", 2), 4)
    exchange.ask("SyncGroup of the classic protocol", sync(group, "a", 2), 5)
    exchange.ask("LeaveGroup of the classic protocol", leave(group, ("a", None)), 5)


@coordinated_script
def groups_go_over_to_the_consumer_protocol_and_back(exchange: Exchange) -> None:
    """A classic member, then one of each protocol, then the modern one alone, then the classic one again."""
    await_coordinator(exchange)
    name = make_known_topic(exchange, partition_count=2)
    a, group = exchange, exchange.topic
    protocols = (("range", subscription(name)),)
    first = admitted(a, "a", join(group, protocols=protocols))
    a.ask("a: JoinGroup with its id", join(group, first, protocols=protocols), 9)
    a.ask("a: SyncGroup as the leader", sync(group, first, 1, {first: assignment(name, 0, 1)}), 5)
    a.ask("b: joins with the consumer protocol", first_beat(group, "b", [name]), 1)
    a.ask("ConsumerGroupDescribe of the mixed group", ConsumerGroupDescribeRequest(group_ids=[group]), 1)
    a.ask("a: Heartbeat", heartbeat(group, first, 1), 4)
    answer = a.ask("a: JoinGroup again", join(group, first, protocols=protocols), 9)
    assert isinstance(answer, JoinGroupResponse)
    generation = answer.generation_id
    a.ask("a: SyncGroup of its own", sync(group, first, generation), 5)
    a.ask("a: Heartbeat in the new generation", heartbeat(group, first, generation), 4)
    answer = a.ask("b: is assigned", beat(group, "b", 3, owned=()), 1)
    a.ask("a: Heartbeat of a past generation", heartbeat(group, first, 1), 4)
    a.ask("a: SyncGroup of a past generation", sync(group, first, 1), 5)
    a.ask("a: OffsetCommit in its generation", commit(group, name, (0, 4), member_id=first, epoch=generation), 8)
    a.ask("a: OffsetCommit in a past generation", commit(group, name, (0, 4), member_id=first, epoch=1), 8)
    a.ask("b: leaves, and the group is a classic one", beat(group, "b", -1), 1)
    a.ask("ConsumerGroupDescribe of the classic group", ConsumerGroupDescribeRequest(group_ids=[group]), 1)
    a.ask("a: Heartbeat", heartbeat(group, first, generation), 4)
    answer = a.ask("a: JoinGroup again", join(group, first, protocols=protocols), 9)
    assert isinstance(answer, JoinGroupResponse)
    a.ask("a: SyncGroup as the leader", sync(group, first, answer.generation_id, {first: assignment(name, 0, 1)}), 5)
    a.ask("OffsetFetch", fetch_offsets(group, name, 0), 9)


@coordinated_script
def groups_that_cannot_go_over_are_refused(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_known_topic(exchange)
    connect, unreadable, empty = (exchange.topic + suffix for suffix in ("-connect", "-unreadable", "-empty"))
    for label, group, details in (
        ("a group of another kind", connect, {"protocol_type": "connect"}),
        ("a group whose topics cannot be read", unreadable, {"protocols": (("range", b"\xff"),)}),
    ):
        member = admitted(exchange, label, join(group, **details))
        exchange.quietly(join(group, member, **details), 9)
        exchange.quietly(sync(group, member, 1, {member: b"all"}, protocol_type=str(details.get("protocol_type", "consumer"))), 5)
        exchange.ask(f"joins {label} with the consumer protocol", first_beat(group, "b", [name]), 1)
        exchange.ask(f"goes on in {label} with the consumer protocol", beat(group, "b", 3), 1)
        exchange.ask(f"leaves {label} with the consumer protocol", beat(group, "b", -1), 1)
    exchange.quietly(commit(empty, name, (0, 7)), 9)
    exchange.ask("joins a simple group with the consumer protocol", first_beat(empty, "b", [name]), 1)
    exchange.ask("OffsetFetch", fetch_offsets(empty, name, 0), 9)
    exchange.ask("JoinGroup with another kind of protocol", join(empty, protocol_type="connect"), 9)
    exchange.ask("JoinGroup without protocols", join(empty, protocols=()), 9)
    exchange.ask("leaves", beat(empty, "b", -1), 1)
    exchange.ask("JoinGroup of the empty consumer group", join(empty), 9)
