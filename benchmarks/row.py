"""A row of the table: what it is called, which load drives it, what it gives, and the function that measures one run of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.comparison import Metric
from benchmarks.session import Session

OWN_LOAD: Final = "our load generator"
FRAME_DRIVER: Final = "our frame driver in Python"
LIBRDKAFKA: Final = "confluent-kafka (librdkafka)"
KAFKA_TOOL: Final = "Apache Kafka's own performance tool"
ONE_CONNECTION: Final = "one plain connection"

MEBIBYTE: Final = 1024 * 1024
MEGABYTE: Final = 1_000_000
GIGABYTE: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`measure` gives one figure for each metric it could measure, and raises NotMeasurable where it could not measure anything.

    `load` says which programme drives it and how. `runs_max` bounds the runs of what takes minutes. A row that `starts` brokers of its own
    is left out for a broker that somebody else started.
    """

    name: str
    title: str
    load: str
    metrics: Sequence[Metric]
    measure: Callable[[Session], Mapping[str, float]]
    runs_max: int | None = None
    starts: bool = False
