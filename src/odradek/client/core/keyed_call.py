"""One operation on many keys, each of which some broker has to be asked about (`AdminApiDriver.java`, the part that decides).

A key is a group, a transactional id, a partition, a broker. A `Lookup` says which broker to ask; a `Call` says what to ask it and reads the
answer. `Progress` keeps where each key stands: not found yet, at a broker, done, or refused. A key that an answer does not settle is asked
about again: at the same broker (it is loading, say), or, if it was `moved`, after it has been looked up anew.

Nothing here sends or waits; `client.requester` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Any, Final, Generic, Protocol, TypeVar, final, runtime_checkable

from odradek.base.error_codes import ErrorCode
from odradek.client.core.cluster import Broker
from odradek.client.errors import ClientError, Refused
from odradek.protocol.message import Message

K = TypeVar("K")
V = TypeVar("V")
Item = TypeVar("Item")

# So many keys go into one request: neither it nor its answer grows without bound, and no broker is busy with one client for long.
KEYS_PER_REQUEST_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Ask(Generic[K]):
    """One request, and the keys it is about. The version lies within the bounds, both included."""

    request: Message
    response_type: type[Message]
    keys: Sequence[K]
    version_min: int = 0
    version_max: int | None = None


@dataclass(slots=True)
class Findings(Generic[K]):
    """What an answer to a lookup says: where keys are, which are refused for good. The others are looked up again."""

    node_by_key: dict[K, int] = field(default_factory=dict)
    refused: dict[K, ClientError] = field(default_factory=dict)
    brokers: list[Broker] = field(default_factory=list)
    # Why a key has to be looked up again.
    pending: dict[K, int] = field(default_factory=dict)


@dataclass(slots=True)
class Answered(Generic[K, V]):
    """What an answer says. Keys in none of these are asked about again, at the same broker."""

    done: dict[K, V] = field(default_factory=dict)
    refused: dict[K, ClientError] = field(default_factory=dict)
    # Another broker is to be found for these.
    moved: set[K] = field(default_factory=set)
    # Why keys are asked about again.
    pending: dict[K, int] = field(default_factory=dict)
    # The next question about the rest is another one, and need not wait.
    is_next_at_once: bool = False

    def judge(self, key: K, code: int, message: str | None, rule: RetryRule) -> None:
        """Take in an error code of one key, which is not NONE."""
        match rule.of(code):
            case Verdict.AGAIN:
                self.pending[key] = code
            case Verdict.ELSEWHERE:
                self.pending[key] = code
                self.moved.add(key)
            case Verdict.REFUSED:
                self.refused[key] = Refused(code, message)


class Verdict(Enum):
    """What an error code means for a key."""

    AGAIN = "again"
    ELSEWHERE = "elsewhere"
    REFUSED = "refused"


@final
@dataclass(frozen=True, slots=True)
class RetryRule:
    """Which codes are worth another try, and for which (whether or not they are in `again`) another broker has to be found first."""

    again: frozenset[int] = frozenset()
    elsewhere: frozenset[int] = frozenset()

    def of(self, code: int) -> Verdict:
        if code in self.elsewhere:
            return Verdict.ELSEWHERE
        return Verdict.AGAIN if code in self.again else Verdict.REFUSED

    def also_again(self, *codes: ErrorCode) -> RetryRule:
        return RetryRule(self.again | set(codes), self.elsewhere)


# What every coordinator may say (`DescribeConsumerGroupsHandler.handleError` and its like).
AT_COORDINATOR: Final = RetryRule(
    again=frozenset({ErrorCode.COORDINATOR_LOAD_IN_PROGRESS}),
    elsewhere=frozenset({ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR}),
)


class Lookup(Protocol[K]):
    """Finds the broker that a key is asked about at."""

    def asks(self, keys: Collection[K]) -> Iterable[Ask[K]]:
        """What to ask any broker; nothing where `fixed` knows all of them."""
        ...

    def read(self, ask: Ask[K], response: Message) -> Findings[K]: ...

    def fixed(self, key: K) -> int | None:
        """The broker of a key that needs no looking up."""
        ...


class Call(Protocol[K, V]):
    """What is asked, and what the answer means."""

    @property
    def lookup(self) -> Lookup[K]: ...

    def asks(self, keys: Collection[K]) -> Iterable[Ask[K]]:
        """What to ask one broker about these keys."""
        ...

    def read(self, node_id: int, ask: Ask[K], response: Message) -> Answered[K, V]: ...


@runtime_checkable
class FallsBack(Protocol):
    """A call that can ask an older broker in another way."""

    def fall_back(self, ask: Ask[Any]) -> bool:
        """The broker cannot be asked so; whether `asks` says something else from now on."""
        ...


@final
@dataclass(slots=True)
class Outcomes(Generic[K, V]):
    """How it ended for each key."""

    done: dict[K, V] = field(default_factory=dict)
    refused: dict[K, ClientError] = field(default_factory=dict)

    def single(self) -> V:
        """What came of the only key.

        Raises:
            ClientError: it was refused.
        """
        for error in self.refused.values():
            raise error
        (found,) = self.done.values()
        return found

    def all(self) -> dict[K, V]:
        """What came of all keys.

        Raises:
            ClientError: one was refused; the first that was.
        """
        for error in self.refused.values():
            raise error
        return self.done


@final
class Progress(Generic[K, V]):
    """Where each key of one call stands."""

    def __init__(self, keys: Iterable[K], lookup: Lookup[K]) -> None:
        self.outcomes: Outcomes[K, V] = Outcomes()
        self.last_code: int = ErrorCode.NONE
        self._lookup = lookup
        self._node_by_key: dict[K, int | None] = {key: lookup.fixed(key) for key in keys}

    @property
    def is_finished(self) -> bool:
        return not self._node_by_key

    def unfound(self) -> list[K]:
        """The keys whose broker is not known."""
        return [key for key, node_id in self._node_by_key.items() if node_id is None]

    def by_node(self) -> Mapping[int, list[K]]:
        """The keys that can be asked about, by the broker to ask."""
        found: dict[int, list[K]] = {}
        for key, node_id in self._node_by_key.items():
            if node_id is not None:
                found.setdefault(node_id, []).append(key)
        return found

    def take_findings(self, findings: Findings[K]) -> None:
        """An answer to a lookup."""
        self._note(findings.pending)
        self._refuse(findings.refused)
        for key, node_id in findings.node_by_key.items():
            if key in self._node_by_key:
                self._node_by_key[key] = node_id

    def take_answer(self, answered: Answered[K, V]) -> None:
        """An answer about keys."""
        self._note(answered.pending)
        self._refuse(answered.refused)
        for key, value in answered.done.items():
            if key in self._node_by_key:
                del self._node_by_key[key]
                self.outcomes.done[key] = value
        self.lose(answered.moved)

    def lose(self, keys: Iterable[K]) -> None:
        """The broker of these keys is no longer known: it said so, or its connection broke."""
        for key in keys:
            if key in self._node_by_key:
                self._node_by_key[key] = self._lookup.fixed(key)

    def _refuse(self, refused: Mapping[K, ClientError]) -> None:
        for key, error in refused.items():
            if key in self._node_by_key:
                del self._node_by_key[key]
                self.outcomes.refused[key] = error

    def _note(self, pending: Mapping[K, int]) -> None:
        for code in pending.values():
            self.last_code = code


def in_parts(items: Iterable[Item], size_max: int = KEYS_PER_REQUEST_MAX) -> Iterator[list[Item]]:
    """The items in lists of at most `size_max`."""
    rest = iter(items)
    while part := list(islice(rest, size_max)):
        yield part
