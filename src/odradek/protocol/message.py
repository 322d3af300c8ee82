"""What every generated message and record offers, and the two whole-buffer forms of encoding and decoding."""

from __future__ import annotations

from typing import ClassVar, Protocol, Self, TypeVar

from odradek.base.errors import ProtocolViolation


class Message(Protocol):
    """A generated class: one for all versions of a message.

    `API_KEY` is the API's key, or the number of a record's type, or -1. `FLEXIBLE_VERSION_MIN` is 32767 where no version is flexible.
    """

    NAME: ClassVar[str]
    API_KEY: ClassVar[int]
    VERSION_MIN: ClassVar[int]
    VERSION_MAX: ClassVar[int]
    FLEXIBLE_VERSION_MIN: ClassVar[int]

    def encode(self, out: bytearray, version: int) -> None:
        """Append the message to `out`.

        Raises:
            Misuse: the version does not exist, or cannot carry what a field holds. `out` may then end in a part of the message.
        """
        ...

    @classmethod
    def decode(cls, data: bytes, position: int, version: int) -> tuple[Self, int]:
        """The message at `position`, and the position behind it.

        Raises:
            ProtocolViolation: the bytes are no such message, or the version does not exist.
        """
        ...


AnyMessage = TypeVar("AnyMessage", bound=Message)


def encode_message(message: Message, version: int) -> bytes:
    """The bytes of `message` alone.

    Raises:
        Misuse: the version does not exist, or cannot carry what a field holds.
    """
    out = bytearray()
    message.encode(out, version)
    return bytes(out)


def decode_message(message_type: type[AnyMessage], data: bytes, version: int) -> AnyMessage:
    """The message that `data` is, from its first to its last byte.

    Raises:
        ProtocolViolation: the bytes are no such message, or bytes follow it, or the version does not exist.
    """
    message, position = message_type.decode(data, 0, version)
    if position != len(data):
        raise ProtocolViolation(f"{len(data) - position} bytes follow {message_type.NAME} version {version}")
    return message
