"""Opens the node's logs in threads, at most `num.recovery.threads.per.data.dir` for each directory, and tells how far it has come.

First every log is looked at, and opened on the spot where nothing or little has to be read again; then those that have to be scanned, the
busiest first (`storage.log_opening`). The loop only hands out work and takes in what is done, so a signal is heard at once: the threads
end at their next block, nothing is marked as clean, and the next start recovers from where this one began.

A disk that fails takes its directory offline and ends the work there; the other directories go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from odradek.base.clock import Clock
from odradek.config.log_configuration import LogConfiguration
from odradek.storage.log_directories import LogDirectories
from odradek.storage.log_opening import DirectoryOpening, LogToOpen, OpeningControl, OpeningStopped, look_at
from odradek.storage.recovery_progress import RecoveryProgress

log = logging.getLogger("odradek.broker.log_opener")

# How often somebody who watches is told, and how often the log.
WATCHED_INTERVAL_MS = 200
LOGGED_INTERVAL_MS = 10_000

ProgressListener = Callable[[RecoveryProgress], None]


@dataclass(slots=True)
class _Work:
    """What one directory still has to do in a round."""

    opening: DirectoryOpening
    open: Callable[[Sequence[LogToOpen], OpeningControl], None]
    portions: deque[Sequence[LogToOpen]] = field(default_factory=deque)


class LogOpener:
    """One opening of all logs of a node. `on_progress` is told several times a second; without it the log is, every ten seconds."""

    def __init__(
        self, logs: LogDirectories, clock: Clock, pool: Executor, *, threads_per_directory: int, on_progress: ProgressListener | None = None
    ) -> None:
        self._logs = logs
        self._clock = clock
        self._pool = pool
        self._threads_per_directory = threads_per_directory
        self._on_progress = on_progress
        self._control = OpeningControl()
        self._openings: list[DirectoryOpening] = []
        self._opened_count = 0
        self._is_interrupted = False
        self._began_ms = clock.monotonic_ms()

    async def open_all(self, configuration_of: Callable[[str], LogConfiguration], stop: asyncio.Event) -> bool:
        """Open every log; False if `stop` came before all were open.

        Raises:
            StartRefused: two directories hold the same partition.
            BaseExceptionGroup: a log is in a state that this release cannot open.
        """
        self._openings = self._logs.begin_opening(configuration_of)
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(self._watch(stop)), tasks.create_task(self._tell())]
            try:
                await self._do_all(_Work(opening, look_at, deque(opening.portions())) for opening in self._openings)
                plans = [(opening, opening.plan()) for opening in self._openings if opening.directory.is_online]
                self._announce(plans)
                await self._do_all(_Work(opening, _open_each, deque([waiting] for waiting in plan)) for opening, plan in plans)
            finally:
                for task in background:
                    task.cancel()
        self._report_end()
        return not self._is_interrupted

    def progress(self) -> RecoveryProgress:
        """How far it has come."""
        everything = [found for opening in self._openings for found in opening.logs]
        return RecoveryProgress(
            logs_done=self._opened_count,
            logs_total=len(everything),
            bytes_done=sum(found.bytes_scanned for found in everything),
            bytes_total=sum(found.bytes_to_scan for found in everything),
            elapsed_ms=self._clock.monotonic_ms() - self._began_ms,
        )

    async def _do_all(self, works: Iterable[_Work]) -> None:
        """Each directory has its threads, and each thread takes the next portion when it is done with one."""
        async with asyncio.TaskGroup() as tasks:
            for work in works:
                for _ in range(min(self._threads_per_directory, len(work.portions))):
                    tasks.create_task(self._do(work))

    async def _do(self, work: _Work) -> None:
        loop = asyncio.get_running_loop()
        while work.portions and work.opening.directory.is_online:
            portion = work.portions.popleft()
            try:
                await loop.run_in_executor(self._pool, work.open, portion, self._control)
            except OpeningStopped:
                self._is_interrupted = True
                return
            except OSError as error:
                self._logs.opening_failed(work.opening, error)
            except BaseException:
                self._control.is_stopped = True
                raise
            finally:
                opened = [found for found in portion if found.log is not None]
                self._logs.take_in(work.opening, opened)
                self._opened_count += len(opened)

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._control.is_stopped = True

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep((LOGGED_INTERVAL_MS if self._on_progress is None else WATCHED_INTERVAL_MS) / 1000)
            if self._on_progress is not None:
                self._on_progress(self.progress())
            else:
                log.warning("logs are being opened", extra=_fields(self.progress()))

    def _announce(self, plans: Sequence[tuple[DirectoryOpening, Sequence[LogToOpen]]]) -> None:
        for opening, plan in plans:
            if plan:
                log.warning(
                    "the last stop was not clean: scanning logs",
                    extra={
                        "directory": opening.directory.path,
                        "logs": len(plan),
                        "bytes": sum(waiting.bytes_to_scan for waiting in plan),
                        "threads": self._threads_per_directory,
                    },
                )

    def _report_end(self) -> None:
        progress = self.progress()
        if self._on_progress is not None:
            self._on_progress(progress)
        if self._is_interrupted:
            log.warning("opening of logs was interrupted, the next start begins anew", extra=_fields(progress))
        elif progress.logs_total:
            log.info("logs are open", extra=_fields(progress))


def _open_each(portion: Sequence[LogToOpen], control: OpeningControl) -> None:
    for waiting in portion:
        control.check()
        waiting.open(control)


def _fields(progress: RecoveryProgress) -> dict[str, object]:
    return {
        "logs": f"{progress.logs_done} of {progress.logs_total}",
        "bytes": f"{progress.bytes_done} of {progress.bytes_total}",
        "bytes_per_s": progress.bytes_per_s,
        "left_ms": progress.left_ms,
        "elapsed_ms": progress.elapsed_ms,
    }
