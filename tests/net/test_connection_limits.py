"""Kafka's connection limits as book-keeping."""

from __future__ import annotations

from odradek.net.connection_limits import ConnectionCounter, ConnectionLimits


def test_connection_is_refused_when_all_places_are_taken() -> None:
    counter = ConnectionCounter(ConnectionLimits(connections_max=2))
    counter.opened("10.0.0.1")
    counter.opened("10.0.0.2")

    assert counter.refusal("10.0.0.3") == "max.connections=2 are open"
    counter.closed("10.0.0.1")
    assert counter.refusal("10.0.0.3") is None


def test_connection_is_refused_when_its_address_has_too_many() -> None:
    counter = ConnectionCounter(ConnectionLimits(connections_per_address_max=1, address_overrides={"10.0.0.9": 2}))
    counter.opened("10.0.0.1")
    counter.opened("10.0.0.9")

    assert counter.refusal("10.0.0.1") == "max.connections.per.ip=1 are open from 10.0.0.1"
    assert counter.refusal("10.0.0.2") is None
    assert counter.refusal("10.0.0.9") is None


def test_accepting_waits_for_the_next_second_when_connections_come_too_fast() -> None:
    counter = ConnectionCounter(ConnectionLimits(creations_per_second_max=2))
    assert counter.wait_ms(5_300) == 0
    counter.opened("a")
    counter.opened("b")

    assert counter.wait_ms(5_300) == 700
    assert counter.wait_ms(6_000) == 0
