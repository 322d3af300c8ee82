"""Tools of Apache Kafka and Java consumers, many of them in one JVM that stays.

`java/ToolServer.java` runs the `main` of a tool in a thread, unchanged, with its output caught; here are the process, the questions to
it and the answers, which a thread of our own gives to whoever waits for them. What one tool leaves behind in the JVM (a client that it
does not close at its end) stays there until `close`.
"""

import itertools
import json
import queue
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.reference_kafka import TOOL_SECONDS_MAX, ReferenceFailure, ToolOutcome, compiled_classes, java_command

SOURCE: Final = Path(__file__).with_name("java") / "ToolServer.java"
_JAVA_OPTIONS: Final = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC")
_CLOSE_SECONDS_MAX: Final = 30
# Lines of one consumer that nobody has asked for yet; a scenario reads some hundreds of records.
_UNREAD_LINES_MAX: Final = 100_000

Answer = dict[str, Any]


class ToolServer:
    def __init__(self) -> None:
        """Raises ReferenceFailure when there is no Apache Kafka."""
        command = java_command(_JAVA_OPTIONS, "WARN", "ToolServer", [], classes=compiled_classes(SOURCE))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the process, closed in close()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True)
        self._lock = threading.Lock()
        self._question_ids = itertools.count(1)
        self._answers: dict[int, queue.Queue[Answer]] = {}
        self._reader = threading.Thread(target=self._read_answers, daemon=True)
        self._reader.start()

    def run(self, class_name: str, arguments: Sequence[str], seconds_max: float = TOOL_SECONDS_MAX) -> ToolOutcome:
        """Run one tool to its end.

        Raises:
            ReferenceFailure: the tool did not end in time, or the JVM is gone.
        """
        question_id, answers = self._ask({"op": "run", "class": class_name, "arguments": list(arguments)})
        try:
            answer = answers.get(timeout=seconds_max)
        except queue.Empty as failure:
            raise ReferenceFailure(f"{class_name} did not end within {seconds_max} s: {self._told()}") from failure
        if "exit" not in answer:
            raise ReferenceFailure(f"the JVM of the tools has ended: {self._told()}")
        del self._answers[question_id]
        return ToolOutcome(exit_code=answer["exit"], output=answer["output"].encode(), errors=answer["errors"])

    def consume(self, topic: str, settings: Mapping[str, str]) -> "RunningConsumer":
        """Begin a VerifiableConsumer, which commits whatever it has been given."""
        question_id, answers = self._ask({"op": "consume", "topic": topic, "settings": dict(settings)})
        return RunningConsumer(self, question_id, answers)

    def begin_close(self, consumer_id: int) -> None:
        self._send({"op": "close", "id": consumer_id})

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=_CLOSE_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._errors.close()

    def _ask(self, question: Mapping[str, object]) -> tuple[int, "queue.Queue[Answer]"]:
        answers: queue.Queue[Answer] = queue.Queue(_UNREAD_LINES_MAX)
        question_id = next(self._question_ids)
        self._answers[question_id] = answers
        self._send({**question, "id": question_id})
        return question_id, answers

    def _send(self, question: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        with self._lock:
            try:
                self._process.stdin.write(json.dumps(question) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError as failure:
                raise ReferenceFailure(f"the JVM of the tools has ended: {self._told()}") from failure

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            self._answers[answer["id"]].put(answer)
        for answers in list(self._answers.values()):
            answers.put({"ended": True})

    def _told(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-2000:].decode(errors="replace")


class RunningConsumer:
    """One VerifiableConsumer at work, as the lines that it prints."""

    def __init__(self, server: ToolServer, consumer_id: int, answers: "queue.Queue[Answer]") -> None:
        self._server = server
        self._consumer_id = consumer_id
        self._answers = answers
        self._has_ended = False

    def events(self, seconds_max: float) -> list[Answer]:
        """What it has printed since the last call; waits for the first line for `seconds_max` at most."""
        events: list[Answer] = []
        while not self._has_ended:
            try:
                answer = self._answers.get(block=not events, timeout=seconds_max)
            except queue.Empty:
                break
            self._has_ended = "ended" in answer
            if not self._has_ended:
                events.append(answer["event"])
        return events

    @property
    def has_ended(self) -> bool:
        return self._has_ended

    def close(self) -> list[Answer]:
        """Leave the group; what was printed until the end."""
        events: list[Answer] = []
        self._server.begin_close(self._consumer_id)
        while not self._has_ended:
            more = self.events(_CLOSE_SECONDS_MAX)
            assert more or self._has_ended, "the consumer does not come to its end"
            events += more
        return events
