"""Transactions as producers of every age lead them (KIP-98, KIP-360, KIP-890)."""

from odradek.protocol.messages.end_txn import EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdResponse
from odradek.protocol.messages.produce import ProduceRequest
from tests.conformance.differential.group_requests import alone, await_coordinator, beat, commit, fetch_offsets, first_beat
from tests.conformance.differential.scripts import coordinated_script, make_topic, produce, topic_id_of
from tests.conformance.differential.scripts_reading import fetch, part
from tests.conformance.differential.transaction_requests import (
    Producer,
    add,
    add_offsets,
    await_transaction_coordinator,
    batch_of,
    begun,
    commit_offsets,
    describe,
    end,
    init,
)
from tests.conformance.differential.wire import Exchange


def write(name: str, topic: str, producer: Producer, sequence: int, *values: str) -> ProduceRequest:
    return produce(topic, batch_of(producer, sequence, *values), transactional_id=name)


def read(exchange: Exchange, label: str, topic: str) -> None:
    request = fetch(topic, part(0))
    request.isolation_level = 1
    exchange.ask(label, request, 12)


def settled(exchange: Exchange, name: str, state: str) -> None:
    """The markers are written a moment after the answer."""
    exchange.ask_until(f"DescribeTransactions until it is {state}", describe(name), 0, f"transaction_state={state}")


@coordinated_script
def transactions_of_the_first_protocol_are_committed_and_aborted(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    answer = exchange.ask("InitProducerId", init(name), 4)
    assert isinstance(answer, InitProducerIdResponse)
    producer = (answer.producer_id, answer.producer_epoch)
    exchange.ask("AddPartitionsToTxn", add(name, producer, (topic, 0)), 3)
    exchange.ask("Produce", write(name, topic, producer, 0, "a", "b"), 9)
    exchange.ask("DescribeTransactions", describe(name), 0)
    read(exchange, "Fetch of what is committed, and nothing is", topic)
    exchange.ask("EndTxn to commit", end(name, producer, is_commit=True), 3)
    settled(exchange, name, "CompleteCommit")
    read(exchange, "Fetch of what is committed", topic)
    exchange.ask("EndTxn to commit again", end(name, producer, is_commit=True), 3)
    exchange.ask("EndTxn to abort what is committed", end(name, producer, is_commit=False), 3)
    exchange.ask("AddPartitionsToTxn", add(name, producer, (topic, 0)), 3)
    exchange.ask("Produce", write(name, topic, producer, 2, "c"), 9)
    exchange.ask("EndTxn to abort", end(name, producer, is_commit=False), 3)
    settled(exchange, name, "CompleteAbort")
    read(exchange, "Fetch of what is committed, with what to leave out", topic)
    exchange.ask("EndTxn to abort again", end(name, producer, is_commit=False), 3)
    exchange.ask("EndTxn to commit what is aborted", end(name, producer, is_commit=True), 3)


@coordinated_script
def transactions_of_the_second_protocol_are_committed_and_aborted(exchange: Exchange) -> None:
    """KIP-890: nothing is announced, and each end brings another epoch."""
    await_transaction_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    answer = exchange.ask("InitProducerId", init(name), 5)
    assert isinstance(answer, InitProducerIdResponse)
    producer = (answer.producer_id, answer.producer_epoch)
    exchange.ask("Produce, which joins the partition", write(name, topic, producer, 0, "a"), 12)
    exchange.ask("DescribeTransactions", describe(name), 0)
    answer = exchange.ask("EndTxn to commit", end(name, producer, is_commit=True), 5)
    assert isinstance(answer, EndTxnResponse)
    following = (answer.producer_id, answer.producer_epoch)
    # While the partitions are told it is told to come again.
    again = end(name, producer, is_commit=True)
    exchange.ask_until("EndTxn to commit again, whose answer was lost", again, 5, f"producer_epoch={following[1]}")
    settled(exchange, name, "CompleteCommit")
    exchange.ask("EndTxn to commit after it is done", end(name, producer, is_commit=True), 5)
    exchange.ask("EndTxn to abort what is committed, with the epoch before", end(name, producer, is_commit=False), 5)
    exchange.ask("Produce with the epoch before", write(name, topic, producer, 1, "late"), 12)
    exchange.ask("Produce", write(name, topic, following, 0, "b"), 12)
    answer = exchange.ask("EndTxn to abort", end(name, following, is_commit=False), 5)
    assert isinstance(answer, EndTxnResponse)
    settled(exchange, name, "CompleteAbort")
    last = (answer.producer_id, answer.producer_epoch)
    exchange.ask("EndTxn to commit nothing", end(name, last, is_commit=True), 5)
    answer = exchange.ask("EndTxn to abort nothing", end(name, last, is_commit=False), 5)
    assert isinstance(answer, EndTxnResponse)
    settled(exchange, name, "CompleteAbort")
    read(exchange, "Fetch of what is committed", topic)
    exchange.ask("Fetch of everything", fetch(topic, part(0)), 12)


@coordinated_script
def transactions_take_the_offsets_of_a_group_with_them(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    await_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    group = exchange.topic + "-readers"
    exchange.quietly(commit(group, topic, (0, 1)), 9)
    producer = begun(exchange, name)
    for version in range(4):
        exchange.ask("AddOffsetsToTxn", add_offsets(name, producer, group), version)
    for version in range(5):
        exchange.ask("TxnOffsetCommit", commit_offsets(name, producer, group, topic, (0, 5)), version)
    exchange.ask("OffsetFetch before it is committed", fetch_offsets(group, topic, 0), 9)
    exchange.ask("OffsetFetch that has to be stable", fetch_offsets(group, topic, 0, is_stable_required=True), 9)
    exchange.ask("OffsetFetch of all that has to be stable", fetch_offsets(group, None, is_stable_required=True), 9)
    exchange.ask("DescribeTransactions", describe(name), 0)
    exchange.ask("EndTxn to commit", end(name, producer, is_commit=True), 3)
    settled(exchange, name, "CompleteCommit")
    exchange.ask_until("OffsetFetch after it is committed", fetch_offsets(group, topic, 0), 9, "committed_offset=5")
    exchange.ask("TxnOffsetCommit that joins the group", commit_offsets(name, producer, group, topic, (0, 9)), 5)
    exchange.ask("OffsetCommit meanwhile", commit(group, topic, (0, 7)), 9)
    answer = exchange.ask("EndTxn to abort", end(name, producer, is_commit=False), 5)
    assert isinstance(answer, EndTxnResponse)
    settled(exchange, name, "CompleteAbort")
    exchange.ask_until("OffsetFetch after it is aborted", fetch_offsets(group, topic, 0, is_stable_required=True), 9, "committed_offset=7")


@coordinated_script
def producers_take_over_a_transactional_id(exchange: Exchange) -> None:
    """The younger fences the elder, whose open transaction is aborted first."""
    await_transaction_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    elder = begun(exchange, name)
    exchange.ask("elder: AddPartitionsToTxn", add(name, elder, (topic, 0)), 3)
    exchange.ask("elder: Produce", write(name, topic, elder, 0, "a"), 9)
    exchange.ask("younger: InitProducerId", init(name), 4)
    younger = begun(exchange, name)
    settled(exchange, name, "Empty")
    for version in (0, 1, 2, 3):
        exchange.ask("elder: AddPartitionsToTxn", add(name, elder, (topic, 0)), version)
    for version in (0, 1, 2, 3, 4):
        exchange.ask("elder: EndTxn", end(name, elder, is_commit=True), version)
    exchange.ask("elder: EndTxn", end(name, elder, is_commit=True), 5)
    for version in (0, 1, 2, 3):
        exchange.ask("elder: AddOffsetsToTxn", add_offsets(name, elder, "readers"), version)
    for version in (9, 11, 12):
        exchange.ask("elder: Produce", write(name, topic, elder, 1, "b"), version)
    for version in (3, 4, 5):
        exchange.ask("elder: InitProducerId with its epoch", init(name, producer=elder), version)
    exchange.ask("younger: AddPartitionsToTxn", add(name, younger, (topic, 0)), 3)
    exchange.ask("younger: EndTxn", end(name, younger, is_commit=True), 3)
    settled(exchange, name, "CompleteCommit")
    again = exchange.ask("younger: InitProducerId with its epoch", init(name, producer=younger), 4)
    exchange.ask("younger: InitProducerId with its epoch, whose answer was lost", init(name, producer=younger), 4)
    assert isinstance(again, InitProducerIdResponse)


@coordinated_script
def transactions_that_are_late_are_aborted(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    producer = begun(exchange, name, timeout_ms=300)
    exchange.ask("AddPartitionsToTxn", add(name, producer, (topic, 0)), 3)
    exchange.ask("Produce", write(name, topic, producer, 0, "a"), 9)
    settled(exchange, name, "CompleteAbort")
    exchange.ask("EndTxn too late", end(name, producer, is_commit=True), 3)
    exchange.ask("EndTxn too late", end(name, producer, is_commit=True), 5)
    exchange.ask("Produce too late", write(name, topic, producer, 1, "b"), 9)
    read(exchange, "Fetch of what is committed", topic)
    exchange.ask("InitProducerId", init(name), 4)


@coordinated_script
def groups_of_members_commit_in_transactions(exchange: Exchange) -> None:
    """KIP-447: the generation that says which member may, is the group's."""
    await_transaction_coordinator(exchange)
    await_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    group = exchange.topic + "-readers"
    member = alone(exchange, group)
    producer = begun(exchange, name)
    exchange.quietly(add_offsets(name, producer, group), 3)
    for label, generation, member_id, instance_id in (
        ("of nobody in particular", -1, "", None),
        ("of the member", 1, member, None),
        ("of a past generation", 0, member, None),
        ("of a coming generation", 2, member, None),
        ("of a stranger", 1, "stranger", None),
        ("of an unknown instance", 1, member, "one"),
    ):
        request = commit_offsets(name, producer, group, topic, (0, 1), generation=generation, member_id=member_id, instance_id=instance_id)
        exchange.ask_each(f"TxnOffsetCommit {label}", request, (3, 4, 5))
    exchange.ask("TxnOffsetCommit with too long metadata", commit_offsets(name, producer, group, topic, (0, 1), metadata="m" * 4097), 3)
    exchange.ask("TxnOffsetCommit to an unknown topic", commit_offsets(name, producer, group, topic + "-not", (0, 1)), 3)
    exchange.ask("TxnOffsetCommit to unknown partitions", commit_offsets(name, producer, group, topic, (0, 1), (8, 1)), 3)
    exchange.ask("TxnOffsetCommit in an unknown group", commit_offsets(name, producer, group + "-not", topic, (0, 1)), 5)
    exchange.ask(
        "TxnOffsetCommit of a generation of an unknown group",
        commit_offsets(name, producer, group + "-not", topic, (0, 1), generation=4),
        5,
    )
    exchange.ask("EndTxn", end(name, producer, is_commit=True), 3)
    settled(exchange, name, "CompleteCommit")


@coordinated_script
def consumers_commit_in_transactions_of_their_epoch(exchange: Exchange) -> None:
    """KIP-1251: a past epoch is good for what its member has had since then, so that a copier is not held up by heartbeats."""
    await_transaction_coordinator(exchange)
    await_coordinator(exchange)
    topic, name = make_topic(exchange, partition_count=4), exchange.topic
    topic_id = topic_id_of(exchange, topic)
    group = exchange.topic + "-readers"
    exchange.quietly(first_beat(group, "a", [topic]), 1)
    exchange.quietly(beat(group, "a", 2, owned=(topic_id, [0, 1, 2, 3])), 1)
    exchange.quietly(first_beat(group, "b", [topic]), 1)
    exchange.quietly(beat(group, "a", 2), 1)
    producer = begun(exchange, name)
    exchange.quietly(add_offsets(name, producer, group), 3)

    def commit_of_a(label: str, generation: int, *offsets: tuple[int, int]) -> None:
        request = commit_offsets(name, producer, group, topic, *offsets, generation=generation, member_id="a")
        exchange.ask_each(f"TxnOffsetCommit {label}", request, (3, 4, 5))

    commit_of_a("for what it has still to give up", 2, (0, 1), (2, 1))
    commit_of_a("of an epoch that is not its own yet", 3, (0, 1))
    exchange.quietly(beat(group, "a", 2, owned=(topic_id, [0, 1])), 1)
    exchange.quietly(beat(group, "b", 3, owned=()), 1)
    commit_of_a("of a past epoch for what it has had since", 2, (0, 2), (1, 2))
    commit_of_a("of a past epoch for what it has given up", 2, (2, 2))
    commit_of_a("of a past epoch for both", 2, (0, 3), (2, 3))
    commit_of_a("of an epoch before it had anything", 1, (0, 3))
    commit_of_a("of its epoch for what it has given up", 3, (3, 3))
    commit_of_a("of no epoch", -1, (0, 3))
    exchange.ask("EndTxn", end(name, producer, is_commit=True), 3)
    settled(exchange, name, "CompleteCommit")
    request = fetch_offsets(group, topic, 0, 1, 2, 3, is_stable_required=True)
    exchange.ask_until("OffsetFetch after it is committed", request, 9, "committed_offset=3")


@coordinated_script
def transactions_of_topics_by_id(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    producer = begun(exchange, name)
    request = produce("", batch_of(producer, 0, "a"), transactional_id=name)
    request.topic_data[0].topic_id = topic_id_of(exchange, topic)
    exchange.ask("Produce by id", request, 13)
    exchange.ask("EndTxn", end(name, producer, is_commit=True), 5)
    settled(exchange, name, "CompleteCommit")
    read(exchange, "Fetch of what is committed", topic)
