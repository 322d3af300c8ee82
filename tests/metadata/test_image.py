"""The image is what its records say: replayed one by one, all at once, or through a snapshot, it is the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.base.errors import CorruptRecords, Misuse
from odradek.base.identifiers import Uuid
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage
from odradek.metadata.record_codec import MetadataRecord, decode_metadata_record, encode_metadata_record
from odradek.metadata.transactions import MetadataTransactions
from odradek.protocol.internal_records.metadata import (
    AbortTransactionRecord,
    BeginTransactionRecord,
    EndTransactionRecord,
    NoOpRecord,
    PartitionChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from tests.metadata.metadata_records import histories

ORDERS = Uuid(b"\x01" * 16)


def image_of(records: list[MetadataRecord], start: MetadataImage = EMPTY_IMAGE) -> MetadataImage:
    delta = MetadataDelta(start)
    for record in records:
        delta.replay(record)
    return delta.apply(offset=7, epoch=1)


@given(histories())
def test_image_is_the_replay_of_its_own_snapshot(history: list[MetadataRecord]) -> None:
    image = image_of(history)

    values = [encode_metadata_record(record, 30) for record in image.records()]

    assert image_of([decode_metadata_record(value) for value in values]) == image


@given(histories())
def test_everything_at_once_is_the_replay_of_all_records(history: list[MetadataRecord]) -> None:
    image = image_of(history)
    replayed = MetadataDelta(EMPTY_IMAGE)
    for record in image.records():
        replayed.replay(record)

    everything = MetadataDelta.of_everything(image)

    assert everything.apply(7, 1) == image
    assert [(topic.name, topic.id, topic.before, topic.changed_partitions) for topic in everything.topics.changed_topics.values()] == [
        (topic.name, topic.id, topic.before, topic.changed_partitions) for topic in replayed.topics.changed_topics.values()
    ]


@given(histories(), st.data())
def test_image_does_not_depend_on_where_deltas_end(history: list[MetadataRecord], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(history)))

    assert image_of(history[cut:], start=image_of(history[:cut])) == image_of(history)


@given(histories())
def test_delta_leaves_the_image_before_it_alone(history: list[MetadataRecord]) -> None:
    image = image_of(history)
    before = repr(image)

    delta = MetadataDelta(image)
    for record in image_of(history).topics.by_id.values():
        delta.replay(RemoveTopicRecord(topic_id=record.id))
    delta.apply(8, 1)

    assert repr(image) == before


def test_parts_that_did_not_change_are_shared() -> None:
    image = image_of([TopicRecord(name="orders", topic_id=ORDERS)])

    later = image_of([], start=image)

    assert later.topics is image.topics
    assert later.configs is image.configs


def test_topic_deleted_and_made_again_in_one_delta_is_told_as_both() -> None:
    image = image_of([TopicRecord(name="orders", topic_id=ORDERS)])
    again = Uuid(b"\x02" * 16)

    delta = MetadataDelta(image)
    delta.replay(RemoveTopicRecord(topic_id=ORDERS))
    delta.replay(TopicRecord(name="orders", topic_id=again))

    assert set(delta.topics.deleted_topics) == {ORDERS}
    assert set(delta.topics.changed_topics) == {again}
    assert delta.apply(8, 1).topics.by_name["orders"].id == again


def test_change_of_leader_moves_both_epochs_and_change_of_isr_only_one() -> None:
    partition = PartitionRecord(topic_id=ORDERS, partition_id=0, replicas=[1, 2], isr=[1, 2], leader=1, leader_epoch=3, partition_epoch=5)
    image = image_of([TopicRecord(name="orders", topic_id=ORDERS), partition])

    shrunk = image_of([PartitionChangeRecord(topic_id=ORDERS, partition_id=0, isr=[1])], start=image).topics.partition("orders", 0)
    moved = image_of([PartitionChangeRecord(topic_id=ORDERS, partition_id=0, leader=2)], start=image).topics.partition("orders", 0)

    assert shrunk is not None
    assert moved is not None
    assert (shrunk.isr, shrunk.leader_epoch, shrunk.partition_epoch) == ((1,), 3, 6)
    assert (moved.leader, moved.leader_epoch, moved.partition_epoch) == (2, 4, 6)


def test_record_about_something_that_never_was_is_fatal() -> None:
    with pytest.raises(Misuse):
        image_of([PartitionRecord(topic_id=ORDERS, partition_id=0, replicas=[1])])


@pytest.mark.parametrize("data", [b"", b"\x02\x02\x00", b"\x01\x7f\x00", b"\x01\x02\x09", b"\x01\x02\x00\x05"])
def test_bytes_that_are_no_record_are_corrupt(data: bytes) -> None:
    with pytest.raises(CorruptRecords):
        decode_metadata_record(data)


@given(st.binary(max_size=40))
def test_no_bytes_raise_anything_but_corrupt_records(data: bytes) -> None:
    try:
        decode_metadata_record(data)
    except CorruptRecords:
        return


def test_framing_is_kafkas() -> None:
    """KAFKA-FACTS 2.7: frame version, type, version, message."""
    assert encode_metadata_record(TopicRecord(name="a", topic_id=ORDERS), 30) == b"\x01\x02\x00" + b"\x02a" + b"\x01" * 16 + b"\x00"


def test_old_cluster_gets_old_versions_of_records() -> None:
    record = PartitionRecord(topic_id=ORDERS, partition_id=0, replicas=[1])

    assert [encode_metadata_record(record, level)[2] for level in (7, 16, 17, 22, 23, 30)] == [0, 0, 1, 1, 2, 2]


def test_transaction_comes_into_force_at_its_end() -> None:
    transactions = MetadataTransactions()
    topic = TopicRecord(name="orders", topic_id=ORDERS)

    assert transactions.feed(BeginTransactionRecord()) == ()
    assert transactions.feed(topic) == ()
    assert transactions.is_open
    assert transactions.feed(EndTransactionRecord()) == [topic]
    assert transactions.feed(NoOpRecord()) == (NoOpRecord(),)


def test_aborted_transaction_never_comes_into_force() -> None:
    transactions = MetadataTransactions()
    transactions.feed(BeginTransactionRecord())
    transactions.feed(TopicRecord(name="orders", topic_id=ORDERS))

    assert transactions.feed(AbortTransactionRecord()) == ()
    assert not transactions.is_open


@pytest.mark.parametrize("record", [EndTransactionRecord(), AbortTransactionRecord()])
def test_end_without_begin_is_corrupt(record: MetadataRecord) -> None:
    with pytest.raises(CorruptRecords):
        MetadataTransactions().feed(record)
