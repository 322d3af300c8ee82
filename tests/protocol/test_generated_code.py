"""The generated files are those that the notation gives, and the notation is lossless."""

from __future__ import annotations

import pytest

from odradek.base.errors import Misuse, ProtocolViolation
from odradek.protocol.message import decode_message, encode_message
from odradek.protocol.messages.create_topics import CreateTopicsRequest
from odradek.protocol.messages.fetch import FetchRequest, PartitionData
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest
from odradek.protocol.messages.metadata import MetadataRequest
from odradek.protocol.messages.offset_fetch import OffsetFetchRequest
from tools.generate_protocol import generated_files, stale_files
from tools.import_definitions import SCHEMA_FOLDER, convert_message, snake_case
from tools.schema_notation import NotationError, format_schema, parse_schema


def test_generated_files_are_up_to_date() -> None:
    assert stale_files(generated_files()) == []


def test_every_schema_reads_back_as_the_text_it_is_written_as() -> None:
    paths = sorted(SCHEMA_FOLDER.rglob("*.schema"))
    assert len(paths) > 150
    for path in paths:
        assert format_schema(parse_schema(path.read_text())) == path.read_text(), path


@pytest.mark.parametrize(
    "text",
    [
        "api 1 One\n\n    Field int32\n",
        "api 1 One\n\nOneRequest request 0 flexible never\n    Field int32 somehow\n",
        "api 1 One\n\nOneRequest request 0 flexible never\n    Field int32\n            Deep int32\n",
        "api 1 One\n\nOneRequest request 0 flexible never\n   Field int32\n",
        "api 1 One near broker\n",
    ],
)
def test_notation_refuses_what_it_cannot_say(text: str) -> None:
    with pytest.raises(NotationError):
        parse_schema(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("TopicId", "topic_id"), ("KRaftVersion", "kraft_version"), ("ISRCount", "isr_count"), ("V3AndBelow", "v3_and_below")],
)
def test_names_become_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_definition_without_valid_versions_is_left_out() -> None:
    assert convert_message({"name": "StopReplicaRequest", "type": "request", "validVersions": "none"}) is None


def test_field_is_cut_to_the_versions_of_its_message() -> None:
    """Definitions keep the versions that a release has dropped."""
    field = {"name": "Old", "type": "int32", "versions": "0-4"}
    gone = {"name": "Gone", "type": "int32", "versions": "0-2"}
    message = convert_message({"name": "X", "type": "data", "validVersions": "3-9", "flexibleVersions": "none", "fields": [field, gone]})
    assert message is not None
    assert [(one.name, one.versions.low, one.versions.high) for one in message.fields] == [("Old", 3, 4)]


def test_field_that_a_version_lacks_is_refused_when_it_is_set() -> None:
    request = MetadataRequest(allow_auto_topic_creation=False)
    with pytest.raises(Misuse, match=r"allow_auto_topic_creation.*version 3"):
        request.encode(bytearray(), 3)


def test_ignorable_field_that_a_version_lacks_is_dropped() -> None:
    request = FetchRequest(rack_id="a", session_epoch=3)
    assert decode_message(FetchRequest, encode_message(request, 4), 4) == FetchRequest()


def test_null_is_refused_where_a_version_cannot_carry_it() -> None:
    with pytest.raises(Misuse, match="null"):
        OffsetFetchRequest(topics=None).encode(bytearray(), 1)
    MetadataRequest(topics=None).encode(bytearray(), 1)
    with pytest.raises(Misuse, match="null"):
        MetadataRequest(topics=None).encode(bytearray(), 0)


def test_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(Misuse, match="cannot be encoded"):
        CreateTopicsRequest(timeout_ms=1 << 31).encode(bytearray(), 7)


def test_text_that_does_not_fit_is_refused() -> None:
    with pytest.raises(Misuse, match="32768 bytes"):
        InitProducerIdRequest(transactional_id="x" * 32_768).encode(bytearray(), 2)
    with pytest.raises(Misuse, match="cannot be encoded"):
        InitProducerIdRequest(transactional_id="\ud800").encode(bytearray(), 2)


def test_records_are_written_from_any_buffer() -> None:
    for records in (b"abc", bytearray(b"abc"), memoryview(b"abc")):
        out = bytearray()
        PartitionData(records=records).encode(out, 18)  # type: ignore[arg-type]
        assert b"\x04abc" in out


def test_tag_of_another_size_than_announced_is_a_violation() -> None:
    encoded = bytearray(encode_message(FetchRequest(cluster_id="c"), 18))
    place = encoded.index(b"\x01\x00\x02\x02c")
    encoded[place + 2] = 3
    with pytest.raises(ProtocolViolation, match="tag 0"):
        FetchRequest.decode(bytes(encoded) + b"\x00", 0, 18)


def test_unknown_tag_is_skipped() -> None:
    encoded = bytearray(encode_message(MetadataRequest(), 13))
    assert encoded.pop() == 0
    encoded += b"\x02\x05\x01x\x7f\x00"
    assert decode_message(MetadataRequest, bytes(encoded), 13) == MetadataRequest()


@pytest.mark.parametrize("count", [b"\x7f\xff\xff\xff", b"\x00\x00\x01\x00", b"\xff\xff\xff\xfe"])
def test_array_longer_than_the_rest_of_the_frame_is_refused_before_it_is_made(count: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        MetadataRequest.decode(count + b"\x00\x01x" * 8, 0, 0)
