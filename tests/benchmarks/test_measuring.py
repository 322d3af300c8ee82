"""The order of a comparison: in turns, the order turned round in every other run, and a failure costs only its own run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from benchmarks.brokers import OdradekCandidate, RunningCandidate
from benchmarks.comparison import RowResult, more
from benchmarks.measuring import measure_rows
from benchmarks.odradek_install import NotMeasurable
from benchmarks.row import Row
from benchmarks.session import Effort, Session

Measure = Callable[[Session], Mapping[str, float]]


def row_that(measure: Measure, *, name: str = "row", starts: bool = False, runs_max: int | None = None) -> Row:
    return Row(name=name, title="Row", load="none", metrics=(more("speed", "m/s"),), measure=measure, starts=starts, runs_max=runs_max)


@pytest.fixture
def sessions(tmp_path: Path) -> list[Session]:
    """Of two candidates whose brokers no row here asks for."""
    ours = OdradekCandidate(["odradek"], name="ours")
    return [Session(ours, tmp_path / "ours", Effort()), Session(RunningCandidate("theirs", 9092), tmp_path / "theirs", Effort())]


def measured(rows: list[Row], sessions: list[Session], runs: int) -> list[RowResult]:
    return measure_rows(rows, sessions, runs, settle=lambda brokers: None)


def test_every_other_run_begins_with_the_other_broker(sessions: list[Session]) -> None:
    turns: list[tuple[str, str]] = []

    def measure(row: str) -> Measure:
        def take_turn(session: Session) -> Mapping[str, float]:
            turns.append((row, session.name))
            return {"speed": float(len(turns))}

        return take_turn

    first, second = measured([row_that(measure("a"), name="a"), row_that(measure("b"), name="b", runs_max=1)], sessions, 3)

    ours, theirs = "ours", "theirs:9092"
    in_turns = [ours, theirs, theirs, ours, ours, theirs]
    assert turns == [*(("a", name) for name in in_turns), ("b", ours), ("b", theirs)]
    assert first.figures == {
        ours: [{"speed": 1.0}, {"speed": 4.0}, {"speed": 5.0}],
        theirs: [{"speed": 2.0}, {"speed": 3.0}, {"speed": 6.0}],
    }
    assert second.figures == {ours: [{"speed": 7.0}], theirs: [{"speed": 8.0}]}


def test_a_failure_leaves_its_run_empty_and_the_pairs_in_place(sessions: list[Session]) -> None:
    attempts: list[str] = []

    def measure(session: Session) -> Mapping[str, float]:
        attempts.append(session.name)
        if attempts.count("ours") == 2 and session.name == "ours":
            raise NotMeasurable("it fell")
        return {"speed": 10.0 * len(attempts)}

    (result,) = measured([row_that(measure)], sessions, 3)

    assert result.figures["ours"] == [{"speed": 10.0}, {}, {"speed": 50.0}]
    assert result.failures == ["ours, run 2: it fell"]
    assert result.ratios_of("ours", "theirs:9092", result.metrics[0]) == [10 / 20, 50 / 60]


def test_what_failed_twice_is_not_tried_again(sessions: list[Session]) -> None:
    attempts: list[str] = []

    def measure(session: Session) -> Mapping[str, float]:
        attempts.append(session.name)
        raise ConnectionRefusedError("nobody is there")

    (result,) = measured([row_that(measure)], sessions[:1], 5)

    assert attempts == ["ours", "ours"]
    assert result.figures == {"ours": [{}] * 5}


def test_a_broker_of_somebody_else_is_never_started_anew(sessions: list[Session]) -> None:
    (result,) = measured([row_that(lambda session: {"speed": 1.0}, starts=True)], sessions, 1)

    assert result.figures == {"ours": [{"speed": 1.0}], "theirs:9092": [{}]}
    assert result.failures == ["theirs:9092, run 1: somebody else started this broker"]


def test_a_mistake_of_the_benchmark_itself_is_not_hidden(sessions: list[Session]) -> None:
    def measure(session: Session) -> Mapping[str, float]:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        measured([row_that(measure)], sessions, 1)


def test_what_is_prepared_is_prepared_once_for_all_runs(sessions: list[Session]) -> None:
    prepared: list[str] = []

    def measure(session: Session) -> Mapping[str, float]:
        topic = session.lasting_topic("history")
        session.prepared(topic, lambda: prepared.append(topic))
        return {"speed": 1.0}

    measured([row_that(measure), row_that(measure, name="again")], sessions[:1], 3)

    assert len(prepared) == 1
    assert prepared[0].startswith("history-")
