"""What can go wrong between a client and its cluster, as exceptions: who could not be reached, what was refused, what took too long.

Codes turn into exceptions here and nowhere else. `Refused` is also used as a value: one request speaks of many groups or partitions, and
each of them has its own answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from odradek.base.error_codes import error_entry
from odradek.base.errors import OdradekError
from odradek.client.core.address import Address


class ClientError(OdradekError):
    """A request of a client has failed for good."""


@final
class NobodyReached(ClientError):
    """None of the addresses that a client was given could be reached; `reason_by_address` says why, one by one."""

    def __init__(self, reason_by_address: Mapping[Address, str]) -> None:
        super().__init__(", ".join(f"{address} ({reason})" for address, reason in reason_by_address.items()))
        self.reason_by_address = dict(reason_by_address)


class ConnectionLost(ClientError):
    """A connection could not be made, or ended, before the answer came. Whether the request was carried out nobody knows."""


@final
class RequestTimedOut(ConnectionLost):
    """A broker took too long for one answer; the connection was given up, as what comes on it now cannot be trusted to be in time."""


@final
class DeadlinePassed(ClientError):
    """An operation was tried until its time was over."""


@final
class UnsupportedByBroker(ClientError):
    """The broker has no version of an API that could carry the request (`UnsupportedVersionException`)."""


@final
class Refused(ClientError):
    """The cluster answered with an error code. `message` is the broker's own, or what the table of codes says."""

    def __init__(self, code: int, message: str | None = None) -> None:
        entry = error_entry(code)
        self.code = code
        self.name = entry.name
        self.message = message or entry.sentence
        super().__init__(f"{self.message} [{self.name} {code}]")
