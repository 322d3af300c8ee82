"""What clients of a transactional history did and were told, one value an operation, and as lines of JSON.

`at` is when something was done or told, `asked_at` when what is answered had been asked: whole numbers of one clock that all who record
share (`time.monotonic_ns` of one machine, or a counter). Only `<` between them means anything. What is asked is recorded before the
request leaves, what is told after the answer came, so that an operation lies between its two times whatever the clients' machines do.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

Place = tuple[str, int]


class Isolation(StrEnum):
    """What a reader wants to see."""

    READ_COMMITTED = "read_committed"
    READ_UNCOMMITTED = "read_uncommitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerBegan:
    """InitProducerId was answered: from now on `session` is the producer of its transactional id, and whoever was it before is fenced."""

    asked_at: int
    at: int
    transactional_id: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionBegan:
    """A session begins a transaction; its name is told apart from all others."""

    at: int
    transaction: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A record is about to leave. Its value is the only one of its kind in the whole history."""

    at: int
    transaction: str
    topic: str
    partition: int
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A record was acknowledged, at this offset. One that never is may be in the log or not."""

    at: int
    value: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetSent:
    """A group's offset is about to be committed: in a transaction, or plainly where `transaction` is None. `commit` is its own name."""

    at: int
    commit: str
    transaction: str | None
    group: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetAcknowledged:
    """What `OffsetSent` said was taken."""

    at: int
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndAsked:
    """A transaction is about to be ended; the first time counts, repetitions need not be recorded."""

    at: int
    transaction: str
    is_commit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTold:
    """Its producer was told that the transaction was ended so. Whoever heard nothing, or an error, records nothing."""

    at: int
    transaction: str
    is_commit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """A reader went from `position` to before `next_position` and was given `records` (offset and value) there.

    `transaction` is the one in which the reader works with what it reads, if any.
    """

    asked_at: int
    at: int
    reader: str
    isolation: Isolation
    topic: str
    partition: int
    position: int
    next_position: int
    records: tuple[tuple[int, str], ...]
    transaction: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetFetched:
    """The committed offset of a group, with `require_stable`; -1 where there is none."""

    asked_at: int
    at: int
    group: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndsTold:
    """Where a partition begins and ends, when all clients have been quiet for longer than any transaction may last."""

    at: int
    topic: str
    partition: int
    log_start_offset: int
    last_stable_offset: int
    high_watermark: int


Operation = (
    ProducerBegan
    | TransactionBegan
    | Sent
    | Acknowledged
    | OffsetSent
    | OffsetAcknowledged
    | EndAsked
    | EndTold
    | Polled
    | OffsetFetched
    | EndsTold
)
_KINDS: dict[str, type[Operation]] = {
    kind.__name__: kind
    for kind in (
        ProducerBegan,
        TransactionBegan,
        Sent,
        Acknowledged,
        OffsetSent,
        OffsetAcknowledged,
        EndAsked,
        EndTold,
        Polled,
        OffsetFetched,
        EndsTold,
    )
}


def to_line(operation: Operation) -> str:
    """One line of JSON, for processes that record apart: the lines of all are put together in any order."""
    return json.dumps({"kind": type(operation).__name__, **asdict(operation)})


def from_line(line: str) -> Operation:
    """What `to_line` wrote.

    Raises:
        ValueError: it did not.
    """
    fields = json.loads(line)
    kind = _KINDS.get(fields.pop("kind", "")) if isinstance(fields, dict) else None
    if kind is None:
        raise ValueError(f"no operation: {line[:80]}")
    if kind is Polled:
        fields["isolation"] = Isolation(fields["isolation"])
        fields["records"] = tuple((offset, value) for offset, value in fields["records"])
    try:
        return kind(**fields)
    except TypeError as error:
        raise ValueError(f"no {kind.__name__}: {line[:80]}") from error
