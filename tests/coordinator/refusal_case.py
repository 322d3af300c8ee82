"""One line of the tables of refusals: who asks what, and which error he is told. The name of a case says all three."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from odradek.base.error_codes import ErrorCode


@dataclass(frozen=True, slots=True)
class RefusalCase:
    """`ask` tells the whole story, and what was answered."""

    api: str
    who: str
    code: ErrorCode
    ask: Callable[[], ErrorCode]

    @property
    def id(self) -> str:
        return f"{self.api}_of_{self.who}_is_told_{self.code.name}"


def ids_of(cases: Sequence[RefusalCase]) -> list[str]:
    """The names, of which no two may be the same."""
    names = [case.id for case in cases]
    assert len(set(names)) == len(names), "two cases have one name"
    return names
