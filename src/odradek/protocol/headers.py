"""The headers in front of every request and response.

A request header has to be understood before its version is known: key, version, correlation id and client id stand at the same places in
header versions 1 and 2, and version 2 only adds tagged fields. The client id keeps its old form even there (KIP-482).
A response header is the correlation id, and in version 1 tagged fields, of which Kafka 4.3 has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

from odradek.base.errors import ProtocolViolation
from odradek.protocol.apis import request_header_version
from odradek.wire.reading import read_nullable_string, skip_tagged_fields
from odradek.wire.refusals import MALFORMED
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
    try:
        api_key, api_version, correlation_id = _REQUEST.unpack_from(data, position)
        client_id, position = read_nullable_string(data, position + _REQUEST.size)
        if request_header_version(api_key, api_version) == 2:
            position = skip_tagged_fields(data, position)
    except MALFORMED as error:
        raise ProtocolViolation(f"a request header is malformed: {error}") from error
    return RequestHeader(api_key, api_version, correlation_id, client_id), position


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
    try:
        correlation_id: int = _RESPONSE.unpack_from(data, position)[0]
    except MALFORMED as error:
        raise ProtocolViolation(f"a response header is malformed: {error}") from error
    position += _RESPONSE.size
    return correlation_id, skip_tagged_fields(data, position) if header_version >= 1 else position


def encode_response_header(out: bytearray, correlation_id: int, header_version: int) -> None:
    """Append a response header."""
    out += _RESPONSE.pack(correlation_id)
    if header_version >= 1:
        out.append(0)
