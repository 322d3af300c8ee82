"""Fetch, its sessions, ListOffsets, OffsetForLeaderEpoch and DeleteRecords."""

from typing import Final

from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from odradek.protocol.messages.offset_for_leader_epoch import OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic
from tests.conformance.differential.scripts import MOMENT_MS, OTHER_ID, batch, fill, make_topic, script, topic_id_of
from tests.conformance.differential.wire import Exchange

_BYTES_MAX: Final = 1 << 20


def fetch(topic: str, *parts: FetchPartition, topic_id: Uuid = ZERO_UUID) -> FetchRequest:
    topics = [FetchTopic(topic=topic, topic_id=topic_id, partitions=list(parts))] if parts else []
    return FetchRequest(replica_id=-1, max_wait_ms=0, min_bytes=0, max_bytes=50 * _BYTES_MAX, topics=topics)


def part(offset: int, *, partition: int = 0, bytes_max: int = _BYTES_MAX, leader_epoch: int = -1, last_epoch: int = -1) -> FetchPartition:
    return FetchPartition(
        partition=partition,
        current_leader_epoch=leader_epoch,
        fetch_offset=offset,
        last_fetched_epoch=last_epoch,
        log_start_offset=-1,
        partition_max_bytes=bytes_max,
    )


def _three_batches(exchange: Exchange, suffix: str = "") -> str:
    """Offsets 0; 1 and 2; 3."""
    name = make_topic(exchange, suffix)
    fill(exchange, name, [batch("a"), batch("b", "c"), batch("d" * 500)])
    return name


@script
def fetch_is_answered_in_every_version(exchange: Exchange) -> None:
    name = _three_batches(exchange)
    exchange.ask_each("Fetch", fetch(name, part(0)), range(4, 13))
    exchange.ask_each("Fetch by id", fetch(name, part(0), topic_id=topic_id_of(exchange, name)), range(13, 19))


@script
def fetch_starts_anywhere(exchange: Exchange) -> None:
    name = _three_batches(exchange)
    for offset in (0, 1, 2, 3, 4, 5, 1000, -1, -2):
        exchange.ask(f"Fetch from {offset}", fetch(name, part(offset)), 12)


@script
def fetch_refuses_places_that_are_not_there(exchange: Exchange) -> None:
    name = _three_batches(exchange)
    for version in (4, 11, 12):
        exchange.ask("Fetch unknown topic", fetch(name + "-not", part(0)), version)
        exchange.ask("Fetch unknown partition", fetch(name, part(0, partition=3)), version)
        exchange.ask("Fetch known and unknown partition", fetch(name, part(0), part(0, partition=3)), version)
    known = topic_id_of(exchange, name)
    exchange.ask("Fetch by unknown id", fetch("", part(0), topic_id=OTHER_ID), 13)
    exchange.ask("Fetch by zero id", fetch("", part(0)), 13)
    exchange.ask("Fetch unknown partition by id", fetch("", part(0, partition=3), topic_id=known), 13)


@script
def fetch_keeps_to_sizes_but_gives_one_batch(exchange: Exchange) -> None:
    name = _three_batches(exchange)
    for bytes_max in (0, 1, 100, 150, 200):
        exchange.ask(f"Fetch at most {bytes_max} bytes of a partition", fetch(name, part(0, bytes_max=bytes_max)), 12)
    whole = fetch(name, part(0))
    for bytes_max in (0, 1, 100, 200):
        whole.max_bytes = bytes_max
        exchange.ask(f"Fetch at most {bytes_max} bytes", whole, 12)
    pair = make_topic(exchange, "-pair", partition_count=2)
    for partition in (0, 1):
        fill(exchange, pair, [batch("x" * 300), batch("y" * 300)], partition=partition)
    both = fetch(pair, part(0, bytes_max=1), part(0, partition=1, bytes_max=1))
    exchange.ask("Fetch one byte of each of two", both, 12)
    both = fetch(pair, part(0), part(0, partition=1))
    both.max_bytes = 500
    exchange.ask("Fetch at most 500 bytes of two", both, 12)


@script
def fetch_knows_the_leader_epoch(exchange: Exchange) -> None:
    name = _three_batches(exchange)
    for epoch in (-1, 0, 1, 9, -2):
        exchange.ask(f"Fetch in epoch {epoch}", fetch(name, part(0, leader_epoch=epoch)), 12)
    for epoch in (0, 1):
        exchange.ask(f"Fetch after epoch {epoch}", fetch(name, part(2, last_epoch=epoch)), 12)
    committed = fetch(name, part(0))
    committed.isolation_level = 1
    exchange.ask_each("Fetch committed", committed, (4, 11, 12))


@script
def fetch_sessions_tell_only_what_is_new(exchange: Exchange) -> None:
    """KIP-227."""
    name = make_topic(exchange, partition_count=2)
    fill(exchange, name, [batch("a")])
    first = fetch(name, part(0), part(0, partition=1))
    first.session_epoch = 0
    opened = exchange.ask("Fetch opening", first, 12)
    assert isinstance(opened, FetchResponse)
    session_id = opened.session_id

    def later(label: str, epoch: int, *parts: FetchPartition, forgotten: list[int] | None = None, session: int = session_id) -> None:
        request = fetch(name, *parts)
        request.session_id, request.session_epoch = session, epoch
        if forgotten:
            request.forgotten_topics_data = [ForgottenTopic(topic=name, partitions=forgotten)]
        exchange.ask(f"Fetch {label}", request, 12)

    later("again", 1)
    later("moved on", 2, part(1))
    later("nothing new", 3)
    fill(exchange, name, [batch("b")])
    later("one new", 4)
    later("in a past epoch", 4)
    later("in a future epoch", 9)
    later("in the right epoch", 5, part(2))
    later("forgetting", 6, forgotten=[0])
    fill(exchange, name, [batch("c")])
    later("after forgetting", 7)
    later("an unknown session", 1, session=session_id + 1)
    later("with an unknown partition", 8, part(0, partition=9))
    later("closing", -1, part(0))
    later("after closing", 9)


@script
def offsets_are_listed_for_every_special(exchange: Exchange) -> None:
    name = _three_batches(exchange)

    def ask(timestamp: int, *, topic: str = name, partition: int = 0, epoch: int = -1) -> ListOffsetsRequest:
        part = ListOffsetsPartition(partition_index=partition, current_leader_epoch=epoch, timestamp=timestamp)
        return ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[part])])

    for special in (-1, -2, -3, -4, -5, -6, -7, -100):
        exchange.ask_each(f"ListOffsets {special}", ask(special), range(1, 12))
    for moment in (0, MOMENT_MS, MOMENT_MS + 1, MOMENT_MS + 1000, MOMENT_MS + 1001, 2**62):
        exchange.ask_each(f"ListOffsets of a moment {moment}", ask(moment), (1, 4, 7, 11))
    for version in (1, 4, 11):
        exchange.ask("ListOffsets of unknown topic", ask(-1, topic=name + "-not"), version)
        exchange.ask("ListOffsets of unknown partition", ask(-1, partition=4), version)
    for epoch in (0, 1, 9):
        exchange.ask(f"ListOffsets in epoch {epoch}", ask(-1, epoch=epoch), 7)
        exchange.ask(f"ListOffsets of a moment in epoch {epoch}", ask(MOMENT_MS, epoch=epoch), 7)
    committed = ask(-1)
    committed.isolation_level = 1
    exchange.ask_each("ListOffsets committed", committed, (2, 7, 11))
    empty = make_topic(exchange, "-empty")
    for special in (-1, -2, -3, -4, -5, MOMENT_MS):
        exchange.ask(f"ListOffsets {special} of an empty partition", ask(special, topic=empty), 9)


@script
def ends_of_epochs_are_told(exchange: Exchange) -> None:
    name = _three_batches(exchange)
    for current, wanted in ((-1, 0), (-1, 1), (-1, -1), (-1, 9), (0, 0), (5, 0)):
        part = OffsetForLeaderPartition(partition=0, current_leader_epoch=current, leader_epoch=wanted)
        request = OffsetForLeaderEpochRequest(replica_id=-1, topics=[OffsetForLeaderTopic(topic=name, partitions=[part])])
        exchange.ask_each(f"OffsetForLeaderEpoch {wanted} in {current}", request, (3, 4))
    for topic, partition in ((name + "-not", 0), (name, 3)):
        part = OffsetForLeaderPartition(partition=partition, leader_epoch=0)
        request = OffsetForLeaderEpochRequest(replica_id=-1, topics=[OffsetForLeaderTopic(topic=topic, partitions=[part])])
        exchange.ask(f"OffsetForLeaderEpoch of {'unknown topic' if topic != name else 'unknown partition'}", request, 4)


@script
def records_are_deleted_up_to_an_offset(exchange: Exchange) -> None:
    name = _three_batches(exchange)

    def deleted(offset: int, *, topic: str = name, partition: int = 0) -> DeleteRecordsRequest:
        part = DeleteRecordsPartition(partition_index=partition, offset=offset)
        return DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic, partitions=[part])], timeout_ms=5000)

    for version, offset in ((0, 1), (1, 2), (2, 1), (2, 5), (2, -2), (2, 4), (2, -1)):
        exchange.ask(f"DeleteRecords before {offset}", deleted(offset), version)
        exchange.ask("Fetch from 0", fetch(name, part(0)), 12)
    exchange.ask("DeleteRecords of unknown topic", deleted(1, topic=name + "-not"), 2)
    exchange.ask("DeleteRecords of unknown partition", deleted(1, partition=3), 2)
    compacted = make_topic(exchange, "-compacted", cleanup_policy="compact")
    exchange.ask("DeleteRecords of compacted", deleted(0, topic=compacted), 2)
