"""What settings of a topic do to records: who stamps their time and how far it may lie off, where a log begins, what a deletion leaves.

Each question here is one whose answer a test of ours holds as well; this is the word of Kafka on it.
"""

import time
from typing import Final

from odradek.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.record import Record
from tests.conformance.differential.scripts import MOMENT_MS, batch, fill, make_topic, new_producer, produce, script
from tests.conformance.differential.scripts_produce import changed_batch
from tests.conformance.differential.wire import Exchange

_HOUR_MS: Final = 3_600_000


@script
def times_are_stamped_by_the_topic(exchange: Exchange) -> None:
    """LogAppendTime: whatever the producer says of the time, and however wrong it is, the answer has the topic's."""
    stamped = make_topic(
        exchange, message_timestamp_type="LogAppendTime", message_timestamp_before_max_ms="1", message_timestamp_after_max_ms="1"
    )
    producer_id = new_producer(exchange)
    for label, moment in (("long ago", 5), ("far ahead", MOMENT_MS * 2), ("none", -1)):
        exchange.ask(f"Produce {label}", produce(stamped, batch("a", "b", timestamp_ms=moment)), 9)
    exchange.ask("Produce stamped already", produce(stamped, changed_batch(batch("a"), ">h", 21, 8)), 9)
    for codec in (Codec.GZIP, Codec.ZSTD):
        exchange.ask(
            f"Produce in {codec.name}", produce(stamped, encode_batch([Record(timestamp=5, value=b"v")] * 2, compression=codec)), 9
        )
    ordered = encode_batch([Record(timestamp=5, value=b"v")], producer_id=producer_id, producer_epoch=0, base_sequence=0)
    for label in ("in order", "in order again"):
        exchange.ask(f"Produce {label}", produce(stamped, ordered), 9)
    changed = make_topic(exchange, "-by-producer")
    exchange.ask("Produce stamped where the producer stamps", produce(changed, changed_batch(batch("a"), ">h", 21, 8)), 9)


@script
def times_may_lie_so_far_off_and_no_further(exchange: Exchange) -> None:
    now_ms = int(time.time() * 1000)
    strict = make_topic(exchange, message_timestamp_before_max_ms=str(_HOUR_MS), message_timestamp_after_max_ms=str(_HOUR_MS))
    steps = (-2 * _HOUR_MS, -_HOUR_MS + 60_000, 0, _HOUR_MS - 60_000, 2 * _HOUR_MS)
    for step in steps:
        for codec in (Codec.NONE, Codec.LZ4):
            records = [Record(timestamp=now_ms, value=b"a"), Record(timestamp=now_ms + step, value=b"b")]
            exchange.ask(f"Produce {step} ms off in {codec.name}", produce(strict, encode_batch(records, compression=codec)), 9)
    only_ahead = make_topic(exchange, "-ahead", message_timestamp_after_max_ms="0")
    for step in (-_HOUR_MS, 2 * _HOUR_MS):
        exchange.ask(f"Produce {step} ms off, nothing ahead", produce(only_ahead, batch("a", timestamp_ms=now_ms + step)), 9)
    keyed = make_topic(exchange, "-keyed", cleanup_policy="compact", message_timestamp_before_max_ms=str(_HOUR_MS))
    bare_and_old = [Record(timestamp=now_ms, value=b"a"), Record(timestamp=now_ms - 2 * _HOUR_MS, key=b"k", value=b"b")]
    exchange.ask("Produce without a key and too old", produce(keyed, encode_batch(bare_and_old)), 9)
    exchange.ask("Produce too old and without a key", produce(keyed, encode_batch(bare_and_old[::-1])), 9)


@script
def records_of_several_partitions_are_deleted_at_once(exchange: Exchange) -> None:
    name = make_topic(exchange, partition_count=3)
    for partition in range(2):
        fill(exchange, name, [batch("a", "b", "c")], partition=partition)
    wishes = [DeleteRecordsPartition(partition_index=index, offset=offset) for index, offset in ((0, 2), (1, 9), (2, 0), (7, 0))]
    topics = [DeleteRecordsTopic(name=name, partitions=wishes), DeleteRecordsTopic(name=name + "-not", partitions=wishes[:1])]
    for version in (0, 2):
        exchange.ask("DeleteRecords", DeleteRecordsRequest(topics=topics, timeout_ms=5000), version)
    exchange.ask("DeleteRecords of nothing", DeleteRecordsRequest(topics=[], timeout_ms=5000), 2)
    end = [DeleteRecordsPartition(partition_index=2, offset=-1)]
    exchange.ask(
        "DeleteRecords to the end of nothing",
        DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=name, partitions=end)], timeout_ms=5000),
        2,
    )
