"""What every generated class inherits: equality and a readable form, from the fields that `__slots__` names.

Not a dataclass: that decorator compiles its methods anew at every start, for four hundred classes a tenth of a second. The generated
`__init__` is source like any other and comes out of the bytecode cache.
"""

from __future__ import annotations

from typing import Any, ClassVar

# The default of parameters whose own default has to be a fresh value. Any, since it stands in for lists and structs of every type.
FRESH: Any = object()


class Structure:
    """A mutable value with named fields."""

    __slots__: ClassVar[tuple[str, ...]] = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"


def fields_of(structure: Structure) -> dict[str, object]:
    """Every field's value by name, in the order of the schema."""
    return {name: getattr(structure, name) for name in structure.__slots__}
