"""A range of levels of one feature, both ends included."""

from __future__ import annotations

from typing import NamedTuple


class VersionRange(NamedTuple):
    """What a node can do: every level from `minimum` to `maximum`."""

    minimum: int
    maximum: int

    def allows(self, level: int) -> bool:
        """Whether `level` is inside."""
        return self.minimum <= level <= self.maximum
