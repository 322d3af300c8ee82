"""Listeners, what is advertised for them, and the protocols they speak."""

from __future__ import annotations

from odradek.config.broker import BROKER_SETTINGS
from odradek.config.listeners import (
    Endpoint,
    SecurityProtocol,
    advertised_listeners,
    broker_listeners,
    controller_listeners,
    inter_broker_listener_name,
    listeners,
    security_protocols,
    told_endpoints,
)
from odradek.config.settings import Settings


def settings_of(**properties: str) -> Settings:
    named = {"controller.listener.names": "CONTROLLER", **{name.replace("_", "."): text for name, text in properties.items()}}
    return Settings.of(BROKER_SETTINGS, named)


def test_listener_names_are_upper_case_and_an_empty_host_is_every_interface() -> None:
    settings = settings_of(listeners="plaintext://:9092,CONTROLLER://127.0.0.1:9093")

    assert listeners(settings) == [Endpoint("PLAINTEXT", "", 9092), Endpoint("CONTROLLER", "127.0.0.1", 9093)]
    assert broker_listeners(settings) == [Endpoint("PLAINTEXT", "", 9092)]
    assert controller_listeners(settings) == [Endpoint("CONTROLLER", "127.0.0.1", 9093)]


def test_ipv6_host_is_read_and_written_in_brackets() -> None:
    (endpoint,) = listeners(settings_of(listeners="PLAINTEXT://[::1]:9092"))

    assert endpoint.host == "::1"
    assert str(endpoint) == "PLAINTEXT://[::1]:9092"


def test_one_port_serves_ipv4_and_ipv6_under_two_names() -> None:
    settings = settings_of(listeners="A://127.0.0.1:9092,B://[::1]:9092", listener_security_protocol_map="A:PLAINTEXT,B:PLAINTEXT")

    assert [endpoint.port for endpoint in listeners(settings)] == [9092, 9092]


def test_any_number_of_listeners_may_ask_for_a_free_port() -> None:
    assert len(listeners(settings_of(listeners="PLAINTEXT://:0,CONTROLLER://:0"))) == 2


def test_others_are_told_what_is_advertised_or_an_address_that_can_be_dialled() -> None:
    settings = settings_of(
        listeners="A://0.0.0.0:1,B://:2,C://[::]:0,CONTROLLER://127.0.0.1:0",
        listener_security_protocol_map="A:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT,CONTROLLER:PLAINTEXT",
        advertised_listeners="A://example.org:91",
    )

    told = told_endpoints(settings, listeners(settings), {"C": 33, "CONTROLLER": 44})

    assert [str(endpoint) for endpoint in told] == [
        "A://example.org:91",
        "B://localhost:2",
        "C://localhost:33",
        "CONTROLLER://127.0.0.1:44",
    ]


def test_controller_listener_is_plaintext_unless_a_map_or_security_is_in_use() -> None:
    assert security_protocols(settings_of())["CONTROLLER"] is SecurityProtocol.PLAINTEXT
    assert "CONTROLLER" not in security_protocols(settings_of(listeners="SSL://:9092"))
    assert "CONTROLLER" not in security_protocols(settings_of(listener_security_protocol_map="PLAINTEXT:PLAINTEXT"))


def test_nothing_is_advertised_that_was_not_given() -> None:
    assert advertised_listeners(settings_of()) == []
    given = settings_of(advertised_listeners="PLAINTEXT://kafka.example:19092")
    assert advertised_listeners(given) == [Endpoint("PLAINTEXT", "kafka.example", 19092)]


def test_advertised_listeners_may_share_a_port() -> None:
    settings = settings_of(advertised_listeners="PLAINTEXT://h:1,CONTROLLER://h:1")

    assert [endpoint.port for endpoint in advertised_listeners(settings)] == [1, 1]


def test_inter_broker_listener_is_named_by_itself_or_by_its_protocol() -> None:
    assert inter_broker_listener_name(settings_of()) == "PLAINTEXT"
    assert inter_broker_listener_name(settings_of(inter_broker_listener_name="ssl")) == "SSL"
