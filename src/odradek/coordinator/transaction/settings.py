"""What can be set of transactions (`TransactionStateManagerConfig.java`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionSettings:
    """Kafka's settings; times in milliseconds."""

    timeout_ms_max: int = 900_000
    abort_interval_ms: int = 10_000
    id_expiration_ms: int = 604_800_000
    id_expiration_interval_ms: int = 3_600_000
    is_two_phase_commit_enabled: bool = False
