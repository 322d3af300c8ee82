"""Files in Java's notation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.config.properties import format_properties, parse_properties


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("a=b", {"a": "b"}),
        ("  a : b", {"a": "b"}),
        ("a b", {"a": "b"}),
        ("a", {"a": ""}),
        ("a = = b", {"a": "= b"}),
        ("a=b  ", {"a": "b  "}),
        ("# a=b\n! c=d\n\n \t\n", {}),
        ("a=1\\\n   2\\\n3", {"a": "123"}),
        ("a=1\\\\\nb=2", {"a": "1\\", "b": "2"}),
        ("a=1\\", {"a": "1"}),
        ("a=1\\\n#2", {"a": "1#2"}),
        ("a\\ b\\=c=d", {"a b=c": "d"}),
        ("a=\\u0041\\t\\n\\q", {"a": "A\t\nq"}),
        ("a=\\uD83D\\uDE00", {"a": "😀"}),
        ("a=1\r\nb=2\rc=3", {"a": "1", "b": "2", "c": "3"}),
        ("a=1\na=2", {"a": "2"}),
        ("=b", {"": "b"}),
        ("log.dirs=C:\\\\data", {"log.dirs": "C:\\data"}),
    ],
)
def test_text_is_read_as_java_reads_it(text: str, properties: dict[str, str]) -> None:
    assert parse_properties(text) == properties


@pytest.mark.parametrize("text", ["a=\\u12", "a=\\uzzzz", "\\u=1"])
def test_escape_without_four_digits_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        parse_properties(text)


@given(st.dictionaries(st.text(), st.text(), max_size=5))
def test_properties_survive_being_written_and_read(properties: dict[str, str]) -> None:
    text = format_properties(properties)

    assert text.isascii()
    assert parse_properties(text) == properties


@given(st.text(alphabet="ab=: \t\\\n\r#!uU0"))
def test_any_text_is_read_or_refused_with_the_documented_error(text: str) -> None:
    try:
        parse_properties(text)
    except ValueError as error:
        if "hexadecimal" not in str(error):
            raise
