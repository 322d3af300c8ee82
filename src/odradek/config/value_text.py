"""Values of settings as text, in both directions, as a Java node reads and writes them.

Numbers follow `Integer.parseInt` and `Double.parseDouble` (a sign, digits, nothing between them; a double may be `1e3`, `1f` or `NaN`),
lists are split at commas with the white space around them, booleans know two words in any case (`ConfigDef.parseType`). The messages
are Kafka's, because clients see them in answers to AlterConfigs and CreateTopics.
"""

from __future__ import annotations

import math
import re
from enum import IntEnum

from odradek.base.errors import SettingError

SettingValue = bool | int | float | str | tuple[str, ...] | None

_INTEGER = re.compile(r"[+-]?[0-9]+")
_DOUBLE = re.compile(r"[+-]?(NaN|Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fFdD]?)")
_COMMA = re.compile(r"[ \t\n\x0b\f\r]*,[ \t\n\x0b\f\r]*")
# `String.trim` cuts every character up to and including the space.
_TRIMMED = "".join(map(chr, range(0x21)))


class SettingType(IntEnum):
    """Kafka's types of settings; the number is `config_type` in DescribeConfigs."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


_BITS = {SettingType.SHORT: 16, SettingType.INT: 32, SettingType.LONG: 64}


def parse_value(name: str, type_: SettingType, text: str) -> SettingValue:
    """The value of setting `name` that `text` spells.

    Raises:
        SettingError: `text` is not of that type.
    """
    trimmed = text.strip(_TRIMMED)
    match type_:
        case SettingType.STRING | SettingType.CLASS | SettingType.PASSWORD:
            return trimmed
        case SettingType.BOOLEAN:
            return _parse_boolean(name, text, trimmed)
        case SettingType.LIST:
            return tuple(_COMMA.split(trimmed)) if trimmed else ()
        case SettingType.DOUBLE:
            return _parse_double(name, text, trimmed)
        case _:
            return _parse_integer(name, type_, text, trimmed)


def _parse_boolean(name: str, text: str, trimmed: str) -> bool:
    match trimmed.lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise SettingError(invalid_value(name, text, "Expected value to be either true or false"))


def _parse_integer(name: str, type_: SettingType, text: str, trimmed: str) -> int:
    bound = 1 << (_BITS[type_] - 1)
    # Twenty characters hold every number of 64 bits; longer digits would only cost time before they are refused.
    if _INTEGER.fullmatch(trimmed) and len(trimmed.lstrip("+-0")) <= 20:
        value = int(trimmed)
        if -bound <= value < bound:
            return value
    raise SettingError(invalid_value(name, text, f"Not a number of type {type_.name}"))


def _parse_double(name: str, text: str, trimmed: str) -> float:
    if not _DOUBLE.fullmatch(trimmed):
        raise SettingError(invalid_value(name, text, "Not a number of type DOUBLE"))
    digits = trimmed if trimmed.endswith(("NaN", "Infinity")) else trimmed.rstrip("fFdD")
    return float(digits)


def format_value(type_: SettingType, value: object) -> str | None:
    """A parsed value as text; None stays None."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if type_ is SettingType.DOUBLE and isinstance(value, int | float):
        return format_double(float(value))
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)


def format_double(value: float) -> str:
    """A double as `Double.toString` spells it: plain between 10⁻³ and 10⁷, else one digit, a fraction and a power of ten."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        plain = repr(value)
        return plain if "e" not in plain else f"{value:.1f}"
    mantissa, _, exponent = f"{value:e}".partition("e")
    shortest = repr(value)
    digits = re.sub(r"[eE].*", "", shortest).replace(".", "").replace("-", "").strip("0") or "0"
    sign = "-" if mantissa.startswith("-") else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{int(exponent)}"


def invalid_value(name: str, value: object, problem: str) -> str:
    """Kafka's sentence about one value of one setting (`ConfigException`)."""
    return f"Invalid value {_printed(value)} for configuration {name}: {problem}"


def _printed(value: object) -> str:
    """A parsed value as Java prints the object."""
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    if isinstance(value, float):
        return format_double(value)
    return "null" if value is None else str(value)
