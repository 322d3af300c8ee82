"""How the tables are written: one function per type of setting, which ties the Kafka type to the Python type of its value.

What is left out is Kafka's most frequent answer: of medium importance, read-only, not internal, any value of the type; and that this
version acts on it. A row that does not act says so with `effect`.
"""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

from odradek.config.setting import DynamicScope, Effect, Importance, Setting
from odradek.config.validators import Between, Elements, Validator
from odradek.config.value_text import SettingType

HIGH = Importance.HIGH
LOW = Importance.LOW
PER_BROKER = DynamicScope.PER_BROKER
CLUSTER_WIDE = DynamicScope.CLUSTER_WIDE
INERT = Effect.INERT
REFUSED = Effect.REFUSED
_MEDIUM = Importance.MEDIUM
_READ_ONLY = DynamicScope.READ_ONLY
_ACTS = Effect.ACTS

_ANY_ELEMENTS = Elements()
_ANY_ELEMENTS_OR_NONE = Elements(is_empty_allowed=False, is_null_allowed=True)


class Options(TypedDict, total=False):
    """What a row may say beside its name, default and sentence. `minimum` and `maximum` are short for a `Between`."""

    importance: Importance
    scope: DynamicScope
    effect: Effect
    validator: Validator | None
    minimum: float
    maximum: float
    internal: bool
    required: bool


# The only `Any` of the room: a row is built once for all types, and each function below gives it its one type.
def _row(name: str, type_: SettingType, default: Any, doc: str, options: Options) -> Setting[Any]:
    validator = options.get("validator")
    if "minimum" in options or "maximum" in options:
        assert validator is None, f"{name} has a range and a validator"
        validator = Between(options.get("minimum"), options.get("maximum"))
    return Setting(
        name,
        type_,
        default,
        doc,
        options.get("importance", _MEDIUM),
        options.get("scope", _READ_ONLY),
        options.get("effect", _ACTS),
        validator,
        options.get("internal", False),
        options.get("required", False),
    )


def boolean(name: str, default: bool, doc: str, **options: Unpack[Options]) -> Setting[bool]:
    return _row(name, SettingType.BOOLEAN, default, doc, options)


def integer(name: str, default: int, doc: str, **options: Unpack[Options]) -> Setting[int]:
    return _row(name, SettingType.INT, default, doc, options)


def optional_integer(name: str, doc: str, **options: Unpack[Options]) -> Setting[int | None]:
    return _row(name, SettingType.INT, None, doc, options)


def short(name: str, default: int, doc: str, **options: Unpack[Options]) -> Setting[int]:
    return _row(name, SettingType.SHORT, default, doc, options)


def long(name: str, default: int, doc: str, **options: Unpack[Options]) -> Setting[int]:
    return _row(name, SettingType.LONG, default, doc, options)


def optional_long(name: str, doc: str, **options: Unpack[Options]) -> Setting[int | None]:
    return _row(name, SettingType.LONG, None, doc, options)


def double(name: str, default: float, doc: str, **options: Unpack[Options]) -> Setting[float]:
    return _row(name, SettingType.DOUBLE, default, doc, options)


def string(name: str, default: str, doc: str, **options: Unpack[Options]) -> Setting[str]:
    return _row(name, SettingType.STRING, default, doc, options)


def optional_string(name: str, doc: str, **options: Unpack[Options]) -> Setting[str | None]:
    return _row(name, SettingType.STRING, None, doc, options)


def class_name(name: str, default: str | None, doc: str, **options: Unpack[Options]) -> Setting[str | None]:
    return _row(name, SettingType.CLASS, default, doc, options)


def password(name: str, doc: str, **options: Unpack[Options]) -> Setting[str | None]:
    return _row(name, SettingType.PASSWORD, None, doc, options)


def listing(name: str, default: tuple[str, ...], doc: str, **options: Unpack[Options]) -> Setting[tuple[str, ...]]:
    """A list that has a value, perhaps an empty one."""
    options.setdefault("validator", _ANY_ELEMENTS)
    return _row(name, SettingType.LIST, default, doc, options)


def optional_listing(name: str, doc: str, **options: Unpack[Options]) -> Setting[tuple[str, ...] | None]:
    """A list that may be absent; when it is given, it is not empty."""
    options.setdefault("validator", _ANY_ELEMENTS_OR_NONE)
    return _row(name, SettingType.LIST, None, doc, options)
