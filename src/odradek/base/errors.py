"""Exceptions, by whose fault they are. Expected refusals are `ErrorCode` values and never raised inside deciding rooms."""

from __future__ import annotations

from odradek.base.error_codes import ErrorCode


class OdradekError(Exception):
    """Anything this project raises on purpose."""


class ProtocolViolation(OdradekError):
    """The peer sent bytes that mean nothing: truncated, over-long, malformed, or against the protocol."""


class Misuse(OdradekError):
    """The caller broke the contract of a function."""


class StartRefused(OdradekError):
    """The node cannot start: a wrong setting, a port in use, a locked or foreign directory. The text is for the operator."""


class SettingError(StartRefused):
    """A setting is unknown, has a value that is not allowed, or contradicts another."""


class StorageFailure(OdradekError):
    """A log directory failed: the partitions on it answer KAFKA_STORAGE_ERROR."""


class CorruptRecords(OdradekError):
    """A record batch fails its checksum or its structure."""


class RequestRefused(OdradekError):
    """A handler ends a request with one Kafka error; `broker.dispatch` turns it into the proper response."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(message or code.name)
        self.code = code
        self.message = message
