"""Ratios, their spread, and when a floor or a goal is met."""

from __future__ import annotations

import pytest

from benchmarks.comparison import RowResult, Spread, Verdict, less, more, ratios, spread, verdict

THROUGHPUT = more("throughput", "MB/s", 1.5, 3.0)
MEMORY = less("memory", "MiB", 0.2, 0.1)
EXTRA = less("p50", "ms")


def test_ratios_are_made_run_by_run_and_not_of_medians() -> None:
    assert ratios([10, 20, 30], [1, 4, 10]) == [10, 5, 3]
    assert spread([10, 5, 3]) == Spread(5, 3, 10)


def test_a_run_without_a_figure_to_divide_by_has_no_ratio() -> None:
    assert ratios([1, 2], [0, 4]) == [0.5]


def test_runs_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        ratios([1, 2], [1])


def test_there_is_no_spread_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        spread([])


@pytest.mark.parametrize(
    ("metric", "run_ratios", "expected"),
    [
        (THROUGHPUT, [1.6, 2.0, 2.9], Verdict.FLOOR),
        (THROUGHPUT, [1.5, 3.0, 3.1], Verdict.GOAL),
        (THROUGHPUT, [1.4, 9.0, 9.0], Verdict.BELOW),
        (MEMORY, [0.05, 0.1, 0.2], Verdict.GOAL),
        (MEMORY, [0.11, 0.12, 0.2], Verdict.FLOOR),
        (MEMORY, [0.05, 0.05, 0.21], Verdict.BELOW),
        (EXTRA, [100.0], Verdict.NOT_ASKED),
        (THROUGHPUT, [], Verdict.UNKNOWN),
    ],
)
def test_a_floor_holds_in_every_run_and_a_goal_in_the_median(metric: object, run_ratios: list[float], expected: Verdict) -> None:
    assert isinstance(metric, type(THROUGHPUT))
    assert verdict(metric, run_ratios) is expected


def test_a_goal_is_not_asked_where_the_score_has_none() -> None:
    assert verdict(more("requests", "k/s", 0.25), [100.0]) is Verdict.FLOOR


def test_runs_that_one_broker_did_not_finish_are_left_out_of_the_ratios_as_pairs() -> None:
    result = RowResult("row", "Row", "load", (THROUGHPUT,))
    result.figures = {
        "a": [{"throughput": 10.0}, {}, {"throughput": 30.0}],
        "b": [{"throughput": 5.0}, {"throughput": 7.0}, {"throughput": 10.0}],
    }

    assert result.ratios_of("a", "b", THROUGHPUT) == [2.0, 3.0]
    assert result.runs_of("b", THROUGHPUT) == [5.0, 7.0, 10.0]


def test_a_row_that_the_other_broker_never_finished_is_not_compared() -> None:
    result = RowResult("row", "Row", "load", (THROUGHPUT,), {"a": [{"throughput": 10.0}], "b": [{}]}, ["b, run 1: refused"])

    assert result.verdict_of("a", "b", THROUGHPUT) is Verdict.UNKNOWN
