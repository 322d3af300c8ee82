"""Where a share group begins to read: `latest`, `earliest`, or `by_duration:` and a span of time in ISO 8601 (KIP-932)."""

from __future__ import annotations

import re
from typing import final

from odradek.config.value_text import invalid_value

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_NUMBER = r"([+-]?[0-9]{1,18})"


def duration_ms(text: str) -> int | None:
    """The milliseconds of a span like `P1DT2H3M4.5S`, as `java.time.Duration` reads it; None when it is malformed."""
    seconds = r"([+-]?[0-9]{1,18})(?:[.,]([0-9]{0,9}))?S"
    match = re.fullmatch(rf"([+-]?)P(?:{_NUMBER}D)?(T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{seconds})?)?", text, re.IGNORECASE)
    if match is None or match[3] in ("T", "t") or not any(match[group] for group in (2, 4, 5, 6)):
        return None
    days, hours, minutes, whole_seconds = (int(match[group] or 0) for group in (2, 4, 5, 6))
    fraction_ms = int((match[7] or "").ljust(3, "0")[:3])
    if (match[6] or "").startswith("-"):
        fraction_ms = -fraction_ms
    total = days * _DAY_MS + hours * _HOUR_MS + minutes * _MINUTE_MS + whole_seconds * 1000 + fraction_ms
    return -total if match[1] == "-" else total


def _is_duration(text: str) -> bool:
    span_ms = duration_ms(text)
    return span_ms is not None and span_ms >= 0


@final
class OffsetResetStrategy:
    """Validator of `share.auto.offset.reset`."""

    __slots__ = ()

    def complaint(self, name: str, value: object) -> str | None:
        assert isinstance(value, str), f"{name} is a text, not {value!r}"
        strategy, _, span = value.partition(":")
        if value in ("latest", "earliest"):
            return None
        if strategy == "by_duration" and _is_duration(span):
            return None
        return invalid_value(
            name,
            value,
            f"Invalid value `{value}` for configuration {name}. The value must be either 'earliest', 'latest' or of the format "
            "'by_duration:<PnDTnHnMn.nS>'.",
        )

    def __str__(self) -> str:
        return "[latest, earliest, by_duration:PnDTnHnMn.nS]"
