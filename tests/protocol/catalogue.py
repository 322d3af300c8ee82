"""Every generated message beside its schema, and random instances of any of them in any version.

The strategies come from the schema, not from the generated class, so that a field the generator forgot is missed by its test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Protocol

from hypothesis import strategies as st

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.protocol.message import Message
from tools.generate_protocol import FAMILIES, load_schemas
from tools.import_definitions import SCHEMA_FOLDER
from tools.protocol_code.structure import StructClass, attribute, classes_of_module
from tools.schema_notation import Field, Schema

ELEMENTS_MAX = 3
INTEGER_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}


class Buildable(Protocol):
    """A generated class as a test sees it: made from keywords."""

    def __call__(self, **values: object) -> Message: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One message: its generated class, and the classes of its module by name."""

    name: str
    module: str
    schema: Schema
    structs: dict[str, StructClass]

    @property
    def type(self) -> type[Message]:
        found: type[Message] = getattr(import_module(self.module), self.name)
        return found

    @property
    def struct(self) -> StructClass:
        return self.structs[self.name]

    @property
    def versions(self) -> range:
        return range(self.type.VERSION_MIN, self.type.VERSION_MAX + 1)


def _entries() -> Iterator[Entry]:
    groups = [(f"messages.{name}", [schema]) for name, schema in load_schemas(SCHEMA_FOLDER).items()]
    groups += [
        (f"internal_records.{family}", list(load_schemas(SCHEMA_FOLDER / "internal_records" / family).values())) for family in FAMILIES
    ]
    for module, schemas in groups:
        structs = {struct.name: struct for struct in classes_of_module([message for schema in schemas for message in schema.messages])}
        for schema in schemas:
            for message in schema.messages:
                yield Entry(message.name, f"odradek.protocol.{module}", schema, structs)


CATALOGUE = {entry.name: entry for entry in _entries()}


def _scalar(kind: str) -> st.SearchStrategy[object]:
    if kind in INTEGER_BITS:
        bits = INTEGER_BITS[kind]
        return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)
    match kind:
        case "bool":
            return st.booleans()
        case "uint16":
            return st.integers(0, 0xFFFF)
        case "uint32":
            return st.integers(0, 0xFFFF_FFFF)
        case "float64":
            return st.floats(allow_nan=False)
        case "uuid":
            return st.binary(min_size=16, max_size=16).map(Uuid)
        case "string":
            return st.text(max_size=6)
        case "bytes" | "records":
            return st.binary(max_size=6)
    raise AssertionError(f"no strategy for {kind}")


def _tame_scalar(field: Field) -> st.SearchStrategy[object]:
    """Values that implementations with narrower types than the wire's can hold: known errors, durations and times that are sensible."""
    if field.name.endswith("ErrorCode") and field.type == "int16":
        return st.sampled_from([int(code) for code in ErrorCode])
    if "int" in field.element_type and field.name.endswith(("Ms", "Timestamp")):
        return st.integers(0, 10**9)
    return _scalar(field.element_type)


def _value(entry: Entry, struct: StructClass, field: Field, version: int, *, is_tame: bool) -> st.SearchStrategy[object]:
    if field.is_struct:
        inner = instances(entry.name, struct.class_of(field), version, is_tame=is_tame)
    else:
        inner = _tame_scalar(field) if is_tame else _scalar(field.element_type)
    whole: st.SearchStrategy[object] = st.lists(inner, max_size=ELEMENTS_MAX) if field.is_array else inner
    return st.none() | whole if version in field.nullable else whole


@cache
def instances(name: str, class_name: str, version: int, *, is_tame: bool = False) -> st.SearchStrategy[object]:
    """Instances of one class of message `name`, with every field that `version` carries drawn and all others at their default."""
    entry = CATALOGUE[name]
    struct = entry.structs[class_name]
    present = [field for field in struct.fields if version in field.versions]
    made: Buildable = getattr(import_module(entry.module), class_name)
    return st.builds(made, **{attribute(field): _value(entry, struct, field, version, is_tame=is_tame) for field in present})


def messages(name: str, version: int, *, is_tame: bool = False) -> st.SearchStrategy[Message]:
    """Instances of message `name` that `version` can carry."""
    strategy: st.SearchStrategy[Message] = instances(name, name, version, is_tame=is_tame)  # type: ignore[assignment]
    return strategy
