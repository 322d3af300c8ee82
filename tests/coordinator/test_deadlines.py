"""Deadlines by name: in their order, moved, cancelled, and forgotten when they are cancelled."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from odradek.coordinator.deadlines import STALE_MIN, Deadlines


def taken(deadlines: Deadlines[str], now_ms: int) -> list[str]:
    due = []
    while (action := deadlines.take_due(now_ms)) is not None:
        due.append(action)
    return due


def test_what_is_cancelled_is_forgotten_long_before_its_time() -> None:
    """Members that are given an id and leave again, ten thousand a second: their sessions may be half an hour long."""
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("stays", 5_000, "stays")

    for number in range(100 * STALE_MIN):
        deadlines.set(number, 1_800_000, "never")
        deadlines.cancel(number)

    assert deadlines.places_count <= 2 * len(deadlines) + STALE_MIN
    assert deadlines.next_ms() == 5_000
    assert taken(deadlines, 2_000_000) == ["stays"]


def test_what_is_moved_forward_leaves_nothing_behind() -> None:
    deadlines: Deadlines[str] = Deadlines()

    for at_ms in range(100 * STALE_MIN, 0, -1):
        deadlines.set("moved", at_ms, f"at {at_ms}")

    assert deadlines.places_count <= 2 + STALE_MIN
    assert taken(deadlines, 1) == ["at 1"]


@given(st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 50))), max_size=3 * STALE_MIN), st.integers(0, 50))
def test_what_is_due_comes_out_in_the_order_of_its_time(changes: list[tuple[int, int | None]], now_ms: int) -> None:
    deadlines: Deadlines[str] = Deadlines()
    expected: dict[int, int] = {}
    for name, at_ms in changes:
        if at_ms is None:
            deadlines.cancel(name)
            expected.pop(name, None)
        else:
            deadlines.set(name, at_ms, str(name))
            expected[name] = at_ms

    due = [int(name) for name in taken(deadlines, now_ms)]

    assert sorted(due) == sorted(name for name, at_ms in expected.items() if at_ms <= now_ms)
    assert [expected[name] for name in due] == sorted(expected[name] for name in due)
