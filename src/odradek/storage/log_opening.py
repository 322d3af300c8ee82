"""Opening the logs that are there, in pieces that need nothing of one another and may run in threads.

A `LogToOpen` has its own surroundings until it is open: an own set of open files, own dice, an own list of what is to be deleted. So a
thread that opens it touches nothing that another touches, and nothing of the node. Whoever has begun the opening (`LogDirectories`) takes
the log in when the thread is done, and only then does it share what all logs share.

A log is first looked at: what lies behind its recovery point has to be read again. If that is little, as after a clean stop, the log is
opened on the spot. What is more is planned: the busiest first, because the longest scan decides when all are done, and a short one
fits in anywhere.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from odradek.base.identifiers import TopicPartition
from odradek.config.log_configuration import LogConfiguration
from odradek.storage.delayed_deletions import DelayedDeletions
from odradek.storage.file_names import LOG_SUFFIX, offset_of
from odradek.storage.log import Log
from odradek.storage.log_directory import LogDirectory
from odradek.storage.log_place import LogPlace
from odradek.storage.open_files import OpenFiles

# Up to this size a scan takes less time than planning it would.
UNPLANNED_BYTES_MAX = 1 << 20
# Logs that are looked at in one go: some milliseconds, so that a stop is heard and threads have equal parts.
LOGS_PER_PORTION = 64


class OpeningStopped(Exception):
    """Somebody wants the node to stop: what was begun is left, and the directory is as a crash would leave it."""


@dataclass(slots=True)
class OpeningControl:
    """Set by the loop, read by the threads."""

    is_stopped: bool = False

    def check(self) -> None:
        """Raises OpeningStopped when that is wanted."""
        if self.is_stopped:
            raise OpeningStopped


@dataclass(slots=True, kw_only=True, eq=False)
class LogToOpen:
    """One log, its settings and what the checkpoints say of it. `log` is there once it is open."""

    place: LogPlace
    configuration: LogConfiguration
    recovery_point: int
    log_start_offset: int
    high_watermark: int
    was_clean: bool
    dice_seed: int
    bytes_to_scan: int = 0
    bytes_scanned: int = 0
    log: Log | None = None
    _names: list[str] | None = None

    @property
    def topic_partition(self) -> TopicPartition:
        return self.place.topic_partition

    def survey(self) -> None:
        """Find out how much has to be read again.

        Raises:
            OSError: the disk failed.
        """
        if self.was_clean:
            return
        self._names = self.place.filesystem.list_names(self.place.directory)
        self.bytes_to_scan = sum(
            self.place.filesystem.size(f"{self.place.directory}/{name}") for name in _names_behind(self._names, self.recovery_point)
        )

    @property
    def holds_durable(self) -> bool:
        """Whether the checkpoints know of anything durable in it that has not been deleted."""
        return self.recovery_point > self.log_start_offset

    def open(self, control: OpeningControl) -> None:
        """Open it, which recovers it where that is needed.

        Raises:
            OSError: the disk failed.
            OpeningStopped: before it was done.
        """
        place = self.place
        place.open_files = OpenFiles(place.filesystem)
        place.dice = random.Random(self.dice_seed) if self.configuration.segment_jitter_ms > 0 else place.dice
        place.deletions = DelayedDeletions(place.filesystem)
        opened = Log.load(
            place,
            self.configuration,
            recovery_point=self.recovery_point,
            log_start_offset=self.log_start_offset,
            was_clean=self.was_clean,
            names=self._names,
            on_scanned=lambda scanned_bytes: self._note_scanned(scanned_bytes, control),
        )
        self._names = None
        opened.high_watermark = self.high_watermark
        opened.let_go_of_files()
        self.log = opened

    def _note_scanned(self, scanned_bytes: int, control: OpeningControl) -> None:
        self.bytes_scanned += scanned_bytes
        control.check()


@dataclass(slots=True)
class DirectoryOpening:
    """The logs of one directory that are to be opened."""

    directory: LogDirectory
    logs: list[LogToOpen] = field(default_factory=list)

    def portions(self) -> Iterator[Sequence[LogToOpen]]:
        """All of them, in portions to be looked at."""
        for first in range(0, len(self.logs), LOGS_PER_PORTION):
            yield self.logs[first : first + LOGS_PER_PORTION]

    def plan(self) -> list[LogToOpen]:
        """Those that were looked at and are not open yet, in the order in which to open them."""
        return busiest_first(log for log in self.logs if log.log is None)


def busiest_first(logs: Iterable[LogToOpen]) -> list[LogToOpen]:
    """The longest scan first; equal ones in the order of their names, so that two starts are alike."""
    return sorted(logs, key=lambda log: (-log.bytes_to_scan, log.topic_partition))


def look_at(portion: Sequence[LogToOpen], control: OpeningControl) -> None:
    """Look at each log, and open those that need no plan.

    Raises:
        OSError: the disk failed.
        OpeningStopped: before all were looked at.
    """
    for log in portion:
        control.check()
        log.survey()
        if log.bytes_to_scan <= UNPLANNED_BYTES_MAX:
            log.open(control)


def _names_behind(names: Iterable[str], recovery_point: int) -> list[str]:
    """The segments that can hold something at or behind `recovery_point`."""
    found = sorted((offset, name) for name in names if name.endswith(LOG_SUFFIX) and (offset := offset_of(name)) is not None)
    first = 0
    for index, (offset, _) in enumerate(found):
        if offset <= recovery_point:
            first = index
    return [name for _, name in found[first:]]
