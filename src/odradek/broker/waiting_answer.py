"""An answer whose records are staged, and which leaves when they are committed. Compiled by mypyc; it also runs as it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from odradek.base.error_codes import ErrorCode
from odradek.net.frame_connection import FrameConnection
from odradek.net.output import HeldResponse


@final
class WaitingAnswer:
    """`encode` makes the response frame of an error code. Like every coordinator's answer, it holds up its connection."""

    __slots__ = ("_connection", "_encode", "_held")

    def __init__(self, connection: FrameConnection, encode: Callable[[int], bytes]) -> None:
        self._connection = connection
        self._encode = encode
        self._held: HeldResponse | None = None

    def wait(self) -> None:
        """Keep the answer's place; the connection's next request waits."""
        self._held = self._connection.hold()
        self._connection.is_blocked = True

    def answer(self, code: ErrorCode) -> None:
        """Called once, at the end of this turn or later."""
        assert self._held is not None
        self._connection.is_blocked = False
        self._held.fulfil([self._encode(int(code))])
