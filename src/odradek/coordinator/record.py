"""Records of the coordinators' topics: a key that says what kind of state it names, and the state (`CoordinatorRecordSerde.java`).

A key is its type as 16 bits and the key's fields in version 0; a value is its version as 16 bits and its fields. A record without a
value takes the state away. Kinds that this release does not know are skipped on loading, so that one can go back to it from a newer
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import final

from odradek.base.errors import CorruptRecords, ProtocolViolation
from odradek.protocol.message import Message

_NUMBER = Struct(">h")
KEY_VERSION = 0


@final
@dataclass(slots=True)
class CoordinatorRecord:
    """One record. `is_applied` says that the shard that made it holds its state already, so that it is only written and not replayed."""

    key: Message
    value: Message | None
    value_version: int = 0
    is_applied: bool = False

    def encoded_key(self) -> bytes:
        out = bytearray(_NUMBER.pack(self.key.API_KEY))
        self.key.encode(out, KEY_VERSION)
        return bytes(out)

    def encoded_value(self) -> bytes | None:
        """None takes the state away."""
        if self.value is None:
            return None
        out = bytearray(_NUMBER.pack(self.value_version))
        self.value.encode(out, self.value_version)
        return bytes(out)


# The class of the key and of the value, by the type in the key.
RecordTypes = Mapping[int, tuple[type[Message], type[Message]]]


def decode_record(types: RecordTypes, key: bytes | None, value: bytes | None) -> CoordinatorRecord | None:
    """The record, None if this release knows no such type.

    Raises:
        CorruptRecords: there is no key, or the bytes are no such record, or a known type comes in a version this release does not know.
    """
    if key is None or len(key) < _NUMBER.size:
        raise CorruptRecords("a record of a coordinator has no key")
    (record_type,) = _NUMBER.unpack_from(key)
    known = types.get(record_type)
    if known is None:
        return None
    key_class, value_class = known
    try:
        decoded_key, _ = key_class.decode(key, _NUMBER.size, KEY_VERSION)
        if value is None:
            return CoordinatorRecord(decoded_key, None)
        if len(value) < _NUMBER.size:
            raise CorruptRecords(f"a {value_class.NAME} has no version")
        (version,) = _NUMBER.unpack_from(value)
        decoded_value, _ = value_class.decode(value, _NUMBER.size, version)
    except ProtocolViolation as violation:
        raise CorruptRecords(f"a record of a coordinator cannot be read: {violation}") from violation
    return CoordinatorRecord(decoded_key, decoded_value, version)
