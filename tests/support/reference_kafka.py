"""Apache Kafka itself, from Maven Central, as a judge for tests: never a dependency of the product.

Holds three things: where the jars of one fixed version lie (a cache of our own, filled once by Maven), how one of its command line
tools, or a programme of ours on top of them, is run by class name, and how one combined node (broker and controller, a quorum of one) is
formatted, started and stopped.

A machine without Java 17 or without Maven has no reference; `missing_reason` says why in one sentence, and a test skips with it. The
node takes two free ports of the loopback address; another process may take one of them in between, so a start that dies is tried again.
"""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

KAFKA_VERSION: Final = "4.3.1"
JAVA_VERSION_MIN: Final = 17
START_ATTEMPTS_MAX: Final = 3
START_SECONDS_MAX: Final = 90
TOOL_SECONDS_MAX: Final = 90

_ARTIFACTS: Final = (
    ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
    ("org.apache.kafka", "kafka-tools", KAFKA_VERSION),
    ("org.apache.kafka", "kafka-streams", KAFKA_VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.3"),
)

# As large as all the rest: our streams keep their state in memory.
_LEFT_OUT: Final = (("org.rocksdb", "rocksdbjni"),)

_LOG_CONFIGURATION: Final = """rootLogger.level = ${sys:reference.log.level:-WARN}
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d %p %c{1} %m%n
"""

# A tool lives for a second: the quick compiler and the plain collector start it in two thirds of the usual time.
_TOOL_JAVA_OPTIONS: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_NODE_JAVA_OPTIONS: Final = ("-Xms384m", "-Xmx768m", "-XX:+UseSerialGC")


class ReferenceFailure(Exception):
    """The reference could not be fetched, formatted or started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutcome:
    exit_code: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")


@cache
def missing_reason() -> str | None:
    """Why there is no Apache Kafka on this machine, or None where there is one."""
    if shutil.which("java") is None:
        return "there is no java on the path"
    version = _java_version()
    if version < JAVA_VERSION_MIN:
        return f"Java {JAVA_VERSION_MIN} or newer is needed, this is {version}"
    if _libraries_marker().exists():
        return None
    if shutil.which("mvn") is None:
        return "there is no mvn on the path to bring the jars of Apache Kafka"
    return None


def fetch() -> None:
    """Bring the jars into the cache, once. Safe when several processes do it at one time: the last rename wins.

    Raises:
        ReferenceFailure: Maven could not bring them.
    """
    if _libraries_marker().exists():
        return
    home = _cache_directory()
    home.mkdir(parents=True, exist_ok=True)
    (home / "log4j2.properties").write_text(_LOG_CONFIGURATION)
    with tempfile.TemporaryDirectory(dir=home) as work:
        Path(work, "pom.xml").write_text(_project_text())
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={work}/jars"]
        done = subprocess.run(command, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ReferenceFailure(f"Maven could not bring Apache Kafka {KAFKA_VERSION}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        if not _libraries().exists():
            os.replace(Path(work, "jars"), _libraries())
    _libraries_marker().touch()


def run_tool(
    class_name: str,
    arguments: Sequence[str],
    *,
    standard_input: bytes = b"",
    seconds_max: float = TOOL_SECONDS_MAX,
    java_options: Sequence[str] = _TOOL_JAVA_OPTIONS,
) -> ToolOutcome:
    """Run one command line tool of Apache Kafka to its end.

    Raises:
        ReferenceFailure: there is no Apache Kafka, or the tool did not end in time.
    """
    command = java_command(java_options, "WARN", class_name, arguments)
    try:
        done = subprocess.run(command, input=standard_input, capture_output=True, timeout=seconds_max, check=False)
    except subprocess.TimeoutExpired as failure:
        raise ReferenceFailure(f"{class_name} did not end within {seconds_max} s") from failure
    return ToolOutcome(exit_code=done.returncode, output=done.stdout, errors=done.stderr.decode("utf-8", "replace"))


class ReferenceNode:
    """One node of Apache Kafka on this machine, with its data under `directory`.

    `start` formats an empty directory, or takes the data that lies there; `stop` waits for the clean end.
    """

    def __init__(
        self, directory: Path, settings: Mapping[str, str] | None = None, *, java_options: Sequence[str] = _NODE_JAVA_OPTIONS
    ) -> None:
        self.data_directory = directory / "data"
        self._directory = directory
        self._settings = dict(settings or {})
        self._java_options = java_options
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    @property
    def bootstrap(self) -> str:
        assert self._port > 0, "the node was not started"
        return f"127.0.0.1:{self._port}"

    @property
    def process_id(self) -> int:
        assert self._process is not None, "the node was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Raises ReferenceFailure with the end of the node's log when it does not come up."""
        fetch()
        for attempt in range(1, START_ATTEMPTS_MAX + 1):
            self._write_properties()
            if not (self.data_directory / "meta.properties").exists():
                self._format()
            if self._come_up():
                return
            if attempt == START_ATTEMPTS_MAX:
                raise ReferenceFailure(f"Apache Kafka did not start: {self.log_tail()}")

    def prepare(self) -> tuple[list[str], int]:
        """Format an empty directory; the command that starts the node, for whoever times it, and the port it will serve."""
        fetch()
        self._write_properties()
        if not (self.data_directory / "meta.properties").exists():
            self._format()
        return self._start_command(), self._port

    def _start_command(self) -> list[str]:
        return java_command(self._java_options, "INFO", "kafka.Kafka", [str(self._properties)])

    def kill(self) -> None:
        """End the process where it stands (SIGKILL), and wait until it is gone."""
        process, self._process = self._process, None
        assert process is not None, "the node was not started"
        process.kill()
        process.wait()

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def log_tail(self) -> str:
        log = self._directory / "server.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""

    def _write_properties(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._port, controller_port = _free_ports()
        own = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._port},CONTROLLER://127.0.0.1:{controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self.data_directory),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        }
        lines = [f"{name}={value}" for name, value in (own | self._settings).items()]
        self._properties.write_text("\n".join(lines) + "\n")

    @property
    def _properties(self) -> Path:
        return self._directory / "server.properties"

    def _format(self) -> None:
        identity = run_tool("kafka.tools.StorageTool", ["random-uuid"]).text.strip()
        done = run_tool("kafka.tools.StorageTool", ["format", "--standalone", "-t", identity, "-c", str(self._properties)])
        if done.exit_code != 0:
            raise ReferenceFailure(f"the directory could not be formatted: {done.text}{done.errors}")

    def _come_up(self) -> bool:
        command = self._start_command()
        log = self._directory / "server.log"
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self._process = process
        is_up = threading.Event()
        ended = threading.Event()
        threading.Thread(target=_follow_log, args=(process, log, is_up, ended), daemon=True).start()
        # The follower sets `ended` when the pipe closes; both events wake this wait, so nothing polls.
        if is_up.wait(timeout=START_SECONDS_MAX) and not ended.is_set():
            return True
        self.stop()
        return False


def _follow_log(process: subprocess.Popen[str], log: Path, is_up: threading.Event, ended: threading.Event) -> None:
    assert process.stderr is not None
    with log.open("w") as file:
        for line in process.stderr:
            file.write(line)
            file.flush()
            if "Kafka Server started" in line:
                is_up.set()
    ended.set()
    is_up.set()


def java_command(
    options: Sequence[str], level: str, class_name: str, arguments: Sequence[str], *, classes: Path | None = None
) -> list[str]:
    """The command that runs a class of Apache Kafka, or one in the directory `classes`, and logs from `level` on to standard error.

    Raises:
        ReferenceFailure: there is no Apache Kafka.
    """
    fetch()
    home = _cache_directory()
    logging = [f"-Dreference.log.level={level}", f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}"]
    path = f"{_libraries()}/*" if classes is None else f"{classes}:{_libraries()}/*"
    return ["java", *options, "-Djava.awt.headless=true", *logging, "-cp", path, class_name, *arguments]


def compiled_classes(source: Path) -> Path:
    """The directory with the classes of one Java file of ours, which is compiled once. Safe when several do it at one time.

    Raises:
        ReferenceFailure: there is no compiler, no Apache Kafka, or the file does not compile.
    """
    fetch()
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    classes = _cache_directory() / "classes" / f"{source.stem}-{digest}"
    if classes.exists():
        return classes
    if shutil.which("javac") is None:
        raise ReferenceFailure("there is no javac on the path: a development kit is needed, not only a runtime")
    classes.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=classes.parent) as work:
        command = ["javac", "-Xlint:all,-processing", "-Werror", "-cp", f"{_libraries()}/*", "-d", f"{work}/made", str(source)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ReferenceFailure(f"{source.name} does not compile: {done.stdout}{done.stderr}")
        if not classes.exists():
            os.replace(Path(work, "made"), classes)
    return classes


def _project_text() -> str:
    exclusions = "".join(
        f"<exclusion><groupId>{group}</groupId><artifactId>{artifact}</artifactId></exclusion>" for group, artifact in _LEFT_OUT
    )
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        f"<exclusions>{exclusions}</exclusions></dependency>"
        for group, artifact, version in _ARTIFACTS
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>odradek.tests</groupId><artifactId>reference</artifactId>"
        f"<version>1</version><packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"
    )


def _java_version() -> int:
    done = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found.group(1)) if found else 0


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _cache_directory() -> Path:
    return Path.home() / ".cache" / "odradek" / "apache-kafka" / KAFKA_VERSION


def _libraries() -> Path:
    # A list of other artifacts is another directory, so that an older cache is not taken for a whole one.
    return _cache_directory() / f"jars-{hashlib.sha256(_project_text().encode()).hexdigest()[:8]}"


def _libraries_marker() -> Path:
    return _libraries().with_suffix(".complete")
