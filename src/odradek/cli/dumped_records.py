"""What the keys and values of a log's records mean: records of the metadata, of coordinators, of the quorum; or bytes of an application.

Which log a record comes from decides how it is read, as `Kafka`'s own dump tool is told by its decoders. A record that its log's form
does not fit is shown as bytes: a dump is for looking at what is wrong.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from importlib import import_module
from types import ModuleType
from typing import Final

from odradek.base.errors import CorruptRecords, ProtocolViolation
from odradek.base.identifiers import Uuid, uuid_to_text
from odradek.metadata.record_codec import decode_metadata_record
from odradek.protocol.message import Message
from odradek.records.control import ControlType, control_type_of, end_marker_of
from odradek.records.record import Record
from odradek.wire.structure import Structure, fields_of

Fields = dict[str, object]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class LogKind(Enum):
    """Whose records a log holds; the value is the topic's name, empty for any other topic's."""

    APPLICATION = ""
    METADATA = "__cluster_metadata"
    GROUPS = "__consumer_offsets"
    TRANSACTIONS = "__transaction_state"
    SHARE_GROUPS = "__share_group_state"

    @classmethod
    def of_topic(cls, topic: str) -> LogKind:
        """The kind of the log of `topic`."""
        return next((kind for kind in cls if kind.value == topic), cls.APPLICATION)


_COORDINATOR_MODULES: Final[Mapping[LogKind, str]] = {
    LogKind.GROUPS: "group",
    LogKind.TRANSACTIONS: "transaction",
    LogKind.SHARE_GROUPS: "share",
}
_CONTROL_VALUES: Final[Mapping[ControlType, str]] = {
    ControlType.LEADER_CHANGE: "LeaderChangeMessage",
    ControlType.SNAPSHOT_HEADER: "SnapshotHeaderRecord",
    ControlType.SNAPSHOT_FOOTER: "SnapshotFooterRecord",
    ControlType.KRAFT_VERSION: "KRaftVersionRecord",
    ControlType.KRAFT_VOTERS: "VotersRecord",
}


def record_fields(record: Record, kind: LogKind, *, is_control: bool) -> Fields:
    """One record as it is shown."""
    fields: Fields = {"offset": record.offset, "timestamp": time_text(record.timestamp)}
    fields |= _content(record, _control_content if is_control else _content_of_kind(kind))
    if record.headers:
        fields["headers"] = [
            [header.key.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), shown(header.value)] for header in record.headers
        ]
    return fields


def _content(record: Record, decode: Callable[[Record], Fields]) -> Fields:
    try:
        return decode(record)
    except (CorruptRecords, ProtocolViolation, KeyError, IndexError):
        return {"key": shown(record.key), "value": shown(record.value)}


def _content_of_kind(kind: LogKind) -> Callable[[Record], Fields]:
    if kind is LogKind.METADATA:
        return _metadata_content
    if kind in _COORDINATOR_MODULES:
        module = import_module(f"odradek.protocol.internal_records.{_COORDINATOR_MODULES[kind]}")
        return lambda record: _coordinator_content(record, module)
    return lambda record: {"key": shown(record.key), "value": shown(record.value)}


def _metadata_content(record: Record) -> Fields:
    if record.value is None:
        raise CorruptRecords("a metadata record has no value")
    message = decode_metadata_record(record.value)
    return {"type": message.NAME, "data": message_data(message)}


def _control_content(record: Record) -> Fields:
    control_type = control_type_of(record.key)
    if control_type in (ControlType.ABORT, ControlType.COMMIT):
        return {"type": control_type.name, "data": {"coordinator_epoch": end_marker_of(record).coordinator_epoch}}
    raft = import_module("odradek.protocol.internal_records.raft")
    message_type = _message_types(raft)[_CONTROL_VALUES[control_type]]
    value = record.value or b""
    # Every value of a control record begins with the number of its version.
    message, _ = message_type.decode(value, 0, int.from_bytes(value[:2], "big"))
    return {"type": control_type.name, "data": message_data(message)}


def _coordinator_content(record: Record, module: ModuleType) -> Fields:
    """A coordinator's record: the key begins with the record's type, the value with its version (`CoordinatorRecordSerde.java`)."""
    key = record.key or b""
    number = int.from_bytes(key[:2], "big")
    types = [message_type for message_type in _message_types(module).values() if number == message_type.API_KEY]
    key_type = next((message_type for message_type in types if message_type.NAME.endswith("Key")), None)
    value_type = next((message_type for message_type in types if message_type.NAME.endswith("Value")), None)
    if len(key) < 2 or key_type is None or value_type is None:
        raise CorruptRecords(f"no record of a coordinator has type {number}")
    key_message, _ = key_type.decode(key, 2, key_type.VERSION_MAX)
    fields: Fields = {"type": key_type.NAME.removesuffix("Key"), "key": message_data(key_message), "data": None}
    if record.value is not None:
        value_message, _ = value_type.decode(record.value, 2, int.from_bytes(record.value[:2], "big"))
        fields["data"] = message_data(value_message)
    return fields


def _message_types(module: ModuleType) -> dict[str, type[Message]]:
    return {name: member for name, member in vars(module).items() if isinstance(member, type) and hasattr(member, "API_KEY")}


def message_data(message: object) -> Fields:
    """The fields of a generated message, for JSON; ids as Kafka prints them, bytes as `shown` does."""
    assert isinstance(message, Structure)
    # Ids and bytes are the same at run time; only the constructor says which is meant.
    types = inspect.get_annotations(type(message).__init__)
    return {name: _field_data(value, str(types[name])) for name, value in fields_of(message).items()}


def _field_data(value: object, type_name: str) -> object:
    if isinstance(value, list):
        return [_field_data(element, type_name.removeprefix("list[")) for element in value]
    if isinstance(value, bytes):
        return uuid_to_text(Uuid(value)) if type_name.startswith("Uuid") else shown(value)
    if isinstance(value, Structure):
        return message_data(value)
    return value


def shown(data: bytes | None) -> str | None:
    """Bytes as text where they are printable text, else in hexadecimal."""
    if data is None:
        return None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return f"0x{data.hex()}"
    return text if text.isprintable() else f"0x{data.hex()}"


def time_text(timestamp_ms: int) -> str | None:
    """A timestamp in ISO 8601, UTC, to the millisecond; a number where no calendar reaches, None for none."""
    if timestamp_ms < 0:
        return None
    try:
        moment = _EPOCH + timedelta(milliseconds=timestamp_ms)
    except OverflowError:
        return str(timestamp_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
