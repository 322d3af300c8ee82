"""What a generated module holds: its classes, under which names, with which Python types and defaults.

A struct keeps Kafka's name; where two messages of one module both have a struct of that name, each is prefixed by its message's
name. Fields are Kafka's in snake_case.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from keyword import iskeyword

from tools.import_definitions import snake_case
from tools.schema_notation import FIXED_TYPES, Field, Message, Versions

PYTHON_TYPES = {
    "bool": "bool", "int8": "int", "int16": "int", "uint16": "int", "int32": "int", "uint32": "int", "int64": "int",
    "float64": "float", "uuid": "Uuid", "string": "str", "bytes": "bytes", "records": "bytes",
}  # fmt: skip
PYTHON_DEFAULTS = {
    "bool": "False", "int8": "0", "int16": "0", "uint16": "0", "int32": "0", "uint32": "0", "int64": "0",
    "float64": "0.0", "uuid": "ZERO_UUID", "string": '""', "bytes": 'b""', "records": 'b""',
}  # fmt: skip
# Names that generated code uses for its own purposes.
_RESERVED_LOCALS = frozenset({"self", "cls", "data", "position", "version", "out", "count", "element", "tag", "end", "tagged", "value"})


@dataclass(frozen=True, slots=True)
class StructClass:
    """One generated class. `message` is set on the class of a message, not on those of its structs."""

    name: str
    owner: Message
    versions: Versions
    fields: list[Field]
    message: Message | None
    class_names: Mapping[str, str]

    def class_of(self, field: Field) -> str:
        """The class of a struct field, or of its elements."""
        return self.class_names[field.element_type]

    def is_flexible(self, version: int) -> bool:
        return version in self.owner.flexible


def structs_of(message: Message) -> Iterator[tuple[str, Versions, list[Field]]]:
    """Every struct of `message`: name, versions, fields; inner ones first."""
    for shared in message.structs:
        yield from _inline_structs(shared.fields)
        yield shared.name, shared.versions, shared.fields
    yield from _inline_structs(message.fields)


def _inline_structs(fields: list[Field]) -> Iterator[tuple[str, Versions, list[Field]]]:
    for field in fields:
        if field.fields:
            yield from _inline_structs(field.fields)
            yield field.element_type, field.versions, field.fields


def classes_of_module(messages: list[Message]) -> list[StructClass]:
    """The classes of one module, each behind those it uses."""
    occurrences = Counter(name for message in messages for name in {name for name, _, _ in structs_of(message)})
    taken = {message.name for message in messages}
    classes: list[StructClass] = []
    for message in messages:
        own: dict[str, str] = {}
        for name, _, _ in structs_of(message):
            is_shared = occurrences[name] > 1 or name in taken
            own[name] = f"{message.name}{_capitalised(name)}" if is_shared else name
        parts = [StructClass(own[name], message, versions, fields, None, own) for name, versions, fields in structs_of(message)]
        classes += _in_order(parts)
        classes.append(StructClass(message.name, message, message.versions, message.fields, message, own))
    names = [one.name for one in classes]
    assert len(names) == len(set(names)), f"two classes of one name in {names}"
    return classes


def _in_order(parts: list[StructClass]) -> list[StructClass]:
    """Shared structs may use one another in any order; a class has to stand behind those in its field defaults."""
    ordered: list[StructClass] = []
    waiting = parts
    while waiting:
        known = {one.name for one in ordered}
        ready = [one for one in waiting if all(one.class_of(field) in known for field in one.fields if field.is_struct)]
        assert ready, "structs that contain one another"
        ordered += ready
        waiting = [one for one in waiting if one not in ready]
    return ordered


def _capitalised(name: str) -> str:
    return name[0].upper() + name[1:]


def attribute(field: Field) -> str:
    """The attribute of the class."""
    name = snake_case(field.name)
    return f"{name}_" if iskeyword(name) else name


def local(field: Field) -> str:
    """The local variable of a decoder."""
    name = attribute(field)
    return f"{name}_" if name in _RESERVED_LOCALS else name


def annotation(struct: StructClass, field: Field) -> str:
    """The Python type of the attribute."""
    inner = struct.class_of(field) if field.is_struct else PYTHON_TYPES[field.element_type]
    whole = f"list[{inner}]" if field.is_array else inner
    return whole if field.nullable.is_empty else f"{whole} | None"


def is_null_by_default(field: Field) -> bool:
    """Records are null by default wherever they may be; everything else only when the schema says so."""
    return field.default == "null" or (field.type == "records" and not field.nullable.is_empty)


def default_expression(struct: StructClass, field: Field) -> str:
    """The default, as an expression that makes a fresh value."""
    if is_null_by_default(field):
        return "None"
    if field.is_array:
        return "[]"
    if field.is_struct:
        return f"{struct.class_of(field)}()"
    if field.default is None:
        return PYTHON_DEFAULTS[field.type]
    if field.type == "string":
        text = json.loads(field.default)
        assert isinstance(text, str)
        return json.dumps(text)
    if field.type == "bool":
        return "True" if field.default == "true" else "False"
    return repr(float(field.default) if field.type == "float64" else int(field.default))


def differs_from_default(struct: StructClass, field: Field) -> str:
    """An expression that is true when the attribute holds something else than its default."""
    value = f"self.{attribute(field)}"
    if is_null_by_default(field):
        return f"{value} is not None"
    if field.type == "bool":
        return f"not {value}" if field.default == "true" else value
    if field.is_array or field.type in ("bytes", "records"):
        return value if field.nullable.is_empty else f"({value} is None or {value})"
    expression = default_expression(struct, field)
    if field.type == "uuid" or field.is_struct or field.type == "string" or field.type in FIXED_TYPES:
        return f"{value} != {expression}"
    raise AssertionError(f"no default comparison for {field.type}")


def size_min(struct: StructClass, field_type: str, classes: Mapping[str, StructClass], version: int) -> int:
    """The fewest bytes that one value of `field_type` can take in `version`."""
    if field_type in FIXED_TYPES:
        return FIXED_TYPES[field_type]
    if field_type in PYTHON_TYPES:
        return 1 if struct.is_flexible(version) else 2 if field_type == "string" else 4
    inner = classes[struct.class_names[field_type]]
    total = 1 if inner.is_flexible(version) else 0
    for field in inner.fields:
        if version not in field.versions or field.tag is not None:
            continue
        if field.is_array:
            total += 1 if inner.is_flexible(version) else 4
        elif version in field.nullable and field.is_struct:
            total += 1
        else:
            total += size_min(inner, field.type, classes, version)
    return total
