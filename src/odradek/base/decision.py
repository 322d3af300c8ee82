"""What a decider answers: the records that change the state, and the response that leaves once they are durable.

Nothing is changed by deciding. The driver appends the records, `replay` applies them, and only then the response goes out;
so a refusal is a decision with no records, and a crash between the two leaves no trace of either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Record = TypeVar("Record")
Response = TypeVar("Response")


@dataclass(frozen=True, slots=True)
class Decision(Generic[Record, Response]):
    """Records to append (all or none of them, `is_atomic`), and what to answer after they are committed."""

    records: Sequence[Record]
    response: Response
    is_atomic: bool = True

    @classmethod
    def refused(cls, response: Response) -> Decision[Record, Response]:
        """A decision that changes nothing."""
        return cls(records=(), response=response)
