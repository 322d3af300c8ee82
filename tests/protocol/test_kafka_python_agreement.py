"""kafka-python 3, an independent implementation, reads our bytes of every API and version it knows, and writes the same bytes back."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Protocol, cast

import pytest
from hypothesis import Phase, given, settings

from odradek.protocol.message import encode_message
from odradek.protocol.messages.api_versions import ApiVersionsResponse
from tests.protocol.catalogue import CATALOGUE, messages

# Shrinking through their generated code takes minutes and shows nothing that the first failure does not.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
PACKAGES = ("admin", "consumer", "metadata", "producer", "sasl")


class Theirs(Protocol):
    """What is used of kafka-python's message classes."""

    min_version: int
    max_version: int
    _header: None

    def decode(self, data: bytes, *, version: int, header: bool) -> Theirs: ...

    def encode(self, *, version: int, header: bool) -> bytes: ...


def known_to_kafka_python() -> dict[str, Theirs]:
    """Their classes, by message."""
    known: dict[str, Theirs] = {}
    for package in PACKAGES:
        for name, value in vars(import_module(f"kafka.protocol.{package}")).items():
            if name in CATALOGUE and inspect.isclass(value):
                known[name] = cast(Theirs, value)
    return known


KNOWN = known_to_kafka_python()
PAIRS = [(name, version) for name, theirs in sorted(KNOWN.items()) for version in CATALOGUE[name].versions if version <= theirs.max_version]


def test_kafka_python_knows_most_apis() -> None:
    """The comparison below would otherwise shrink unnoticed."""
    assert len(KNOWN) >= 90
    assert len(PAIRS) >= 350


@pytest.mark.parametrize(("name", "version"), [pytest.param(*pair, id=f"{pair[0]}-{pair[1]}") for pair in PAIRS])
def test_kafka_python_reads_and_rewrites_our_bytes(name: str, version: int) -> None:
    entry = CATALOGUE[name]
    theirs = KNOWN[name]

    @settings(max_examples=4, phases=WITHOUT_SHRINKING)
    @given(messages(name, version))
    def compare(message: object) -> None:
        assert isinstance(message, entry.type)
        if isinstance(message, ApiVersionsResponse):
            # They take every response with an error for version 0, as a broker that does not know the version answers (KIP-511).
            message.error_code = 0
        ours = encode_message(message, version)
        decoded = theirs.decode(ours, version=version, header=False)
        # Their decoder leaves out an attribute that their encoder asks for.
        decoded._header = None
        assert decoded.encode(version=version, header=False) == ours

    compare()
