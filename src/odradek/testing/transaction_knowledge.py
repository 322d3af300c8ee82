"""What a transactional history comes to: its records, transactions and offsets, each with all that was ever said of it.

A transaction whose producer was not told how it ended is taken to be what its readers saw: committed if one that reads committed data had
any of its records, or if a group has an offset that only it can have brought; not committed otherwise. So an unknown outcome is still one
outcome, the same for everything in the transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from odradek.testing.transaction_operations import (
    Acknowledged,
    EndAsked,
    EndsTold,
    EndTold,
    Isolation,
    OffsetAcknowledged,
    OffsetFetched,
    OffsetSent,
    Operation,
    Place,
    Polled,
    ProducerBegan,
    Sent,
    TransactionBegan,
)

Thing = TypeVar("Thing")


@dataclass(slots=True)
class KnownRecord:
    """One record that was sent. `offsets` are all that anybody was ever told for it; -1 is in none."""

    value: str
    transaction: KnownTransaction
    place: Place
    sent_at: int
    acknowledged_at: int | None = None
    offsets: set[int] = field(default_factory=set)
    is_seen: bool = False
    is_seen_committed: bool = False


@dataclass(slots=True)
class KnownOffset:
    """One offset that was committed, by itself or in a transaction."""

    commit: str
    transaction: KnownTransaction | None
    group: str
    place: Place
    offset: int
    sent_at: int
    acknowledged_at: int | None = None

    @property
    def is_in_force(self) -> bool:
        """Whether it was committed for certain."""
        if self.acknowledged_at is None:
            return False
        return self.transaction is None or self.transaction.is_committed

    @property
    def in_force_since(self) -> int | None:
        """When somebody was told that it counts; None where nobody was."""
        return self.acknowledged_at if self.transaction is None else self.transaction.told_at

    @property
    def may_count_from(self) -> int | None:
        """Before this it cannot count; None where it never may."""
        if self.transaction is None:
            return self.sent_at
        return None if self.transaction.is_surely_aborted else self.transaction.commit_asked_at


@dataclass(slots=True)
class KnownTransaction:
    """One transaction; `told` is the outcome that its producer was given."""

    name: str
    session: str
    began_at: int
    records: list[KnownRecord] = field(default_factory=list)
    offsets: list[KnownOffset] = field(default_factory=list)
    commit_asked_at: int | None = None
    told: bool | None = None
    told_at: int | None = None
    is_seen: bool = False

    @property
    def is_surely_aborted(self) -> bool:
        """Nobody wanted it to be committed, or its producer was told that it is not."""
        return self.told is False or self.commit_asked_at is None

    @property
    def is_committed(self) -> bool:
        """As its producer was told, else as readers saw it."""
        return self.told is True or (self.is_seen and not self.is_surely_aborted)


@dataclass(slots=True)
class Knowledge:
    """All of a history. `foreign` are values that were read and that nobody sent, with where."""

    transactions: dict[str, KnownTransaction] = field(default_factory=dict)
    records: dict[str, KnownRecord] = field(default_factory=dict)
    commits: dict[str, KnownOffset] = field(default_factory=dict)
    # By transactional id, in the order of their answers.
    sessions: dict[str, list[ProducerBegan]] = field(default_factory=lambda: defaultdict(list))
    # Of each session that has said that it began.
    transactional_ids: dict[str, str] = field(default_factory=dict)
    polls: list[Polled] = field(default_factory=list)
    fetches: list[OffsetFetched] = field(default_factory=list)
    ends: dict[Place, EndsTold] = field(default_factory=dict)
    foreign: list[tuple[str, Polled, int]] = field(default_factory=list)

    def records_at(self) -> dict[Place, list[tuple[int, KnownRecord]]]:
        """Of each partition what is at which offset, by offset; a record that was told two offsets is there twice."""
        found: dict[Place, list[tuple[int, KnownRecord]]] = defaultdict(list)
        for record in self.records.values():
            found[record.place] += [(offset, record) for offset in record.offsets]
        for placed in found.values():
            placed.sort(key=lambda item: item[0])
        return found


def learn(operations: Iterable[Operation]) -> Knowledge:
    """Put a history together; the order of `operations` does not matter.

    Raises:
        ValueError: it is no history: a value was sent twice, or something refers to what never was, or was told two outcomes.
    """
    known = Knowledge()
    for operation in sorted(operations, key=lambda it: (it.at, _rank(it))):
        _take(known, operation)
    for poll in known.polls:
        _take_poll(known, poll)
    for fetched in known.fetches:
        _take_evidence(known, fetched)
    return known


def _rank(operation: Operation) -> int:
    """What has to be known before what, among operations of one time."""
    order = (ProducerBegan, TransactionBegan, Sent, OffsetSent, Acknowledged, OffsetAcknowledged, EndAsked, EndTold)
    return next((rank for rank, kind in enumerate(order) if isinstance(operation, kind)), len(order))


def _take(known: Knowledge, operation: Operation) -> None:
    match operation:
        case ProducerBegan():
            known.sessions[operation.transactional_id].append(operation)
            known.transactional_ids[operation.session] = operation.transactional_id
        case TransactionBegan():
            _refuse_second(operation.transaction in known.transactions, f"transaction {operation.transaction} began twice")
            known.transactions[operation.transaction] = KnownTransaction(operation.transaction, operation.session, operation.at)
        case Sent():
            _refuse_second(operation.value in known.records, f"{operation.value} was sent twice")
            transaction = _known(known.transactions, operation.transaction)
            record = KnownRecord(operation.value, transaction, (operation.topic, operation.partition), operation.at)
            known.records[operation.value] = record
            transaction.records.append(record)
        case Acknowledged():
            record = _known(known.records, operation.value)
            record.acknowledged_at = operation.at
            record.offsets.add(operation.offset)
        case OffsetSent():
            _refuse_second(operation.commit in known.commits, f"offset commit {operation.commit} was sent twice")
            within = None if operation.transaction is None else _known(known.transactions, operation.transaction)
            place = (operation.topic, operation.partition)
            commit = KnownOffset(operation.commit, within, operation.group, place, operation.offset, operation.at)
            known.commits[operation.commit] = commit
            if within is not None:
                within.offsets.append(commit)
        case OffsetAcknowledged():
            _known(known.commits, operation.commit).acknowledged_at = operation.at
        case EndAsked():
            transaction = _known(known.transactions, operation.transaction)
            if operation.is_commit and transaction.commit_asked_at is None:
                transaction.commit_asked_at = operation.at
        case EndTold():
            transaction = _known(known.transactions, operation.transaction)
            _refuse_second(transaction.told not in (None, operation.is_commit), f"{transaction.name} was told two outcomes")
            if transaction.told is None:
                transaction.told, transaction.told_at = operation.is_commit, operation.at
        case Polled():
            known.polls.append(operation)
        case OffsetFetched():
            known.fetches.append(operation)
        case EndsTold():
            known.ends[operation.topic, operation.partition] = operation


def _take_poll(known: Knowledge, poll: Polled) -> None:
    place = (poll.topic, poll.partition)
    for offset, value in poll.records:
        record = known.records.get(value)
        if record is None or record.place != place:
            known.foreign.append((value, poll, offset))
            continue
        record.offsets.add(offset)
        record.is_seen = True
        if poll.isolation is Isolation.READ_COMMITTED:
            record.is_seen_committed = True
            record.transaction.is_seen = True


def _take_evidence(known: Knowledge, fetched: OffsetFetched) -> None:
    """An offset that only one commit can have brought shows that its transaction was committed."""
    possible = [
        commit
        for commit in known.commits.values()
        if (commit.group, commit.place, commit.offset) == (fetched.group, (fetched.topic, fetched.partition), fetched.offset)
        and commit.may_count_from is not None
        and commit.may_count_from < fetched.at
    ]
    if len(possible) == 1 and possible[0].transaction is not None:
        possible[0].transaction.is_seen = True


def _known(things: dict[str, Thing], name: str) -> Thing:
    found = things.get(name)
    if found is None:
        raise ValueError(f"nobody has begun or sent {name}")
    return found


def _refuse_second(is_second: bool, sentence: str) -> None:
    if is_second:
        raise ValueError(sentence)
