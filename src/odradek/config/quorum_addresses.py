"""Where controllers are found: `controller.quorum.voters` (id@host:port) and `controller.quorum.bootstrap.servers` (host:port).

A host may be a name, an IPv4 address, or an IPv6 address with or without brackets, and may carry a scheme, as Java's Kafka accepts it
(`Utils.getHost`). 0.0.0.0 is allowed here, because only whoever dials an address has to refuse it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple, final

from odradek.base.errors import SettingError
from odradek.base.identifiers import NodeId

_HOST_AND_PORT = re.compile(r"^(?:[0-9a-zA-Z\-%._]*://)?\[?([0-9a-zA-Z\-%._:]*)\]?:([0-9]+)$")
_VOTERS = "controller.quorum.voters"
_BOOTSTRAP_SERVERS = "controller.quorum.bootstrap.servers"
PORT_MAX = 65_535


class HostAndPort(NamedTuple):
    """An address to dial."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host_and_port(text: str) -> HostAndPort | None:
    """The address `text` spells, or None."""
    match = _HOST_AND_PORT.match(text)
    if match is None or int(match[2]) > PORT_MAX:
        return None
    return HostAndPort(match[1], int(match[2]))


def parse_voters(entries: Iterable[str]) -> dict[NodeId, HostAndPort]:
    """The voters that `controller.quorum.voters` names.

    Raises:
        SettingError: an entry is not of the form id@host:port.
    """
    voters = {}
    for entry in entries:
        identifier, separator, address_text = entry.partition("@")
        form = "each entry has the form id@host:port"
        if not separator or "@" in address_text:
            raise SettingError(f"Invalid value {entry} for configuration {_VOTERS}: {form}")
        if re.fullmatch(r"[+-]?[0-9]{1,10}", identifier) is None:
            raise SettingError(f"Failed to parse voter ID as an integer from {identifier} in {_VOTERS}: {form}")
        address = parse_host_and_port(address_text)
        if address is None:
            raise SettingError(f"Failed to parse host and port from entry {entry} for the configuration {_VOTERS}: {form}")
        voters[NodeId(int(identifier))] = address
    return voters


def parse_bootstrap_servers(entries: Iterable[str]) -> list[HostAndPort]:
    """The addresses that `controller.quorum.bootstrap.servers` lists.

    Raises:
        SettingError: an entry is not of the form host:port.
    """
    addresses = []
    for entry in entries:
        address = parse_host_and_port(entry)
        if address is None:
            raise SettingError(
                f"Failed to parse host and port from {entry} for the configuration {_BOOTSTRAP_SERVERS}: each entry has the form host:port"
            )
        addresses.append(address)
    return addresses


@final
class QuorumVoters:
    """Validator of `controller.quorum.voters`."""

    __slots__ = ()

    def complaint(self, name: str, value: object) -> str | None:
        assert isinstance(value, tuple), f"{name} is a list, not {value!r}"
        try:
            parse_voters(value)
        except SettingError as error:
            return str(error)
        return None

    def __str__(self) -> str:
        return "non-empty list"


@final
class HostsAndPorts:
    """Validator of `controller.quorum.bootstrap.servers`."""

    __slots__ = ()

    def complaint(self, name: str, value: object) -> str | None:
        assert isinstance(value, tuple), f"{name} is a list, not {value!r}"
        try:
            parse_bootstrap_servers(value)
        except SettingError as error:
            return str(error)
        return None

    def __str__(self) -> str:
        return "non-empty list"
