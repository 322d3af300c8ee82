"""What Apache Kafka's tools print, written down so that two nodes can be compared.

A `ToolTranscript` runs tools in the JVM of the session and keeps the command line, the output and the exit code. What two nodes may rightly
differ in is told by kind: an address is ADDRESS, the generated part of a member's name is ID, a moment near now is NOW, a producer's number
and a duration are N. Widths of columns and the order of a table's rows are left out, and so are lines of the log and stack traces, which
are about the client.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tests.support.reference_kafka import ToolOutcome
from tests.support.tool_server import ToolServer

TOOLS: Final[Mapping[str, str]] = {
    "configs": "kafka.admin.ConfigCommand",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "features": "org.apache.kafka.tools.FeatureCommand",
    "transactions": "org.apache.kafka.tools.TransactionsCommand",
}
# The first group of a node of Apache Kafka has waited for half of this on a busy machine.
SEEN_SECONDS_MAX: Final = 60.0

_DAY_MS: Final = 86_400_000
_LOG_LINE: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ |\s+at |Caused by: |\s+\.\.\. \d+ more")
_ADDRESS: Final = re.compile(r"(?:127\.0\.0\.1|localhost):\d+")
_LONG_ID: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
# A member of the consumer protocol names itself by 16 bytes in base64.
_SHORT_ID: Final = re.compile(r"(?<![\w.-])[\w-]{22}(?![\w-])")
_MOMENT: Final = re.compile(r"\b\d{13}\b")
_PRODUCER: Final = re.compile(r"\b(producerId=)\d+")
_OTHER_IN_EVERY_RUN: Final = frozenset({"ProducerId", "TransactionDurationMs", "Duration(min)"})


class ToolTranscript:
    def __init__(self, server: ToolServer, bootstrap: str, story_name: str) -> None:
        self._server = server
        self.bootstrap = bootstrap
        self.name = f"story-of-{story_name}"
        assert not _SHORT_ID.fullmatch(self.name), f"{self.name} would be taken for an identifier"
        self.lines: list[str] = []

    def run(self, tool: str, *arguments: str, until: str = "") -> str:
        """Run one tool and write down what it says; with `until`, run it again while that text is not in the output."""
        return self._written(tool, arguments, until, lambda lines: lines)

    def run_for_own(self, tool: str, *arguments: str, until: str = "") -> str:
        """Of a list that other stories are in as well only the lines that bear this story's name, or begin in capitals."""
        return self._written(tool, arguments, until, lambda lines: [one for one in lines if self.name in one or one[:2].isupper()])

    def quietly(self, tool: str, *arguments: str) -> ToolOutcome:
        """Run one tool for its effect. Raises AssertionError when it fails."""
        outcome = self._server.run(TOOLS[tool], ["--bootstrap-server", self.bootstrap, *arguments])
        assert outcome.exit_code == 0, outcome.text + outcome.errors
        return outcome

    def say(self, line: str) -> None:
        self.lines.append(f"# {line}")

    def _written(self, tool: str, arguments: Sequence[str], until: str, chosen: Callable[[list[str]], list[str]]) -> str:
        deadline = time.monotonic() + SEEN_SECONDS_MAX
        while True:
            outcome = self._server.run(TOOLS[tool], ["--bootstrap-server", self.bootstrap, *arguments])
            if re.search(until, outcome.text + outcome.errors):
                break
            assert time.monotonic() < deadline, f"{tool} {arguments} has not said {until!r}: {outcome.text}{outcome.errors}"
        self.lines.append(f"$ {tool} {' '.join(_quoted(one) for one in arguments)}")
        self.lines += chosen(_told(outcome.text))
        self.lines += [f"! {line}" for line in chosen(_told(outcome.errors))]
        if outcome.exit_code != 0:
            self.lines.append(f"exit {outcome.exit_code}")
        self.lines.append("")
        return outcome.text


def _quoted(argument: str) -> str:
    return f"'{argument}'" if re.search(r"[^\w.,:/=+*-]", argument) or not argument else argument


def _told(text: str) -> list[str]:
    """The lines that count, without what differs in every run, and the rows of each table in the order of their text."""
    told: list[str] = []
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        if _LOG_LINE.match(line):
            continue
        if line.strip():
            paragraph.append(line)
        elif paragraph:
            told += _table(paragraph)
            paragraph = []
    return told


def _table(lines: Sequence[str]) -> list[str]:
    """Lines below a heading in columns are rows, in no order."""
    if len(re.split(r"\t|\s{2,}", lines[0].strip())) == 1:
        return [_without_what_differs(line) for line in lines]
    columns = lines[0].split()
    masked = [index for index, name in enumerate(columns) if name in _OTHER_IN_EVERY_RUN]
    return [" ".join(columns), *sorted(_without_what_differs(_row(line, masked)) for line in lines[1:])]


def _row(line: str, masked: Sequence[int]) -> str:
    """A row with one blank between its words, and lists in order."""
    cells = [",".join(sorted(cell.split(","))) for cell in re.split(r"\s+", line.strip())]
    for index in masked:
        if index < len(cells) and cells[index].isdecimal():
            cells[index] = "N"
    return " ".join(cells)


def _without_what_differs(line: str) -> str:
    line = _ADDRESS.sub("ADDRESS", line)
    line = _LONG_ID.sub("ID", line)
    line = _SHORT_ID.sub("ID", line)
    line = _PRODUCER.sub(r"\1N", line)
    line = _MOMENT.sub(lambda found: "NOW" if abs(int(found.group()) - time.time() * 1000) < _DAY_MS else found.group(), line)
    return re.sub(r"\s{2,}", "  ", line).rstrip()
