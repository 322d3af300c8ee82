"""The largest numbers of Java's types, which Kafka writes where it means "no limit"."""

from __future__ import annotations

from typing import Final

INT_MAX: Final = 2**31 - 1
LONG_MAX: Final = 2**63 - 1
DOUBLE_MAX: Final = 1.7976931348623157e308
