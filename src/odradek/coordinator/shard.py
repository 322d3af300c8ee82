"""What a coordinator is to the runtime that drives it: decisions in, records and answers out (`CoordinatorShard.java`).

A shard holds the state of one partition of an internal topic. It is asked (a method that takes a ticket and the moment), told that
time has passed (`act_on_time`), and given records to `replay`. Every call answers with an `Outcome`: records, and answers for this
ticket or for others that have been waiting. The driver writes the records, replays those that are not applied, and lets the answers
go when everything that was written before them is committed; so nobody is told of what a crash could take back. If a write fails, the
driver throws the shard away and loads it anew: the log is the truth, and there is nothing to roll back.

What only lives in memory (who waits for a rebalance, whose session ends when) a shard changes while deciding; all that must outlive
it, only by records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NewType, Protocol, final

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.record import CoordinatorRecord
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import MetadataImage
from odradek.protocol.message import Message
from odradek.records.key_values import KeyValue
from odradek.records.plain_walk import Gatherer

# Names a request that waits for its answer; the driver gives them out.
Ticket = NewType("Ticket", int)


@final
class Moment:
    """When something is decided: `wall_ms` since 1970, which records bear, and `monotonic_ms`, by which deadlines are kept."""

    __slots__ = ("monotonic_ms", "wall_ms")

    def __init__(self, wall_ms: int, monotonic_ms: int) -> None:
        self.wall_ms = wall_ms
        self.monotonic_ms = monotonic_ms


@final
class Refusal:
    """An answer that is an error and nothing else; it is said in the words of the API that was asked."""

    __slots__ = ("code", "message")

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        self.code = code
        self.message = message

    def __repr__(self) -> str:
        return f"Refusal({self.code.name}, {self.message!r})"


Answer = Message | Refusal


@final
class Outcome:
    """What a decision comes to. The records of one outcome are written in one batch or not at all.

    `if_too_large` says what happens instead where they are more than a batch of the topic may hold; by default, whoever would have been
    answered hears of an error, and nothing else. `deeds` are what the driver has to do when the records are committed, in the words of the
    shard's own room. `producer` is the one, by id and epoch, in whose transaction the records are written; they count with its end.
    """

    __slots__ = ("answers", "deeds", "if_too_large", "producer", "records")

    def __init__(
        self,
        records: list[CoordinatorRecord] | None = None,
        answers: list[tuple[Ticket, Answer]] | None = None,
        if_too_large: Callable[[Moment], Outcome] | None = None,
        deeds: Sequence[object] = (),
        producer: tuple[int, int] | None = None,
    ) -> None:
        self.records: list[CoordinatorRecord] = [] if records is None else records
        self.answers: list[tuple[Ticket, Answer]] = [] if answers is None else answers
        self.if_too_large = if_too_large
        self.deeds = list(deeds)
        self.producer = producer

    @classmethod
    def answer(cls, ticket: Ticket, answer: Answer) -> Outcome:
        """Nothing is written; `ticket` is answered."""
        return cls(answers=[(ticket, answer)])

    @classmethod
    def refusal(cls, ticket: Ticket, code: ErrorCode, message: str | None = None) -> Outcome:
        """Nothing is written; `ticket` is refused."""
        return cls(answers=[(ticket, Refusal(code, message))])

    def add(self, other: Outcome) -> None:
        """What `other` comes to as well, after this and in the same batch."""
        self.records += other.records
        self.answers += other.answers
        self.deeds += other.deeds
        self.if_too_large = self.if_too_large or other.if_too_large

    def instead(self, now: Moment) -> Outcome:
        """What happens where the records are too large to be written."""
        if self.if_too_large is not None:
            return self.if_too_large(now)
        return Outcome(answers=[(ticket, Refusal(ErrorCode.UNKNOWN_SERVER_ERROR)) for ticket, _ in self.answers])


@final
class Encoded:
    """Records as the batch that is to be written, and what takes them in once they are staged, called with the first one's offset.

    `deeds` as in `Outcome`.
    """

    __slots__ = ("batch", "deeds", "take_in")

    def __init__(self, batch: bytes, take_in: Callable[[int], None], deeds: Sequence[object] = ()) -> None:
        self.batch = batch
        self.take_in = take_in
        self.deeds = deeds


class ShardGatherer(Gatherer, Protocol):
    """What the plain records of a partition come to, before its shard sees them."""

    def others(self) -> Iterable[KeyValue]:
        """What is left to `Shard.replay`, in the order of the offsets; the rest comes with `Shard.replay_gathered`."""
        ...


class Shard(Protocol):
    """The part of a coordinator that one partition of its topic keeps."""

    def gatherer(self) -> ShardGatherer:
        """Takes the plain records while the shard is loaded, in another thread; asked for once, before anything is replayed."""
        ...

    def replay(self, record: CoordinatorRecord, *, offset: int, producer_id: int) -> None:
        """Take in a record; `producer_id` is not -1 where it belongs to a transaction that is not decided yet."""
        ...

    def replay_end_of_transaction(self, producer_id: int, *, is_committed: bool) -> None:
        """The transaction of a producer has ended."""
        ...

    def replay_gathered(self) -> Iterable[int]:
        """All else has been replayed: take in what the gatherer has kept for the shard, in parts of a few milliseconds.

        After each part, how many records it was.
        """
        ...

    def on_loaded(self, image: MetadataImage, now: Moment) -> Outcome:
        """Everything has been replayed: begin to coordinate."""
        ...

    def on_metadata_update(self, delta: MetadataDelta, image: MetadataImage, now: Moment) -> Iterable[Outcome]:
        """The cluster is now as `image` says. Each outcome is taken in before the next is asked for."""
        ...

    def next_deadline_ms(self) -> int | None:
        """When `act_on_time` has something to do, in monotonic time."""
        ...

    def act_on_time(self, now: Moment) -> Iterable[Outcome]:
        """Do everything whose time has come. Each outcome is taken in before the next is asked for."""
        ...
