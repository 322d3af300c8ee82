"""Where a node's metrics are to be had: the seam between the command line, which is told, and the endpoint, which binds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class MetricsAddress:
    """An address of this machine; port 0 takes any free one."""

    host: str
    port: int
