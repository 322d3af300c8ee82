"""Who waits is told once: by a key, by the deadline, or never because it was cancelled."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from odradek.base.clock import ManualClock
from odradek.broker.purgatory import Parking, Purgatory
from tests.broker.small_node import ManualTimer


class Waiter:
    """Done after `wanted` completions of its keys, or by time."""

    def __init__(self, wanted: int = 1, on_done: Callable[[], None] | None = None) -> None:
        self.wanted = wanted
        self.keys_seen: list[Hashable] = []
        self.outcome: str | None = None
        self._on_done = on_done

    def try_complete(self, key: Hashable) -> bool:
        assert self.outcome is None, "an operation that is done is not asked again"
        self.keys_seen.append(key)
        if len(self.keys_seen) < self.wanted:
            return False
        self._finish("completed")
        return True

    def expire(self) -> None:
        assert self.outcome is None, "an operation that is done does not expire"
        self._finish("expired")

    def _finish(self, outcome: str) -> None:
        self.outcome = outcome
        if self._on_done is not None:
            self._on_done()


def purgatory_at_rest(parked_max: int = 1_000) -> tuple[Purgatory, ManualClock, ManualTimer]:
    clock, timer = ManualClock(), ManualTimer()
    return Purgatory(clock, timer.call_later, parked_max=parked_max), clock, timer


def test_key_completes_whom_it_satisfies_and_leaves_the_others_waiting() -> None:
    purgatory, _, _ = purgatory_at_rest()
    content, greedy, other = Waiter(wanted=1), Waiter(wanted=2), Waiter()
    for waiter, key in ((content, "orders"), (greedy, "orders"), (other, "refunds")):
        purgatory.park(waiter, [key], 500)

    assert purgatory.complete("orders") == 1

    assert (content.outcome, greedy.outcome, other.outcome) == ("completed", None, None)
    assert purgatory.statistics() == {"parked": 2, "watched_keys": 2, "completed": 1, "expired": 0}


def test_operation_leaves_all_its_keys_when_one_completes_it() -> None:
    purgatory, _, timer = purgatory_at_rest()
    waiter = Waiter()
    purgatory.park(waiter, ["a", "b", "a"], 500)

    purgatory.complete("b")

    assert purgatory.complete("a") == 0
    assert waiter.keys_seen == ["b"]
    assert purgatory.statistics()["watched_keys"] == 0
    timer.fire()
    assert waiter.outcome == "completed"


def test_operation_expires_at_its_deadline_with_what_there_is() -> None:
    purgatory, clock, timer = purgatory_at_rest()
    waiter = Waiter(wanted=9)
    purgatory.park(waiter, ["a"], clock.monotonic_ms() + 500)
    assert timer.delay_s == 0.5

    clock.advance(500)
    timer.fire()

    assert waiter.outcome == "expired"
    assert purgatory.complete("a") == 0


def test_purgatory_without_operations_has_no_timer() -> None:
    purgatory, clock, timer = purgatory_at_rest()
    purgatory.park(Waiter(), ["a"], 500)
    purgatory.complete("a")
    clock.advance(500)

    timer.fire()

    assert timer.callback is None


def test_timer_is_armed_anew_for_an_earlier_deadline_only() -> None:
    purgatory, _, timer = purgatory_at_rest()
    delays = []
    for deadline_ms in (500, 700, 100):
        purgatory.park(Waiter(), ["a"], deadline_ms)
        delays.append(timer.delay_s)

    assert delays == [0.5, 0.5, 0.1]


def test_timer_that_fires_early_is_armed_again() -> None:
    purgatory, clock, timer = purgatory_at_rest()
    waiter = Waiter()
    purgatory.park(waiter, ["a"], 500)
    clock.advance(499)

    timer.fire()

    assert waiter.outcome is None
    assert timer.delay_s == 0.001


def test_cancelled_operation_is_never_answered() -> None:
    purgatory, clock, timer = purgatory_at_rest()
    waiter = Waiter()
    parking = purgatory.park(waiter, ["a"], 500)

    parking.cancel()
    parking.cancel()

    assert purgatory.complete("a") == 0
    clock.advance(500)
    timer.fire()
    assert waiter.outcome is None


def test_operation_expires_at_once_when_too_many_wait() -> None:
    purgatory, _, _ = purgatory_at_rest(parked_max=1)
    first, second = Waiter(), Waiter()
    purgatory.park(first, ["a"], 500)

    purgatory.park(second, ["a"], 500)

    assert (first.outcome, second.outcome) == (None, "expired")


def test_answer_may_end_the_wait_of_another_operation() -> None:
    """An answer can break its connection, and with it whatever else that connection waits for."""
    purgatory, _, _ = purgatory_at_rest()
    parkings: list[Parking] = []
    first = Waiter(on_done=lambda: parkings[1].cancel())
    second = Waiter()
    parkings.extend(purgatory.park(waiter, ["a"], 500) for waiter in (first, second))

    assert purgatory.complete("a") == 1

    assert second.outcome is None


def test_answer_may_park_the_next_request_under_the_same_key() -> None:
    purgatory, _, _ = purgatory_at_rest()
    next_request = Waiter()
    purgatory.park(Waiter(on_done=lambda: purgatory.park(next_request, ["a"], 900) and None), ["a"], 500)

    assert purgatory.complete("a") == 1

    assert next_request.outcome is None
    assert purgatory.statistics()["parked"] == 1


class PurgatoryMachine(RuleBasedStateMachine):
    """The purgatory against a list that is searched from end to end."""

    def __init__(self) -> None:
        super().__init__()
        self.purgatory, self.clock, self.timer = purgatory_at_rest()
        self.parked: list[tuple[Waiter, frozenset[int], int, Parking]] = []
        self.expected: dict[Waiter, str | None] = {}

    @rule(keys=st.frozensets(st.integers(0, 4), min_size=1), wait_ms=st.integers(0, 1_000), wanted=st.integers(1, 3))
    def park(self, keys: frozenset[int], wait_ms: int, wanted: int) -> None:
        waiter, deadline_ms = Waiter(wanted), self.clock.monotonic_ms() + wait_ms
        self.parked.append((waiter, keys, deadline_ms, self.purgatory.park(waiter, keys, deadline_ms)))
        self.expected[waiter] = None

    @rule(key=st.integers(0, 4))
    def complete(self, key: int) -> None:
        about_to = [waiter for waiter, keys, _, _ in self.parked if key in keys and len(waiter.keys_seen) + 1 == waiter.wanted]
        assert self.purgatory.complete(key) == len(about_to)
        self._done(about_to, "completed")

    @rule(elapsed_ms=st.integers(0, 1_500))
    def let_time_pass(self, elapsed_ms: int) -> None:
        self.clock.advance(elapsed_ms)
        self.timer.fire()
        self._done([waiter for waiter, _, deadline_ms, _ in self.parked if deadline_ms <= self.clock.monotonic_ms()], "expired")

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.parked:
            waiter, _, _, parking = data.draw(st.sampled_from(self.parked))
            parking.cancel()
            self._done([waiter], None)

    @invariant()
    def everybody_heard_what_they_should(self) -> None:
        assert {waiter: waiter.outcome for waiter in self.expected} == self.expected
        statistics = self.purgatory.statistics()
        assert statistics["parked"] == len(self.parked)
        assert statistics["watched_keys"] == len({key for _, keys, _, _ in self.parked for key in keys})

    def _done(self, waiters: list[Waiter], outcome: str | None) -> None:
        self.expected.update(dict.fromkeys(waiters, outcome))
        self.parked = [entry for entry in self.parked if entry[0] not in waiters]


TestPurgatoryAgainstList = PurgatoryMachine.TestCase
