"""The console consumer and the tool for consumer groups: a group at work, a group that is empty, and one that is not there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.conformance.clients.client import Message
from tests.conformance.tool_stories.story import Story, story
from tests.conformance.tool_stories.transcript import ToolTranscript
from tests.support.tool_server import RunningConsumer

PARTITIONS: Final = 2
RECORDS_EACH: Final = 5
# Records are a minute apart; the tool takes a moment as text, in UTC.
FIRST_MS: Final = 1_700_000_000_000
FIRST_BUT_TWO_TEXT: Final = "2023-11-14T22:15:20.000"
GROUPS: Final = "consumer-groups"
CLASSIC: Final[Mapping[str, str]] = {"group.protocol": "classic", "heartbeat.interval.ms": "300"}
CONSUMER: Final[Mapping[str, str]] = {"group.protocol": "consumer"}


def _filled_topic(story: Story, partition_count: int = PARTITIONS) -> str:
    topic = story.make_topic(partition_count)
    for partition in range(partition_count):
        messages = [
            Message(key=b"k%d" % n, value=b"v%d-%d" % (partition, n), timestamp_ms=FIRST_MS + 60_000 * n) for n in range(RECORDS_EACH)
        ]
        story.steward.write(topic, partition, messages)
    return topic


@contextmanager
def _at_work(story: Story, topic: str, settings: Mapping[str, str], client_id: str) -> Iterator[RunningConsumer]:
    common = {
        "bootstrap.servers": story.tools.bootstrap,
        "group.id": story.tools.name,
        "client.id": client_id,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": "false",
    }
    consumer = story.server.consume(topic, {**common, **settings})
    try:
        yield consumer
    finally:
        consumer.close()


def _group_at_work(story: Story, settings: Mapping[str, str]) -> None:
    topic, tools = _filled_topic(story), story.tools
    of_group = ("--group", tools.name)
    with _at_work(story, topic, settings, "judge"):
        tools.run(GROUPS, "--describe", *of_group, until=rf"(?s)({topic}\s+[01]\s+5\s+5\s+0.*){{2}}")
        tools.run(GROUPS, "--describe", *of_group, "--offsets", "--verbose")
        tools.run(GROUPS, "--describe", *of_group, "--members")
        tools.run(GROUPS, "--describe", *of_group, "--members", "--verbose")
        tools.run(GROUPS, "--describe", *of_group, "--state")
        tools.run(GROUPS, "--describe", *of_group, "--state", "--verbose")
        _lists(tools)
        tools.run(GROUPS, "--reset-offsets", *of_group, "--topic", topic, "--to-earliest", "--execute")
        tools.run(GROUPS, "--delete-offsets", *of_group, "--topic", topic)
        tools.run(GROUPS, "--delete", *of_group)
    tools.say("the member has left")
    tools.run(GROUPS, "--describe", *of_group, until="no active members")
    tools.run(GROUPS, "--describe", *of_group, "--members")
    tools.run(GROUPS, "--describe", *of_group, "--state", "--verbose")
    _lists(tools)
    tools.run(GROUPS, "--delete", *of_group)
    tools.run(GROUPS, "--describe", *of_group)


def _lists(tools: ToolTranscript) -> None:
    tools.run_for_own(GROUPS, "--list")
    tools.run_for_own(GROUPS, "--list", "--state", "--type")
    tools.run_for_own(GROUPS, "--list", "--state", "stable")
    tools.run_for_own(GROUPS, "--list", "--state", "empty,dead")
    tools.run_for_own(GROUPS, "--list", "--type", "classic")
    tools.run_for_own(GROUPS, "--list", "--type", "consumer", "--state", "stable,empty")


@story
def classic_group_at_work(story: Story) -> None:
    _group_at_work(story, CLASSIC)


@story
def consumer_group_at_work(story: Story) -> None:
    _group_at_work(story, CONSUMER)


def _reset(story: Story, protocol: str, directory: Path) -> None:
    """Every way to say where a group goes on; an empty group of each protocol is reset by another request."""
    topic, tools = _filled_topic(story), story.tools
    _read_by_console(tools, topic, protocol, RECORDS_EACH * PARTITIONS)
    of_group = ("--group", tools.name)

    def reset(*arguments: str, scope: tuple[str, ...] = ("--topic", topic)) -> str:
        return tools.run(GROUPS, "--reset-offsets", *of_group, *scope, *arguments)

    tools.run(GROUPS, "--describe", *of_group)
    reset("--to-earliest")
    reset("--to-earliest", "--dry-run")
    tools.run(GROUPS, "--describe", *of_group)
    reset("--to-earliest", "--execute")
    tools.run(GROUPS, "--describe", *of_group)
    reset("--to-latest", "--execute", scope=("--all-topics",))
    reset("--shift-by", "-2", "--execute")
    reset("--shift-by", "-9", "--dry-run")
    reset("--shift-by", "9", "--dry-run")
    reset("--to-offset", "3", "--execute", scope=("--topic", f"{topic}:1"))
    reset("--to-offset", "99", "--dry-run")
    reset("--to-datetime", FIRST_BUT_TWO_TEXT, "--execute")
    reset("--to-datetime", "2100-01-01T00:00:00.000", "--dry-run")
    reset("--by-duration", "P100000D", "--dry-run")
    reset("--to-current", "--dry-run")
    plan = directory / "plan.csv"
    plan.write_text(reset("--shift-by", "1", "--dry-run", "--export"))
    tools.quietly(GROUPS, "--reset-offsets", *of_group, "--from-file", str(plan), "--execute")
    tools.run(GROUPS, "--describe", *of_group)
    reset("--to-earliest", "--execute", scope=("--topic", "no-such-topic"))
    tools.run(GROUPS, "--delete-offsets", *of_group, "--topic", f"{topic}:1")
    tools.run(GROUPS, "--delete-offsets", *of_group, "--topic", "no-such-topic")
    tools.run(GROUPS, "--describe", *of_group)
    tools.run(GROUPS, "--delete-offsets", *of_group, "--topic", topic)
    tools.run(GROUPS, "--describe", *of_group)


@story
def offsets_of_a_classic_group(story: Story) -> None:
    _reset(story, "classic", story.directory)


@story
def offsets_of_a_consumer_group(story: Story) -> None:
    _reset(story, "consumer", story.directory)


@story
def groups_that_are_not_there(story: Story) -> None:
    topic, tools = _filled_topic(story), story.tools
    of_group = ("--group", tools.name)
    tools.run(GROUPS, "--describe", *of_group)
    tools.run(GROUPS, "--describe", *of_group, "--members")
    tools.run(GROUPS, "--describe", *of_group, "--state")
    tools.run(GROUPS, "--delete", *of_group)
    tools.run(GROUPS, "--delete-offsets", *of_group, "--topic", topic)
    tools.say("offsets make a group")
    tools.run(GROUPS, "--reset-offsets", *of_group, "--topic", topic, "--to-offset", "2", "--execute")
    tools.run(GROUPS, "--describe", *of_group)
    tools.run_for_own(GROUPS, "--list", "--state", "--type")
    tools.run(GROUPS, "--delete", *of_group)
    tools.run(GROUPS, "--validate-regex", "judge-.*")
    tools.run(GROUPS, "--validate-regex", "judge-(")


def _read_by_console(tools: ToolTranscript, topic: str, protocol: str, count: int, *more: str) -> None:
    tools.run(
        "console-consumer",
        *("--topic", topic, "--group", tools.name, "--from-beginning", "--max-messages", str(count), "--timeout-ms", "20000"),
        *("--command-property", f"group.protocol={protocol}"),
        *more,
    )


def _console(story: Story, protocol: str) -> None:
    topic, tools = _filled_topic(story, 1), story.tools
    everything = [
        argument for name in ("timestamp", "key", "offset", "partition") for argument in ("--formatter-property", f"print.{name}=true")
    ]
    _read_by_console(tools, topic, protocol, 2, *everything)
    _read_by_console(tools, topic, protocol, 3)
    tools.run(GROUPS, "--describe", "--group", tools.name)
    tools.run(
        "console-consumer",
        "--topic",
        topic,
        "--group",
        tools.name,
        "--timeout-ms",
        "1000",
        "--command-property",
        f"group.protocol={protocol}",
    )


@story
def console_consumer_of_a_classic_group(story: Story) -> None:
    _console(story, "classic")


@story
def console_consumer_of_a_consumer_group(story: Story) -> None:
    _console(story, "consumer")
