"""What every judge can be asked, whatever its language: topics, settings, writing and reading of one partition.

A scenario speaks only this vocabulary, so that it runs with each client and against each node. A client says in `abilities` what it can
do at all; a scenario that needs more is not made for it. A refusal by the node arrives as `Refused` with the client's own name of the
error, in capitals where the client has one: the names differ between clients, and the tables of expected errors hold them as they are.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

# Long enough for a cold Java tool on a busy machine; a scenario that waits this long has failed.
OPERATION_SECONDS_MAX = 20


class Ability(enum.Enum):
    MANAGE_TOPICS = enum.auto()
    GROW_TOPICS = enum.auto()
    TOPIC_SETTINGS = enum.auto()
    DELETE_RECORDS = enum.auto()
    WRITE_BINARY = enum.auto()
    """Keys and values may be any bytes, not only lines of text."""
    WRITE_TIMESTAMPS = enum.auto()
    CHOOSE_ACKS = enum.auto()
    IDEMPOTENCE = enum.auto()
    READ_FROM_TIMESTAMP = enum.auto()
    READ_FROM_END = enum.auto()
    TIMESTAMP_OFFSETS = enum.auto()


class Codec(enum.Enum):
    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"


class Refused(Exception):
    """The node refused the operation; `error` is the client's name of the reason."""

    def __init__(self, error: str, sentence: str = "") -> None:
        super().__init__(f"{error}: {sentence}" if sentence else error)
        self.error = error


class ClientBroken(Exception):
    """The client itself failed: it died, hung, or said something that its adapter does not understand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    key: bytes | None = None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int | None = None
    """None lets the client take its clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMessage:
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicShape:
    partition_count: int
    replication_factor: int


@dataclass(frozen=True, slots=True)
class Beginning:
    pass


@dataclass(frozen=True, slots=True)
class End:
    pass


@dataclass(frozen=True, slots=True)
class AtOffset:
    offset: int


@dataclass(frozen=True, slots=True)
class AtTimestamp:
    timestamp_ms: int


Start = Beginning | End | AtOffset | AtTimestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How messages are produced."""

    codec: Codec = Codec.NONE
    acks: int = -1
    is_idempotent: bool = False


PLAIN_WRITING = Writing()


def nothing_to_do() -> None:
    """What a reader does on its position when the scenario has no step there."""


class Client(Protocol):
    """One unmodified client, connected to one node."""

    name: str
    abilities: frozenset[Ability]
    codecs: frozenset[Codec]

    def create_topic(
        self, topic: str, *, partition_count: int, replication_factor: int = 1, settings: dict[str, str] | None = None
    ) -> None: ...

    def grow_topic(self, topic: str, partition_count: int) -> None: ...

    def delete_topic(self, topic: str) -> None: ...

    def describe_topic(self, topic: str) -> TopicShape:
        """Raises Refused for a topic that is not there."""
        ...

    def topic_names(self) -> set[str]: ...

    def topic_setting(self, topic: str, name: str) -> str: ...

    def alter_topic_setting(self, topic: str, name: str, value: str) -> None: ...

    def delete_records(self, topic: str, partition: int, before_offset: int) -> None: ...

    def write(self, topic: str, partition: int, messages: Sequence[Message], writing: Writing = PLAIN_WRITING) -> None: ...

    def read(
        self, topic: str, partition: int, start: Start, count: int, when_positioned: Callable[[], None] = nothing_to_do
    ) -> list[ReadMessage]:
        """The next `count` messages; `when_positioned` is called once, after the position is known and before the first message."""
        ...

    def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset that is there, and the next one that will be."""
        ...

    def close(self) -> None: ...
