"""Runs one node in this process: the real clock, dice, disk and signals, and nothing else."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
import sys
from collections.abc import Callable

from odradek.base.clock import SystemClock
from odradek.base.errors import OdradekError
from odradek.broker.assembly import NodeRun
from odradek.broker.log_opener import ProgressListener
from odradek.broker.metrics_address import MetricsAddress
from odradek.broker.ready_report import ReadyReport
from odradek.config.settings import Settings
from odradek.storage.filesystem import RealFileSystem

if sys.platform == "linux":
    from odradek.net.turn_loop import TurnLoop

log = logging.getLogger("odradek.broker.main")

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# What a shell reports of a process that a signal ended.
SIGNAL_EXIT_CODE_BASE = 128


def serve(
    settings: Settings,
    *,
    ready: Callable[[ReadyReport], None],
    on_recovery: ProgressListener | None = None,
    metrics: MetricsAddress | None = None,
) -> int:
    """Run the node of `settings` until SIGTERM or SIGINT; returns the exit code. `ready` is called once, when clients can connect.

    `on_recovery` is told several times a second how far the opening of the logs has come; without it the log tells, every ten seconds.
    Metrics are to be had at `metrics`, or not at all.

    Raises:
        StartRefused: the node cannot start; the sentence says why.
    """
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(_serve(settings, ready, on_recovery, metrics))


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "linux":
        return TurnLoop()
    return asyncio.new_event_loop()


async def _serve(
    settings: Settings, ready: Callable[[ReadyReport], None], on_recovery: ProgressListener | None, metrics: MetricsAddress | None
) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    # Nearly everything that a start makes is kept, so collections would only look at it again and again.
    gc.disable()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            # The second one means now: nothing is flushed, the next start recovers.
            os._exit(SIGNAL_EXIT_CODE_BASE + number)
        stop.set()

    def on_ready(report: ReadyReport) -> None:
        # What was made until now lives as long as the node: no collection need ever look at it again. What there is of cycles that
        # nobody needs is little, and looking for it would take as long as opening a thousand partitions.
        gc.freeze()
        gc.enable()
        ready(report)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        await NodeRun(settings, RealFileSystem(), SystemClock(), random.Random(), metrics=metrics).run(stop, on_ready, on_recovery)
    except BaseExceptionGroup as failures:
        refusal = _single_refusal(failures)
        if refusal is not None:
            raise refusal from failures
        log.critical("node failed", exc_info=failures)
        return 1
    finally:
        # A start that is refused has not come to it, and whoever called goes on living.
        gc.enable()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
    return 0


def _single_refusal(failures: BaseExceptionGroup[BaseException]) -> OdradekError | None:
    """The first error, if all are of ours: it was written for the operator. A broken disk can fail several parts of the node at once."""
    if failures.split(OdradekError)[1] is not None:
        return None
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first if isinstance(first, OdradekError) else None
