"""How a client comes by a byte stream to a broker: the seam at which TLS and SASL come in.

A connector gives back a stream on which Kafka frames can be exchanged at once. One for TLS wraps the socket before that; one for SASL sends
its handshake (SaslHandshake, SaslAuthenticate) on the stream first. Connections above know of neither.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from odradek.client.core.address import Address


class Connector(Protocol):
    """Opens a stream to a broker."""

    async def __call__(self, address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises OSError when nobody listens there."""
        ...


async def connect_plaintext(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A plain TCP stream; requests leave at once.

    Raises:
        OSError: nobody listens there, or the name cannot be resolved.
    """
    reader, writer = await asyncio.open_connection(address.host, address.port)
    plain: socket.socket = writer.get_extra_info("socket")
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return reader, writer
