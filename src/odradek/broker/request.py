"""Who asks, over which connection, and in which version: what a handler may know of a request beside its body."""

from __future__ import annotations

from dataclasses import dataclass

ANONYMOUS = "User:ANONYMOUS"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """One request's envelope. `dialled_host` and `dialled_port` are the address of ours that the client reached."""

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None
    listener_name: str
    client_host: str
    client_port: int
    dialled_host: str
    dialled_port: int
    connection_id: int
    principal: str = ANONYMOUS
