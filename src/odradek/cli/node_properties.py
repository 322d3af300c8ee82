"""The settings of a node as the command line gives them: Kafka's names, merged from a file, options, and what `up` chooses itself.

`odradek up` starts a node that is broker and controller at once, with the settings below where neither the file nor an option says
otherwise. The order is: what `up` chooses, then `--config`, then `--host`, `--port` and `--data` where they are given, then `--set`.
Nothing is validated here but the form `name=value`; names and values are the business of `config`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from odradek.cli.problems import CommandFailed, ExitCode
from odradek.config.properties import parse_properties

HOST_DEFAULT: Final = "127.0.0.1"
PORT_DEFAULT: Final = 9092
PORT_MAX: Final = 65_535
CONTROLLER_LISTENER: Final = "CONTROLLER"
# The controller's port is the client's and this, so that two nodes of one machine need to be told apart only once.
CONTROLLER_PORT_DISTANCE: Final = 1000

# One node cannot hold three replicas of Kafka's own topics, and nobody waits for other members on a laptop.
SINGLE_NODE_PROPERTIES: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
}


def up_properties(
    *, host: str | None, port: int | None, data: Path | None, file: Mapping[str, str], assignments: Mapping[str, str]
) -> dict[str, str]:
    """What the one node of `odradek up` is started with; None stands for an option that was not given.

    Raises:
        CommandFailed: `data` cannot be written into `log.dirs`.
    """
    properties = {**SINGLE_NODE_PROPERTIES, **file}
    if host is not None or port is not None or "listeners" not in file:
        properties["listeners"] = f"PLAINTEXT://{_bracketed(host or HOST_DEFAULT)}:{PORT_DEFAULT if port is None else port}"
    if data is not None or not (file.keys() & {"log.dir", "log.dirs"}):
        properties["log.dirs"] = _one_directory(data if data is not None else data_directory_default(os.environ))
    properties |= assignments
    return with_controller_listener(properties)


def with_controller_listener(properties: Mapping[str, str]) -> dict[str, str]:
    """`properties` with a listener for the controller on this machine, where they name none; the client need not know that there is one."""
    if "controller.listener.names" in properties:
        return dict(properties)
    client_listener = properties["listeners"].split(",")[0].strip()
    port = controller_port(_port_of(client_listener))
    completed = {
        **properties,
        "listeners": f"{properties['listeners']},{CONTROLLER_LISTENER}://{HOST_DEFAULT}:{port}",
        "controller.listener.names": CONTROLLER_LISTENER,
    }
    if "controller.quorum.voters" not in properties:
        completed.setdefault("controller.quorum.bootstrap.servers", f"{HOST_DEFAULT}:{port}")
    return completed


def controller_port(client_port: int) -> int:
    """A port for the controller beside `client_port`: any free one when that is what the client's is, below it at the end of the range."""
    if client_port == 0:
        return 0
    above = client_port + CONTROLLER_PORT_DISTANCE
    return above if above <= PORT_MAX else client_port - CONTROLLER_PORT_DISTANCE


def port_number(text: str) -> int:
    """What `--port` was given, for argparse.

    Raises:
        argparse.ArgumentTypeError: it is no port.
    """
    if not text.isascii() or not text.isdecimal() or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: ports are numbers from 0 to {PORT_MAX}")
    return int(text)


def data_directory_default(environment: Mapping[str, str]) -> Path:
    """Where `up` keeps data when it is not told: `$XDG_DATA_HOME/odradek`, or `~/.local/share/odradek`."""
    base = environment.get("XDG_DATA_HOME", "")
    # The XDG specification has relative paths ignored: they would mean another place in every directory.
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "odradek"


def read_properties_file(path: Path) -> dict[str, str]:
    """The settings in a server.properties.

    Raises:
        CommandFailed: the file cannot be read, or is no properties file.
    """
    try:
        return parse_properties(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandFailed(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{path} is not a text file: byte {error.start} is not UTF-8") from error
    except ValueError as error:
        raise CommandFailed(f"{path} is not a properties file: {error}") from error


def parse_assignments(assignments: Iterable[str], *, option: str) -> dict[str, str]:
    """The settings of `--set name=value` options; the last of two equal names wins.

    Raises:
        CommandFailed: one has no `=` or no name.
    """
    parsed = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator or not name.strip():
            raise CommandFailed(
                f"{option} {assignment!r} is not of the form name=value", help_line=f"{option} num.partitions=3", code=ExitCode.WRONG_USAGE
            )
        parsed[name.strip()] = value.strip()
    return parsed


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _one_directory(directory: Path) -> str:
    """`directory` as the only entry of `log.dirs`, from the root, so that what is printed can be found from everywhere."""
    text = str(directory.absolute())
    if "," in text:
        raise CommandFailed(f"--data {text} has a comma in its path, which Kafka's log.dirs takes for two directories")
    return text


def _port_of(listener: str) -> int:
    port = listener.rpartition(":")[2]
    # What is not a port is left to the validation of `listeners`, which names the setting.
    return int(port) if port.isdecimal() else 0
