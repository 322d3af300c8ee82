"""Where metrics are to be had, as an option or a line of a server.properties says it."""

from __future__ import annotations

import argparse
import socket
import urllib.request

import pytest

from odradek.base.errors import SettingError
from odradek.broker.metrics_address import MetricsAddress
from odradek.cli.node_run import METRICS_SETTING, metrics_address, take_metrics_setting
from tests.support.node_in_process import NodeInProcess


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9308", MetricsAddress("127.0.0.1", 9308)),
        ("0", MetricsAddress("127.0.0.1", 0)),
        ("0.0.0.0:9308", MetricsAddress("0.0.0.0", 9308)),
        ("[::1]:9308", MetricsAddress("::1", 9308)),
        ("metrics.example:1", MetricsAddress("metrics.example", 1)),
    ],
)
def test_address_is_a_port_of_this_machine_unless_a_host_is_given(text: str, expected: MetricsAddress) -> None:
    assert metrics_address(text) == expected
    properties = {METRICS_SETTING: f" {text} ", "node.id": "1"}
    assert take_metrics_setting(properties) == expected
    assert properties == {"node.id": "1"}


def test_file_that_says_nothing_of_metrics_means_none() -> None:
    assert take_metrics_setting({}) is None
    assert take_metrics_setting({METRICS_SETTING: ""}) is None


@pytest.mark.parametrize("text", [":9308", "host:", "port", "65536", "host:port"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        metrics_address(text)
    with pytest.raises(SettingError, match=f"Invalid value {text} for configuration {METRICS_SETTING}"):
        take_metrics_setting({METRICS_SETTING: text})


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_metrics_are_served_on_ipv6_too() -> None:
    with NodeInProcess(metrics=MetricsAddress("::1", 0)) as node:
        assert node.report is not None
        assert node.report.metrics_address is not None
        assert node.report.metrics_address.startswith("http://[::1]:")
        with urllib.request.urlopen(node.report.metrics_address, timeout=20) as answer:
            assert answer.status == 200
