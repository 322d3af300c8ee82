"""ApiVersions in every version, and bytes that are no request."""

from struct import Struct
from typing import Final

from odradek.protocol.messages.api_versions import ApiVersionsRequest
from odradek.protocol.messages.metadata import MetadataRequest
from tests.conformance.differential.scripts import script
from tests.conformance.differential.wire import Exchange

_SIZE: Final = Struct(">i")
_HEADER: Final = Struct(">hhi")


def _framed(body: bytes) -> bytes:
    return _SIZE.pack(len(body)) + body


def request_frame(api_key: int, version: int, rest: bytes) -> bytes:
    return _framed(_HEADER.pack(api_key, version, 1) + rest)


@script
def api_versions_are_told_in_every_version(exchange: Exchange) -> None:
    request = ApiVersionsRequest(client_software_name="differential", client_software_version="1.0")
    exchange.ask_each("ApiVersions", request, range(5))


@script
def api_versions_refuses_software_names(exchange: Exchange) -> None:
    """KIP-511: letters, digits, dots and dashes, beginning and ending with a letter or digit."""
    for name, version in (("", "1"), ("a", ""), ("a b", "1"), ("-a", "1"), ("a-", "1"), ("a.b-c9", "1.0-rc1"), ("ä", "1")):
        exchange.ask(
            f"ApiVersions of {name!r} {version!r}", ApiVersionsRequest(client_software_name=name, client_software_version=version), 3
        )


@script
def unknown_version_of_api_versions_is_answered_in_version_0(exchange: Exchange) -> None:
    exchange.raw("ApiVersions v99", request_frame(18, 99, b"\x00\x01a\x00\x02b\x02c\x00"))
    exchange.raw("ApiVersions v99 without a body", request_frame(18, 99, b""))


@script
def frames_that_are_no_request_close_the_connection(exchange: Exchange) -> None:
    exchange.raw("size -1", _SIZE.pack(-1))
    exchange.raw("size of the smallest integer", _SIZE.pack(-(2**31)))
    exchange.raw("size over the limit", _SIZE.pack(104857601))
    exchange.raw("size 0", _SIZE.pack(0))
    exchange.raw("size 1", _framed(b"\x00"))
    exchange.raw("half a frame", _SIZE.pack(100) + b"abc")
    exchange.raw("half a size", b"\x00\x00")
    exchange.raw("an HTTP request", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    exchange.raw("a TLS greeting", bytes.fromhex("16030100f4010000f00303") + bytes(230))
    exchange.raw("API key 999", request_frame(999, 0, b"\xff\xff"))
    exchange.raw("API key -1", request_frame(-1, 0, b"\xff\xff"))
    exchange.raw("an API of controllers only", request_frame(52, 0, b"\x00\x01a\x00\x00"))


@script
def versions_that_are_not_served_close_the_connection(exchange: Exchange) -> None:
    exchange.raw("Metadata v99", request_frame(3, 99, b"\x00\x01a\x00\x00"))
    exchange.raw("Metadata v-1", request_frame(3, -1, b"\x00\x01a\x00\x00"))
    exchange.raw("Produce v2", request_frame(0, 2, b"\x00\x01a" + b"\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"))
    exchange.raw("Fetch v3", request_frame(1, 3, b"\x00\x01a" + bytes(30)))
    exchange.raw("CreateTopics v1", request_frame(19, 1, b"\x00\x01a" + bytes(30)))
    exchange.raw("Fetch v19", request_frame(1, 19, b"\x00\x01a" + bytes(30)))


@script
def bodies_that_cannot_be_read_close_the_connection(exchange: Exchange) -> None:
    exchange.raw("Metadata without a body", request_frame(3, 4, b"\x00\x01a"))
    exchange.raw("Metadata with a cut body", request_frame(3, 4, b"\x00\x01a\x00\x00\x00\x02\x00\x01a"))
    exchange.raw("Metadata with a huge count", request_frame(3, 4, b"\x00\x01a\x7f\xff\xff\xff\x01"))
    exchange.raw("Metadata with a negative count", request_frame(3, 4, b"\x00\x01a\xff\xff\xff\xfe\x01"))
    exchange.raw("Metadata with a negative string size", request_frame(3, 4, b"\x00\x01a\x00\x00\x00\x01\xff\xf0\x01"))
    exchange.raw("a client id that ends behind the frame", request_frame(3, 4, b"\x00\x50a"))


@script
def bytes_after_the_last_field_are_ignored(exchange: Exchange) -> None:
    """librdkafka leaves three bytes there when it asks for the metadata of all topics."""
    frame = exchange.frame_of(MetadataRequest(topics=[]), 13)
    exchange.send_frame(frame + b"\x01\x00\x00")
    answer = exchange.receive_frame(5.0)
    exchange.transcript.append("Metadata v13 with three bytes more: " + ("no answer" if answer is None else "an answer"))


@script
def client_id_may_be_null_or_empty(exchange: Exchange) -> None:
    for name, told in (("null", b"\xff\xff"), ("empty", b"\x00\x00")):
        exchange.raw(f"client id {name}", request_frame(3, 4, told + b"\x00\x00\x00\x00\x00"))
