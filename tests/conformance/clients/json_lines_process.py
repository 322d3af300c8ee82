"""A programme in another language that answers one JSON object a line.

The programmes under `franz_go/` and `kafkajs/` share this notation, which is written at the head of each. A process that says nothing in
time, or dies, is `ClientBroken` with the end of what it said on its standard error.
"""

import json
import selectors
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Final

from tests.conformance.clients.client import OPERATION_SECONDS_MAX, ClientBroken, Refused

_READ_SIZE_BYTES: Final = 1 << 20

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class JsonLinesProcess:
    def __init__(self, command: Sequence[str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- lives as long as the process, closed in close()
        self._process = subprocess.Popen(list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, bufsize=0)
        self._unread = b""
        assert self._process.stdout is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self.answer()

    def ask(self, operation: str, **arguments: Json) -> Json:
        """The result of one operation. Raises Refused or ClientBroken."""
        self.send({"op": operation, **arguments})
        return self.result(self.answer())

    def send(self, question: dict[str, Json]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
        except BrokenPipeError as failure:
            raise self._broken("the client ended") from failure

    def result(self, answer: dict[str, Json]) -> Json:
        if "result" not in answer:
            raise ClientBroken(f"no result in {answer}")
        return answer["result"]

    def answer(self) -> dict[str, Json]:
        answer = json.loads(self._line())
        if "refused" in answer:
            raise Refused(answer["refused"], answer["sentence"])
        assert isinstance(answer, dict)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=OPERATION_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._release()

    def kill(self) -> None:
        """End it where it stands: nothing of what it has begun is ended in good order."""
        self._process.kill()
        self._process.wait()
        self._release()

    def _release(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._selector.close()
        self._errors.close()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        deadline = time.monotonic() + 2 * OPERATION_SECONDS_MAX
        pieces = [self._unread]
        while b"\n" not in pieces[-1]:
            if not self._selector.select(timeout=max(0.0, deadline - time.monotonic())):
                raise self._broken("the client said nothing in time")
            piece = self._process.stdout.read(_READ_SIZE_BYTES)
            if not piece:
                raise self._broken("the client ended")
            pieces.append(piece)
        line, _, self._unread = b"".join(pieces).partition(b"\n")
        return line

    def _broken(self, sentence: str) -> ClientBroken:
        self._errors.seek(0)
        return ClientBroken(f"{sentence}: {self._errors.read()[-2000:].decode(errors='replace')}")
