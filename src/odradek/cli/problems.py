"""How the command line says that something went wrong: what happened, why if known, what to do; and how it then exits.

Every command raises; `main` prints once and chooses the exit code. A traceback is for `--debug` only: the reader of an error is
somebody who wants to start a broker, not somebody who wants to repair this program.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell gets (the same numbers in every command)."""

    DONE = 0
    REFUSED = 1
    WRONG_USAGE = 2
    PARTLY_DONE = 3
    TIMED_OUT = 124
    INTERRUPTED = 130


class CommandFailed(Exception):
    """A command ends here: one sentence what happened, one why (if known), one what to do."""

    def __init__(self, what: str, *, why: str | None = None, help_line: str | None = None, code: ExitCode = ExitCode.REFUSED) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.help_line = help_line
        self.code = code


def described(what: str, why: str | None = None, help_line: str | None = None) -> str:
    """The lines of one error as they are printed on stderr."""
    lines = [f"error: {what}"]
    if why:
        lines.append(f"  why:  {why}")
    if help_line:
        lines.append(f"  help: {help_line}")
    return "\n".join(lines)
