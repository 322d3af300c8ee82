"""The same command lines of Apache Kafka's tools against both nodes, and what they print.

`tool_stories/transcripts/` holds what the tools said of Apache Kafka 4.3.1, one file a story; `--record-reference` refreshes them. Against
Apache Kafka itself they have to say it again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.clients.client import Client
from tests.conformance.nodes import APACHE_KAFKA, COORDINATING, Node
from tests.conformance.tool_stories import groups, transactions
from tests.conformance.tool_stories.story import STORIES, Story
from tests.conformance.tool_stories.transcript import ToolTranscript
from tests.support.reference_kafka import missing_reason
from tests.support.tool_server import ToolServer

_TRANSCRIPTS: Final = Path(__file__).with_name("tool_stories") / "transcripts"

# Importing a collection registers its stories.
COLLECTIONS: Final = (groups, transactions)


@pytest.fixture
def node(start_node: Callable[[str], Node]) -> Node:
    return start_node(COORDINATING)


@pytest.fixture
def server(java: Callable[[], ToolServer], absent: Callable[[str], None]) -> ToolServer:
    reason = missing_reason()
    if reason:
        absent(reason)
    return java()


@pytest.mark.parametrize("story_name", list(STORIES))
def test_tools_say_what_they_say_of_kafka(
    story_name: str, node: Node, server: ToolServer, steward: Client, target: str, record_reference: bool, tmp_path: Path
) -> None:
    tools = ToolTranscript(server, node.bootstrap, story_name.replace("_", "-"))
    STORIES[story_name](Story(tools=tools, server=server, steward=steward, directory=tmp_path))

    told = "\n".join(tools.lines) + "\n"
    file = _TRANSCRIPTS / f"{story_name}.txt"
    if record_reference and target == APACHE_KAFKA:
        file.write_text(told)
    assert told == file.read_text()
