"""Text sequence diagrams: who said what to whom, a line each, time going down.

alice                                    coordinator
  |-- JoinGroup ------------------------------>|
  |<------------------- MEMBER_ID_REQUIRED ----|
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

COLUMN_WIDTH: Final = 50
_INDENT: Final = 2


class Diagram:
    """Participants stand side by side in the order given; a message goes from one to another."""

    def __init__(self, participants: Sequence[str], column_width: int = COLUMN_WIDTH) -> None:
        self._width = column_width
        self._places = {name: _INDENT + position * column_width for position, name in enumerate(participants)}
        self._lines = [self._heads()]

    def message(self, sender: str, receiver: str, text: str) -> None:
        """An arrow with a text."""
        start, end = self._places[sender], self._places[receiver]
        left, right = min(start, end), max(start, end)
        room = right - left - 3
        assert len(text) + 6 <= room, f"{text!r} does not fit between {sender} and {receiver}"
        arrow = f"-- {text} ".ljust(room, "-") + "->" if start < end else "<-" + f" {text} --".rjust(room, "-")
        line = self._lifelines()
        self._lines.append((line[: left + 1] + arrow + line[right:]).rstrip())

    def note(self, text: str) -> None:
        """What happens without a message."""
        self._lines.append("")
        self._lines.append(f"  ({text})")
        self._lines.append("")

    def text(self) -> str:
        """The whole drawing."""
        return "\n".join(self._lines).rstrip("\n") + "\n"

    def _heads(self) -> str:
        line = ""
        for name, place in self._places.items():
            line = line.ljust(max(place - len(name) // 2, 0)) + name
        return line

    def _lifelines(self) -> str:
        line = ""
        for place in self._places.values():
            line = line.ljust(place) + "|"
        return line
