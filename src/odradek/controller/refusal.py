"""Why one part of a request is refused: a code and, where it helps, a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused

# What the records of one request may be, for they are one atomic batch (`QuorumController.MAX_RECORDS_PER_USER_OP`).
RECORDS_PER_REQUEST_MAX: Final = 10_000
TOO_MANY_RECORDS: Final = "Unable to perform excessively large batch operation."


@dataclass(frozen=True, slots=True)
class Refusal:
    """`message` None means that the code says it all."""

    code: ErrorCode
    message: str | None = None


def too_many_records() -> RequestRefused:
    """The request as a whole makes more records than one batch may have."""
    return RequestRefused(ErrorCode.POLICY_VIOLATION, TOO_MANY_RECORDS)
