"""The wheel against a list of deadlines: the same timers come out of the same advances."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from odradek.broker.timer_wheel import Timer, TimerWheel

# Every wheel has to be used, so the delays go up to weeks.
delays_ms = st.one_of(st.integers(-5, 50), st.integers(0, 10_000), st.integers(0, 2**31 - 1))


class WheelMachine(RuleBasedStateMachine):
    """Adds, cancels and advances at will."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 1_000_003
        self.wheel = TimerWheel(self.now_ms)
        self.waiting: list[Timer] = []

    @rule(delay_ms=delays_ms)
    def add(self, delay_ms: int) -> None:
        self.waiting.append(self.wheel.add(self.now_ms + delay_ms, None, self.now_ms))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.waiting:
            timer = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
            self.wheel.cancel(timer)
            self.wheel.cancel(timer)
            assert not timer.is_pending

    @rule(elapsed_ms=delays_ms)
    def advance(self, elapsed_ms: int) -> None:
        self.now_ms += max(elapsed_ms, 0)
        due = [timer for timer in self.waiting if timer.deadline_ms <= self.now_ms]

        expired = self.wheel.advance(self.now_ms)

        assert set(expired) == set(due)
        assert [timer.deadline_ms for timer in expired] == sorted(timer.deadline_ms for timer in due)
        self.waiting = [timer for timer in self.waiting if timer not in due]

    @rule()
    def sleep_until_told(self) -> None:
        """What a driver does: it wakes at the deadline it was given, and sleeps again when that was early."""
        if self.waiting:
            earliest_ms = min(timer.deadline_ms for timer in self.waiting)
            wake_ups = 0
            expired: list[Timer] = []
            while not expired:
                deadline_ms = self.wheel.deadline_ms()
                assert deadline_ms is not None
                assert deadline_ms <= max(earliest_ms, self.now_ms)
                self.now_ms = max(self.now_ms, deadline_ms)
                expired = self.wheel.advance(self.now_ms)
                wake_ups += 1
                assert wake_ups <= 100
            assert expired[0].deadline_ms == earliest_ms
            self.waiting = [timer for timer in self.waiting if timer not in expired]

    @invariant()
    def counts_what_waits(self) -> None:
        assert len(self.wheel) == len(self.waiting)
        assert (self.wheel.deadline_ms() is None) == (not self.waiting)


TestWheelAgainstList = WheelMachine.TestCase


def test_deadline_is_exact_when_nothing_was_cancelled() -> None:
    """The loop wakes once per deadline, not once per wheel that the timer passes through."""
    wheel = TimerWheel(0)
    wheel.add(70_000, "late", 0)
    wheel.add(500, "early", 0)

    assert wheel.deadline_ms() == 500
    assert [timer.payload for timer in wheel.advance(500)] == ["early"]
    assert wheel.deadline_ms() == 70_000


def test_timer_added_late_comes_out_of_the_next_advance() -> None:
    wheel = TimerWheel(1_000)

    wheel.add(900, "late", 1_000)

    assert wheel.deadline_ms() == 1_000
    assert [timer.payload for timer in wheel.advance(1_000)] == ["late"]


def test_short_wait_after_a_long_silence_is_a_short_wait() -> None:
    wheel = TimerWheel(0)

    wheel.add(3_600_500, "poll", 3_600_000)

    assert wheel.advance(3_600_499) == []
    assert [timer.payload for timer in wheel.advance(3_600_500)] == ["poll"]
