"""Groups and transactions go from hand to hand: what the coordinators of one broker have written, those of the other load and go on with.

Either broker is the first once. The first hand-over follows a clean stop, with a transaction that is decided and not told to anybody; the
second a kill. Kafka's own tool has to find the offsets of every group.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.nodes import APACHE_KAFKA, COORDINATOR_LOGS_SETTINGS, ODRADEK
from tests.interop import coordinator_story
from tests.interop.coordinator_story import NAME, Told
from tests.support.odradek_node import OdradekNode
from tests.support.reference_kafka import ReferenceNode, missing_reason, run_tool

STORY_SECONDS_MAX: Final = 600
OTHER: Final = {ODRADEK: APACHE_KAFKA, APACHE_KAFKA: ODRADEK}


@pytest.fixture(scope="module", autouse=True)
def _kafka_is_here() -> None:
    reason = missing_reason()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def node_of(target: str, directory: Path) -> OdradekNode | ReferenceNode:
    kind = OdradekNode if target == ODRADEK else ReferenceNode
    return kind(directory, COORDINATOR_LOGS_SETTINGS)


@pytest.mark.timeout(STORY_SECONDS_MAX)
@pytest.mark.parametrize("first", [ODRADEK, APACHE_KAFKA])
def test_coordinators_go_on_with_what_the_other_broker_has_written(first: str, tmp_path: Path) -> None:
    one, other = node_of(first, tmp_path), node_of(OTHER[first], tmp_path)
    one.start()
    told = coordinator_story.tell(one.bootstrap)
    before = coordinator_story.picture(one.bootstrap, told)
    one.stop()
    coordinator_story.prepare(one.data_directory, told)

    other.start()
    assert coordinator_story.picture(other.bootstrap, told) == before
    assert offsets_by_kafkas_tool(other.bootstrap) == expected_offsets(told)
    coordinator_story.go_on(other.bootstrap, told)
    before = coordinator_story.picture(other.bootstrap, told)
    other.kill()

    one.start()
    assert coordinator_story.picture(one.bootstrap, told) == before
    coordinator_story.check_members(one.bootstrap, told)
    one.stop()


def expected_offsets(told: Told) -> dict[tuple[str, int], int]:
    return {(f"{NAME}.{group}", index): offset for group, offsets in told.offsets.items() for index, offset in offsets.items()}


def offsets_by_kafkas_tool(bootstrap: str) -> dict[tuple[str, int], int]:
    """Committed offsets by group and partition."""
    arguments = ["--bootstrap-server", bootstrap, "--describe", "--all-groups", "--offsets"]
    outcome = run_tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", arguments)
    assert outcome.exit_code == 0, outcome.text + outcome.errors
    lines = re.findall(rf"^({NAME}\S+) +{NAME}\.in +(\d+) +(\d+) ", outcome.text, flags=re.MULTILINE)
    return {(group, int(index)): int(offset) for group, index, offset in lines}
