"""`bootstrap.servers`: a list of host:port, of which one that answers is enough."""

from __future__ import annotations

from typing import Final, NamedTuple

from odradek.base.errors import Misuse

PORT_DEFAULT: Final = 9092
PORT_MAX: Final = 65535


class Address(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_addresses(text: str) -> list[Address]:
    """The addresses of a comma-separated list; an IPv6 address with a port stands in brackets, and the port is 9092 where none is given.

    Raises:
        Misuse: there is none, or one is malformed.
    """
    addresses = list(dict.fromkeys(_parse(part.strip()) for part in text.split(",") if part.strip()))
    if not addresses:
        raise Misuse(f"{text!r} names no address")
    return addresses


def _parse(text: str) -> Address:
    if text.startswith("["):
        host, closing, rest = text[1:].partition("]")
        if not closing or (rest and not rest.startswith(":")):
            raise Misuse(f"{text!r} is not host:port")
        port = rest[1:]
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if not host or (text.endswith(":") and text.count(":") == 1):
        raise Misuse(f"{text!r} is not host:port")
    if not port:
        return Address(host, PORT_DEFAULT)
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) <= PORT_MAX:
        raise Misuse(f"{text!r}: {port!r} is not a port from 1 to {PORT_MAX}")
    return Address(host, int(port))
