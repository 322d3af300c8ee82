"""Runs of fixed-size fields: which ones stand together in a version, and the `struct.Struct` that packs them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tools.protocol_code.structure import StructClass
from tools.schema_notation import FIXED_TYPES, Field

CODES = {
    "bool": "?", "int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "float64": "d", "uuid": "16s",
}  # fmt: skip


@dataclass(slots=True)
class Layouts:
    """The `Struct` constants of one module, named in the order of their first use."""

    names: dict[str, str] = field(default_factory=dict)

    def name_of(self, fields: tuple[Field, ...]) -> str:
        """The constant for these fields in this order."""
        code = ">" + "".join(CODES[one.type] for one in fields)
        return self.names.setdefault(code, f"_LAYOUT_{len(self.names)}")


def size_of(fields: tuple[Field, ...]) -> int:
    """Bytes of these fields together."""
    return sum(FIXED_TYPES[one.type] for one in fields)


def runs(struct: StructClass) -> list[list[Field]]:
    """The untagged fields in order; those of fixed size that follow one another form one run, every other field is alone."""
    found: list[list[Field]] = []
    is_open = False
    for one in struct.fields:
        if one.tag is not None:
            continue
        is_fixed = one.type in FIXED_TYPES
        if is_fixed and is_open:
            found[-1].append(one)
        else:
            found.append([one])
        is_open = is_fixed
    return found
