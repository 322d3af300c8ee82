"""What a log line looks like, for people and for programs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from odradek.base.structured_log import LogFormat, configure, level_by_logger, level_name, set_level


@pytest.fixture(autouse=True)
def restored_root_logger() -> Iterator[None]:
    """Other tests capture logs: leave the logger as it was."""
    root = logging.getLogger("odradek")
    handlers, level, propagate, raise_exceptions = root.handlers[:], root.level, root.propagate, logging.raiseExceptions
    yield
    root.handlers[:], root.propagate, logging.raiseExceptions = handlers, propagate, raise_exceptions
    root.setLevel(level)


def logged(log_format: LogFormat, level: str = "INFO") -> tuple[io.StringIO, logging.Logger]:
    stream = io.StringIO()
    configure(stream, log_format, level)
    return stream, logging.getLogger("odradek.tests")


def test_json_line_is_one_object_with_the_fields_beside_the_sentence() -> None:
    stream, log = logged(LogFormat.JSON)

    log.info("became leader", extra={"partition": "orders-0", "leader_epoch": 3})

    event = json.loads(stream.getvalue())
    assert event.pop("time").endswith("Z")
    assert event == {
        "level": "INFO",
        "logger": "odradek.tests",
        "message": "became leader",
        "partition": "orders-0",
        "leader_epoch": 3,
    }


def test_human_line_has_the_fields_behind_the_sentence() -> None:
    stream, log = logged(LogFormat.HUMAN)

    log.warning("connection closed", extra={"reason": "half a frame", "bytes": 3})

    time, rest = stream.getvalue().split(" ", 1)
    assert len(time) == len("12:30:01.250")
    assert rest == 'WARN  connection closed reason="half a frame" bytes=3\n'


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_value_with_a_line_break_stays_on_its_line(log_format: LogFormat) -> None:
    """A client chooses its client id; it must not be able to write log entries."""
    stream, log = logged(log_format)

    log.info("request from\nnowhere", extra={"client_id": "x\n12:00:00.000 ERROR forged"})

    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_exception_is_logged_with_its_traceback(log_format: LogFormat) -> None:
    stream, log = logged(log_format)

    try:
        raise ValueError("odd")
    except ValueError:
        log.exception("handler failed")

    assert "Traceback" in stream.getvalue()
    assert "ValueError: odd" in stream.getvalue()


def test_levels_are_read_and_set_under_the_names_of_kafka() -> None:
    stream, log = logged(LogFormat.HUMAN, "WARN")

    log.info("not written")
    set_level("odradek.tests", "DEBUG")
    log.debug("written")
    levels = level_by_logger()
    set_level("odradek.tests", None)
    log.debug("not written either")

    assert stream.getvalue().count("\n") == 1
    assert levels["odradek"] == "WARN"
    assert levels["odradek.tests"] == "DEBUG"
    assert level_by_logger()["odradek.tests"] == "WARN"


def test_level_between_two_has_the_name_of_the_finer_one() -> None:
    assert level_name(logging.WARNING) == "WARN"
    assert level_name(logging.WARNING + 5) == "WARN"
    assert level_name(logging.CRITICAL) == "FATAL"
    assert level_name(1) == "TRACE"


def test_configuring_twice_writes_each_event_once() -> None:
    logged(LogFormat.HUMAN)
    stream, log = logged(LogFormat.HUMAN)

    log.info("once")

    assert stream.getvalue().count("once") == 1


def test_stream_that_is_closed_does_not_stop_the_program() -> None:
    stream, log = logged(LogFormat.JSON)
    stream.close()

    log.error("to nobody")
