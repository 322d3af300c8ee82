"""Spans of time as one writes them: `500ms`, `30s`, `15m`, `2h`, `7d`, a bare number of seconds, or ISO 8601 (`P1DT2H30M`, as Kafka's
tools).
"""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from typing import Final

_MS_BY_UNIT: Final = {"": 1_000, "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PLAIN: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", re.ASCII)
_ISO: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE | re.ASCII)


def duration_ms(text: str) -> int:
    """The milliseconds that `text` spells; raises ArgumentTypeError, as argparse wants it."""
    if plain := _PLAIN.fullmatch(text):
        return round(float(plain[1]) * _MS_BY_UNIT[plain[2] or ""])
    iso = _ISO.fullmatch(text)
    if iso is None or not any(iso.groups()):
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time; write 500ms, 30s, 15m, 2h, 7d or PT2H30M")
    days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
    return round(days * _MS_BY_UNIT["d"] + hours * _MS_BY_UNIT["h"] + minutes * _MS_BY_UNIT["m"] + seconds * 1_000)


def timestamp_ms(text: str) -> int:
    """The milliseconds since 1970 of a date and time in ISO 8601; without a zone it is UTC, as for Kafka's tools."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date and time; write 2026-01-31T12:00:00, with Z or +01:00 for a zone") from None
    return round((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1_000)


def iso_text(moment_ms: int) -> str:
    """A moment in UTC, as programs read it."""
    return datetime.fromtimestamp(moment_ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_text(moment_ms: int) -> str:
    """A moment in the time of this place, as people read it."""
    return datetime.fromtimestamp(moment_ms / 1_000).isoformat(sep=" ", timespec="seconds")
