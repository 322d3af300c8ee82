"""What a connection sends: bytes, ranges of files, and places kept for answers that are not there yet.

A fetch answers with a header in bytes and the log itself as a `FileRange`, which the transport hands to `sendfile`; the records
never become Python objects. A `HeldResponse` keeps the order of the answers: what stands behind it waits until it is fulfilled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, final


class ReadableFile(Protocol):
    """A file whose bytes can be sent. `fileno` is None where there is no descriptor (the in-memory file system)."""

    def fileno(self) -> int | None: ...

    def pread(self, size: int, position: int) -> bytes: ...


@final
class FileRange:
    """`size` bytes of `file` from `position` on."""

    __slots__ = ("file", "position", "size")

    def __init__(self, file: ReadableFile, position: int, size: int) -> None:
        self.file = file
        self.position = position
        self.size = size

    def __repr__(self) -> str:
        return f"FileRange({self.file!r}, position={self.position}, size={self.size})"


@final
class HeldResponse:
    """The place of an answer among the answers of its connection. Fulfilled once; an empty sequence answers nothing."""

    __slots__ = ("_on_fulfilled", "pieces")

    def __init__(self, on_fulfilled: Callable[[], None]) -> None:
        self.pieces: Sequence[bytes | FileRange] | None = None
        self._on_fulfilled = on_fulfilled

    def fulfil(self, pieces: Sequence[bytes | FileRange]) -> None:
        """Give the answer; it leaves when all that stand before it have left."""
        assert self.pieces is None, "a response is given once"
        self.pieces = pieces
        self._on_fulfilled()


OutputPiece = bytes | FileRange | HeldResponse
