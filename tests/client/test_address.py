"""`bootstrap.servers` as one may write it."""

from __future__ import annotations

import pytest

from odradek.base.errors import Misuse
from odradek.client.core.address import Address, parse_addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", [Address("localhost", 9092)]),
        ("a:1,b:2", [Address("a", 1), Address("b", 2)]),
        (" a:1 , ,a:1", [Address("a", 1)]),
        ("[::1]:19092", [Address("::1", 19092)]),
        ("[::1]", [Address("::1", 9092)]),
        ("fe80::1", [Address("fe80::1", 9092)]),
    ],
)
def test_addresses_are_read_as_they_are_written(text: str, expected: list[Address]) -> None:
    assert parse_addresses(text) == expected


@pytest.mark.parametrize("text", ["", ",", "a:", ":9092", "a:b", "a:0", "a:65536", "a:-1", "a:١", "[::1", "[::1]9092"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Misuse):
        parse_addresses(text)


def test_address_of_version_6_is_shown_so_that_it_can_be_read_again() -> None:
    assert parse_addresses(str(Address("::1", 9092))) == [Address("::1", 9092)]
