"""What transactional producers are refused, and how; and what tools ask of transactions."""

import time

from odradek.protocol.messages.describe_producers import DescribeProducersRequest, TopicRequest
from odradek.protocol.messages.describe_transactions import DescribeTransactionsRequest
from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from odradek.protocol.messages.write_txn_markers import WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest
from tests.conformance.differential.group_requests import await_coordinator
from tests.conformance.differential.scripts import coordinated_script, make_topic, produce
from tests.conformance.differential.scripts_transactions import read, settled, write
from tests.conformance.differential.transaction_requests import (
    add,
    add_offsets,
    add_several,
    adding,
    await_transaction_coordinator,
    batch_of,
    begun,
    commit_offsets,
    describe,
    end,
    init,
)
from tests.conformance.differential.wire import Exchange


@coordinated_script
def producers_with_transactions_are_refused_an_identity(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    name = exchange.topic
    for label, request in (
        ("without a name", init("")),
        ("without a timeout", init(name, timeout_ms=0)),
        ("with a negative timeout", init(name, timeout_ms=-1)),
        ("with a timeout above transaction.max.timeout.ms", init(name, timeout_ms=900_001)),
        ("with the longest timeout", init(name, timeout_ms=900_000)),
    ):
        exchange.ask_each(f"InitProducerId {label}", request, range(2))
    producer = begun(exchange, name)
    for label, said in (
        ("an id alone", (producer[0], -1)),
        ("an epoch alone", (-1, 3)),
        ("another id", (producer[0] + 1_000_000, 0)),
        ("a past epoch", (producer[0], producer[1] - 1)),
        ("a coming epoch", (producer[0], producer[1] + 5)),
    ):
        for version in (3, 4, 5):
            exchange.ask(f"InitProducerId with {label}", init(name, producer=said), version)
    fresh = name + "-fresh"
    exchange.ask("InitProducerId of a new name with an identity", init(fresh, producer=(producer[0], 7)), 4)


@coordinated_script
def partitions_are_refused_to_transactions(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    topic, name = make_topic(exchange, partition_count=2), exchange.topic
    exchange.ask_each("AddPartitionsToTxn of an unknown name", add(name, (5, 0), (topic, 0)), range(4))
    producer = begun(exchange, name)
    exchange.ask_each("AddPartitionsToTxn without a name", add("", producer, (topic, 0)), range(4))
    exchange.ask_each("AddPartitionsToTxn of another producer", add(name, (producer[0] + 1_000_000, 0), (topic, 0)), range(4))
    exchange.ask_each("AddPartitionsToTxn of a coming epoch", add(name, (producer[0], producer[1] + 1), (topic, 0)), range(4))
    exchange.ask_each("AddPartitionsToTxn of an unknown topic", add(name, producer, (topic, 0), (topic + "-not", 0)), range(4))
    exchange.ask_each("AddPartitionsToTxn of an unknown partition", add(name, producer, (topic, 0), (topic, 7)), range(4))
    exchange.ask_each("AddPartitionsToTxn of nothing", add(name, producer), range(4))
    exchange.ask_each("AddPartitionsToTxn", add(name, producer, (topic, 0)), range(4))
    exchange.ask_each("AddPartitionsToTxn again", add(name, producer, (topic, 0)), range(4))
    for version in (4, 5):
        exchange.ask("AddPartitionsToTxn of a broker", add_several(adding(name, producer, (topic, 1))), version)
        verifying = add_several(adding(name, producer, (topic, 0), (topic, 1), is_verifying=True))
        exchange.ask("AddPartitionsToTxn to verify", verifying, version)
        unknown = adding(name + "-not", producer, (topic, 0), is_verifying=True)
        exchange.ask("AddPartitionsToTxn to verify an unknown name", add_several(unknown), version)
        exchange.ask(
            "AddPartitionsToTxn to verify a past epoch",
            add_several(adding(name, (producer[0], -1), (topic, 0), is_verifying=True)),
            version,
        )
        exchange.ask("AddPartitionsToTxn of an unknown topic", add_several(adding(name, producer, (topic + "-not", 0))), version)
    exchange.ask("EndTxn", end(name, producer, is_commit=False), 3)
    settled(exchange, name, "CompleteAbort")
    for version in (4, 5):
        none_open = add_several(adding(name, producer, (topic, 1), is_verifying=True))
        exchange.ask("AddPartitionsToTxn to verify what is not in it", none_open, version)


@coordinated_script
def ends_of_transactions_are_refused(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    for is_commit in (True, False):
        word = "commit" if is_commit else "abort"
        exchange.ask_each(f"EndTxn to {word} an unknown name", end(name + "-not", (5, 0), is_commit=is_commit), range(6))
        exchange.ask_each(f"EndTxn to {word} without a name", end("", (5, 0), is_commit=is_commit), range(6))
        producer = begun(exchange, name)
        exchange.ask_each(f"EndTxn to {word} of another producer", end(name, (producer[0] + 1_000_000, 0), is_commit=is_commit), range(6))
        exchange.ask_each(f"EndTxn to {word} of a past epoch", end(name, (producer[0], producer[1] - 1), is_commit=is_commit), range(6))
        exchange.ask_each(f"EndTxn to {word} of a coming epoch", end(name, (producer[0], producer[1] + 1), is_commit=is_commit), range(6))
        exchange.ask_each(f"EndTxn to {word} nothing", end(name, producer, is_commit=is_commit), range(5))
    producer = begun(exchange, name)
    exchange.quietly(add(name, producer, (topic, 0)), 3)
    exchange.ask_each("EndTxn of another producer", end(name, (producer[0] + 1_000_000, 0), is_commit=True), range(6))
    exchange.ask_each("EndTxn of a past epoch", end(name, (producer[0], producer[1] - 1), is_commit=True), range(6))
    exchange.ask("EndTxn", end(name, producer, is_commit=True), 4)
    settled(exchange, name, "CompleteCommit")


@coordinated_script
def offsets_are_refused_to_transactions(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    await_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    group = exchange.topic + "-readers"
    exchange.ask_each("AddOffsetsToTxn of an unknown name", add_offsets(name, (5, 0), group), range(4))
    producer = begun(exchange, name)
    exchange.ask_each("AddOffsetsToTxn without a name", add_offsets("", producer, group), range(4))
    exchange.ask_each("AddOffsetsToTxn of another producer", add_offsets(name, (producer[0] + 1_000_000, 0), group), range(4))
    exchange.ask_each("AddOffsetsToTxn of a coming epoch", add_offsets(name, (producer[0], producer[1] + 1), group), range(4))
    exchange.ask_each(
        "AddOffsetsToTxn of a group without a name", add_offsets(name + "-other", begun(exchange, name + "-other"), ""), range(4)
    )
    exchange.ask_each("TxnOffsetCommit of what was not announced", commit_offsets(name, producer, group, topic, (0, 1)), range(5))
    exchange.ask_each("TxnOffsetCommit of an unknown name", commit_offsets(name + "-not", producer, group, topic, (0, 1)), range(6))
    exchange.ask_each("TxnOffsetCommit without a name", commit_offsets("", producer, group, topic, (0, 1)), range(6))
    another = (producer[0] + 1_000_000, 0)
    exchange.ask_each("TxnOffsetCommit of another producer", commit_offsets(name, another, group, topic, (0, 1)), range(6))
    coming = (producer[0], producer[1] + 1)
    exchange.ask_each("TxnOffsetCommit of a coming epoch", commit_offsets(name, coming, group, topic, (0, 1)), range(6))
    exchange.ask_each("TxnOffsetCommit of a group without a name", commit_offsets(name, producer, "", topic, (0, 1)), range(6))
    exchange.ask("EndTxn of what was never begun", end(name, producer, is_commit=False), 3)


@coordinated_script
def records_are_refused_to_transactions(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    versions = (9, 11, 12)
    exchange.ask_each("Produce of an unknown name", write(name, topic, (5, 0), 0, "a"), versions)
    producer = begun(exchange, name)
    exchange.ask_each("Produce of what was not announced", write(name, topic, producer, 0, "a"), (9, 10, 11))
    exchange.ask_each("Produce of a coming epoch", write(name, topic, (producer[0], producer[1] + 1), 0, "a"), versions)
    exchange.ask_each("Produce without a name", produce(topic, batch_of(producer, 0, "a")), versions)
    exchange.quietly(add(name, producer, (topic, 0)), 3)
    exchange.ask("Produce", write(name, topic, producer, 0, "a"), 9)
    exchange.ask_each("Produce of a sequence too far", write(name, topic, producer, 7, "b"), versions)
    exchange.ask_each("Produce of a past epoch", write(name, topic, (producer[0], producer[1] - 1), 1, "b"), versions)
    exchange.ask("EndTxn", end(name, producer, is_commit=True), 3)
    settled(exchange, name, "CompleteCommit")
    exchange.ask_each("Produce after the end", write(name, topic, producer, 1, "b"), (9, 10, 11))
    read(exchange, "Fetch of what is committed", topic)


@coordinated_script
def transactions_are_listed_and_described(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    ongoing, empty = name + "-ongoing", name + "-empty"
    producer = begun(exchange, ongoing)
    exchange.quietly(add(ongoing, producer, (topic, 0)), 3)
    exchange.ask("Produce", write(ongoing, topic, producer, 0, "a"), 9)
    other = begun(exchange, empty)

    def listed(label: str, version: int, request: ListTransactionsRequest) -> None:
        """The node has the transactions of every other script as well; what is told are this one's."""
        answer = exchange.quietly(request, version)
        assert isinstance(answer, ListTransactionsResponse)
        own = (it for it in answer.transaction_states if it.transactional_id.startswith(name))
        answer.transaction_states = sorted(own, key=lambda it: it.transactional_id)
        exchange.note(label, answer, version)

    for version in range(3):
        listed("ListTransactions", version, ListTransactionsRequest())
    for states in (["Ongoing"], ["Empty"], ["ongoing"], ["Ongoing", "nonsense"], ["Dead"], [""]):
        listed(f"ListTransactions in states {states}", 1, ListTransactionsRequest(state_filters=states))
    listed("ListTransactions of a producer", 1, ListTransactionsRequest(producer_id_filters=[other[0], -1]))
    # Whoever is running for less than a millisecond is not running for longer than none.
    time.sleep(0.01)
    listed("ListTransactions that run", 1, ListTransactionsRequest(duration_filter=0))
    listed("ListTransactions that run for long", 1, ListTransactionsRequest(duration_filter=1_000_000))
    listed("ListTransactions by an expression", 2, ListTransactionsRequest(transactional_id_pattern=f"{name}-on.*"))
    listed("ListTransactions by a part of the name", 2, ListTransactionsRequest(transactional_id_pattern="ongoing"))
    listed("ListTransactions by what is no expression", 2, ListTransactionsRequest(transactional_id_pattern="(unclosed"))
    listed("ListTransactions by an empty expression", 2, ListTransactionsRequest(transactional_id_pattern=""))
    exchange.ask("DescribeTransactions", describe(ongoing), 0)
    exchange.ask("DescribeTransactions of an empty one", describe(empty), 0)
    exchange.ask("DescribeTransactions of an unknown name", describe(name + "-not"), 0)
    exchange.ask("DescribeTransactions without a name", describe(""), 0)
    exchange.ask("DescribeTransactions of none", DescribeTransactionsRequest(transactional_ids=[]), 0)
    producers = DescribeProducersRequest(topics=[TopicRequest(name=topic, partition_indexes=[0])])
    exchange.ask("DescribeProducers", producers, 0)
    exchange.ask("EndTxn", end(ongoing, producer, is_commit=False), 3)
    settled(exchange, ongoing, "CompleteAbort")
    exchange.ask("DescribeProducers afterwards", producers, 0)


@coordinated_script
def markers_are_written_for_hanging_transactions(exchange: Exchange) -> None:
    """As `kafka-transactions abort` does, for a transaction of which no coordinator knows any more."""
    await_transaction_coordinator(exchange)
    topic, name = make_topic(exchange), exchange.topic
    begun(exchange, name)
    producer = begun(exchange, name)
    exchange.quietly(add(name, producer, (topic, 0)), 3)
    exchange.ask("Produce", write(name, topic, producer, 0, "a"), 9)

    def mark(*partitions: int, epoch: int, of: str = topic, is_commit: bool = False, coordinator_epoch: int = 0) -> WriteTxnMarkersRequest:
        marker = WritableTxnMarker(
            producer_id=producer[0],
            producer_epoch=epoch,
            transaction_result=is_commit,
            topics=[WritableTxnMarkerTopic(name=of, partition_indexes=list(partitions))],
            coordinator_epoch=coordinator_epoch,
        )
        return WriteTxnMarkersRequest(markers=[marker])

    for version in (1, 2):
        exchange.ask("WriteTxnMarkers of an unknown topic", mark(0, epoch=producer[1], of=topic + "-not"), version)
        exchange.ask("WriteTxnMarkers of an unknown partition", mark(7, epoch=producer[1]), version)
        exchange.ask("WriteTxnMarkers of a past epoch", mark(0, epoch=producer[1] - 1), version)
        exchange.ask("WriteTxnMarkers of none", WriteTxnMarkersRequest(markers=[]), version)
    exchange.ask("WriteTxnMarkers", mark(0, epoch=producer[1], coordinator_epoch=5), 1)
    read(exchange, "Fetch of what is committed", topic)
    exchange.ask("WriteTxnMarkers of an elder coordinator", mark(0, epoch=producer[1], coordinator_epoch=4), 1)
    exchange.ask("WriteTxnMarkers again", mark(0, epoch=producer[1], coordinator_epoch=5), 1)
