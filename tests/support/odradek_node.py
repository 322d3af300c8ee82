"""A real Odradek as a subprocess, started as a user starts it: `odradek up`, with an own data directory and a free port.

The node is ready when it prints the address that it serves; the wait ends there, or when the process does. Whatever it logs goes to a file
beside the data, whose end is in the message of a start that failed. `launch` does not wait, for tests that end a node while it starts, and
`kill` ends one as a crash of the process does: what the kernel was given is kept, nothing else is.

A node that is to come back under clients that are still there gets a `port` of its own (`free_port`).
"""

import os
import random
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

START_SECONDS_MAX: Final = 30
STOP_SECONDS_MAX: Final = 10
# Below the ports that the kernel gives to outgoing connections: none of those can take it while the node is down.
_LASTING_PORTS: Final = range(20_000, 32_000)

_ADDRESS: Final = re.compile(r"\b(127\.0\.0\.1|localhost):(\d+)\b")
_SOURCE_DIRECTORY: Final = Path(__file__).resolve().parents[2] / "src"


class OdradekFailure(Exception):
    """The node did not start, or did not stop."""


class OdradekNode:
    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None, *, port: int = 0) -> None:
        """Port 0 takes any free one, another one at each start."""
        self.data_directory = directory / "data"
        self._directory = directory
        self._settings = dict(settings or {})
        self._port = port
        self._process: subprocess.Popen[str] | None = None
        self._ready = threading.Event()
        self._address = ""

    @property
    def bootstrap(self) -> str:
        assert self._address, "the node was not started"
        return self._address

    @property
    def process_id(self) -> int:
        assert self._process is not None, "the node was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Raises OdradekFailure with the end of the node's log when it does not come up."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the process and do not wait for it."""
        assert not self.is_running, "the node was started and not stopped"
        self._directory.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "odradek.cli.main",
            "up",
            "--data",
            str(self.data_directory),
            "--port",
            str(self._port),
            "--log-format",
            "json",
        ]
        for name, value in self._settings.items():
            command += ["--set", f"{name}={value}"]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_SOURCE_DIRECTORY), os.environ.get("PYTHONPATH", "")])}
        with self._log.open("a") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1, env=environment
            )
        self._process = process
        self._address = ""
        self._ready = threading.Event()
        threading.Thread(target=self._follow_output, args=(process, self._ready), daemon=True).start()

    def wait_until_ready(self) -> None:
        """Raises OdradekFailure with the end of the node's log when it does not come up."""
        if not self._ready.wait(timeout=START_SECONDS_MAX) or not self._address:
            self.kill()
            raise OdradekFailure(f"Odradek did not start: {self.log_tail()}")

    def kill(self) -> None:
        """End the process where it stands (SIGKILL), and wait until it is gone."""
        process, self._process = self._process, None
        assert process is not None, "the node was not started"
        process.kill()
        process.wait()

    def begin_stop(self) -> None:
        """Ask the process to stop (SIGTERM) and do not wait."""
        assert self._process is not None, "the node was not started"
        self._process.terminate()

    def stop(self) -> None:
        """Stop it in good order (SIGTERM), and wait. Raises OdradekFailure when it had to be killed, or says that something went wrong."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired as failure:
            process.kill()
            process.wait()
            raise OdradekFailure(f"Odradek did not stop within {STOP_SECONDS_MAX} s: {self.log_tail()}") from failure
        if process.returncode != 0:
            raise OdradekFailure(f"Odradek stopped with exit code {process.returncode}: {self.log_tail()}")

    def log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:] if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        return self._directory / "node.log"

    def _follow_output(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            found = _ADDRESS.search(line)
            if found and not ready.is_set() and ready is self._ready:
                self._address = f"127.0.0.1:{found.group(2)}"
                ready.set()
        ready.set()


def free_port() -> int:
    """A port that nobody has, and that nobody gets by accident while a node that had it is down."""
    for port in random.sample(_LASTING_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OdradekFailure("no port is free")
