"""The APIs of Kafka 4.3: keys, versions, where each is offered, and where its messages are.

The facts are rows of `protocol.api_table`, generated from the schemas; this module names them and answers questions. Importing it loads no
message: `request_type` and `response_type` import the module of one API when it is first asked for.

`version_min` to `version_max` is what a node serves. `advertised_min` is lower for one API: a 4.x broker announces Produce from 0,
since librdkafka takes its absence for a broker that cannot decompress, and then refuses 0 to 2 (KAFKA-18659).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import MappingProxyType

from odradek.base.errors import ProtocolViolation
from odradek.protocol.api_table import ROWS
from odradek.protocol.message import Message

API_VERSIONS_KEY = 18
# GetTelemetrySubscriptions and PushTelemetry are announced only by a broker with a receiver for telemetry (KIP-714); without one they
# are still answered.
TELEMETRY_KEYS = frozenset({71, 72})


@dataclass(frozen=True, slots=True)
class ApiEntry:
    """One API. `flexible_version_min` is 32767 where no version is flexible; `module` is its name below `protocol.messages`."""

    key: int
    name: str
    version_min: int
    version_max: int
    advertised_min: int
    flexible_version_min: int
    is_on_broker: bool
    is_on_controller: bool
    is_forwarded: bool
    module: str

    def serves(self, version: int) -> bool:
        """Whether a node answers this version."""
        return self.version_min <= version <= self.version_max


API_BY_KEY: Mapping[int, ApiEntry] = MappingProxyType({row[0]: ApiEntry(*row) for row in ROWS})


def api_of(key: int) -> ApiEntry:
    """The API of `key`.

    Raises:
        ProtocolViolation: Kafka 4.3 has no such API.
    """
    entry = API_BY_KEY.get(key)
    if entry is None:
        raise ProtocolViolation(f"there is no API with key {key}")
    return entry


def advertised_on_broker() -> list[ApiEntry]:
    """What a 4.3 broker without a telemetry receiver announces, in the order of the keys."""
    return [entry for entry in API_BY_KEY.values() if entry.is_on_broker and entry.key not in TELEMETRY_KEYS]


def advertised_on_controller() -> list[ApiEntry]:
    """What a 4.3 controller announces, in the order of the keys."""
    return [entry for entry in API_BY_KEY.values() if entry.is_on_controller]


@cache
def _message_type(key: int, suffix: str) -> type[Message]:
    entry = api_of(key)
    module = import_module(f"odradek.protocol.messages.{entry.module}")
    found: type[Message] = getattr(module, entry.name + suffix)
    return found


def request_type(key: int) -> type[Message]:
    """The class of the API's requests; imports its module at the first call.

    Raises:
        ProtocolViolation: Kafka 4.3 has no such API.
    """
    return _message_type(key, "Request")


def response_type(key: int) -> type[Message]:
    """The class of the API's responses; imports its module at the first call.

    Raises:
        ProtocolViolation: Kafka 4.3 has no such API.
    """
    return _message_type(key, "Response")


def request_header_version(key: int, version: int) -> int:
    """2 for flexible versions, else 1 (KIP-482); 1 for an unknown key, whose body nobody reads."""
    entry = API_BY_KEY.get(key)
    return 2 if entry is not None and version >= entry.flexible_version_min else 1


def response_header_version(key: int, version: int) -> int:
    """1 for flexible versions, else 0; always 0 for ApiVersions, which a client reads before it knows the broker (KIP-511)."""
    entry = API_BY_KEY.get(key)
    is_flexible = entry is not None and version >= entry.flexible_version_min
    return 1 if is_flexible and key != API_VERSIONS_KEY else 0
