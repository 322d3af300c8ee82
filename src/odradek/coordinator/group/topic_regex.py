"""Regular expressions by which members subscribe, in RE2's syntax: evaluated here, so that every member of a group sees the same topics.

RE2 answers in time that is linear in the text, whatever the expression: no client can make the coordinator think for long.
"""

from __future__ import annotations

from collections.abc import Iterable

import re2

_OPTIONS = re2.Options()
# What is wrong with an expression is told to the client that sent it, and not to the standard error of the node.
_OPTIONS.log_errors = False


def complaint_about(expression: str) -> str | None:
    """Why `expression` is no regular expression; None if it is one."""
    try:
        re2.compile(expression, _OPTIONS)
    except re2.error as error:
        (reason,) = error.args or ("it cannot be read",)
        return reason.decode() if isinstance(reason, bytes) else str(reason)
    return None


def matching(expression: str, names: Iterable[str]) -> frozenset[str]:
    """The names that `expression`, which is one, matches from their first to their last character."""
    compiled = re2.compile(expression, _OPTIONS)
    return frozenset(name for name in names if compiled.fullmatch(name))
