"""An answer in our own notation: what must be equal between two nodes, and nothing else.

`(field=value …)` with every field that differs from its default. What two nodes may rightly differ in is told by kind: a moment near
now is NOW, an identifier is ID, a producer is P1, P2 in the order of appearance, a session S1, a member of a group M1, a sentence for
people is "…". Addresses and the identity of the cluster are left out. Record batches are told by their headers and a checksum over their
records.
"""

import time
import zlib
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final

from odradek.base.identifiers import ZERO_UUID
from odradek.protocol.message import Message
from odradek.wire.structure import Structure

_DAY_MS: Final = 86_400_000
_LEFT_OUT: Final = frozenset(
    {
        "throttle_time_ms",
        "host",
        "port",
        "rack",
        "cluster_id",
        "controller_id",
        "finalized_features_epoch",
        "current_leader",
        "node_endpoints",
    }
)
_SENTENCES: Final = frozenset({"error_message", "batch_index_error_message", "documentation"})
_MOMENTS: Final = frozenset(
    {
        "timestamp",
        "log_append_time_ms",
        "last_timestamp",
        "last_fetch_timestamp",
        "last_caught_up_timestamp",
        "transaction_start_time_ms",
    }
)
_IDENTIFIERS: Final = frozenset({"topic_id", "client_instance_id", "replica_directory_id", "subscription_id"})
# The order of a hash table in Kafka.
_UNORDERED: Final = frozenset(
    {
        "partition_responses",
        "results_by_partition",
        "configs",
        "api_keys",
        "supported_features",
        "finalized_features",
        "accepted_compression_types",
    }
)
_BATCH_HEADER: Final = Struct(">qiibIhiqqqhii")
_BATCH_HEADER_SIZE: Final = 61


def _name_or_key(part: object) -> tuple[int, str]:
    number = next((getattr(part, name) for name in ("api_key", "index", "partition_index") if hasattr(part, name)), 0)
    return (int(number), str(getattr(part, "name", part)))


class Notation:
    """Tells answers; keeps the names of producers and sessions for one transcript."""

    def __init__(self, left_out: frozenset[str] = frozenset()) -> None:
        self._left_out = _LEFT_OUT | left_out
        self._producers: dict[int, str] = {}
        self._sessions: dict[int, str] = {}
        self._members: dict[str, str] = {}
        self._tellers: Mapping[str, Callable[[object], str]] = {
            "producer_id": lambda value: self._named(self._producers, value, "P"),
            "session_id": lambda value: self._named(self._sessions, value, "S"),
            "records": self._records,
            "member_id": self._member,
            "leader": self._member,
            "members": self._in_order_of_appearance,
        }

    def leave_out(self, *names: str) -> None:
        """Fields that this script's nodes may differ in."""
        self._left_out |= frozenset(names)

    def told(self, message: Message) -> str:
        assert isinstance(message, Structure)
        return self._structure(message)

    def told_part(self, structure: Structure) -> str:
        """A part of an answer, where the whole has its own form."""
        return self._structure(structure)

    def _structure(self, structure: Structure) -> str:
        fresh = type(structure)()
        fields = []
        for name in structure.__slots__:
            value = getattr(structure, name)
            # The first producer of a node is number 0, which is also the field's default in some answers.
            if name not in self._left_out and (value != getattr(fresh, name) or name == "producer_id"):
                fields.append(f"{name}={self._field(name, value)}")
        return f"({' '.join(fields)})"

    def _field(self, name: str, value: object) -> str:
        if name in self._tellers:
            return self._tellers[name](value)
        if name in _SENTENCES:
            return "…"
        if name in _IDENTIFIERS:
            return "ZERO" if value == ZERO_UUID else "ID"
        if name in _MOMENTS and isinstance(value, int) and abs(value - time.time() * 1000) < _DAY_MS:
            return "NOW"
        return self._value(value, name)

    def _value(self, value: object, name: str = "") -> str:
        if isinstance(value, Structure):
            return self._structure(value)
        if isinstance(value, list):
            if name in _UNORDERED:
                value = sorted(value, key=_name_or_key)
            return f"[{', '.join(self._value(one) for one in value)}]"
        if isinstance(value, bool):
            return "yes" if value else "no"
        return str(value)

    def _named(self, known: dict[int, str], value: object, letter: str) -> str:
        assert isinstance(value, int)
        # 0 and below are no identity but a statement: no producer, no session.
        if value < 0 or (letter == "S" and value == 0):
            return str(value)
        return known.setdefault(value, f"{letter}{len(known) + 1}")

    def _member(self, value: object) -> str:
        if value is None:
            return "None"
        assert isinstance(value, str)
        return self._members.setdefault(value, f"M{len(self._members) + 1}") if value else "-"

    def _in_order_of_appearance(self, value: object) -> str:
        """Members are kept in a hash table by ids that are made up anew each time."""
        assert isinstance(value, list)
        told = [self._structure(one) for one in value]
        return f"[{', '.join(sorted(told))}]"

    def _records(self, value: object) -> str:
        if value is None:
            return "null"
        assert isinstance(value, bytes | bytearray | memoryview)
        data = bytes(value)
        batches = []
        position = 0
        while position + _BATCH_HEADER_SIZE <= len(data):
            base, length, leader_epoch, magic, _, attributes, last_delta, _, _, producer_id, producer_epoch, sequence, count = (
                _BATCH_HEADER.unpack_from(data, position)
            )
            if position + 12 + length > len(data):
                # Kafka cuts a read at the size asked for, in the middle of a batch; readers drop what is cut, and so does this.
                break
            body = data[position + _BATCH_HEADER_SIZE : position + 12 + length]
            producer = self._named(self._producers, producer_id, "P")
            batches.append(
                f"batch(base={base} last={base + last_delta} epoch={leader_epoch} magic={magic} attributes={attributes} "
                f"producer={producer}/{producer_epoch}/{sequence} count={count} body={zlib.crc32(body):08x})"
            )
            position += 12 + length
        return f"[{', '.join(batches)}]"
