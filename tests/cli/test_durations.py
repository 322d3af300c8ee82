"""Spans and moments as one writes them on a command line."""

from __future__ import annotations

import argparse

import pytest

from odradek.cli.durations import duration_ms, iso_text, timestamp_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 500),
        ("30", 30_000),
        ("30s", 30_000),
        ("1.5s", 1_500),
        ("15m", 900_000),
        ("2h", 7_200_000),
        ("7d", 604_800_000),
        ("PT1H30M", 5_400_000),
        ("P1DT1S", 86_401_000),
        ("pt0.25s", 250),
        ("0s", 0),
    ],
)
def test_span_is_read_in_every_way_of_writing_it(text: str, expected: int) -> None:
    assert duration_ms(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1 s", "P", "PT", "1w", "P1M", "٣s"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no span of time"):
        duration_ms(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01", 1_000),
        ("1970-01-01T00:00:01.250", 1_250),
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01T01:00:01+01:00", 1_000),
        ("1970-01-02", 86_400_000),
    ],
)
def test_moment_without_a_zone_is_in_utc_as_for_kafkas_tools(text: str, expected: int) -> None:
    assert timestamp_ms(text) == expected


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no date and time"):
        timestamp_ms("noon")


def test_moment_for_programs_is_in_utc_to_the_millisecond() -> None:
    assert iso_text(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
