"""Which replicas of a topic are throttled: `*` for all, or a list of partition:broker."""

from __future__ import annotations

import re
from typing import final

from odradek.config.value_text import invalid_value


@final
class ThrottledReplicas:
    """Validator of `leader.replication.throttled.replicas` and its neighbour."""

    __slots__ = ()

    def complaint(self, name: str, value: object) -> str | None:
        assert isinstance(value, tuple), f"{name} is a list, not {value!r}"
        if "".join(value) == "*" or all(re.fullmatch(r"([0-9]+:[0-9]+)?", entry) for entry in value):
            return None
        return invalid_value(name, value, f"{name} must be the literal '*' or a list of replicas in the following format: {self}")

    def __str__(self) -> str:
        return "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
