"""Who owns what in a group: two owners at one time are found, and members that do not know that they are dead are no owners."""

from __future__ import annotations

import pytest

from odradek.testing.group_ledger import GroupLedger
from odradek.testing.history import BrokenPromise

PLACE = ("orders", 0)
SESSION_MS = 6_000


def owned() -> GroupLedger:
    """A group in which `first` owns the partition, and was heard at 1000."""
    ledger = GroupLedger("readers", SESSION_MS)
    ledger.heard("first", 1_000)
    ledger.took("first", PLACE, 1_010)
    return ledger


def test_partition_that_is_given_to_two_is_a_broken_promise() -> None:
    with pytest.raises(BrokenPromise, match="given to second, and first has it"):
        owned().took("second", PLACE, 1_000 + SESSION_MS - 1)


def test_partition_may_be_given_on_when_the_session_is_over() -> None:
    ledger = owned()
    ledger.took("second", PLACE, 1_000 + SESSION_MS)
    assert ledger.successor_of("first", PLACE) == "second"
    assert ledger.successor_of("second", PLACE) is None
    assert ledger.owner_of(PLACE) is None, "two believe to have it"


@pytest.mark.parametrize("is_dead", [True, False])
def test_partition_may_be_given_on_when_it_was_given_up(*, is_dead: bool) -> None:
    ledger = owned()
    if is_dead:
        ledger.vanished("first")
    else:
        ledger.gave_up("first", PLACE)
    ledger.took("second", PLACE, 1_020)
    assert ledger.owner_of(PLACE) == "second"
    assert ledger.successor_of("first", PLACE) is None
