"""A real Odradek as a subprocess, started as a user starts it: `odradek up`, with an own data directory and a free port.

The node is ready when it prints the address that it serves; the wait ends there, or when the process does. Whatever it logs goes to a file
beside the data, whose end is in the message of a start that failed.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

START_SECONDS_MAX: Final = 30
STOP_SECONDS_MAX: Final = 10

_ADDRESS: Final = re.compile(r"\b(127\.0\.0\.1|localhost):(\d+)\b")
_SOURCE_DIRECTORY: Final = Path(__file__).resolve().parents[2] / "src"


class OdradekFailure(Exception):
    """The node did not start, or did not stop."""


class OdradekNode:
    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.data_directory = directory / "data"
        self._directory = directory
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[str] | None = None
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
        self._directory.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "odradek.cli.main",
            "up",
            "--data",
            str(self.data_directory),
            "--port",
            "0",
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
        ready = threading.Event()
        threading.Thread(target=self._follow_output, args=(process, ready), daemon=True).start()
        if not ready.wait(timeout=START_SECONDS_MAX) or not self._address:
            self.stop()
            raise OdradekFailure(f"Odradek did not start: {self.log_tail()}")

    def stop(self) -> None:
        """Raises OdradekFailure when the node had to be killed."""
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

    def log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:] if self._log.exists() else ""

    @property
    def _log(self) -> Path:
        return self._directory / "node.log"

    def _follow_output(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            found = _ADDRESS.search(line)
            if found and not ready.is_set():
                self._address = f"127.0.0.1:{found.group(2)}"
                ready.set()
        ready.set()
