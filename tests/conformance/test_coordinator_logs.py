"""The internal topics of coordinators are Kafka's, byte for byte: the same requests leave the same batches and the same records.

`coordination/logs/` holds for each script what Apache Kafka 4.3.1 answered and what it wrote, in the notation of coordination/notation.py;
`--record-reference` refreshes it. So the comparison needs no Java, and where Java is, Kafka is held to its own record. Where Odradek writes
something else on purpose, FINDINGS.md says why, and a second record what: `<script>.odradek.txt`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.coordination import (
    scripts_classic,
    scripts_consumer,
    scripts_expiry,
    scripts_migration,
    scripts_offsets,
    scripts_transactions,
)
from tests.conformance.coordination.story import SCRIPTS, Story
from tests.conformance.nodes import COORDINATOR_LOGS, EXPIRING_COORDINATOR_LOGS, ODRADEK, Node

_LOGS: Final = Path(__file__).with_name("coordination") / "logs"

# Importing a collection registers its scripts.
COLLECTIONS: Final = (scripts_classic, scripts_offsets, scripts_transactions, scripts_consumer, scripts_migration, scripts_expiry)
OTHERWISE_ON_PURPOSE: Final = frozenset(
    {"consumer_group_with_regular_expressions", "migration_up_and_down_with_members", "migration_of_static_members"}
)


def flavour_of(script_name: str) -> str:
    """Where nothing is meant to expire nothing does, however slow the machine is."""
    return EXPIRING_COORDINATOR_LOGS if SCRIPTS[script_name].__module__ == scripts_expiry.__name__ else COORDINATOR_LOGS


@pytest.mark.parametrize("script_name", list(SCRIPTS))
def test_coordinators_write_what_kafka_writes(
    start_node: Callable[[str], Node], target: str, record_reference: bool, script_name: str
) -> None:
    node = start_node(flavour_of(script_name))
    with Story(node.bootstrap, script_name) as story:
        SCRIPTS[script_name](story)
        told = story.told()

    is_otherwise = target == ODRADEK and script_name in OTHERWISE_ON_PURPOSE
    file = _LOGS / f"{script_name}{'.odradek' if is_otherwise else ''}.txt"
    if record_reference and (is_otherwise or target != ODRADEK):
        _LOGS.mkdir(exist_ok=True)
        file.write_text(told)
    assert told == file.read_text()


@pytest.mark.parametrize("script_name", sorted(OTHERWISE_ON_PURPOSE))
def test_what_is_otherwise_on_purpose_still_is(script_name: str) -> None:
    kafka, odradek = (_LOGS / f"{script_name}{whose}.txt" for whose in ("", ".odradek"))
    assert kafka.read_text() != odradek.read_text(), "it is not any more: take it out of the list, and its second record away"
