"""Transactions: who begins, who is fenced, both protocols, what ends by itself, and the markers in the partitions of data."""

from __future__ import annotations

from odradek.protocol.messages.end_txn import EndTxnResponse
from tests.conformance.coordination.requests import Producer, add_partitions, end, init, marker, produce, write_markers
from tests.conformance.coordination.scripts_offsets import begun
from tests.conformance.coordination.story import Story, script


@script
def transactions_of_the_old_protocol(story: Story) -> None:
    client, name, topic = story.client, story.name, story.make_topic("out", 2)
    other = story.make_topic("out2")
    producer = begun(client.ask("InitProducerId", init(name), 4))
    client.ask("Produce before", produce(name, producer, topic, 0), 11)
    client.ask("AddPartitionsToTxn", add_partitions(name, producer, {topic: [0]}), 3)
    client.ask("AddPartitionsToTxn again", add_partitions(name, producer, {topic: [0]}), 3)
    client.ask("AddPartitionsToTxn of more", add_partitions(name, producer, {other: [0]}), 3)
    client.ask("AddPartitionsToTxn of what is not there", add_partitions(name, producer, {topic: [1], f"{topic}-not": [0]}), 3)
    client.ask("Produce", produce(name, producer, topic, 0), 11)
    client.ask("EndTxn", end(name, producer, is_commit=True), 4)
    story.wait_for_transaction(name)
    client.ask("EndTxn again", end(name, producer, is_commit=True), 4)
    client.ask("EndTxn otherwise", end(name, producer, is_commit=False), 4)
    client.ask("AddPartitionsToTxn", add_partitions(name, producer, {topic: [0]}), 3)
    client.ask("Produce", produce(name, producer, topic, 1), 11)
    client.ask("EndTxn", end(name, producer, is_commit=False), 4)
    story.wait_for_transaction(name)
    client.ask("EndTxn of another epoch", end(name, (producer[0], 9), is_commit=False), 4)
    client.ask("EndTxn of another producer", end(name, (producer[0] + 999, 0), is_commit=False), 4)
    client.ask("EndTxn of another name", end(f"{name}-not", producer, is_commit=False), 4)


@script
def transactions_of_the_new_protocol(story: Story) -> None:
    client, name, topic = story.client, story.name, story.make_topic("out")
    producer = begun(client.ask("InitProducerId", init(name), 5))
    for is_commit in (True, False):
        client.ask("Produce", produce(name, producer, topic, 0), 12)
        client.ask("EndTxn", end(name, producer, is_commit=is_commit), 5)
        story.wait_for_transaction(name)
        client.ask("EndTxn again", end(name, producer, is_commit=is_commit), 5)
        client.ask("EndTxn otherwise", end(name, producer, is_commit=not is_commit), 5)
        producer = (producer[0], producer[1] + 1)
    client.ask("EndTxn of nothing, a commit", end(name, producer, is_commit=True), 5)
    answer = client.ask("EndTxn of nothing, an abort", end(name, producer, is_commit=False), 5)
    assert isinstance(answer, EndTxnResponse)
    story.wait_for_transaction(name)
    producer = (answer.producer_id, answer.producer_epoch)
    client.ask("Produce of the former epoch", produce(name, (producer[0], producer[1] - 1), topic, 1), 12)
    client.ask("Produce", produce(name, producer, topic, 0), 12)


@script
def transactional_ids_are_taken_over(story: Story) -> None:
    client, name, topic = story.client, story.name, story.make_topic("out")
    first = begun(client.ask("InitProducerId", init(name), 4))
    second = begun(client.ask("InitProducerId of another", init(name, timeout_ms=50_000), 4))
    client.ask("InitProducerId of the first", init(name, first), 4)
    same = begun(client.ask("InitProducerId of the second", init(name, second), 4))
    client.ask("InitProducerId of the second again", init(name, second), 4)
    client.ask("InitProducerId of a stranger", init(name, (same[0] + 999, 0)), 4)
    client.ask("InitProducerId with too long a timeout", init(name, timeout_ms=900_001), 4)
    client.ask("InitProducerId without a name", init(""), 4)
    client.ask("AddPartitionsToTxn", add_partitions(name, same, {topic: [0]}), 3)
    client.ask("Produce", produce(name, same, topic, 0), 11)
    client.ask("InitProducerId over an open transaction", init(name), 4)
    story.wait_for_transaction(name)
    client.ask("EndTxn of the fenced", end(name, same, is_commit=True), 4)
    client.ask("AddPartitionsToTxn of the fenced", add_partitions(name, same, {topic: [0]}), 3)
    last = begun(client.ask("InitProducerId", init(name), 5))
    client.ask("Produce", produce(name, last, topic, 0), 12)
    client.ask("InitProducerId over an open transaction of the new protocol", init(name), 5)
    story.wait_for_transaction(name)
    client.ask("InitProducerId", init(name), 5)


@script
def transactions_that_take_too_long(story: Story) -> None:
    client, topic = story.client, story.make_topic("out")
    for version, produced in ((4, 11), (5, 12)):
        name = f"{story.name}-{version}"
        producer = begun(client.ask("InitProducerId", init(name, timeout_ms=300), version))
        if produced == 11:
            client.ask("AddPartitionsToTxn", add_partitions(name, producer, {topic: [0]}), 3)
        client.ask("Produce", produce(name, producer, topic, 0), produced)
        story.wait_for_transaction(name)
        client.ask("EndTxn too late", end(name, producer, is_commit=True), version)
        client.ask("InitProducerId of the late one", init(name, producer), version)
        client.ask("InitProducerId", init(name), version)


@script
def markers_are_judged_by_epoch_and_version(story: Story) -> None:
    """`ProducerAppendInfo.checkProducerEpoch`: KIP-890's rule for producers of version 2, the older one for the rest."""
    client, topic = story.client, story.make_topic("out", 2)
    base = 700_000
    for version in (0, 1, 2):
        fresh: Producer = (base + version, 5)
        client.ask("Produce", produce(None, fresh, topic, 0, is_transactional=False), 9)
        for epoch in (4, 5, 5, 6, 6, 5, 32767, 32767, 32766):
            wanted = marker((fresh[0], epoch), {topic: [0]}, is_commit=epoch % 2 == 0, transaction_version=version)
            client.ask(f"WriteTxnMarkers of epoch {epoch} in transaction version {version}", write_markers(wanted), 2)
    never = (base + 10, 3)
    client.ask("WriteTxnMarkers of nobody", write_markers(marker(never, {topic: [0]}, is_commit=True, transaction_version=2)), 2)
    client.ask("WriteTxnMarkers again", write_markers(marker(never, {topic: [0]}, is_commit=True, transaction_version=2)), 2)
    for epoch in (2, 1, 2):
        wanted = marker(never, {topic: [0]}, is_commit=True, coordinator_epoch=epoch)
        client.ask(f"WriteTxnMarkers of the coordinator's epoch {epoch}", write_markers(wanted), 1)
    there = marker(never, {topic: [0, 1, 9], f"{topic}-not": [0]}, is_commit=False, coordinator_epoch=2)
    client.ask("WriteTxnMarkers to what is not there", write_markers(there), 1)
    twice = marker(never, {topic: [1]}, is_commit=False, coordinator_epoch=3)
    client.ask("WriteTxnMarkers twice", write_markers(marker(never, {topic: [0]}, is_commit=True), twice), 1)
    client.ask("WriteTxnMarkers of nothing", write_markers(), 1)
    client.ask("WriteTxnMarkers to nothing", write_markers(marker(never, {}, is_commit=True)), 1)


@script
def markers_of_open_transactions(story: Story) -> None:
    client, topic = story.client, story.make_topic("out")
    for version, produced in ((1, 11), (2, 12)):
        name = f"{story.name}-{version}"
        producer = begun(client.ask("InitProducerId", init(name), 5))
        if version == 1:
            client.ask("AddPartitionsToTxn", add_partitions(name, producer, {topic: [0]}), 3)
        client.ask("Produce", produce(name, producer, topic, 0), produced)
        for epoch in (producer[1], producer[1] + 1, producer[1]):
            wanted = marker((producer[0], epoch), {topic: [0]}, is_commit=True, transaction_version=version)
            client.ask(f"WriteTxnMarkers of epoch {epoch} in transaction version {version}", write_markers(wanted), 2)
        client.ask("EndTxn", end(name, producer, is_commit=True), 5 if version == 2 else 4)
        if version == 2:
            story.wait_for_transaction(name)
