"""The checks of a transactional history, one function each: what is known goes in, what is wrong comes out.

None of them guesses: where two operations overlap, or an outcome is unknown and nobody has seen it, every way it can have been is allowed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from odradek.testing.transaction_anomalies import Anomaly, AnomalyKind
from odradek.testing.transaction_knowledge import Knowledge, KnownOffset, KnownRecord
from odradek.testing.transaction_operations import Isolation, Place, Polled


def foreign_records(known: Knowledge) -> Iterator[Anomaly]:
    for value, poll, offset in known.foreign:
        yield Anomaly(AnomalyKind.FOREIGN, f"{_named(_place_of(poll))} has {value} at {offset}, which nobody has sent there")


def one_offset_each(known: Knowledge) -> Iterator[Anomaly]:
    for record in known.records.values():
        if len(record.offsets) > 1:
            told = " and ".join(str(offset) for offset in sorted(record.offsets))
            yield Anomaly(AnomalyKind.DUPLICATE, f"{_named(record.place)} has {record.value} at {told}")
    for place, placed in known.records_at().items():
        for (offset, record), (next_offset, following) in pairwise(placed):
            if offset == next_offset:
                yield Anomaly(AnomalyKind.OFFSET_REUSED, f"{_named(place)} has {record.value} and {following.value} at {offset}")


def committed_records_are_there(known: Knowledge) -> Iterator[Anomaly]:
    """Readers are given every committed record that they pass; one that is known to nobody but its producer is looked for in the end."""
    places = known.records_at()
    for poll in known.polls:
        given = {value for _, value in poll.records}
        placed = places.get(_place_of(poll), [])
        first = bisect_left(placed, poll.position, key=_offset_of)
        for offset, record in placed[first : bisect_left(placed, poll.next_position, key=_offset_of)]:
            if record.value in given:
                continue
            if poll.isolation is Isolation.READ_UNCOMMITTED or record.transaction.told:
                sentence = f"{poll.reader} passed {offset} of {_named(record.place)} and was not given {record.value}"
                yield Anomaly(AnomalyKind.LOST_WRITE, sentence)
            elif record.transaction.is_committed:
                sentence = (
                    f"{record.transaction.name} is seen, and {poll.reader} passed its {record.value} at {offset} without being given it"
                )
                yield Anomaly(AnomalyKind.FRACTURED, sentence)


def everything_was_read(known: Knowledge) -> Iterator[Anomaly]:
    """With the ends of a partition known, an acknowledged record is between them, and read by somebody."""
    for record in known.records.values():
        ends = known.ends.get(record.place)
        if ends is None or record.acknowledged_at is None:
            continue
        offset = max(record.offsets)
        if offset >= ends.high_watermark:
            sentence = f"{record.value} was acknowledged at {offset} of {_named(record.place)}, which ends at {ends.high_watermark}"
            yield Anomaly(AnomalyKind.LOST_WRITE, sentence)
        elif offset >= ends.log_start_offset and record.transaction.told and not record.is_seen_committed:
            yield Anomaly(AnomalyKind.UNSEEN, f"{record.value} at {offset} of {_named(record.place)} was read by nobody")


def seen_transactions_are_whole(known: Knowledge) -> Iterator[Anomaly]:
    """Where one part of a transaction of unknown outcome shows, so does every part of it that anybody knows to be in a log."""
    for transaction in known.transactions.values():
        if transaction.told is not None or not transaction.is_committed:
            continue
        for record in transaction.records:
            ends = known.ends.get(record.place)
            is_in_log = record.acknowledged_at is not None or record.is_seen
            if is_in_log and not record.is_seen_committed and ends is not None and max(record.offsets) >= ends.log_start_offset:
                sentence = f"{transaction.name} is seen, and its {record.value} in {_named(record.place)} is not"
                yield Anomaly(AnomalyKind.FRACTURED, sentence)


def only_committed_records_are_read(known: Knowledge) -> Iterator[Anomaly]:
    for poll in known.polls:
        if poll.isolation is Isolation.READ_UNCOMMITTED:
            continue
        for offset, value in poll.records:
            record = known.records.get(value)
            if record is None:
                continue
            transaction = record.transaction
            where = f"{poll.reader} was given {value} at {offset} of {_named(record.place)}"
            if transaction.is_surely_aborted:
                yield Anomaly(AnomalyKind.ABORTED_READ, f"{where}, and {transaction.name} was not committed")
            elif transaction.commit_asked_at is not None and poll.at < transaction.commit_asked_at:
                yield Anomaly(AnomalyKind.EARLY_READ, f"{where} before anybody asked to commit {transaction.name}")


def order_is_kept(known: Knowledge) -> Iterator[Anomaly]:
    for placed in known.records_at().values():
        last_of_session: dict[str, KnownRecord] = {}
        for offset, record in placed:
            before = last_of_session.get(record.transaction.session)
            if before is not None and before.sent_at > record.sent_at:
                yield _reordered(record, offset, f"{before.value}, which the same producer sent after it")
            last_of_session[record.transaction.session] = record
        # From the end on: of all that lies behind, what was acknowledged first.
        earliest: KnownRecord | None = None
        for offset, record in reversed(placed):
            if earliest is not None and earliest.acknowledged_at is not None and earliest.acknowledged_at < record.sent_at:
                yield Anomaly(
                    AnomalyKind.REORDERED,
                    f"{_named(record.place)} has {record.value} at {offset}, before {earliest.value}, "
                    "which was acknowledged before the former was sent",
                )
            acknowledged_at = record.acknowledged_at
            if acknowledged_at is not None and (earliest is None or acknowledged_at < (earliest.acknowledged_at or 0)):
                earliest = record


def fenced_producers_write_nothing(known: Knowledge) -> Iterator[Anomaly]:
    for record in known.records.values():
        if record.is_seen and (by := _fenced_by(known, record.transaction.session, record.sent_at)) is not None:
            sentence = f"{_named(record.place)} has {record.value}, which {record.transaction.session} sent when {by} had taken its name"
            yield Anomaly(AnomalyKind.FENCED_WRITE, sentence)
    for transaction in known.transactions.values():
        asked_at = transaction.commit_asked_at
        if asked_at is None or not transaction.is_committed or not (transaction.records or transaction.offsets):
            continue
        if (by := _fenced_by(known, transaction.session, asked_at)) is not None:
            sentence = f"{transaction.name} was committed, as {transaction.session} wished when {by} had taken its name"
            yield Anomaly(AnomalyKind.FENCED_COMMIT, sentence)


def no_circles_of_reads(known: Knowledge) -> Iterator[Anomaly]:
    """A transaction that has read another's records is after it."""
    after: dict[str, set[str]] = defaultdict(set)
    for poll in known.polls:
        reader = None if poll.transaction is None else known.transactions.get(poll.transaction)
        if reader is None or not reader.is_committed or poll.isolation is Isolation.READ_UNCOMMITTED:
            continue
        for _, value in poll.records:
            record = known.records.get(value)
            if record is not None and record.transaction is not reader:
                after[reader.name].add(record.transaction.name)
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        yield Anomaly(AnomalyKind.READ_CYCLE, " has been read by ".join(error.args[1]))


def groups_have_the_last_committed_offsets(known: Knowledge) -> Iterator[Anomaly]:
    commits: dict[tuple[str, Place], list[KnownOffset]] = defaultdict(list)
    for commit in known.commits.values():
        commits[commit.group, commit.place].append(commit)
    for fetched in known.fetches:
        of_place = commits[fetched.group, (fetched.topic, fetched.partition)]
        where = f"{fetched.group} has {fetched.offset} in {fetched.topic}-{fetched.partition}"
        brought = [commit for commit in of_place if commit.offset == fetched.offset]
        possible = [it for it in brought if it.may_count_from is not None and it.may_count_from < fetched.at]
        if fetched.offset >= 0 and not possible:
            who = ", ".join(commit.commit for commit in brought) or "nobody"
            yield Anomaly(AnomalyKind.OFFSET_OF_ABORTED, f"{where}, which {who} brought and did not commit before it was read")
            continue
        firm = [it for it in of_place if it.is_in_force and it.in_force_since is not None and it.in_force_since < fetched.asked_at]
        overtaken = next((it for it in firm if all(_is_before(commit, it) for commit in possible)), None)
        if overtaken is not None:
            yield Anomaly(AnomalyKind.OFFSET_LOST, f"{where}; {overtaken.commit} had committed {overtaken.offset} later")


def transactions_come_to_an_end(known: Knowledge) -> Iterator[Anomaly]:
    for place, ends in known.ends.items():
        if ends.last_stable_offset < ends.high_watermark:
            sentence = f"{_named(place)} is stable up to {ends.last_stable_offset} of {ends.high_watermark}, and everybody is quiet"
            yield Anomaly(AnomalyKind.HANGING, sentence)


CHECKS: tuple[Callable[[Knowledge], Iterable[Anomaly]], ...] = (
    foreign_records,
    one_offset_each,
    committed_records_are_there,
    everything_was_read,
    seen_transactions_are_whole,
    only_committed_records_are_read,
    order_is_kept,
    fenced_producers_write_nothing,
    no_circles_of_reads,
    groups_have_the_last_committed_offsets,
    transactions_come_to_an_end,
)


def check_copy(source: Sequence[str], copies: Sequence[str]) -> list[Anomaly]:
    """Whether `copies`, read committed from one partition, are the records of `source`, one partition too, each once and in order.

    `copies` may come from several partitions one after the other if order is no matter there: then sort both.
    """
    wrong = []
    counted, expected = Counter(copies), Counter(source)
    for value, number in (expected - counted).items():
        wrong.append(Anomaly(AnomalyKind.COPY_NOT_EXACT, f"{value} was copied {counted[value]} times instead of {number + counted[value]}"))
    for value, number in (counted - expected).items():
        wrong.append(Anomaly(AnomalyKind.COPY_NOT_EXACT, f"{value} was copied {counted[value]} times, {number} too many"))
    if not wrong and list(copies) != list(source):
        first = next(value for value, original in zip(copies, source, strict=True) if value != original)
        wrong.append(Anomaly(AnomalyKind.COPY_NOT_EXACT, f"{first} is not in its place in the copy"))
    return wrong


def _is_before(commit: KnownOffset, later: KnownOffset) -> bool:
    """Whether `commit` was written before `later` for certain, so that it cannot be what is in force after that."""
    if commit is later:
        return False
    return commit.acknowledged_at is not None and commit.acknowledged_at < later.sent_at


def _fenced_by(known: Knowledge, session: str, at: int) -> str | None:
    """Who has taken over the transactional id of `session` before `at`; None if nobody has for certain."""
    begun = known.sessions.get(known.transactional_ids.get(session, ""), [])
    own = [it.at for it in begun if it.session == session and it.at <= at]
    return next((it.session for it in begun if own and it.session != session and it.asked_at > own[-1] and it.at < at), None)


def _reordered(record: KnownRecord, offset: int, what: str) -> Anomaly:
    return Anomaly(AnomalyKind.REORDERED, f"{_named(record.place)} has {record.value} at {offset}, behind {what}")


def _place_of(poll: Polled) -> Place:
    return poll.topic, poll.partition


def _named(place: Place) -> str:
    return f"{place[0]}-{place[1]}"


def _offset_of(placed: tuple[int, KnownRecord]) -> int:
    return placed[0]
