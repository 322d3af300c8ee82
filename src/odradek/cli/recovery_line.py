"""How far the recovery has come, as one line of a terminal that is written over and gone when all is done.

Nobody sees it where opening the logs takes less than two seconds, nor where the errors of the command go to a file: there the log tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from odradek.storage.recovery_progress import RecoveryProgress

# Less than this is not waiting.
SHOWN_AFTER_MS = 2_000
# Carriage return, and the control sequence that clears from there to the end of the line.
_BEGIN_AGAIN = "\r\x1b[K"
_KIBI = 1024
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class RecoveryLine:
    """Writes the line to `stream`, which is a terminal `columns` wide."""

    def __init__(self, stream: TextIO, columns: int) -> None:
        self._stream = stream
        self._columns = columns
        self._is_shown = False

    def show(self, progress: RecoveryProgress) -> None:
        """Say how far it has come; clears the line when that is all the way."""
        if progress.is_over:
            self.clear()
            return
        if progress.elapsed_ms < SHOWN_AFTER_MS:
            return
        self._is_shown = True
        self._stream.write(_BEGIN_AGAIN + recovery_text(progress)[: self._columns - 1])
        self._stream.flush()

    def clear(self) -> None:
        """Leave the terminal as it was found."""
        if self._is_shown:
            self._is_shown = False
            self._stream.write(_BEGIN_AGAIN)
            self._stream.flush()


def recovery_text(progress: RecoveryProgress) -> str:
    """One sentence: partitions, bytes, rate, time left."""
    parts = [f"opening logs: {progress.logs_done:,} of {progress.logs_total:,} partitions"]
    if progress.bytes_total:
        parts.append(f"{bytes_text(progress.bytes_done)} of {bytes_text(progress.bytes_total)} read again")
    if progress.bytes_done and progress.bytes_per_s:
        parts.append(f"{bytes_text(progress.bytes_per_s)}/s")
        left_ms = progress.left_ms
        if left_ms is not None and progress.bytes_total:
            parts.append(f"{duration_text(left_ms)} left")
    return ", ".join(parts)


def bytes_text(size: int) -> str:
    """`size` with a unit and three or four digits."""
    amount, unit = float(size), 0
    while amount >= _KIBI and unit < len(_UNITS) - 1:
        amount /= _KIBI
        unit += 1
    return f"{amount:.1f} {_UNITS[unit]}" if unit else f"{size} B"


def duration_text(duration_ms: int) -> str:
    """Seconds, or minutes and seconds; rounded up, so that 0 means done."""
    seconds = -(-duration_ms // 1000)
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60} s"
