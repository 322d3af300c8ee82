"""A whole node in this process, on a loop in a thread of its own: the real assembly and real sockets over any file system.

Tests talk to it as clients do. It listens on free ports of the loopback address; what it logs goes where the test's logging goes.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Mapping
from typing import Self

from odradek.base.clock import SystemClock
from odradek.broker.assembly import NodeRun
from odradek.broker.formatting import format_if_empty
from odradek.broker.metrics_address import MetricsAddress
from odradek.broker.ready_report import ReadyReport
from odradek.config.broker_settings_file import load_broker_settings
from odradek.storage.filesystem import FileSystem
from odradek.storage.memory_filesystem import MemoryFileSystem
from tests.support.wire_client import WireClient

START_S_MAX = 20
STOP_S_MAX = 20

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.bootstrap.servers": "127.0.0.1:1",
    "log.dirs": "/data",
    "offsets.topic.replication.factor": "1",
    # Tests write records of any age; retention must not take them away from one that happens to run long.
    "log.initial.task.delay.ms": "3600000",
}


class NodeInProcess:
    """`with NodeInProcess() as node:`; the file system outlives the node, so that it can be started again."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        filesystem: FileSystem | None = None,
        *,
        seed: int = 0,
        metrics: MetricsAddress | None = None,
    ) -> None:
        self.settings = load_broker_settings(SETTINGS | dict(settings or {}))
        self.filesystem = filesystem if filesystem is not None else MemoryFileSystem()
        self.report: ReadyReport | None = None
        self.failure: BaseException | None = None
        self._seed = seed
        self._metrics = metrics
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="node in process", daemon=True)

    def __enter__(self) -> Self:
        format_if_empty(self.settings, filesystem=self.filesystem, dice=random.Random(self._seed))
        self._thread.start()
        assert self._ready.wait(START_S_MAX), "the node did not start"
        if self.failure is not None:
            raise self.failure
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        assert self.report is not None
        return int(self.report.client_addresses[0].rpartition(":")[2])

    def client(self) -> WireClient:
        """A new connection to the node."""
        return WireClient("127.0.0.1", self.port, timeout_s=START_S_MAX)

    def stop(self) -> None:
        """Stop as SIGTERM does, and wait."""
        if self._thread.is_alive():
            assert self._loop is not None
            assert self._stop is not None
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(STOP_S_MAX)
            assert not self._thread.is_alive(), "the node did not stop"
        if self.failure is not None and self.report is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # reported to the test's thread
            self.failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        node = NodeRun(self.settings, self.filesystem, SystemClock(), random.Random(self._seed), metrics=self._metrics)
        await node.run(self._stop, self._on_ready)

    def _on_ready(self, report: ReadyReport) -> None:
        self.report = report
        self._ready.set()
