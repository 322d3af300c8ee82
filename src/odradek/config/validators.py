"""Which values a setting may have: each validator is a value that can complain about another, and print what it allows.

The sentences and the printed forms are Kafka's (`ConfigDef`): clients see the first in error messages, operators the second in the
reference of settings. They are plain classes, because making a dataclass costs half a millisecond, and every start of every command
would pay it for each of them.
"""

from __future__ import annotations

from typing import Protocol, final

from odradek.config.value_text import invalid_value


class Validator(Protocol):
    """`complaint` is a whole sentence, or None when the value is allowed; `str()` is what is allowed."""

    def complaint(self, name: str, value: object) -> str | None: ...


@final
class Between:
    """A number with a lower bound, an upper bound, or both."""

    __slots__ = ("maximum", "minimum")

    def __init__(self, minimum: float | None = None, maximum: float | None = None) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def complaint(self, name: str, value: object) -> str | None:
        if value is None:
            return invalid_value(name, None, "Value must be non-null")
        assert isinstance(value, int | float), f"{name} is a number, not {value!r}"
        if self.minimum is not None and value < self.minimum:
            return invalid_value(name, value, f"Value must be at least {self.minimum}")
        if self.maximum is not None and value > self.maximum:
            return invalid_value(name, value, f"Value must be no more than {self.maximum}")
        return None

    def __str__(self) -> str:
        bounds = [str(bound) for bound in (self.minimum, self.maximum) if bound is not None]
        if self.minimum is None:
            return f"[...,{self.maximum}]"
        return "[" + ",...,".join(bounds) + ("]" if self.maximum is not None else ",...]")


@final
class GzipLevel:
    """1 to 9, or -1 for the library's own choice."""

    __slots__ = ()

    def complaint(self, name: str, value: object) -> str | None:
        assert isinstance(value, int), f"{name} is a number, not {value!r}"
        if value != -1 and not 1 <= value <= 9:
            return invalid_value(name, value, "Value must be between 1 and 9 or equal to -1")
        return None

    def __str__(self) -> str:
        return "[1,...,9] or -1"


@final
class OneOf:
    """One of a few words, spelled exactly so."""

    __slots__ = ("words",)

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def complaint(self, name: str, value: object) -> str | None:
        if value in self.words:
            return None
        return invalid_value(name, value, f"String must be one of: {', '.join(self.words)}")

    def __str__(self) -> str:
        return f"[{', '.join(self.words)}]"


@final
class OneOfAnyCase:
    """One of a few words, in upper or lower case."""

    __slots__ = ("words",)

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def complaint(self, name: str, value: object) -> str | None:
        if isinstance(value, str) and value.upper() in {word.upper() for word in self.words}:
            return None
        words = ", ".join(self.words)
        return invalid_value(name, value, f"String must be one of (case insensitive): {words}")

    def __str__(self) -> str:
        return f"(case insensitive) [{', '.join(self.words)}]"


@final
class Elements:
    """A list without duplicates or empty elements, perhaps of a few words only."""

    __slots__ = ("is_empty_allowed", "is_null_allowed", "words")

    def __init__(self, words: tuple[str, ...] = (), *, is_empty_allowed: bool = True, is_null_allowed: bool = False) -> None:
        self.words = words
        self.is_empty_allowed = is_empty_allowed
        self.is_null_allowed = is_null_allowed

    def complaint(self, name: str, value: object) -> str | None:
        if value is None:
            return None if self.is_null_allowed else f"Configuration '{name}' values must not be null."
        assert isinstance(value, tuple), f"{name} is a list, not {value!r}"
        if not value and not self.is_empty_allowed:
            valid = str(self) if self.words else "any non-empty value"
            return f"Configuration '{name}' must not be empty. Valid values include: {valid}"
        if len(set(value)) != len(value):
            return f"Configuration '{name}' values must not be duplicated."
        for element in value:
            if element == "":
                return f"Configuration '{name}' values must not be empty."
            if self.words and element not in self.words:
                return OneOf(self.words).complaint(name, element)
        return None

    def __str__(self) -> str:
        return f"[{', '.join(self.words)}]" if self.words else ""


@final
class NonEmptyText:
    """A text that is absent or has at least one character."""

    __slots__ = ()

    def complaint(self, name: str, value: object) -> str | None:
        return invalid_value(name, "", "String must be non-empty") if value == "" else None

    def __str__(self) -> str:
        return "non-empty string"


@final
class NonNull:
    """A text that is present, perhaps empty."""

    __slots__ = ()

    def complaint(self, name: str, value: object) -> str | None:
        return invalid_value(name, None, "entry must be non null") if value is None else None

    def __str__(self) -> str:
        return "non-null string"
