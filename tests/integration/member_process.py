"""A process full of members, which is told by lines who joins and who leaves, and can be killed or made to stand still as a whole.

    join NAME SEED     a member begins
    leave NAME         it commits, leaves and ends

The end of the input has everybody leave. Notes are lines of a file, each written at once: what is known at a kill is there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from typing import final

from tests.integration.members import LibrdkafkaMember
from tests.integration.ownership import Note, as_line


@final
class MemberProcess:
    """All members of this process."""

    def __init__(self, protocol: str, bootstrap: str, topic: str, notes: int) -> None:
        """`notes` is the descriptor of a file open for appending."""
        self._protocol = protocol
        self._bootstrap = bootstrap
        self._topic = topic
        self._notes = notes
        self._present: dict[str, LibrdkafkaMember] = {}
        self._leaving: list[LibrdkafkaMember] = []

    def obey(self, lines: Iterable[str]) -> None:
        """Until there are no more lines. Raises AssertionError when a member has failed."""
        for line in lines:
            match line.split():
                case ["join", name, seed]:
                    member = LibrdkafkaMember(self._protocol, name, self._bootstrap, self._topic, self._note, int(seed))
                    self._present[name] = member
                    member.start()
                case ["leave", name]:
                    self._begin_leaving(name)
                case _:
                    raise AssertionError(f"nobody understands {line!r}")
        for name in list(self._present):
            self._begin_leaving(name)
        for member in self._leaving:
            member.await_end()

    def _begin_leaving(self, name: str) -> None:
        member = self._present.pop(name)
        member.begin_leaving()
        self._leaving.append(member)

    def _note(self, note: Note) -> None:
        line = as_line(note).encode()
        written = os.write(self._notes, line)
        assert written == len(line), "a note was written in part"


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("protocol", "bootstrap", "topic", "notes"):
        parser.add_argument(name)
    options = parser.parse_args()
    notes = os.open(options.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    MemberProcess(options.protocol, options.bootstrap, options.topic, notes).obey(sys.stdin)


if __name__ == "__main__":
    main()
