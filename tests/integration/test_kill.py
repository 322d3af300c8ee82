"""A process crash loses nothing that was acknowledged, doubles nothing that must not be doubled, and shows nothing that it takes back.

A few rounds here, as many as one likes with `make torture`.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from odradek.base.identifiers import TopicPartition
from tests.integration.account import Account, Identity, Seen, identity_in, judge, value_of
from tests.integration.torture import Ending, Plan, Story

ROUNDS = 5
STOPS = 4
# Half a minute at most on a machine of its own; what is waited for has limits of its own.
STORY_SECONDS_MAX = 300
# Far fewer would mean that the node served nothing between its deaths.
ACKNOWLEDGED_MIN = 2000

PARTITION = TopicPartition("t", 0)


@pytest.mark.timeout(STORY_SECONDS_MAX)
@pytest.mark.parametrize("directory_count", [1, 2])
def test_nothing_acknowledged_is_lost_and_nothing_doubled_when_the_node_is_killed_under_load(tmp_path: Path, directory_count: int) -> None:
    seed = int(os.environ.get("TORTURE_SEED", random.randrange(1_000_000)))
    plan = replace(Plan.of(seed, ROUNDS), directory_count=directory_count)

    outcome = Story(tmp_path, plan).tell()

    assert outcome.verdict.faults == [], f"TORTURE_SEED={seed}: {outcome}"
    assert set(outcome.endings) == set(Ending), "every way to end was taken"
    assert outcome.kills >= ROUNDS - outcome.endings[Ending.STOP]
    assert outcome.verdict.acknowledged > ACKNOWLEDGED_MIN


@pytest.mark.timeout(STORY_SECONDS_MAX)
def test_not_even_plain_producers_double_anything_when_the_node_is_only_stopped_under_load(tmp_path: Path) -> None:
    """A node that stops in good order has answered whatever it has taken, what waits for the disk too."""
    seed = int(os.environ.get("TORTURE_SEED", random.randrange(1_000_000)))
    plan = Plan.of(seed, 0)
    plan = replace(plan, endings=(Ending.STOP,) * STOPS, topic_settings=plan.topic_settings | {"flush.messages": "1"})

    outcome = Story(tmp_path, plan).tell()

    assert outcome.verdict.faults == [], f"TORTURE_SEED={seed}: {outcome}"
    assert (outcome.kills, outcome.verdict.doubled) == (0, 0)


# The judge itself: a story that went well, and everything that can have gone wrong with it.


def records(*numbers: int, producer: str = "p") -> list[Seen]:
    return [Seen(offset, Identity(producer, PARTITION, number)) for offset, number in enumerate(numbers)]


def account(*, acknowledged: dict[int, int], sent: int, is_idempotent: bool = True) -> Account:
    """Of producer "p": how many it sent, and the offset of each that was acknowledged."""
    told = {Identity("p", PARTITION, number): offset for number, offset in acknowledged.items()}
    return Account("p", is_idempotent=is_idempotent, keeps_order=True, sent=Counter({PARTITION: sent}), acknowledged=told)


def faults_of(account: Account, read: list[Seen]) -> list[str]:
    return judge([account], {PARTITION: read}).faults


def test_judge_finds_no_fault_when_all_is_there_in_order() -> None:
    assert faults_of(account(acknowledged={0: 0, 1: 1}, sent=3), records(0, 1, 2)) == []


def test_judge_allows_what_was_never_acknowledged_to_be_missing() -> None:
    assert faults_of(account(acknowledged={0: 0}, sent=3), records(0)) == []


def test_judge_counts_but_allows_what_a_plain_producer_sent_again_before_it_was_acknowledged() -> None:
    verdict = judge([account(acknowledged={0: 2, 1: 3}, sent=2, is_idempotent=False)], {PARTITION: records(0, 1, 0, 1)})

    assert verdict.faults == []
    assert verdict.doubled == 2


@pytest.mark.parametrize(
    ("told", "read", "complaint"),
    [
        (account(acknowledged={0: 0, 1: 1}, sent=2), records(0), "was acknowledged at 1 and is at []"),
        (account(acknowledged={0: 0}, sent=2), records(1, 0), "was acknowledged at 0 and is at [1]"),
        (account(acknowledged={}, sent=2), records(1, 0), "out of order"),
        (account(acknowledged={1: 1}, sent=2), records(0, 1, 0), "are doubled"),
        (account(acknowledged={0: 0}, sent=1, is_idempotent=False), records(0, 0), "is there again at 1"),
        (account(acknowledged={0: 0}, sent=1), [*records(0), Seen(2, None)], "has a hole"),
        (account(acknowledged={0: 0}, sent=1), [*records(0), Seen(1, None)], "nobody sent"),
        (account(acknowledged={0: 0}, sent=1), [*records(0), Seen(1, Identity("q", PARTITION, 0))], "nobody knows"),
    ],
)
def test_judge_tells_what_is_wrong(told: Account, read: list[Seen], complaint: str) -> None:
    assert any(complaint in fault for fault in faults_of(told, read)), faults_of(told, read)


def test_a_record_is_recognised_only_if_every_byte_is_right() -> None:
    identity = Identity("p", PARTITION, 39)
    value = value_of(identity)

    assert identity_in(value) == identity
    for position in range(0, len(value), 97):
        assert identity_in(value[:position] + bytes([value[position] ^ 1]) + value[position + 1 :]) != identity
    assert identity_in(value[:-1]) is None
    assert identity_in(None) is None
