"""Why one part of a request is refused: a code and, where it helps, a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from odradek.base.error_codes import ErrorCode


@dataclass(frozen=True, slots=True)
class Refusal:
    """`message` None means that the code says it all."""

    code: ErrorCode
    message: str | None = None
