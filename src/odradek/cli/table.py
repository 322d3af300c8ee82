"""How rows are shown: in aligned columns for people, as one JSON object a line for programs.

The names of the columns are the keys of the objects. Numbers stand to the right; what there is not is a `-` in a table and null in JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, final

Row = Mapping[str, object]

_SHOWN_CHARACTERS_MAX: Final = 200
TABLE: Final = "table"
JSON: Final = "json"


@final
class Columns:
    """Columns of these names, as wide as `rows` need them; what comes later may stick out."""

    def __init__(self, names: Sequence[str], rows: Sequence[Row]) -> None:
        self.names = list(names)
        self._widths = {name: max(len(name), *(len(cell(row.get(name))) for row in rows)) if rows else len(name) for name in names}
        self._numbers = {name for name in names if all(isinstance(row.get(name), int | None) for row in rows)}

    def heading(self) -> str:
        return self._line({name: name for name in self.names})

    def line(self, row: Row) -> str:
        return self._line({name: cell(row.get(name)) for name in self.names})

    def _line(self, cells: Mapping[str, str]) -> str:
        aligned = (
            cells[name].rjust(self._widths[name]) if name in self._numbers else cells[name].ljust(self._widths[name]) for name in self.names
        )
        return "  ".join(aligned).rstrip()


def cell(value: object) -> str:
    """A value as it stands in a table."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}… ({len(text)} characters)"


def table_lines(names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """A table of all rows, with its heading."""
    columns = Columns(names, rows)
    return [columns.heading(), *map(columns.line, rows)]


def json_lines(rows: Iterable[Row]) -> list[str]:
    """A line for each row."""
    return [json.dumps(row, ensure_ascii=False) for row in rows]


def lines_of(output: str, names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The rows as `-o` wants them; only what is in `names` stands in a table."""
    return json_lines(rows) if output == JSON else table_lines(names, rows)
