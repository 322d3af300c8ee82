"""One report as table, page, picture and file."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from benchmarks.comparison import Report, RowResult, Verdict, less, more
from benchmarks.document import document
from benchmarks.odradek_install import NotMeasurable
from benchmarks.picture import bars, svg
from benchmarks.report_file import report_as_json, report_from_json, with_rows_again
from benchmarks.rows import ROWS, chosen_rows
from benchmarks.rows_clients import consumer_tool_figures, tool_figures
from benchmarks.rows_node import slowest_imports
from benchmarks.table import bound_text, figure_text, markdown_table, spread_text, text_table, verdict_counts

THROUGHPUT = more("throughput", "MB/s", 1.5, 3.0)
MEMORY = less("memory", "MiB", 0.2, 0.1)


@pytest.fixture
def report() -> Report:
    fast = RowResult("fast", "Produce & fetch", "our load", (THROUGHPUT, less("p99", "ms")))
    fast.figures = {
        "Odradek": [{"throughput": 400.0, "p99": 1.0}, {"throughput": 300.0, "p99": 2.0}, {"throughput": 500.0, "p99": 1.5}],
        "Kafka": [{"throughput": 100.0, "p99": 4.0}, {"throughput": 100.0, "p99": 4.0}, {"throughput": 100.0, "p99": 3.0}],
    }
    small = RowResult("small", "Idle", "none", (MEMORY,), {"Odradek": [{"memory": 300.0}], "Kafka": [{"memory": 400.0}]})
    lost = RowResult("lost", "Lost", "none", (MEMORY,), {"Odradek": [{}], "Kafka": [{"memory": 9.0}]}, ["Odradek, run 1: it fell"])
    return Report(
        measured="Odradek",
        against=["Kafka"],
        machine="a machine",
        date="2026-01-31",
        command="compare",
        runs=3,
        versions={"Odradek": "1"},
        rows=[fast, small, lost],
        import_times=[("odradek.slow", 12.34)],
    )


@pytest.mark.parametrize(
    ("figure", "expected"),
    [(0, "0"), (0.00123, "0.0012"), (0.0456, "0.046"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (123456.7, "123,457")],
)
def test_a_figure_has_about_three_digits_and_no_exponent(figure: float, expected: str) -> None:
    assert figure_text(figure) == expected


def test_a_spread_names_its_ends_where_there_is_more_than_one_run() -> None:
    assert spread_text([2.0]) == "2.00"
    assert spread_text([3.0, 1.0, 2.0]) == "2.00 (1.00–3.00)"
    assert spread_text([]) == "–"


def test_bounds_point_where_better_is() -> None:
    assert (bound_text(THROUGHPUT, 1.5), bound_text(MEMORY, 0.2), bound_text(MEMORY, None)) == ("≥ 1.5", "≤ 0.2", "–")


def test_the_table_tells_every_figure_its_ratio_and_whether_it_is_enough(report: Report) -> None:
    lines = [" ".join(line.split()) for line in text_table(report, "Kafka").splitlines()]

    assert lines[1:] == [
        "Produce & fetch",
        "throughput, MB/s 400 (300–500) 100 (100–100) 4.00 (3.00–5.00) ≥ 1.5 ≥ 3 goal met",
        "p99, ms 1.50 (1.00–2.00) 4.00 (3.00–4.00) 0.500 (0.250–0.500) – –",
        "Idle",
        "memory, MiB 300 400 0.750 ≤ 0.2 ≤ 0.1 BELOW FLOOR",
        "Lost",
        "memory, MiB – 9.00 – ≤ 0.2 ≤ 0.1 not compared",
        "not measured: Odradek, run 1: it fell",
    ]


def test_only_figures_with_a_floor_are_counted(report: Report) -> None:
    assert verdict_counts(report, "Kafka") == {Verdict.GOAL: 1, Verdict.FLOOR: 0, Verdict.BELOW: 1, Verdict.UNKNOWN: 1}


def test_every_line_of_the_page_s_table_has_all_columns(report: Report) -> None:
    lines = markdown_table(report, "Kafka").splitlines()

    assert len(lines) == 2 + 4
    assert {line.count("|") for line in lines} == {9}


def test_the_page_names_load_failures_and_imports(report: Report) -> None:
    page = document(report)

    assert "| Produce & fetch | `fast` | our load |" in page
    assert "- Lost: Odradek, run 1: it fell" in page
    assert "| `odradek.slow` | 12.3 |" in page


def test_a_bar_is_longer_where_the_broker_is_better_also_where_less_is(report: Report) -> None:
    throughput, memory = bars(report, "Kafka")

    assert (throughput.factor, throughput.least, throughput.greatest, throughput.floor) == (4, 3, 5, 1.5)
    assert memory.factor == pytest.approx(400 / 300)
    assert (memory.floor, memory.goal) == pytest.approx((5, 10))
    assert memory.verdict is Verdict.BELOW


def test_the_picture_is_well_formed_and_says_what_is_compared(report: Report) -> None:
    root = ElementTree.fromstring(svg(report, "Kafka"))

    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "Odradek: how many times better than Kafka" in texts
    assert "Produce & fetch: throughput" in texts
    edges = [float(element.get(name, "0")) for element in root.iter() for name in ("x", "x1", "x2", "width")]
    assert min(edges) >= 0
    assert max(edges) <= float(root.get("width", "0"))


def test_a_picture_of_nothing_is_a_picture(report: Report) -> None:
    assert "nothing was compared" in svg(report, "another broker")


def test_a_report_that_was_written_is_read_back(report: Report) -> None:
    again = report_from_json(report_as_json(report))

    assert text_table(again, "Kafka") == text_table(report, "Kafka")
    assert document(again) == document(report)
    assert report_as_json(again) == report_as_json(report)


def test_rows_that_were_measured_again_count_and_the_page_tells_of_both_times(report: Report) -> None:
    again = RowResult("fast", "Produce & fetch", "our load", (THROUGHPUT,), {"Odradek": [{"throughput": 900.0}]})
    new = RowResult("new", "New", "none", (MEMORY,))
    later = replace(report, command="compare --rows fast,new", versions={"Odradek": "2"}, rows=[again, new], import_times=[])

    both = with_rows_again(report, later)

    assert [row.row for row in both.rows] == ["fast", "small", "lost", "new"]
    assert both.rows[0] is again
    assert (both.command, both.versions) == ("compare; then compare --rows fast,new", {"Odradek": "1 and 2"})
    assert both.import_times == report.import_times
    assert with_rows_again(both, later).versions == {"Odradek": "1 and 2"}, "each version is told once"


def test_rows_are_chosen_by_name_and_by_beginning_in_the_order_of_the_table() -> None:
    assert [row.name for row in chosen_rows("fetch-64k, produce-16k")] == ["produce-16k", "fetch-64k"]
    assert {row.name for row in chosen_rows("produce-single*")} == {"produce-single", "produce-single-100"}
    assert chosen_rows(None) == ROWS
    with pytest.raises(NotMeasurable, match="there is no row prodoce"):
        chosen_rows("prodoce")


def test_every_row_has_a_name_of_its_own_and_says_which_load_drives_it() -> None:
    names = [row.name for row in ROWS]

    assert len(set(names)) == len(names)
    assert all(row.load and row.metrics for row in ROWS)


def test_the_slowest_imports_are_told_by_their_own_time() -> None:
    told = "import time: self [us] | cumulative | imported package\nimport time:       100 |      90000 |   a.package\n"
    told += "import time:      2500 |       2500 |     b.module\nsomething else\n"

    assert slowest_imports(told) == [("b.module", 2.5), ("a.package", 0.1)]


def test_the_last_line_of_the_performance_tool_is_about_all_records() -> None:
    told = (
        "400000 records sent, 80000.0 records/sec (7.63 MB/sec), 3.1 ms avg latency, 40.0 ms max latency.\n"
        "1000000 records sent, 123456.8 records/sec (11.77 MB/sec), 3.21 ms avg latency, 55.00 ms max latency, "
        "2 ms 50th, 9 ms 95th, 17 ms 99th, 40 ms 99.9th.\n"
    )

    assert tool_figures(told, 1_000_000) == {"records": 123.4568, "p99": 17.0}
    with pytest.raises(NotMeasurable, match="did not finish"):
        tool_figures(told, 2_000_000)


def test_the_line_of_the_consumer_s_tool_tells_the_rate_of_its_fetches() -> None:
    told = "WARNING: something, with, commas\n2026-01-01 00:00:00:000, 2026-01-01 00:00:05:000, 95.3, 19.0, "
    told += "1000000, 200000.0, 3000, 2000, 47.6, 500000.0\n"

    assert consumer_tool_figures(told, 1_000_000) == {"records": 500.0}
    with pytest.raises(NotMeasurable, match="read 1000000 of 1000001"):
        consumer_tool_figures(told, 1_000_001)
    with pytest.raises(NotMeasurable, match="did not finish"):
        consumer_tool_figures("Could not find a coordinator", 1)
