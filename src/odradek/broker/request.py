"""Who asks, over which connection, and in which version: what a handler may know of a request beside its body.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

from typing import Final, final

ANONYMOUS: Final = "User:ANONYMOUS"


@final
class RequestContext:
    """One request's envelope, which nobody changes. `dialled_host` and `dialled_port` are the address of ours that the client reached.

    Not a frozen dataclass: that sets each of its fields through `object`, 21,000 instructions for every request.
    """

    __slots__ = (
        "api_key",
        "api_version",
        "client_host",
        "client_id",
        "client_port",
        "connection_id",
        "correlation_id",
        "dialled_host",
        "dialled_port",
        "listener_name",
        "principal",
    )

    def __init__(
        self,
        *,
        api_key: int,
        api_version: int,
        correlation_id: int,
        client_id: str | None,
        listener_name: str,
        client_host: str,
        client_port: int,
        dialled_host: str,
        dialled_port: int,
        connection_id: int,
        principal: str = ANONYMOUS,
    ) -> None:
        self.api_key = api_key
        self.api_version = api_version
        self.correlation_id = correlation_id
        self.client_id = client_id
        self.listener_name = listener_name
        self.client_host = client_host
        self.client_port = client_port
        self.dialled_host = dialled_host
        self.dialled_port = dialled_port
        self.connection_id = connection_id
        self.principal = principal
