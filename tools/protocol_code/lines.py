"""Lines of generated Python, and the conditions on `version` that select among them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from tools.schema_notation import Versions

Shape = TypeVar("Shape", bound=Hashable)


@dataclass(slots=True)
class Lines:
    """Text that grows, at an indentation that moves."""

    lines: list[str] = field(default_factory=list)
    depth: int = 0

    def add(self, *lines: str) -> None:
        """Append `lines` at the present indentation."""
        self.lines += [("    " * self.depth + line) if line else "" for line in lines]

    @contextmanager
    def indented(self, heading: str = "") -> Iterator[None]:
        """A block below `heading`."""
        if heading:
            self.add(heading)
        self.depth += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.add("pass")
        self.depth -= 1


def segments(versions: Versions, shape_of: Callable[[int], Shape]) -> list[tuple[Versions, Shape]]:
    """`versions` cut where the shape changes, lowest first."""
    found: list[tuple[Versions, Shape]] = []
    for version in versions:
        shape = shape_of(version)
        if found and found[-1][1] == shape:
            found[-1] = (Versions(found[-1][0].low, version), shape)
        else:
            found.append((Versions(version, version), shape))
    return found


def choose(lines: Lines, cut: list[tuple[Versions, Shape]], write: Callable[[Shape], None]) -> None:
    """An `if version >= …` chain with one branch for each segment, the newest version first; no chain for a single segment."""
    if len(cut) == 1:
        write(cut[0][1])
        return
    branches = [(versions.low, _written(lines, shape, write)) for versions, shape in reversed(cut)]
    is_complete = True
    while branches and not branches[-1][1]:
        branches.pop()
        is_complete = False
    if not branches:
        return
    if len(branches) == 2 and is_complete and not branches[0][1]:
        lines.add(f"if version < {branches[0][0]}:")
        lines.lines += branches[1][1]
        return
    for place, (low, written) in enumerate(branches):
        is_rest = is_complete and place == len(branches) - 1
        lines.add("else:" if is_rest else f"{'elif' if place else 'if'} version >= {low}:")
        lines.lines += written or ["    " * (lines.depth + 1) + "pass"]


def _written(lines: Lines, shape: Shape, write: Callable[[Shape], None]) -> list[str]:
    """What `write` adds, one level deeper, taken out again."""
    mark = len(lines.lines)
    lines.depth += 1
    write(shape)
    lines.depth -= 1
    written = lines.lines[mark:]
    del lines.lines[mark:]
    return written
