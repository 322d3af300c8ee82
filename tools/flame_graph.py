"""A flame graph as SVG of what `perf` has recorded.

    perf record -F 1500 --call-graph dwarf,12288 -p PID -o recorded -- sleep 10
    perf script -i recorded --no-inline -F ip,sym | python -m tools.flame_graph --title TITLE > graph.svg

One frame is one function, its width the share of samples that had it on their stack; what lies on it is what it called. The colour says
whose code it is: compiled Odradek, Python's own C, or the kernel. Frames narrower than a pixel are left out. Nothing in it runs: the whole
name and the share are in each frame's tooltip.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape

WIDTH = 1200
ROW_HEIGHT = 16
HEAD_HEIGHT = 40
WIDTH_MIN = 1.0
CHARACTER_WIDTH = 6.4

COMPILED, KERNEL, PYTHON = "#e8743b", "#7aa6c2", "#f0d58c"
# What is below the loop is the same in every sample and says nothing.
BEGINNINGS = ("context_run", "CPyPy_readiness___EpollReadiness___call_ready")
# A frame of the interpreter, and the calls between two of them, are one thing to a reader.
CALLING = re.compile(
    r"^(_PyEval_Vector|_?PyObject_(Call|Vectorcall)\w*|_?PyFunction_Vectorcall|(method|cfunction)_vectorcall\w*|CPyPy_.*|_PyEval_EvalFrameDefault'?\d*)$"
)
MODULE_AND_CLASS = re.compile(r"^CPyDef_(.+)$")


@dataclass(slots=True)
class Frame:
    """A function on one stack, with how many samples it was on and what it called."""

    name: str
    samples_count: int = 0
    callees: dict[str, Frame] = field(default_factory=dict)

    def callee(self, name: str) -> Frame:
        return self.callees.setdefault(name, Frame(name))


def stacks(lines: Iterable[str]) -> Iterator[list[str]]:
    """The stacks of `perf script`, each from the outermost function in."""
    stack: list[str] = []
    for line in lines:
        parts = line.split(maxsplit=1)
        if len(parts) == 2:
            stack.append(parts[1].strip())
        elif stack:
            yield stack[::-1]
            stack = []
    if stack:
        yield stack[::-1]


def shortened(stack: list[str]) -> list[str]:
    """A stack from the loop's callback on, without the steps that every call of Python takes."""
    start = max((stack.index(name) for name in BEGINNINGS if name in stack), default=-1) + 1
    names: list[str] = []
    for name in stack[start:]:
        if CALLING.match(name):
            if not name.startswith("_PyEval_EvalFrameDefault") or (names and names[-1] == "interpreter"):
                continue
            name = "interpreter"
        found = MODULE_AND_CLASS.match(name)
        names.append(found[1].replace("___", ".") if found else name)
    return names


def tree_of(lines: Iterable[str]) -> Frame:
    """All stacks laid upon each other."""
    root = Frame("all")
    for stack in stacks(lines):
        root.samples_count += 1
        frame = root
        for name in shortened(stack):
            frame = frame.callee(name)
            frame.samples_count += 1
    return root


def colour_of(name: str, *, is_in_kernel: bool) -> str:
    if is_in_kernel:
        return KERNEL
    return COMPILED if "." in name and not name.endswith(".0") else PYTHON


def boxes(
    frame: Frame, x: float, depth: int, scale: float, *, is_in_kernel: bool = False
) -> Iterator[tuple[float, int, float, Frame, str]]:
    """Left edge, row, width, frame and colour of everything that can be seen."""
    width = frame.samples_count * scale
    if width < WIDTH_MIN:
        return
    is_in_kernel = is_in_kernel or frame.name == "entry_SYSCALL_64_after_hwframe" or frame.name.startswith("asm_")
    yield x, depth, width, frame, colour_of(frame.name, is_in_kernel=is_in_kernel)
    for callee in sorted(frame.callees.values(), key=lambda it: it.name):
        yield from boxes(callee, x, depth + 1, scale, is_in_kernel=is_in_kernel)
        x += callee.samples_count * scale


def drawn(root: Frame, title: str) -> str:
    """The SVG."""
    visible = list(boxes(root, 0, 0, WIDTH / max(root.samples_count, 1)))
    rows = max(depth for _, depth, _, _, _ in visible) + 1
    height = HEAD_HEIGHT + rows * ROW_HEIGHT
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="6" y="18" font-size="14">{escape(title)}</text>',
        f'<text x="6" y="33" fill="#555">{root.samples_count} samples; orange is compiled Odradek, yellow Python, blue the kernel</text>',
    ]
    for x, depth, width, frame, colour in visible:
        y = height - (depth + 1) * ROW_HEIGHT
        share = f"{frame.name} {100 * frame.samples_count / root.samples_count:.1f} %"
        text = frame.name[: int(width / CHARACTER_WIDTH)] if width > 4 * CHARACTER_WIDTH else ""
        out.append(
            f'<g><title>{escape(share)}</title><rect x="{x:.1f}" y="{y}" width="{max(width - 0.4, 0.4):.1f}" height="{ROW_HEIGHT - 1}" '
            f'fill="{colour}"/>' + (f'<text x="{x + 2:.1f}" y="{y + 11}">{escape(text)}</text>' if text else "") + "</g>"
        )
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", required=True)
    options = parser.parse_args()
    sys.stdout.write(drawn(tree_of(sys.stdin), options.title))


if __name__ == "__main__":
    main()
