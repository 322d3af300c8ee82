"""What a node says of itself once it serves: the seam between `broker.main`, which runs it, and `cli`, which prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyReport:
    """`client_addresses` are host:port of every listener for clients, with the ports that were bound in place of 0.

    `metrics_address` is that of the metrics, where they are switched on.
    """

    node_id: int
    cluster_id: str
    client_addresses: tuple[str, ...]
    log_directories: tuple[str, ...]
    metrics_address: str | None = None
