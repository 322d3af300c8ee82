"""Single questions where Odradek answers otherwise than Kafka on purpose, or not yet as Kafka does; FINDINGS.md says which and why.

Each stands alone, so that the scripts around it can be held to every line.
"""

from odradek.base.identifiers import ZERO_UUID
from odradek.protocol.messages.fetch import FetchRequest
from odradek.protocol.messages.incremental_alter_configs import AlterableConfig, AlterConfigsResource, IncrementalAlterConfigsRequest
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.record import Record
from tests.conformance.differential.scripts import MOMENT_MS, batch, fill, make_topic, produce, script
from tests.conformance.differential.scripts_frames import request_frame
from tests.conformance.differential.scripts_produce import changed_batch
from tests.conformance.differential.scripts_reading import fetch, part
from tests.conformance.differential.wire import Exchange


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
