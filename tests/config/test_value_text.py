"""Texts of settings as Java reads and writes them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.base.errors import SettingError
from odradek.config.value_text import SettingType, SettingValue, format_double, format_value, parse_value


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (SettingType.INT, " 7 ", 7),
        (SettingType.INT, "+7", 7),
        (SettingType.INT, "-2147483648", -(2**31)),
        (SettingType.LONG, "9223372036854775807", 2**63 - 1),
        (SettingType.LONG, "000000000000000000000000000009", 9),
        (SettingType.SHORT, "32767", 32_767),
        (SettingType.BOOLEAN, " TRUE", True),
        (SettingType.BOOLEAN, "False", False),
        (SettingType.STRING, "  a b ", "a b"),
        (SettingType.LIST, "", ()),
        (SettingType.LIST, "a , b,c", ("a", "b", "c")),
        (SettingType.LIST, "a,", ("a", "")),
        (SettingType.DOUBLE, "1e3", 1000.0),
        (SettingType.DOUBLE, ".5f", 0.5),
        (SettingType.DOUBLE, "-Infinity", -math.inf),
    ],
)
def test_text_has_the_meaning_java_gives_it(type_: SettingType, text: str, value: SettingValue) -> None:
    assert parse_value("x", type_, text) == value


@pytest.mark.parametrize(
    ("type_", "text", "problem"),
    [
        (SettingType.INT, "2147483648", "Not a number of type INT"),
        (SettingType.INT, "1_000", "Not a number of type INT"),
        (SettingType.INT, "1.0", "Not a number of type INT"),
        (SettingType.INT, "", "Not a number of type INT"),
        (SettingType.INT, "٣", "Not a number of type INT"),
        (SettingType.LONG, "9" * 5000, "Not a number of type LONG"),
        (SettingType.SHORT, "32768", "Not a number of type SHORT"),
        (SettingType.DOUBLE, "0x1p3", "Not a number of type DOUBLE"),
        (SettingType.DOUBLE, "inf", "Not a number of type DOUBLE"),
        (SettingType.BOOLEAN, "yes", "Expected value to be either true or false"),
    ],
)
def test_text_of_another_type_is_refused_with_kafkas_sentence(type_: SettingType, text: str, problem: str) -> None:
    with pytest.raises(SettingError) as refused:
        parse_value("x", type_, text)

    assert str(refused.value) == f"Invalid value {text} for configuration x: {problem}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (1.0, "1.0"),
        (0.0, "0.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (9_999_999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (-1.25e-9, "-1.25E-9"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
    ],
)
def test_double_is_written_as_java_writes_it(value: float, text: str) -> None:
    assert format_double(value) == text


@given(st.floats(allow_nan=False))
def test_double_survives_being_written_and_read(value: float) -> None:
    assert parse_value("x", SettingType.DOUBLE, format_double(value)) == value


@given(st.integers(-(2**63), 2**63 - 1))
def test_long_survives_being_written_and_read(value: int) -> None:
    text = format_value(SettingType.LONG, value)

    assert text is not None
    assert parse_value("x", SettingType.LONG, text) == value


@given(st.text())
def test_any_text_is_a_number_or_refused_with_the_documented_error(text: str) -> None:
    for type_ in (SettingType.INT, SettingType.DOUBLE, SettingType.BOOLEAN):
        try:
            parse_value("x", type_, text)
        except SettingError:
            continue
