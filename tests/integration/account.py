"""What producers sent and were told, and whether a log that was read back agrees with it.

Every record says who sent it, to which partition and as its how-manieth; the rest of its value follows from that, so that a record is
recognised wherever it turns up and every byte of it can be checked. The promises that `judge` holds a node to, after any number of
crashes of its process (a crash of the machine is another matter):

- every acknowledged record stands at the offset that was acknowledged;
- offsets have no holes, and no offset holds two things in its life;
- an idempotent producer's records are there once each and in order;
- a plain producer's records may be doubled by its retries, but never after they were acknowledged, and those of one that has a single
  request in flight are in order apart from that.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from odradek.base.identifiers import TopicPartition

SMALL_SIZE_MAX: Final = 700
LARGE_SIZE_MAX: Final = 6000
# One in so many records is large, so that batches of every size are torn.
LARGE_EVERY: Final = 40

_WORDS: Final = b" ".join(random.Random(7).choice([b"odradek", b"spool", b"star", b"thread", b"attic", b"stairs"]) for _ in range(4000))
_NOISE: Final = random.Random(8).randbytes(20_000)


class Identity(NamedTuple):
    """One record of one producer, in one partition: the `number`-th that was sent there, from 0 on."""

    producer: str
    partition: TopicPartition
    number: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as it was read. `identity` is None if the value is none that a producer sent."""

    offset: int
    identity: Identity | None


@dataclass(slots=True)
class Account:
    """One producer's. `sent` counts per partition; `acknowledged` holds the offset that each record was told to have."""

    producer: str
    is_idempotent: bool
    keeps_order: bool
    sent: Counter[TopicPartition] = field(default_factory=Counter)
    acknowledged: dict[Identity, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Verdict:
    """`faults` are sentences, empty if every promise was kept; the counts tell that there was something to judge."""

    faults: list[str] = field(default_factory=list)
    records: int = 0
    acknowledged: int = 0
    doubled: int = 0


def value_of(identity: Identity) -> bytes:
    """The value of a record: who it is in words, then words or noise, by its number."""
    front = f"{identity.producer}|{identity.partition.topic}|{identity.partition.partition}|{identity.number}|".encode()
    size_max = LARGE_SIZE_MAX if identity.number % LARGE_EVERY == LARGE_EVERY - 1 else SMALL_SIZE_MAX
    filling = _NOISE if identity.number % 3 == 0 else _WORDS
    start = identity.number * 131 % 10_000
    return front + filling[start : start + identity.number * 37 % size_max]


def identity_in(value: bytes | None) -> Identity | None:
    """Who the record with this value is; None if a single byte is wrong."""
    parts = (value or b"").split(b"|", 4)
    if len(parts) != 5 or not parts[2].isdigit() or not parts[3].isdigit():
        return None
    identity = Identity(parts[0].decode(errors="replace"), TopicPartition(parts[1].decode(errors="replace"), int(parts[2])), int(parts[3]))
    return identity if value_of(identity) == value else None


def judge(accounts: Sequence[Account], read: Mapping[TopicPartition, Sequence[Seen]]) -> Verdict:
    """Hold what was read, every partition from its first offset to its end, against what the producers know."""
    verdict = Verdict()
    offsets_of: dict[Identity, list[int]] = defaultdict(list)
    for partition, records in read.items():
        verdict.records += len(records)
        for position, seen in enumerate(records):
            if seen.offset != position:
                verdict.faults.append(f"{partition} has a hole or a repetition: offset {seen.offset} comes as number {position}")
                break
            if seen.identity is None or seen.identity.partition != partition:
                verdict.faults.append(f"{partition} holds something nobody sent at offset {seen.offset}: {seen.identity}")
            else:
                offsets_of[seen.identity].append(seen.offset)
    for account in accounts:
        _judge_account(account, offsets_of, verdict)
    strangers = {identity.producer for identity in offsets_of} - {account.producer for account in accounts}
    verdict.faults += [f"nobody knows the producer {stranger}" for stranger in sorted(strangers)]
    return verdict


def _judge_account(account: Account, offsets_of: Mapping[Identity, Sequence[int]], verdict: Verdict) -> None:
    verdict.acknowledged += len(account.acknowledged)
    verdict.faults += [f"{account.producer} was refused: {sentence}" for sentence in account.refused]
    for identity, offset in account.acknowledged.items():
        found = offsets_of.get(identity, ())
        if offset not in found:
            verdict.faults.append(f"{identity} was acknowledged at {offset} and is at {list(found)}")
        elif found[-1] != offset:
            verdict.faults.append(f"{identity} was acknowledged at {offset} and is there again at {found[-1]}")
    for partition, sent in account.sent.items():
        found_in_order = [offsets_of.get(Identity(account.producer, partition, number), ()) for number in range(sent)]
        doubled = sum(len(found) - 1 for found in found_in_order if found)
        verdict.doubled += doubled
        if account.is_idempotent and doubled:
            numbers = [number for number, found in enumerate(found_in_order) if len(found) > 1]
            verdict.faults.append(f"{doubled} records of the idempotent {account.producer} are doubled in {partition}: {numbers[:20]}")
        if account.keeps_order:
            places = [(number, list(found)) for number, found in enumerate(found_in_order) if found]
            for (number, found), (next_number, next_found) in pairwise(places):
                if found[0] > next_found[0]:
                    where = f"{number} is at {found}, {next_number} at {next_found}"
                    verdict.faults.append(f"the records of {account.producer} are out of order in {partition}: {where}")
                    break
