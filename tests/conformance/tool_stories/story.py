"""The collection of stories: each is a function that uses Apache Kafka's tools on one node, and its name is that of its transcript."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conformance.clients.client import Client
from tests.conformance.eventually import eventually
from tests.conformance.tool_stories.transcript import ToolTranscript
from tests.support.tool_server import ToolServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    tools: ToolTranscript
    server: ToolServer
    steward: Client
    directory: Path
    """For files of the story's own."""

    def make_topic(self, partition_count: int) -> str:
        """A topic by the name of the story, which keeps records of any age."""
        self.steward.create_topic(self.tools.name, partition_count=partition_count, settings={"retention.ms": "-1"})
        eventually(lambda: self.tools.name in self.steward.topic_names(), True)
        return self.tools.name


Telling = Callable[[Story], None]

STORIES: Final[dict[str, Telling]] = {}


def story(function: Telling) -> Telling:
    """Register a story under its function's name."""
    assert function.__name__ not in STORIES, f"two stories are called {function.__name__}"
    STORIES[function.__name__] = function
    return function
