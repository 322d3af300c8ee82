"""Where a node listens and what it tells clients to dial: `listeners`, `advertised.listeners`, `listener.security.protocol.map`.

A listener is NAME://host:port. Its name is upper case, whatever the file says, and stands for a security protocol by the map. An empty
host is every interface. Two listeners never share a port, unless one is on an IPv4 address and the other on an IPv6 address.

If the map is not given and nothing else than PLAINTEXT is in use, controller listeners are PLAINTEXT too, so that the shortest file that
names a CONTROLLER listener works (`AbstractKafkaConfig.effectiveListenerSecurityProtocolMap`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from ipaddress import ip_address

from odradek.base.errors import SettingError
from odradek.config.broker_network_settings import (
    ADVERTISED_LISTENERS,
    INTER_BROKER_LISTENER_NAME,
    LISTENER_SECURITY_PROTOCOL_MAP,
    LISTENERS,
    SECURITY_INTER_BROKER_PROTOCOL,
)
from odradek.config.broker_node_settings import CONTROLLER_LISTENER_NAMES
from odradek.config.setting import Setting
from odradek.config.settings import Settings

PORT_MAX = 65_535
# Hosts that stand for every interface: one listens on them, but nobody can dial them.
WILDCARD_HOSTS = frozenset({"", "0.0.0.0", "::"})
LOCALHOST = "localhost"


class SecurityProtocol(IntEnum):
    """Kafka's security protocols under their numbers."""

    PLAINTEXT = 0
    SSL = 1
    SASL_PLAINTEXT = 2
    SASL_SSL = 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One listener: an empty `host` is every interface, `port` 0 is any free one."""

    name: str
    host: str
    port: int
    security_protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name}://{host}:{self.port}"


def security_protocols(settings: Settings) -> dict[str, SecurityProtocol]:
    """The security protocol of each listener name that has one.

    Raises:
        SettingError: `listener.security.protocol.map` is malformed or names a protocol that does not exist.
    """
    protocols = {}
    text = settings[LISTENER_SECURITY_PROTOCOL_MAP]
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, separator, protocol_name = entry.rpartition(":")
        if not separator or not name.strip():
            raise _refused(LISTENER_SECURITY_PROTOCOL_MAP, text, "each entry has the form NAME:PROTOCOL")
        protocols[name.strip().upper()] = _protocol(protocol_name.strip(), LISTENER_SECURITY_PROTOCOL_MAP, text)
    if not settings.is_given(LISTENER_SECURITY_PROTOCOL_MAP) and not _uses_security(settings):
        for name in settings[CONTROLLER_LISTENER_NAMES]:
            protocols.setdefault(name, SecurityProtocol.PLAINTEXT)
    return protocols


def listeners(settings: Settings) -> list[Endpoint]:
    """Every listener of the node, those of the controller among them.

    Raises:
        SettingError: a listener is malformed, or two share a name or a port.
    """
    return _parse(settings, LISTENERS, settings[LISTENERS], are_ports_distinct=True)


def broker_listeners(settings: Settings) -> list[Endpoint]:
    """The listeners that clients and brokers use."""
    return [endpoint for endpoint in listeners(settings) if endpoint.name not in settings[CONTROLLER_LISTENER_NAMES]]


def controller_listeners(settings: Settings) -> list[Endpoint]:
    """The listeners of the controller, the first of `controller.listener.names` first."""
    by_name = {endpoint.name: endpoint for endpoint in listeners(settings)}
    return [by_name[name] for name in settings[CONTROLLER_LISTENER_NAMES] if name in by_name]


def advertised_listeners(settings: Settings) -> list[Endpoint]:
    """The listeners whose advertised address was given, controllers' among them; clients of the others are told what they dialled.

    Raises:
        SettingError: an advertised listener is malformed, or two share a name.
    """
    given = settings[ADVERTISED_LISTENERS]
    return [] if given is None else _parse(settings, ADVERTISED_LISTENERS, given, are_ports_distinct=False)


def told_endpoints(settings: Settings, endpoints: Iterable[Endpoint], bound_ports: Mapping[str, int]) -> list[Endpoint]:
    """The endpoints as others are told of them: what was advertised, else the bound address, its port from `bound_ports`.

    A node that listens on every interface without saying how it is reached is taken for one that is reached from its own machine.
    """
    advertised = {endpoint.name: endpoint for endpoint in advertised_listeners(settings)}
    return [
        advertised.get(endpoint.name)
        or replace(
            endpoint,
            host=LOCALHOST if endpoint.host in WILDCARD_HOSTS else endpoint.host,
            port=bound_ports.get(endpoint.name, endpoint.port),
        )
        for endpoint in endpoints
    ]


def inter_broker_listener_name(settings: Settings) -> str:
    """The listener over which brokers speak to each other.

    Raises:
        SettingError: both ways of naming it were used, or its name stands for no protocol.
    """
    name = settings[INTER_BROKER_LISTENER_NAME]
    if name is None:
        return settings[SECURITY_INTER_BROKER_PROTOCOL]
    if settings.is_given(SECURITY_INTER_BROKER_PROTOCOL):
        raise SettingError(f"Only one of {INTER_BROKER_LISTENER_NAME.name} and {SECURITY_INTER_BROKER_PROTOCOL.name} should be set.")
    if name.upper() not in security_protocols(settings):
        raise _refused(INTER_BROKER_LISTENER_NAME, name, f"no such listener in {LISTENER_SECURITY_PROTOCOL_MAP.name}")
    return name.upper()


def _parse(settings: Settings, setting: Setting[object], entries: Iterable[str], *, are_ports_distinct: bool) -> list[Endpoint]:
    protocols = security_protocols(settings)
    endpoints = [_endpoint(setting, entry, protocols) for entry in entries]
    for position, endpoint in enumerate(endpoints):
        for earlier in endpoints[:position]:
            if earlier.name == endpoint.name:
                raise _refused(setting, f"{earlier},{endpoint}", "each listener must have a different name")
            if are_ports_distinct and earlier.port == endpoint.port != 0 and not _are_one_of_each_family(earlier.host, endpoint.host):
                problem = "each listener must have a different port, unless one is on an IPv4 address and the other on an IPv6 address"
                raise _refused(setting, f"{earlier},{endpoint}", problem)
    return endpoints


def _endpoint(setting: Setting[object], entry: str, protocols: Mapping[str, SecurityProtocol]) -> Endpoint:
    match = re.fullmatch(r"(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:([0-9]{1,5})", entry)
    if match is None or not match[1]:
        raise _refused(setting, entry, "a listener has the form NAME://host:port")
    name, port = match[1].upper(), int(match[3])
    if port > PORT_MAX:
        raise _refused(setting, entry, f"a port is at most {PORT_MAX}")
    protocol = protocols.get(name)
    if protocol is None:
        raise _refused(setting, entry, f"no security protocol is defined for {name} in {LISTENER_SECURITY_PROTOCOL_MAP.name}")
    return Endpoint(name, match[2], port, protocol)


def _protocol(text: str, setting: Setting[object], value: str) -> SecurityProtocol:
    try:
        return SecurityProtocol[text.upper()]
    except KeyError:
        known = ", ".join(SecurityProtocol.__members__)
        raise _refused(setting, value, f"{text!r} is no security protocol; there are {known}") from None


def _uses_security(settings: Settings) -> bool:
    secured = {"SSL", "SASL_SSL", "SASL_PLAINTEXT"}
    names = {entry.partition(":")[0].upper() for entry in settings[LISTENERS]}
    return bool(secured & names) or bool(secured & set(settings[CONTROLLER_LISTENER_NAMES]))


def _are_one_of_each_family(first: str, second: str) -> bool:
    try:
        return {ip_address(first).version, ip_address(second).version} == {4, 6}
    except ValueError:
        return False


def _refused(setting: Setting[object], value: str, problem: str) -> SettingError:
    return SettingError(f"Invalid value {value} for configuration {setting.name}: {problem}")
