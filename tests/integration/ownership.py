"""What the members of a group have seen and done, and whether a group may have behaved so.

A history is the notes that members made of themselves, and those that were made of them (that a process was killed, or stood still), all by
one clock. `judge` holds it to what a group promises whatever its members do, in either protocol:

- every record is read by somebody;
- a partition has one owner at a time, and one in each epoch of the group. Who stands still, is dead or was thought so may believe what it
  likes until it is told;
- an owner reads on without a gap or a repetition, and begins at the commit: not before the last one that was acknowledged to anybody when
  it got the partition, and not behind what anybody had asked to commit. So a record is read twice only if it was read after that commit;
- nobody commits for a partition that has been given to another one;
- no partition is without an owner for longer than the timeouts allow.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

# What is wrong once is often wrong all along.
_FAULTS_PER_PARTITION_MAX: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """The member was given partitions. `epoch` is the generation, or the member's epoch; None where the client does not tell."""

    member: str
    at_ms: int
    partitions: tuple[int, ...]
    epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The member has given partitions back, before the group hears of it. `is_lost`: it was thrown out, and is told afterwards."""

    member: str
    at_ms: int
    partitions: tuple[int, ...]
    is_lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """The member has got the records from `first` to `last`, in order and without a gap."""

    member: str
    at_ms: int
    partition: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitAsked:
    """The member is about to commit: the next offset by partition."""

    member: str
    at_ms: int
    offsets: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitAcknowledged:
    """What was asked for at `asked_ms` is committed, as far as `offsets` says."""

    member: str
    at_ms: int
    asked_ms: int
    offsets: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoodStill:
    """The member's process did nothing at all from `at_ms` to `until_ms`."""

    member: str
    at_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """The member reads nothing more: it commits and gives back what it has, or is thought dead before it gets to that."""

    member: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The member has left, or its process was killed."""

    member: str
    at_ms: int


Note = Assigned | Released | Read | CommitAsked | CommitAcknowledged | StoodStill | Leaving | Ended

_KINDS: Final[Mapping[str, type[Note]]] = {
    kind.__name__: kind for kind in (Assigned, Released, Read, CommitAsked, CommitAcknowledged, StoodStill, Leaving, Ended)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the history is held to. `ends` has the number of records by partition, which begin at 0; times are of the notes' clock."""

    ends: Mapping[int, int]
    begins_ms: int
    ends_ms: int
    without_owner_ms_max: int


@dataclass(slots=True)
class Verdict:
    """`faults` are sentences, empty if every promise was kept; the figures tell that there was something to judge.

    `epochs` counts those in which a member was given something, if only to know that nothing is new, and `last_epoch` is the highest of
    them: in the classic protocol, where an epoch is a generation, the others had a leader who was gone before he had assigned anything.
    """

    faults: list[str] = field(default_factory=list)
    records: int = 0
    repeated: int = 0
    reigns: int = 0
    lost: int = 0
    epochs: int = 0
    last_epoch: int = 0
    without_owner_ms: int = 0

    def __str__(self) -> str:
        return (
            f"{self.records} records, {self.repeated} read again; {self.reigns} times a partition was given to a member, {self.lost} times "
            f"taken from one that was thought dead; epochs up to {self.last_epoch}, with assignments in {self.epochs}; at most "
            f"{self.without_owner_ms} ms without an owner; {len(self.faults)} faults"
        )


@dataclass(slots=True)
class _Reign:
    """A partition in the hands of one member. It counts as the only owner until `alone_until_ms`, though it may believe longer."""

    member: str
    epoch: int | None
    begin_ms: int
    end_ms: int
    alone_until_ms: int
    is_lost: bool = False
    still: list[tuple[int, int]] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.member} (epoch {self.epoch}, {self.begin_ms} to {self.end_ms} ms)"


@dataclass(slots=True)
class _Commit:
    """One partition's part of a commit; `acknowledged_ms` is None if nobody was told that it succeeded."""

    member: str
    asked_ms: int
    offset: int
    acknowledged_ms: int | None = None


def as_line(note: Note) -> str:
    """The note as one line of text."""
    return json.dumps([type(note).__name__, asdict(note)]) + "\n"


def from_line(line: str) -> Note:
    """The note that `as_line` made a line of."""
    kind, fields = json.loads(line)
    if "offsets" in fields:
        fields["offsets"] = {int(partition): offset for partition, offset in fields["offsets"].items()}
    if "partitions" in fields:
        fields["partitions"] = tuple(fields["partitions"])
    return _KINDS[kind](**fields)


def judge(notes: Iterable[Note], expected: Expectation) -> Verdict:
    """Hold a history, in any order of its members but with each member's notes in theirs, to what a group promises."""
    verdict = Verdict()
    history = _History(notes, expected, verdict)
    verdict.epochs = len(history.epochs)
    verdict.last_epoch = max(history.epochs, default=0)
    for partition, end in expected.ends.items():
        faults = _Faults(partition)
        reigns = sorted(history.reigns[partition], key=lambda reign: reign.begin_ms)
        commits = history.commits[partition]
        verdict.reigns += len(reigns)
        _judge_reads(reigns, end, verdict, faults)
        for reign in reigns:
            _judge_begin(reign, commits, faults)
        _judge_owners(reigns, faults)
        _judge_commits(commits, reigns, faults)
        _judge_time_without_owner(reigns, expected, verdict, faults)
        verdict.faults += faults.sentences[:_FAULTS_PER_PARTITION_MAX]
    return verdict


class _Faults:
    """What is wrong with one partition."""

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self.sentences: list[str] = []

    def add(self, sentence: str) -> None:
        self.sentences.append(f"partition {self._partition}: {sentence}")


class _History:
    """The notes, by partition."""

    def __init__(self, notes: Iterable[Note], expected: Expectation, verdict: Verdict) -> None:
        self.reigns: defaultdict[int, list[_Reign]] = defaultdict(list)
        self.commits: defaultdict[int, list[_Commit]] = defaultdict(list)
        self.epochs: set[int] = set()
        self._verdict = verdict
        self._current: dict[tuple[str, int], _Reign] = {}
        self._ends_ms = expected.ends_ms
        still: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        for note in notes:
            if isinstance(note, StoodStill):
                still[note.member].append((note.at_ms, note.until_ms))
            else:
                self._take(note)
        for reigns in self.reigns.values():
            for reign in reigns:
                self._limit(reign, still[reign.member], expected.without_owner_ms_max)

    def _limit(self, reign: _Reign, still: list[tuple[int, int]], told_ms_max: int) -> None:
        """Who stands still is not the owner from then on. Who hears that he was thought dead may have been so for a while."""
        reign.still = sorted(span for span in still if reign.begin_ms < span[1] and span[0] < reign.end_ms)
        if reign.still:
            reign.alone_until_ms = min(reign.alone_until_ms, max(reign.still[0][0], reign.begin_ms))
        if reign.is_lost:
            reign.alone_until_ms = min(reign.alone_until_ms, max(reign.end_ms - told_ms_max, reign.begin_ms))

    def _take(self, note: Note) -> None:
        match note:
            case Assigned():
                if note.epoch is not None:
                    self.epochs.add(note.epoch)
                for partition in note.partitions:
                    self._begin(note, partition)
            case Released():
                for partition in note.partitions:
                    self._end(note.member, partition, note.at_ms, is_lost=note.is_lost)
            case Leaving():
                for reign in [reign for (member, _), reign in self._current.items() if member == note.member]:
                    reign.alone_until_ms = min(reign.alone_until_ms, max(note.at_ms, reign.begin_ms))
            case Ended():
                for member, partition in [key for key in self._current if key[0] == note.member]:
                    self._end(member, partition, note.at_ms, is_lost=False)
            case Read():
                self._reign(note.member, note.partition).reads.append(note)
            case CommitAsked():
                for partition, offset in note.offsets.items():
                    self.commits[partition].append(_Commit(note.member, note.at_ms, offset))
            case CommitAcknowledged():
                for partition, offset in note.offsets.items():
                    self._commit(note, partition, offset).acknowledged_ms = note.at_ms
            case _:
                raise AssertionError(f"{note} is taken before")

    def _begin(self, note: Assigned, partition: int) -> None:
        reign = _Reign(note.member, note.epoch, note.at_ms, self._ends_ms, self._ends_ms)
        if (note.member, partition) in self._current:
            self._verdict.faults.append(f"partition {partition}: {note.member} was given at {note.at_ms} ms what it has")
        self._current[note.member, partition] = reign
        self.reigns[partition].append(reign)

    def _end(self, member: str, partition: int, at_ms: int, *, is_lost: bool) -> None:
        reign = self._reign(member, partition)
        del self._current[member, partition]
        reign.end_ms = max(at_ms, reign.begin_ms)
        reign.alone_until_ms = min(reign.alone_until_ms, reign.end_ms)
        reign.is_lost = is_lost
        self._verdict.lost += is_lost

    def _reign(self, member: str, partition: int) -> _Reign:
        reign = self._current.get((member, partition))
        if reign is None:
            # Told once, and gone on with as if it had been given the partition, so that the rest is judged as well.
            self._verdict.faults.append(f"partition {partition}: {member} does something with it that it was not given")
            reign = self._current[member, partition] = _Reign(member, None, self._ends_ms, self._ends_ms, self._ends_ms)
        return reign

    def _commit(self, note: CommitAcknowledged, partition: int, offset: int) -> _Commit:
        for commit in reversed(self.commits[partition]):
            if (commit.member, commit.asked_ms, commit.offset) == (note.member, note.asked_ms, offset):
                return commit
        raise AssertionError(f"{note} answers nothing that was asked")


def _judge_reads(reigns: list[_Reign], end: int, verdict: Verdict, faults: _Faults) -> None:
    """Each owner reads on; together they read everything."""
    times_read = [0] * end
    for reign in reigns:
        position: int | None = None
        for read in reign.reads:
            if position is not None and read.first != position:
                faults.add(f"{reign} reads {read.first} where {position} is next")
            position = read.last + 1
            if position > end:
                faults.add(f"{reign} reads {read.last}, and there are {end} records")
            for offset in range(read.first, min(position, end)):
                times_read[offset] += 1
    verdict.records += end
    verdict.repeated += sum(times - 1 for times in times_read if times > 1)
    unread = [offset for offset, times in enumerate(times_read) if times == 0]
    if unread:
        faults.add(f"{len(unread)} of {end} records are lost, from {unread[0]} to {unread[-1]}")


def _judge_begin(reign: _Reign, commits: list[_Commit], faults: _Faults) -> None:
    """An owner begins where the commits are."""
    if not reign.reads:
        return
    first = reign.reads[0]
    begins_at = first.first
    acknowledged = [commit.offset for commit in commits if commit.acknowledged_ms is not None and commit.acknowledged_ms <= reign.begin_ms]
    lowest = max(acknowledged, default=0)
    highest = max((commit.offset for commit in commits if commit.asked_ms < first.at_ms), default=0)
    if begins_at < lowest:
        faults.add(f"{reign} begins at {begins_at}, and {lowest} was committed before")
    if begins_at > highest:
        faults.add(f"{reign} begins at {begins_at}, and nobody had asked to commit more than {highest}")


def _judge_owners(reigns: list[_Reign], faults: _Faults) -> None:
    """One owner at a time, and one in each epoch."""
    latest: _Reign | None = None
    for reign in reigns:
        if reign.alone_until_ms == reign.begin_ms:
            continue
        if latest is not None and latest.member != reign.member and reign.begin_ms < latest.alone_until_ms:
            faults.add(f"{latest} and {reign} own it at the same time")
        if latest is None or reign.alone_until_ms > latest.alone_until_ms:
            latest = reign
    owner_in: dict[int, _Reign] = {}
    for reign in reigns:
        if reign.epoch is None:
            continue
        known = owner_in.setdefault(reign.epoch, reign)
        if known.member != reign.member:
            faults.add(f"{known} and {reign} own it in one epoch")


def _judge_commits(commits: list[_Commit], reigns: list[_Reign], faults: _Faults) -> None:
    """Nobody's commit is taken that was asked for after another had the partition, unless it has it back by then."""
    for commit in commits:
        if commit.acknowledged_ms is None:
            continue
        begun = [reign for reign in reigns if reign.begin_ms < commit.asked_ms]
        own_ms = max((reign.begin_ms for reign in begun if reign.member == commit.member), default=-1)
        for reign in begun:
            if reign.member != commit.member and own_ms < reign.begin_ms < reign.alone_until_ms:
                faults.add(f"{commit.member} has committed {commit.offset} at {commit.asked_ms} ms, and {reign} has it since")
                break


def _judge_time_without_owner(reigns: list[_Reign], expected: Expectation, verdict: Verdict, faults: _Faults) -> None:
    """Somebody who is not dead has it, but for as long as it takes to find that out."""
    spans: list[tuple[int, int]] = []
    for reign in reigns:
        begin_ms = reign.begin_ms
        for still_ms, until_ms in reign.still:
            spans.append((begin_ms, max(still_ms, begin_ms)))
            begin_ms = min(until_ms, reign.end_ms)
        spans.append((begin_ms, reign.end_ms))
    covered_ms = expected.begins_ms
    for begin_ms, end_ms in [*sorted(spans), (expected.ends_ms, expected.ends_ms)]:
        missing_ms = begin_ms - covered_ms
        verdict.without_owner_ms = max(verdict.without_owner_ms, missing_ms)
        if missing_ms > expected.without_owner_ms_max:
            faults.add(f"it has no owner from {covered_ms} to {begin_ms} ms")
        covered_ms = max(covered_ms, end_ms)
