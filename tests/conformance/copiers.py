"""Clients that copy from topic to topic in transactions, offsets and all: one kind for each client and protocol.

A copier aborts transactions on the way and does them again. A new one of the same group and transactional id goes on where the last one
stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.conformance.clients import toolchain
from tests.conformance.clients.json_lines_process import JsonLinesProcess
from tests.support.tool_server import ToolServer

COPIER_TOOL: Final = "org.apache.kafka.tools.TransactionalMessageCopier"
COPIED_AT_ONCE: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What is copied: as many records of each partition, in one group under one transactional id, both called as the target is."""

    bootstrap: str
    source: str
    target: str
    partition_count: int
    records_each: int
    java: Callable[[], ToolServer]
    """The JVM of the session, started when the first asks for it."""


def _by_programme(copy: Copy, command: Sequence[str], protocol: str) -> None:
    """Leave a transaction open in a process that is killed, then copy half in each of two processes."""
    left = JsonLinesProcess([*command, copy.bootstrap])
    left.ask("write_open", transactional_id=copy.target, topic=copy.target, values=["left open", "left open too"])
    left.kill()
    half = copy.partition_count * copy.records_each // 2
    for _ in range(2):
        copier = JsonLinesProcess([*command, copy.bootstrap])
        try:
            copier.ask(
                "copy",
                transactional_id=copy.target,
                group=copy.target,
                protocol=protocol,
                source=copy.source,
                target=copy.target,
                count=half,
                at_once=COPIED_AT_ONCE,
            )
        finally:
            copier.close()


def _by_java(copy: Copy) -> None:
    """Copy each partition in two runs of Apache Kafka's own copier, which aborts at random."""
    for partition in range(copy.partition_count):
        for _ in range(2):
            outcome = copy.java().run(
                COPIER_TOOL,
                [
                    *("--broker-list", copy.bootstrap, "--input-topic", copy.source, "--input-partition", str(partition)),
                    *("--output-topic", copy.target, "--consumer-group", copy.target, "--transactional-id", copy.target),
                    *("--max-messages", str(copy.records_each // 2), "--transaction-size", str(COPIED_AT_ONCE)),
                    *("--enable-random-aborts", "--use-group-metadata"),
                ],
            )
            assert outcome.exit_code == 0, outcome.text + outcome.errors


@dataclass(frozen=True, slots=True)
class Copier:
    copy: Callable[[Copy], None]
    missing_reason: Callable[[], str | None]


def _franz_go(protocol: str) -> Copier:
    return Copier(lambda copy: _by_programme(copy, [str(toolchain.franz_go_program())], protocol), toolchain.missing_franz_go)


COPIERS: Final[Mapping[str, Copier]] = {
    "franz-go-cooperative": _franz_go("cooperative-sticky"),
    "franz-go-consumer": _franz_go("consumer"),
    "kafkajs": Copier(lambda copy: _by_programme(copy, toolchain.kafkajs_command(), ""), toolchain.missing_kafkajs),
    "java": Copier(_by_java, toolchain.missing_java_tools),
}
