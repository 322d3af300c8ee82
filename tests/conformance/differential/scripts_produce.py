"""Produce: what a leader checks before it appends, and how it tells what it found."""

import time
from struct import Struct
from typing import Final

from odradek.base.identifiers import ZERO_UUID
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.record import Header, Record
from odradek.wire.checksum import crc32c
from tests.conformance.differential.scripts import MOMENT_MS, OTHER_ID, batch, fill, make_topic, new_producer, produce, script, topic_id_of
from tests.conformance.differential.wire import Exchange

_HOUR_MS: Final = 3_600_000


def changed_batch(data: bytes, layout: str, position: int, value: int, *, sums: bool = True) -> bytes:
    """The batch with one field of its header changed, and its checksum made right again unless told not to."""
    changed = bytearray(data)
    Struct(layout).pack_into(changed, position, value)
    if sums:
        Struct(">I").pack_into(changed, 17, crc32c(bytes(changed[21:])))
    return bytes(changed)


def _end(exchange: Exchange, topic: str) -> None:
    ask = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[ListOffsetsPartition(timestamp=-1)])])
    exchange.ask("ListOffsets end", ask, 7)


@script
def produce_is_answered_in_every_version(exchange: Exchange) -> None:
    name = make_topic(exchange)
    for version in range(3, 13):
        exchange.ask("Produce", produce(name, batch("a", "b")), version)
    by_id = TopicProduceData(topic_id=topic_id_of(exchange, name), partition_data=[PartitionProduceData(records=batch("a"))])
    exchange.ask("Produce by id", ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[by_id]), 13)


@script
def produce_refuses_places_that_are_not_there(exchange: Exchange) -> None:
    name = make_topic(exchange)
    for version in (3, 9, 12):
        exchange.ask("Produce to unknown topic", produce(name + "-not", batch("a")), version)
        exchange.ask("Produce to unknown partition", produce(name, batch("a"), partition=5), version)
        exchange.ask("Produce to negative partition", produce(name, batch("a"), partition=-1), version)
    for label, topic_id in (("unknown", OTHER_ID), ("zero", ZERO_UUID)):
        data = TopicProduceData(topic_id=topic_id, partition_data=[PartitionProduceData(records=batch("a"))])
        exchange.ask(f"Produce by {label} id", ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[data]), 13)


@script
def produce_refuses_acknowledgements(exchange: Exchange) -> None:
    name = make_topic(exchange)
    for acks in (2, -2, 32767):
        exchange.ask(f"Produce with acks {acks}", produce(name, batch("a"), acks=acks), 9)
    exchange.expect_silence("Produce with acks 0", produce(name, batch("a"), acks=0), 9)
    exchange.expect_silence("Produce with acks 0 to unknown topic", produce(name + "-not", batch("a"), acks=0), 9)
    _end(exchange, name)


@script
def produce_refuses_batches_with_wrong_headers(exchange: Exchange) -> None:
    name = make_topic(exchange)
    good = batch("a", "b", "c")
    cases = {
        "checksum": changed_batch(good, ">I", 17, 1, sums=False),
        "base offset 7": changed_batch(good, ">q", 0, 7),
        "length too long": changed_batch(good, ">i", 8, len(good)),
        "length too short": changed_batch(good, ">i", 8, len(good) - 13),
        "length 0": changed_batch(good, ">i", 8, 0),
        "length negative": changed_batch(good, ">i", 8, -5),
        "magic 0": changed_batch(good, ">b", 16, 0),
        "magic 1": changed_batch(good, ">b", 16, 1),
        "magic 3": changed_batch(good, ">b", 16, 3),
        "append time": changed_batch(good, ">h", 21, 8),
        "transactional": changed_batch(good, ">h", 21, 16),
        "control": changed_batch(good, ">h", 21, 32),
        "delete horizon": changed_batch(good, ">h", 21, 64),
        "last offset delta 1": changed_batch(good, ">i", 23, 1),
        "last offset delta 9": changed_batch(good, ">i", 23, 9),
        "last offset delta -1": changed_batch(good, ">i", 23, -1),
        "count 0": changed_batch(good, ">i", 57, 0),
        "count 2": changed_batch(good, ">i", 57, 2),
        "count 4": changed_batch(good, ">i", 57, 4),
        "count -1": changed_batch(good, ">i", 57, -1),
        "leader epoch 9": changed_batch(good, ">i", 12, 9),
        "sequence without producer": changed_batch(good, ">i", 53, 4),
        "producer without sequence": changed_batch(good, ">q", 43, 4_000_000),
        "largest timestamp wrong": changed_batch(good, ">q", 35, MOMENT_MS + 5),
    }
    for label, data in cases.items():
        exchange.ask(f"Produce {label}", produce(name, data), 9)
    _end(exchange, name)


@script
def produce_refuses_what_is_no_batch(exchange: Exchange) -> None:
    name = make_topic(exchange)
    good = batch("a")
    cases = {
        "nothing": b"",
        "a few bytes": b"abc",
        "a header only": good[:61],
        "a cut batch": good[:-1],
        "bytes after the batch": good + b"abc",
        "two batches": good + good,
        "a batch and a half": good + good[:40],
        "zeros": bytes(100),
    }
    for label, data in cases.items():
        exchange.ask(f"Produce {label}", produce(name, data), 9)
    _end(exchange, name)


@script
def produce_keeps_every_codec(exchange: Exchange) -> None:
    name = make_topic(exchange)
    records = [Record(timestamp=MOMENT_MS, key=b"k", value=b"v" * 100, headers=[Header("h", b"x")]) for _ in range(3)]
    for codec in Codec:
        for version in (6, 7, 9):
            exchange.ask(f"Produce {codec.name}", produce(name, encode_batch(records, compression=codec)), version)
    _end(exchange, name)


@script
def produce_judges_timestamps(exchange: Exchange) -> None:
    name = make_topic(exchange, message_timestamp_before_max_ms=str(24 * _HOUR_MS), message_timestamp_after_max_ms=str(_HOUR_MS))
    now_ms = int(time.time() * 1000)
    for label, moment in (("now", now_ms), ("two days ago", now_ms - 48 * _HOUR_MS), ("in two hours", now_ms + 2 * _HOUR_MS), ("none", -1)):
        exchange.ask(f"Produce {label}", produce(name, batch("a", timestamp_ms=moment)), 9)
    mixed = [
        Record(timestamp=now_ms, value=b"a"),
        Record(timestamp=now_ms - 48 * _HOUR_MS, value=b"b"),
        Record(timestamp=now_ms, value=b"c"),
    ]
    for version in (7, 8, 9):
        exchange.ask("Produce one of three too old", produce(name, encode_batch(mixed)), version)
    stamped = make_topic(exchange, "-stamped", message_timestamp_type="LogAppendTime")
    exchange.ask("Produce into append time", produce(stamped, batch("a", timestamp_ms=5)), 9)


@script
def produce_judges_sizes(exchange: Exchange) -> None:
    name = make_topic(exchange, max_message_bytes="200")
    for size in (100, 131, 132, 133, 200):
        exchange.ask(f"Produce a value of {size} bytes", produce(name, batch("x" * size)), 9)
    small = make_topic(exchange, "-segment", segment_bytes="1048576", max_message_bytes="2000000")
    exchange.ask("Produce more than a segment", produce(small, batch("x" * 1_100_000)), 9)


@script
def produce_needs_keys_where_a_topic_is_compacted(exchange: Exchange) -> None:
    name = make_topic(exchange, cleanup_policy="compact")
    keyed, bare = Record(timestamp=MOMENT_MS, key=b"k", value=b"v"), Record(timestamp=MOMENT_MS, value=b"v")
    for label, records in (("keys", [keyed, keyed]), ("no key", [bare]), ("one without key", [keyed, bare, keyed, bare])):
        for version in (7, 8, 9):
            exchange.ask(f"Produce {label}", produce(name, encode_batch(records)), version)
    exchange.ask("Produce no key compressed", produce(name, encode_batch([bare], compression=Codec.LZ4)), 9)


@script
def produce_recompresses_where_a_topic_says_so(exchange: Exchange) -> None:
    for codec in ("gzip", "zstd", "uncompressed"):
        name = make_topic(exchange, f"-{codec}", compression_type=codec)
        exchange.ask(f"Produce into {codec}", produce(name, batch("a" * 50, "b" * 50)), 9)
        records = [Record(timestamp=MOMENT_MS, value=b"c" * 50)]
        exchange.ask(f"Produce snappy into {codec}", produce(name, encode_batch(records, compression=Codec.SNAPPY)), 9)
        _end(exchange, name)


@script
def produce_judges_each_partition_of_a_request(exchange: Exchange) -> None:
    name = make_topic(exchange, partition_count=2)
    bad = changed_batch(batch("a"), ">I", 17, 1, sums=False)
    parts = [(0, batch("a")), (1, bad), (7, batch("a"))]
    data = TopicProduceData(name=name, partition_data=[PartitionProduceData(index=index, records=records) for index, records in parts])
    exchange.ask("Produce good, bad and unknown", ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[data]), 9)
    exchange.ask("Produce nothing", ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[]), 9)


@script
def produce_keeps_the_order_of_a_producer(exchange: Exchange) -> None:
    name = make_topic(exchange)
    producer_id = new_producer(exchange)

    def send(label: str, sequence: int, *, epoch: int = 0, count: int = 1, producer: int = producer_id) -> None:
        records = [Record(timestamp=MOMENT_MS, value=b"v")] * count
        data = encode_batch(records, producer_id=producer, producer_epoch=epoch, base_sequence=sequence)
        exchange.ask(f"Produce {label}", produce(name, data), 9)

    send("first", 0)
    send("second of two", 1, count=2)
    send("second again", 1, count=2)
    send("first again", 0)
    send("a part of second", 1)
    send("a gap", 9)
    for sequence in range(3, 9):
        send(f"sequence {sequence}", sequence)
    send("forgotten first again", 0)
    send("sixth back", 3)
    send("fifth back", 4)
    send("old epoch", 9, epoch=-1)
    send("new epoch not from 0", 9, epoch=1)
    send("new epoch", 0, epoch=1)
    send("stale epoch", 10, epoch=0)
    send("unknown producer not from 0", 5, producer=producer_id + 1)
    send("largest sequence", 2**31 - 1, producer=producer_id + 2)
    send("after the largest", 0, producer=producer_id + 2)
    send("over the edge", 2**31 - 2, count=4, producer=producer_id + 3)
    send("after the edge", 2, producer=producer_id + 3)
    _end(exchange, name)


@script
def produce_refuses_transactions_that_were_not_begun(exchange: Exchange) -> None:
    name = make_topic(exchange)
    producer_id = new_producer(exchange)
    records = [Record(timestamp=MOMENT_MS, value=b"v")]
    data = encode_batch(records, producer_id=producer_id, producer_epoch=0, base_sequence=0, is_transactional=True)
    exchange.ask("Produce transactional without an id", produce(name, data), 9)
    no_producer = encode_batch(records, is_transactional=True)
    exchange.ask("Produce transactional without a producer", produce(name, no_producer), 9)


@script
def what_was_written_is_read_back(exchange: Exchange) -> None:
    name = make_topic(exchange)
    fill(exchange, name, [batch("a"), batch("b", "c"), batch("d")])
    _end(exchange, name)
