"""A response as it leaves: its size, its header in the version that belongs to the request, its body."""

from __future__ import annotations

from odradek.broker.request import RequestContext
from odradek.protocol import apis
from odradek.protocol.headers import encode_response_header
from odradek.protocol.message import Message


def encode_response(context: RequestContext, response: Message) -> bytes:
    """The bytes of `response`, ready to be sent.

    Raises:
        Misuse: the version cannot carry what the response holds.
    """
    out = bytearray(4)
    encode_response_header(out, context.correlation_id, apis.response_header_version(context.api_key, context.api_version))
    response.encode(out, context.api_version)
    out[0:4] = (len(out) - 4).to_bytes(4, "big")
    return bytes(out)
