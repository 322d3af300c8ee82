"""The table: all rows in the order in which they are measured.

The order matters. What starts brokers of its own comes before there are others, a node is idle before it has worked, memory after load
comes after load, and what leaves thousands of topics behind comes last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from benchmarks import (
    partitions,
    recovery,
    rows_clients,
    rows_commits,
    rows_connections,
    rows_fetch,
    rows_groups,
    rows_node,
    rows_produce,
    rows_requests,
    rows_transactions,
)
from benchmarks.odradek_install import NotMeasurable
from benchmarks.row import Row

ROWS: Final[Sequence[Row]] = (
    replace(recovery.row(5, 1_000_000, 4), name="killed-5gb"),
    # One run takes Apache Kafka minutes; `python -m benchmarks.partitions --runs 3` makes more of them.
    replace(partitions.row(10_000, 10), name="partitions-10000", runs_max=1),
    *rows_node.ROWS,
    *rows_produce.ROWS,
    *rows_fetch.ROWS,
    *rows_requests.ROWS,
    *rows_groups.ROWS,
    *rows_commits.ROWS,
    *rows_transactions.ROWS,
    *rows_connections.ROWS,
    *rows_clients.ROWS,
    *rows_node.LAST_ROWS,
    *rows_requests.LAST_ROWS,
)


def chosen_rows(names: str | None) -> Sequence[Row]:
    """The rows of a list with commas, in the order of the table; all of them for None. `produce-*` is every row that begins so.

    Raises:
        NotMeasurable: a name is no row.
    """
    if names is None:
        return ROWS
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if not any(_is_meant(name, row) for row in ROWS)]
    if unknown:
        raise NotMeasurable(f"there is no row {', '.join(unknown)}; the rows are {', '.join(row.name for row in ROWS)}")
    return [row for row in ROWS if any(_is_meant(name, row) for name in wanted)]


def _is_meant(name: str, row: Row) -> bool:
    return row.name.startswith(name[:-1]) if name.endswith("*") else row.name == name
