"""The figures of a recovery: rate and time left, on a clock that the test holds."""

from __future__ import annotations

from odradek.cli.recovery_line import RecoveryLine, bytes_text, duration_text, recovery_text
from odradek.storage.recovery_progress import RecoveryProgress

MIB = 1 << 20


def progress(*, done: int = 3, total: int = 10, bytes_done: int = 0, bytes_total: int = 0, elapsed_ms: int = 4_000) -> RecoveryProgress:
    return RecoveryProgress(logs_done=done, logs_total=total, bytes_done=bytes_done, bytes_total=bytes_total, elapsed_ms=elapsed_ms)


def test_time_left_follows_from_the_rate_since_the_start() -> None:
    moment = progress(bytes_done=400 * MIB, bytes_total=1_000 * MIB, elapsed_ms=4_000)

    assert moment.bytes_per_s == 100 * MIB
    assert moment.left_ms == 6_000


def test_nobody_knows_the_time_left_before_there_is_a_rate() -> None:
    assert progress(bytes_done=5 * MIB, bytes_total=10 * MIB, elapsed_ms=100).left_ms is None
    assert progress(bytes_done=0, bytes_total=10 * MIB).left_ms is None


def test_more_than_was_foreseen_leaves_nothing_rather_than_less() -> None:
    assert progress(bytes_done=12 * MIB, bytes_total=10 * MIB).left_ms == 0


def test_sentence_has_partitions_bytes_rate_and_time_left() -> None:
    moment = progress(done=1_200, total=10_000, bytes_done=1_536 * MIB, bytes_total=10_240 * MIB, elapsed_ms=3_000)

    assert recovery_text(moment) == "opening logs: 1,200 of 10,000 partitions, 1.5 GiB of 10.0 GiB read again, 512.0 MiB/s, 17 s left"


def test_sentence_of_a_clean_start_has_only_partitions() -> None:
    assert recovery_text(progress()) == "opening logs: 3 of 10 partitions"


def test_units_are_those_that_leave_few_digits() -> None:
    assert [bytes_text(size) for size in (0, 1023, 1024, 3 * MIB, 5 << 40)] == ["0 B", "1023 B", "1.0 KiB", "3.0 MiB", "5.0 TiB"]
    assert [duration_text(ms) for ms in (0, 1, 59_000, 61_000)] == ["0 s", "1 s", "59 s", "1 min 1 s"]


class Terminal:
    """What was written to it."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        return


def test_line_is_written_over_cut_to_the_terminal_and_gone_at_the_end() -> None:
    terminal = Terminal()
    line = RecoveryLine(terminal, columns=25)  # type: ignore[arg-type]

    line.show(progress(done=1))
    line.show(progress(done=2))
    line.show(progress(done=10))

    assert terminal.text == "\r\x1b[Kopening logs: 1 of 10 pa\r\x1b[Kopening logs: 2 of 10 pa\r\x1b[K"


def test_short_opening_shows_nothing() -> None:
    terminal = Terminal()
    line = RecoveryLine(terminal, columns=80)  # type: ignore[arg-type]

    line.show(progress(elapsed_ms=1_000))
    line.show(progress(done=10, elapsed_ms=1_500))
    line.clear()

    assert terminal.text == ""
