"""Log lines as events with fields: one lower-case sentence, the values beside it, for a person or for a program.

Drivers write `log.info("became leader", extra={"partition": partition, "leader_epoch": epoch})`; this module decides how that
looks on stderr. `human` puts the fields behind the sentence as `name=value`; `json` writes one object a line with the time in
UTC. Both keep one event on one line, so that a value that holds a line break cannot forge an entry.

The levels carry Kafka's names, because `kafka-configs --entity-type broker-loggers` reads and sets them while the node runs.
Loggers are named after modules (`odradek.broker.server`). Only `cli` calls `configure`; everybody else asks `logging`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TextIO

ROOT_LOGGER_NAME: Final = "odradek"
TRACE: Final = 5

# Kafka's level names, the finest first, and what the standard library calls them.
LEVEL_BY_NAME: Final[Mapping[str, int]] = {
    "TRACE": TRACE,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
}
# What every log record carries by itself; whatever else is on it was given as `extra`.
_OWN_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogFormat(StrEnum):
    """How a line is written."""

    HUMAN = "human"
    JSON = "json"


def configure(stream: TextIO, log_format: LogFormat, level_name: str) -> None:
    """Send every event of this project at `level_name` or above to `stream`; replaces what an earlier call set up."""
    formatter = JsonFormatter() if log_format is LogFormat.JSON else HumanFormatter()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger(ROOT_LOGGER_NAME)
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(LEVEL_BY_NAME[level_name])
    # A log line that cannot be written (a closed pipe, a full disk) must not print a traceback for each event.
    logging.raiseExceptions = False


def level_by_logger() -> dict[str, str]:
    """Kafka's level name of every logger that exists under `odradek`, itself included, as it acts now."""
    names = [ROOT_LOGGER_NAME, *(name for name in logging.Logger.manager.loggerDict if name.startswith(f"{ROOT_LOGGER_NAME}."))]
    return {name: level_name(logging.getLogger(name).getEffectiveLevel()) for name in sorted(names)}


def set_level(logger_name: str, name_of_level: str | None) -> None:
    """Set the level of one logger while running; None gives it back to its parent.

    Raises:
        KeyError: `name_of_level` is not one of `LEVEL_BY_NAME`.
    """
    logging.getLogger(logger_name).setLevel(logging.NOTSET if name_of_level is None else LEVEL_BY_NAME[name_of_level])


def level_name(level: int) -> str:
    """Kafka's name of a level of the standard library; a level in between has the name of the next finer one."""
    return next((name for name, bound in reversed(list(LEVEL_BY_NAME.items())) if level >= bound), "TRACE")


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What was given as `extra`, in the order it was given."""
    return {name: value for name, value in vars(record).items() if name not in _OWN_ATTRIBUTES}


class HumanFormatter(logging.Formatter):
    """`12:30:01.250 INFO  became leader partition=orders-0 leader_epoch=3`, local time, a traceback on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created)
        words = [
            f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}",
            f"{level_name(record.levelno):<5}",
            _on_one_line(record.getMessage()),
            *(f"{name}={_human_value(value)}" for name, value in fields_of(record).items()),
        ]
        line = " ".join(words)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time` (UTC), `level`, `logger`, `message`, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event: dict[str, object] = {
            "time": moment,
            "level": level_name(record.levelno),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event, default=str, ensure_ascii=False)


def _human_value(value: object) -> str:
    text = _on_one_line(str(value))
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or "=" in text or '"' in text else text


def _on_one_line(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
