"""What a transaction is made of, for tests: `Transaction` has no more of its own than the coordinator needs."""

from __future__ import annotations

from odradek.coordinator.transaction.transaction import Transaction

# Machine code does not tell.
_NAMES = (
    "transactional_id",
    "producer_id",
    "previous_producer_id",
    "next_producer_id",
    "epoch",
    "last_epoch",
    "timeout_ms",
    "state",
    "partitions",
    "start_ms",
    "update_ms",
    "client_version",
)


def fields_of(transaction: Transaction | None) -> dict[str, object]:
    """Every field by its name; none of what is not there."""
    return {} if transaction is None else {name: getattr(transaction, name) for name in _NAMES}


def changed(transaction: Transaction, **changes: object) -> Transaction:
    """The same with other fields."""
    return Transaction(**{**fields_of(transaction), **changes})  # type: ignore[arg-type]
