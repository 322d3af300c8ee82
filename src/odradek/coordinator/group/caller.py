"""Who asks the coordinator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The client behind a request. `client_host` is as records bear it: a slash and the address."""

    api_version: int
    client_id: str
    client_host: str
