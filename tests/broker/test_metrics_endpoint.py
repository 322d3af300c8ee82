"""Metrics of a whole node, read as Prometheus reads them, and what the endpoint makes of those who ask otherwise."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from prometheus_client.parser import text_string_to_metric_families

from odradek.base.errors import StartRefused
from odradek.broker import lag_metrics, metrics_endpoint
from odradek.broker.metrics_address import MetricsAddress
from odradek.broker.metrics_text import Metric, escaped
from tests.support.cluster_work import ClusterWork, member_name
from tests.support.node_in_process import NodeInProcess

Labels = tuple[str, ...]
ANYWHERE = MetricsAddress("127.0.0.1", 0)


@pytest.fixture(scope="module")
def node() -> Iterator[NodeInProcess]:
    with NodeInProcess({"offsets.topic.num.partitions": "3", "group.initial.rebalance.delay.ms": "0"}, metrics=ANYWHERE) as node:
        work = ClusterWork("127.0.0.1", node.port)
        work.create_topic("orders", 2)
        work.create_topic("users", 1)
        work.write("orders", 0, 10)
        work.write("orders", 1, 4)
        work.commit("readers", "orders", {0: 7, 1: 4})
        work.commit("readers", "users", {0: 0})
        work.commit('a "group" with \\ and\nmore', "orders", {0: 1})
        work.join_consumer("modern", ["orders"], member_name(1))
        yield node
        work.close()


def scraped(node: NodeInProcess) -> dict[str, dict[Labels, float]]:
    """Every metric by name: the values by their labels."""
    assert node.report is not None
    assert node.report.metrics_address is not None
    with urllib.request.urlopen(node.report.metrics_address, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families), "a metric is in two places"
    assert all(family.type == "gauge" and family.documentation for family in families)
    return {family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples} for family in families}


def test_lag_is_told_by_partition_and_by_topic(node: NodeInProcess) -> None:
    metrics = scraped(node)

    strange = 'a "group" with \\ and\nmore'
    assert metrics["kafka_consumergroup_current_offset"] == {
        ("readers", "orders", "0"): 7,
        ("readers", "orders", "1"): 4,
        ("readers", "users", "0"): 0,
        (strange, "orders", "0"): 1,
    }
    assert metrics["kafka_consumergroup_lag"] == {
        ("readers", "orders", "0"): 3,
        ("readers", "orders", "1"): 0,
        ("readers", "users", "0"): 0,
        (strange, "orders", "0"): 9,
    }
    assert metrics["kafka_consumergroup_current_offset_sum"] == {("readers", "orders"): 11, ("readers", "users"): 0, (strange, "orders"): 1}
    assert metrics["kafka_consumergroup_lag_sum"] == {("readers", "orders"): 3, ("readers", "users"): 0, (strange, "orders"): 9}
    assert metrics["kafka_consumergroup_members"] == {("readers",): 0, (strange,): 0, ("modern",): 1}
    assert metrics["odradek_consumergroup_partitions_omitted"] == {(): 0}


def test_ends_of_partitions_are_told(node: NodeInProcess) -> None:
    metrics = scraped(node)

    ends = metrics["kafka_topic_partition_current_offset"]
    assert {labels: value for labels, value in ends.items() if labels[0] != "__consumer_offsets"} == {
        ("orders", "0"): 10,
        ("orders", "1"): 4,
        ("users", "0"): 0,
    }
    assert metrics["kafka_topic_partition_oldest_offset"][("orders", "0")] == 0
    assert ends.keys() == metrics["kafka_topic_partition_oldest_offset"].keys()


def test_lag_follows_what_is_written_and_committed(node: NodeInProcess) -> None:
    work = ClusterWork("127.0.0.1", node.port)
    work.create_topic("moving", 1)
    work.commit("movers", "moving", {0: 0})
    work.write("moving", 0, 5)
    assert scraped(node)["kafka_consumergroup_lag"][("movers", "moving", "0")] == 5
    work.commit("movers", "moving", {0: 4})
    assert scraped(node)["kafka_consumergroup_lag"][("movers", "moving", "0")] == 1

    work.delete_topic("moving")

    deadline_s = time.monotonic() + 20
    while any(labels[1] == "moving" for labels in scraped(node)["kafka_consumergroup_current_offset"]):
        assert time.monotonic() < deadline_s, "the offsets of the topic are still there"
    work.close()


def test_partitions_beyond_the_limit_are_in_the_sums_only(node: NodeInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scraped(node)
    monkeypatch.setattr(lag_metrics, "GROUP_PARTITIONS_MAX", 2)
    monkeypatch.setattr(lag_metrics, "VALUES_PER_SLICE", 1)

    metrics = scraped(node)

    shown = len(metrics["kafka_consumergroup_lag"])
    assert shown <= 2
    omitted = metrics["odradek_consumergroup_partitions_omitted"][()]
    assert shown + omitted == len(whole["kafka_consumergroup_lag"])
    assert metrics["kafka_consumergroup_lag_sum"] == whole["kafka_consumergroup_lag_sum"]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404 Not Found"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"405 Method Not Allowed"),
        (b"GET /metrics?name=x HTTP/1.1\r\nHost: x\r\n\r\n", b"200 OK"),
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200 OK"),
        (b"hello\r\n\r\n", b"400 Bad Request"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 10_000 + b"\r\n\r\n", b"431 Request Header Fields Too Large"),
    ],
)
def test_every_request_has_its_answer_and_then_the_connection_ends(node: NodeInProcess, request_bytes: bytes, status: bytes) -> None:
    with connection_to(node) as client:
        client.sendall(request_bytes)
        answer = read_to_end(client)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert bool(body) is not request_bytes.startswith(b"HEAD")


def test_half_a_request_is_answered_when_no_more_comes(node: NodeInProcess) -> None:
    with connection_to(node) as client:
        client.sendall(b"GET /metr")
        client.shutdown(socket.SHUT_WR)

        assert read_to_end(client).startswith(b"HTTP/1.1 400 ")


def test_who_says_nothing_is_not_waited_for(node: NodeInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_endpoint, "EXCHANGE_S_MAX", 0.05)
    with connection_to(node) as client:
        assert read_to_end(client) == b""


def test_too_many_at_once_are_told_to_come_again(node: NodeInProcess) -> None:
    silent = [connection_to(node) for _ in range(metrics_endpoint.SCRAPES_MAX)]
    try:
        assert node.report is not None
        assert node.report.metrics_address is not None
        host_port = node.report.metrics_address.removeprefix("http://").partition("/")[0]
        asking = HTTPConnection(host_port, timeout=20)
        asking.request("GET", "/metrics")
        assert asking.getresponse().status == 503
        silent += [connection_to(node) for _ in range(metrics_endpoint.CONNECTIONS_MAX - len(silent))]
        with connection_to(node) as one_too_many:
            assert read_to_end(one_too_many) == b""
    finally:
        for connection in silent:
            connection.close()


def test_address_that_is_taken_refuses_the_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(StartRefused, match=f"cannot listen on 127.0.0.1:{port} for metrics: address already in use"):
            NodeInProcess(metrics=MetricsAddress("127.0.0.1", port)).__enter__()


def test_metrics_end_with_the_node_even_while_somebody_is_connected() -> None:
    with NodeInProcess(metrics=ANYWHERE) as node:
        client = connection_to(node)
        began = time.monotonic()
    assert time.monotonic() - began < metrics_endpoint.EXCHANGE_S_MAX / 2
    assert read_to_end(client) == b""
    client.close()


def test_node_without_metrics_says_nothing_of_them() -> None:
    with NodeInProcess() as node:
        assert node.report is not None
        assert node.report.metrics_address is None


def test_node_that_may_have_metrics_does_not_load_them_before_they_are_wanted() -> None:
    program = "import sys, odradek.broker.main; print([name for name in sys.modules if 'metrics' in name or 'prometheus' in name])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)

    assert "odradek.broker.metrics_address" in done.stdout
    assert "endpoint" not in done.stdout
    assert "lag" not in done.stdout
    assert "prometheus" not in done.stdout


def test_labels_and_sentences_are_escaped() -> None:
    metric = Metric("m", ("l",), "one\ntwo \\ three")

    assert metric.heading() == "# HELP m one\\ntwo \\\\ three\n# TYPE m gauge\n"
    assert list(metric.lines([((escaped('a"b\\c\nd%s'),), 5)])) == ['m{l="a\\"b\\\\c\\nd%s"} 5\n']


def connection_to(node: NodeInProcess) -> socket.socket:
    assert node.report is not None
    assert node.report.metrics_address is not None
    port = int(node.report.metrics_address.rpartition(":")[2].partition("/")[0])
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def read_to_end(client: socket.socket) -> bytes:
    received = bytearray()
    try:
        while data := client.recv(65_536):
            received += data
    except ConnectionResetError:
        return b""
    return bytes(received)
