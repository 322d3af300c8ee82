"""Metrics in the text format of Prometheus, version 0.0.4: a sentence and a type for each metric, then a line for each of its values.

The format is written here and not by a library: what `prometheus_client` takes seconds for, with ten thousand groups, is to be done in
slices between requests. Its parser judges the outcome in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@final
@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: a gauge of this name, with these labels, and the sentence that says what it is."""

    name: str
    labels: Sequence[str]
    help: str

    def heading(self) -> str:
        """The lines before the values."""
        sentence = self.help.replace("\\", "\\\\").replace("\n", "\\n")
        return f"# HELP {self.name} {sentence}\n# TYPE {self.name} gauge\n"

    def lines(self, values: Iterable[tuple[Sequence[str], int]]) -> Iterator[str]:
        """A line for each value; label values have been through `escaped`."""
        template = self.name + "{" + ",".join(f'{label}="%s"' for label in self.labels) + "} %d\n" if self.labels else self.name + " %d\n"
        for label_values, value in values:
            yield template % (*label_values, value)


def escaped(label_value: str) -> str:
    """A label's value as it may stand between quotation marks."""
    return label_value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
