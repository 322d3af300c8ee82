"""How far the opening of logs has come, and how long it will still take: figures only, whoever shows them.

Bytes are those of segments behind the recovery points, which have to be read again after an unclean stop. The time left is told from the
rate since the start, and only when enough has been read to know one.
"""

from __future__ import annotations

from dataclasses import dataclass

# Sooner than this a rate is chance.
RATE_KNOWN_AFTER_MS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryProgress:
    """A moment of an opening. `bytes_total` is what had to be read again as far as it is known by now."""

    logs_done: int
    logs_total: int
    bytes_done: int
    bytes_total: int
    elapsed_ms: int

    @property
    def is_over(self) -> bool:
        return self.logs_done >= self.logs_total

    @property
    def bytes_per_s(self) -> int:
        """The rate since the start, 0 while it is not known."""
        if self.elapsed_ms < RATE_KNOWN_AFTER_MS:
            return 0
        return self.bytes_done * 1000 // self.elapsed_ms

    @property
    def left_ms(self) -> int | None:
        """How long it will still take at that rate; None while nobody can know."""
        rate = self.bytes_per_s
        if not rate:
            return None
        # What a survey has estimated can turn out to be more: then nothing is left rather than less than nothing.
        return max(self.bytes_total - self.bytes_done, 0) * 1000 // rate
