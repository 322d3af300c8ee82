"""The messages that scenarios write: what every client can carry, what only binary clients can, and what strains sizes.

A client's null value for an empty one, a lost header or a re-encoded byte is what these are made to show.
"""

import random
from collections.abc import Sequence
from typing import Final

from tests.conformance.clients.client import Message, ReadMessage

# Any fixed moment in the past: old enough to be no test machine's clock, young enough for the default retention to look at it as a time.
FIRST_TIMESTAMP_MS: Final = 1_700_000_000_000

TEXT_MESSAGES: Final[Sequence[Message]] = (
    Message(key=b"plain", value=b"a value"),
    Message(key=b"empty value", value=b""),
    Message(key=b"tombstone", value=None),
    Message(key=None, value=b"no key"),
    Message(key="Schlüssel".encode(), value="值 – ценность".encode()),
    Message(key=b"headers", value=b"with headers", headers=(("trace", b"4bf92f35"), ("source", "é".encode()))),
    Message(key=b"repetitive", value=b"abcdefgh" * 512),
)

BINARY_MESSAGES: Final[Sequence[Message]] = (
    Message(key=bytes(range(256)), value=bytes(reversed(range(256))), headers=(("bytes", bytes(range(256))),)),
    Message(key=b"", value=b"empty key"),
    Message(key=b"line\nbreaks", value=b"\x00\r\n\x00\n"),
    Message(key=b"empty header", value=b"v", headers=(("empty", b""),)),
)

# Near the default limit of 1 MiB for a batch, and not to be squeezed by any codec.
BIG_MESSAGE: Final = Message(key=b"big", value=random.Random(20_26).randbytes(900_000))
TOO_BIG_MESSAGE: Final = Message(key=b"too big", value=random.Random(4_3).randbytes(1_500_000))

MANY_MESSAGES: Final[Sequence[Message]] = tuple(Message(key=b"%d" % index, value=b"value %d" % index) for index in range(3000))


def stamped(messages: Sequence[Message]) -> list[Message]:
    """The same messages, each with its own moment, a second apart."""
    return [
        Message(key=one.key, value=one.value, headers=one.headers, timestamp_ms=FIRST_TIMESTAMP_MS + 1000 * index)
        for index, one in enumerate(messages)
    ]


def contents(messages: Sequence[Message] | Sequence[ReadMessage]) -> list[tuple[object, ...]]:
    """What must be equal however a message came and went."""
    return [(one.key, one.value, one.headers) for one in messages]
