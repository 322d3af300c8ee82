"""What happened in a simulation, one line an event: virtual time, who, what, and fields behind it.

The same seed has to give the same lines. `digest` is over all of them, whether they are kept or not; so two runs are compared without
keeping either. What machines log comes in through `TraceHandler`, under the name of the machine whose life the code belongs to; a machine
that is dying is not heard any more.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import deque
from collections.abc import Mapping

from odradek.base.clock import Clock
from odradek.base.errors import StorageFailure
from odradek.base.structured_log import ROOT_LOGGER_NAME, fields_of
from odradek.testing.virtual_loop import LIFE

LINES_KEPT_DEFAULT = 400
# Where an object in this process lies differs from run to run.
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


class Trace:
    """Events in the order in which they happened. The last `lines_max` are kept, all of them for None."""

    def __init__(self, clock: Clock, lines_max: int | None = LINES_KEPT_DEFAULT) -> None:
        self._clock = clock
        self._hash = hashlib.sha256()
        self.lines: deque[str] = deque(maxlen=lines_max)
        self.lines_count = 0

    def note(self, who: str, event: str, fields: Mapping[str, object] | None = None) -> None:
        """Write down one event."""
        told = "".join(f" {name}={value}" for name, value in fields.items()) if fields else ""
        line = _ADDRESS.sub("0x", f"{self._clock.monotonic_ms():>9} {who:<12} {event}{told}")
        self._hash.update(line.encode("utf-8", "replace"))
        self._hash.update(b"\n")
        self.lines.append(line)
        self.lines_count += 1

    @property
    def digest(self) -> str:
        """The fingerprint of everything that was noted."""
        return self._hash.hexdigest()


def is_of_the_disk(error: object) -> bool:
    """Whether an error is that of a disk which refused: nobody's mistake."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_of_the_disk(part) for part in error.exceptions)
    return isinstance(error, OSError | StorageFailure)


class TraceHandler(logging.Handler):
    """Puts what the machines log into the trace; what they log with a traceback at ERROR is also kept in `mistakes`,
    unless a disk is to blame."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(logging.INFO)
        self._trace = trace
        self._root = logging.getLogger(ROOT_LOGGER_NAME)
        self._before: tuple[list[logging.Handler], bool, int] | None = None
        self.mistakes: list[str] = []

    def __enter__(self) -> TraceHandler:
        root = self._root
        self._before = (root.handlers[:], root.propagate, root.level)
        root.handlers[:] = [self]
        root.propagate = False
        root.setLevel(logging.INFO)
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._before is not None
        self._root.handlers[:], self._root.propagate, level = self._before
        self._root.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        life = LIFE.get()
        if life is None or life.is_dying:
            return
        fields = dict(fields_of(record))
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = repr(record.exc_info[1])
            if record.levelno >= logging.ERROR and not is_of_the_disk(record.exc_info[1]):
                self.mistakes.append(f"{record.getMessage()}: {logging.Formatter().formatException(record.exc_info)}")
        self._trace.note(life.machine, f"{record.levelname} {record.getMessage()}", fields)
