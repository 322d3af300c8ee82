"""The judge of group histories, by histories made by hand: one that went well, and everything that can have gone wrong in one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.ownership import (
    Assigned,
    CommitAcknowledged,
    CommitAsked,
    Ended,
    Expectation,
    Leaving,
    Note,
    Read,
    Released,
    StoodStill,
    as_line,
    from_line,
    judge,
)

EXPECTED = Expectation(ends={0: 10}, begins_ms=0, ends_ms=1000, without_owner_ms_max=100)


def assigned(member: str, at_ms: int, epoch: int | None = None) -> Note:
    return Assigned(member=member, at_ms=at_ms, partitions=(0,), epoch=epoch)


def released(member: str, at_ms: int, *, is_lost: bool = False) -> Note:
    return Released(member=member, at_ms=at_ms, partitions=(0,), is_lost=is_lost)


def read(member: str, at_ms: int, first: int, last: int) -> Note:
    return Read(member=member, at_ms=at_ms, partition=0, first=first, last=last)


def asked(member: str, at_ms: int, offset: int) -> Note:
    return CommitAsked(member=member, at_ms=at_ms, offsets={0: offset})


def acknowledged(member: str, at_ms: int, asked_ms: int, offset: int) -> Note:
    return CommitAcknowledged(member=member, at_ms=at_ms, asked_ms=asked_ms, offsets={0: offset})


def committed(member: str, at_ms: int, offset: int) -> list[Note]:
    return [asked(member, at_ms, offset), acknowledged(member, at_ms + 5, at_ms, offset)]


# a reads half and hands over to b in good order.
HANDED_OVER: list[Note] = [
    assigned("a", 0, epoch=1),
    read("a", 100, 0, 4),
    *committed("a", 110, 5),
    released("a", 120),
    assigned("b", 150, epoch=2),
    read("b", 200, 5, 9),
]


def test_judge_finds_no_fault_in_a_hand_over_in_good_order() -> None:
    verdict = judge(HANDED_OVER, EXPECTED)

    assert verdict.faults == []
    assert (verdict.records, verdict.repeated, verdict.reigns, verdict.lost, verdict.without_owner_ms) == (10, 0, 2, 0, 30)


def test_judge_counts_the_epochs_in_which_somebody_was_told_what_he_has() -> None:
    nothing_new = Assigned(member="a", at_ms=130, partitions=(), epoch=4)

    verdict = judge([*HANDED_OVER, nothing_new], EXPECTED)

    assert (verdict.epochs, verdict.last_epoch, verdict.faults) == (3, 4, [])


def test_judge_allows_to_read_again_what_a_dead_owner_read_and_did_not_commit() -> None:
    history = [
        assigned("a", 0),
        read("a", 10, 0, 4),
        *committed("a", 20, 5),
        read("a", 30, 5, 7),
        Ended(member="a", at_ms=40),
        assigned("b", 120),
        read("b", 130, 5, 9),
    ]

    verdict = judge(history, EXPECTED)

    assert verdict.faults == []
    assert verdict.repeated == 3


def test_judge_takes_an_unanswered_commit_for_done_or_not() -> None:
    history = [assigned("a", 0), read("a", 10, 0, 4), asked("a", 20, 5), Ended(member="a", at_ms=30), assigned("b", 60)]

    assert judge([*history, read("b", 70, 0, 9)], EXPECTED).faults == []
    assert judge([*history, read("b", 70, 5, 9)], EXPECTED).faults == []


def test_judge_allows_a_member_that_stood_still_to_believe_that_it_is_the_owner() -> None:
    history = [
        assigned("a", 0, epoch=1),
        read("a", 10, 0, 4),
        StoodStill(member="a", at_ms=50, until_ms=400),
        assigned("b", 140, epoch=2),
        read("b", 150, 0, 9),
        read("a", 401, 5, 9),
        asked("a", 402, 10),
        released("a", 403, is_lost=True),
    ]

    verdict = judge(history, EXPECTED)

    assert verdict.faults == []
    assert verdict.lost == 1


def test_judge_allows_a_member_that_is_leaving_to_be_put_out_before_it_has_left() -> None:
    history = [
        assigned("a", 0),
        read("a", 10, 0, 4),
        *committed("a", 20, 5),
        Leaving(member="a", at_ms=30),
        assigned("b", 60),
        read("b", 70, 5, 9),
        Ended(member="a", at_ms=500),
    ]

    assert judge(history, EXPECTED).faults == []
    stays = [note for note in history if not isinstance(note, Leaving)]
    assert any("own it at the same time" in fault for fault in judge(stays, EXPECTED).faults)


def test_judge_allows_a_member_that_was_thought_dead_to_hear_of_it_late() -> None:
    history = [
        assigned("b", 90, epoch=2),
        read("b", 150, 0, 9),
        assigned("a", 201, epoch=1),
        released("a", 202, is_lost=True),
        *committed("b", 203, 10),
    ]

    assert judge(history, replace(EXPECTED, begins_ms=90)).faults == []
    not_told = [*history[:3], released("a", 202)]
    assert any("own it at the same time" in fault for fault in judge(not_told, EXPECTED).faults)
    too_late = [*history[:3], released("a", 401, is_lost=True)]
    assert any("own it at the same time" in fault for fault in judge(too_late, EXPECTED).faults)


@pytest.mark.parametrize(
    ("history", "complaint"),
    [
        (HANDED_OVER[:-1], "5 of 10 records are lost, from 5 to 9"),
        ([*HANDED_OVER[:-1], read("b", 200, 4, 9)], "begins at 4, and 5 was committed before"),
        ([*HANDED_OVER[:-1], read("b", 200, 6, 9)], "begins at 6, and nobody had asked to commit more than 5"),
        ([*HANDED_OVER[:-1], read("b", 200, 5, 6), read("b", 201, 8, 9)], "reads 8 where 7 is next"),
        ([*HANDED_OVER[:-1], read("b", 200, 5, 8), read("b", 201, 8, 9)], "reads 8 where 9 is next"),
        ([*HANDED_OVER, read("b", 210, 10, 10)], "reads 10, and there are 10 records"),
        ([*HANDED_OVER[:5], assigned("b", 119), HANDED_OVER[6]], "own it at the same time"),
        ([*HANDED_OVER[:5], assigned("b", 150, epoch=1), HANDED_OVER[6]], "own it in one epoch"),
        ([*HANDED_OVER[:5], assigned("b", 221), read("b", 222, 5, 9)], "no owner from 120 to 221 ms"),
        ([*HANDED_OVER, released("b", 210)], "no owner from 210 to 1000 ms"),
        ([*HANDED_OVER, StoodStill(member="b", at_ms=210, until_ms=400)], "no owner from 210 to 400 ms"),
        ([*HANDED_OVER, assigned("b", 300)], "was given at 300 ms what it has"),
        ([*HANDED_OVER, read("c", 300, 0, 0)], "c does something with it that it was not given"),
        (
            [
                assigned("a", 0),
                read("a", 10, 0, 4),
                StoodStill(member="a", at_ms=50, until_ms=400),
                assigned("b", 140),
                read("b", 150, 0, 9),
                *committed("a", 402, 5),
            ],
            "a has committed 5 at 402 ms, and b (epoch None, 140 to 1000 ms) has it since",
        ),
    ],
)
def test_judge_tells_what_is_wrong(history: list[Note], complaint: str) -> None:
    faults = judge(history, EXPECTED).faults

    assert any(complaint in fault for fault in faults), faults


def test_judge_tells_of_a_commit_that_went_back() -> None:
    """b begins at what a, who was thrown out, has committed over what c had committed."""
    history = [
        assigned("a", 0),
        read("a", 10, 0, 4),
        *committed("a", 20, 3),
        released("a", 30),
        assigned("c", 40),
        read("c", 50, 3, 9),
        *committed("c", 60, 10),
        released("c", 70),
        assigned("b", 80),
        read("b", 90, 3, 9),
    ]

    assert judge(history, EXPECTED).faults == ["partition 0: b (epoch None, 80 to 1000 ms) begins at 3, and 10 was committed before"]


def test_judge_looks_at_every_partition_that_there_is() -> None:
    expected = replace(EXPECTED, ends={0: 10, 1: 0, 2: 1}, without_owner_ms_max=1000)

    assert judge(HANDED_OVER, expected).faults == ["partition 2: 1 of 1 records are lost, from 0 to 0"]


def test_notes_come_back_from_their_lines() -> None:
    notes = [*HANDED_OVER, StoodStill(member="a", at_ms=1, until_ms=2), Leaving(member="a", at_ms=2), Ended(member="b", at_ms=3)]

    assert [from_line(as_line(note)) for note in notes] == notes
