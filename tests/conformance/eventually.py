"""A change that the node has accepted reaches its own view of the metadata a moment later, in Kafka as here: ask until it is seen.

Each question is a request with its answer, so asking again needs no pause between.
"""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from tests.conformance.clients.client import Refused

T = TypeVar("T")

SEEN_SECONDS_MAX: Final = 8


def eventually(question: Callable[[], T], expected: T) -> None:
    """Raises AssertionError with the last answer when it is not the expected one in time."""
    deadline = time.monotonic() + SEEN_SECONDS_MAX
    while True:
        try:
            answer: object = question()
        except Refused as refusal:
            answer = refusal
        if answer == expected:
            return
        assert time.monotonic() < deadline, f"the answer is still {answer!r}, not {expected!r}"
