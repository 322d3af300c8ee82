"""The headers in front of every request and response.

A request header has to be understood before its version is known: key, version, correlation id and client id stand at the same places in
header versions 1 and 2, and version 2 only adds tagged fields. The client id keeps its old form even there (KIP-482).
A response header is the correlation id, and in version 1 tagged fields, of which Kafka 4.3 has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from odradek.protocol.apis import request_header_version
from odradek.wire.frame_cursor import FrameCursor
from odradek.wire.writing import write_nullable_string

_REQUEST = Struct(">hhi")
_RESPONSE = Struct(">i")


@dataclass(slots=True)
class RequestHeader:
    """Which API in which version, the number to answer under, and the client's name for itself."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None = None


def decode_request_header(data: bytes, position: int) -> tuple[RequestHeader, int]:
    """The header at `position`, in whichever version its key and version imply, and where the body begins.

    Raises:
        ProtocolViolation: the data ends inside the header or is malformed. Unknown keys and versions are not refused here.
    """
    cursor = FrameCursor(data, position, len(data))
    api_key, api_version, correlation_id = cursor.i16(), cursor.i16(), cursor.i32()
    client_id = cursor.nullable_string(is_flexible=False)
    if request_header_version(api_key, api_version) == 2:
        cursor.skip_tagged_fields()
    return RequestHeader(api_key, api_version, correlation_id, client_id), cursor.position


def encode_request_header(out: bytearray, header: RequestHeader) -> None:
    """Append the header in the version that its key and version imply.

    Raises:
        Misuse: the client id is too long.
    """
    out += _REQUEST.pack(header.api_key, header.api_version, header.correlation_id)
    write_nullable_string(out, header.client_id)
    if request_header_version(header.api_key, header.api_version) == 2:
        out.append(0)


def decode_response_header(data: bytes, position: int, header_version: int) -> tuple[int, int]:
    """The correlation id at `position`, and where the body begins.

    Raises:
        ProtocolViolation: the data ends inside the header.
    """
    cursor = FrameCursor(data, position, len(data))
    correlation_id = cursor.i32()
    if header_version >= 1:
        cursor.skip_tagged_fields()
    return correlation_id, cursor.position


def encode_response_header(out: bytearray, correlation_id: int, header_version: int) -> None:
    """Append a response header."""
    out += _RESPONSE.pack(correlation_id)
    if header_version >= 1:
        out.append(0)
