"""Single questions where Odradek answers otherwise than Kafka on purpose, or not yet as Kafka does; FINDINGS.md says which and why.

Each stands alone, so that the scripts around it can be held to every line.
"""

import time
from typing import Final

from odradek.base.identifiers import ZERO_UUID
from odradek.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from odradek.protocol.messages.fetch import FetchRequest
from odradek.protocol.messages.incremental_alter_configs import AlterableConfig, AlterConfigsResource, IncrementalAlterConfigsRequest
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from odradek.protocol.messages.write_txn_markers import WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.record import Record
from tests.conformance.differential.group_requests import await_coordinator, first_beat, join
from tests.conformance.differential.scripts import MOMENT_MS, batch, coordinated_script, fill, make_topic, new_producer, produce, script
from tests.conformance.differential.scripts_frames import request_frame
from tests.conformance.differential.scripts_produce import changed_batch
from tests.conformance.differential.scripts_reading import fetch, part
from tests.conformance.differential.transaction_requests import add_several, await_transaction_coordinator
from tests.conformance.differential.wire import Exchange

_LOOKED_FOR: Final = (MOMENT_MS - 1, MOMENT_MS, MOMENT_MS + 1500, MOMENT_MS + 10_000, -1, -2, -3)


@script
def apart_name_that_is_not_utf_8(exchange: Exchange) -> None:
    exchange.raw("a name that is not UTF-8", request_frame(3, 4, b"\x00\x01a\x00\x00\x00\x01\x00\x02\xff\xfe\x00"))


@script
def apart_codecs_that_do_not_exist(exchange: Exchange) -> None:
    name = make_topic(exchange)
    for codec in (5, 7):
        exchange.ask(f"Produce codec {codec}", produce(name, changed_batch(batch("a"), ">h", 21, codec)), 9)


@script
def apart_body_that_its_codec_cannot_read(exchange: Exchange) -> None:
    name = make_topic(exchange)
    exchange.ask("Produce codec gzip over plain records", produce(name, changed_batch(batch("a"), ">h", 21, 1)), 9)
    broken = encode_batch([Record(timestamp=MOMENT_MS, value=b"v" * 100)] * 3, compression=Codec.GZIP)
    exchange.ask("Produce broken GZIP", produce(name, changed_batch(broken, ">q", len(broken) - 20, -1)), 9)


@script
def apart_records_that_are_null(exchange: Exchange) -> None:
    name = make_topic(exchange)
    exchange.ask("Produce null", produce(name, None), 9)


@script
def apart_negative_size_of_a_fetch(exchange: Exchange) -> None:
    name = make_topic(exchange)
    fill(exchange, name, [batch("a")])
    exchange.ask("Fetch at most -1 bytes of a partition", fetch(name, part(0, bytes_max=-1)), 12)


@script
def apart_isolation_level_that_does_not_exist(exchange: Exchange) -> None:
    name = make_topic(exchange)
    fill(exchange, name, [batch("a")])
    request: FetchRequest = fetch(name, part(0))
    request.isolation_level = 9
    exchange.ask("Fetch in isolation 9", request, 12)


@script
def apart_offsets_of_one_partition_twice(exchange: Exchange) -> None:
    name = make_topic(exchange)
    twice = ListOffsetsPartition(timestamp=-1)
    exchange.ask("ListOffsets twice", ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=[twice, twice])]), 7)


@script
def apart_operation_on_a_setting_that_does_not_exist(exchange: Exchange) -> None:
    name = make_topic(exchange)
    change = AlterableConfig(name="retention.ms", config_operation=7, value="1")
    resource = AlterConfigsResource(resource_type=2, resource_name=name, configs=[change])
    exchange.ask("IncrementalAlterConfigs operation 7", IncrementalAlterConfigsRequest(resources=[resource]), 1)


@script
def apart_topic_with_neither_name_nor_id(exchange: Exchange) -> None:
    exchange.ask("Metadata by neither", MetadataRequest(topics=[MetadataRequestTopic(topic_id=ZERO_UUID, name=None)]), 12)


def _find(exchange: Exchange, topic: str, times: tuple[int, ...] = _LOOKED_FOR) -> None:
    for timestamp in times:
        partition = ListOffsetsPartition(timestamp=timestamp)
        name = f"{timestamp - MOMENT_MS:+d} ms" if timestamp >= 0 else str(timestamp)
        exchange.ask(
            f"ListOffsets {name}", ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[partition])]), 9
        )


@script
def apart_times_of_segments_whose_records_were_deleted(exchange: Exchange) -> None:
    """Kafka looks into the first segment that has reached the time and no further, though what reached it may be deleted."""
    name = make_topic(exchange, retention_ms="-1", internal_segment_bytes="250", index_interval_bytes="0")
    fill(exchange, name, [batch("a", "b", "c", timestamp_ms=MOMENT_MS + 2000 * number) for number in range(4)])
    _find(exchange, name)
    for offset in (2, 6, 11, -1):
        wish = [DeleteRecordsPartition(partition_index=0, offset=offset)]
        exchange.ask(
            f"DeleteRecords before {offset}",
            DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=name, partitions=wish)], timeout_ms=5000),
            2,
        )
        _find(exchange, name)
    fill(exchange, name, [batch("d", timestamp_ms=MOMENT_MS)])
    _find(exchange, name)


@coordinated_script
def apart_protocol_of_a_member_twice(exchange: Exchange) -> None:
    await_coordinator(exchange)
    twice = join(exchange.topic, protocols=(("range", b"one"), ("range", b"two")), instance_id="one")
    exchange.ask("JoinGroup with a protocol twice", twice, 9)


@coordinated_script
def apart_regular_expression_that_matches_nothing_any_more(exchange: Exchange) -> None:
    await_coordinator(exchange)
    name = make_topic(exchange)
    member = exchange.topic
    for regex, text in ((f"{name}.*", "partitions=[0]"), ("nothing-is-called-so", "assignment=()")):
        answer = exchange.quietly(first_beat(exchange.topic, member, regex=regex), 1)
        while text not in exchange.notation.told(answer):
            answer = exchange.quietly(first_beat(exchange.topic, member, regex=regex), 1)
        exchange.note(f"joins by {regex}", answer, 1)
    # Time enough to look for topics that there are none of.
    time.sleep(0.3)
    exchange.ask("joins again", first_beat(exchange.topic, member, regex="nothing-is-called-so"), 1)


@coordinated_script
def apart_partitions_of_no_transaction(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    exchange.ask("AddPartitionsToTxn of no transaction", add_several(), 5)


@coordinated_script
def apart_marker_of_a_negative_epoch(exchange: Exchange) -> None:
    await_transaction_coordinator(exchange)
    topic = make_topic(exchange)
    places = [WritableTxnMarkerTopic(name=topic, partition_indexes=[0])]
    marker = WritableTxnMarker(producer_id=new_producer(exchange), producer_epoch=-1, topics=places)
    exchange.ask("WriteTxnMarkers of a negative epoch", WriteTxnMarkersRequest(markers=[marker]), 1)
