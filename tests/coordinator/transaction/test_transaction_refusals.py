"""Everything that transactional producers are refused by the coordinator: one case an error, whose name says who is told what.

`TV1` is the old protocol, `TV2` that of KIP-890. In which words a version of an API says it is up to its handler:
tests/broker/handlers/test_coordinator_refusals.py.
"""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.transaction.transaction import EPOCH_BUMP_VERSION
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from tests.coordinator.refusal_case import RefusalCase, ids_of
from tests.coordinator.transaction.transaction_story import ID, Producer, TransactionStory

HERE = ("orders", 0)
OLD, NEW = 0, EPOCH_BUMP_VERSION
STRANGER: Producer = (1, 0)


def init(*, known: Producer = (-1, -1), timeout_ms: int = 60_000, is_two_phase: bool = False) -> ErrorCode:
    """InitProducerId of a name that has begun before."""
    story = TransactionStory()
    story.begin()
    return story.init(known=known, timeout_ms=timeout_ms, is_two_phase=is_two_phase)[0]


def init_of_a_past_epoch() -> ErrorCode:
    story = TransactionStory()
    first = story.begin()
    story.begin()
    story.begin()
    return story.init(known=first)[0]


def init_of_one_replaced_by_another_id() -> ErrorCode:
    story = TransactionStory()
    worn_out = story.begin_worn_out()
    story.begin()
    return story.init(known=(worn_out[0], 5))[0]


def init_with_something_open() -> ErrorCode:
    story = TransactionStory()
    story.add(story.begin(), HERE)
    return story.init()[0]


def init_while_markers_are_written() -> ErrorCode:
    story = TransactionStory()
    producer = story.begin()
    story.add(producer, HERE)
    story.end(producer)
    return story.init()[0]


def init_that_keeps_what_is_prepared() -> ErrorCode:
    """KIP-939 says it so; nobody can prepare yet."""
    story = TransactionStory(is_two_phase_commit_enabled=True)
    request = InitProducerIdRequest(transactional_id=ID, transaction_timeout_ms=1_000, enable2_pc=True, keep_prepared_txn=True)
    response = story._ask(lambda ticket: story.shard.init_producer_id(ticket, request, 5, story.now))
    assert isinstance(response, InitProducerIdResponse)
    return ErrorCode(response.error_code)


def add(producer_of: str, *, is_ended: bool = False) -> ErrorCode:
    story = TransactionStory()
    if producer_of == "nobody":
        return story.add(STRANGER, HERE)
    producer = story.begin()
    if is_ended:
        story.add(producer, HERE)
        story.end(producer)
    said = {"it": producer, "another": STRANGER, "past": (producer[0], producer[1] - 1), "coming": (producer[0], producer[1] + 1)}
    return story.add(said[producer_of], HERE)


def add_without_a_name() -> ErrorCode:
    return TransactionStory().shard.verify_partition("", STRANGER, HERE)


def verify(*, is_open: bool) -> ErrorCode:
    story = TransactionStory()
    producer = story.begin()
    if is_open:
        story.add(producer, ("orders", 1))
    return story.shard.verify_partition(ID, producer, HERE)


def end(version: int, state: str, *, is_commit: bool, producer_of: str = "it") -> ErrorCode:
    """EndTxn of a transaction in a state, by its producer, or one who is not quite that."""
    story = TransactionStory()
    if state == "unknown":
        return story.end(STRANGER, is_commit=is_commit, client_version=version)[0]
    producer = story.begin()
    story.begin()
    producer = (producer[0], producer[1] + 1)
    if state != "Empty":
        story.add(producer, HERE, client_version=version)
    if state not in ("Empty", "Ongoing"):
        _, following = story.end(producer, is_commit="Commit" in state, client_version=version)
        if state.startswith("Complete"):
            story.write_markers()
        if producer_of == "following":
            producer = following
    assert story.state == state
    said = {
        "it": producer,
        "following": producer,
        "another": STRANGER,
        "past": (producer[0], producer[1] - 1),
        "coming": (producer[0], producer[1] + 2),
    }
    return story.end(said[producer_of], is_commit=is_commit, client_version=version)[0]


def end_without_a_name() -> ErrorCode:
    story = TransactionStory()
    response = story._ask(
        lambda ticket: story.shard.end(ticket, "", STRANGER, is_commit=True, client_version=OLD, fresh_producer_id=-1, now=story.now)
    )
    return ErrorCode(response.error_code)  # type: ignore[attr-defined]


def end_too_late(version: int) -> ErrorCode:
    story = TransactionStory(version=version)
    producer = story.begin(timeout_ms=1_000)
    story.add(producer, HERE, client_version=version)
    story.advance(20_000)
    story.write_markers()
    assert story.state == "CompleteAbort"
    return story.end(producer, client_version=version)[0]


def _end(who: str, code: ErrorCode, version: int, state: str, producer_of: str = "it", *, is_commit: bool = True) -> RefusalCase:
    protocol = "TV1" if version == OLD else "TV2"
    return RefusalCase("EndTxn", f"{protocol}_{who}", code, lambda: end(version, state, is_commit=is_commit, producer_of=producer_of))


ITS = ErrorCode.INVALID_TXN_STATE
CASES = [
    RefusalCase("InitProducerId", "no_timeout", ErrorCode.INVALID_TRANSACTION_TIMEOUT, lambda: init(timeout_ms=0)),
    RefusalCase("InitProducerId", "a_negative_timeout", ErrorCode.INVALID_TRANSACTION_TIMEOUT, lambda: init(timeout_ms=-1)),
    RefusalCase("InitProducerId", "a_timeout_that_is_too_long", ErrorCode.INVALID_TRANSACTION_TIMEOUT, lambda: init(timeout_ms=900_001)),
    RefusalCase("InitProducerId", "two_phases", ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, lambda: init(is_two_phase=True)),
    RefusalCase("InitProducerId", "one_who_keeps_what_is_prepared", ErrorCode.UNSUPPORTED_VERSION, init_that_keeps_what_is_prepared),
    RefusalCase("InitProducerId", "another_producer", ErrorCode.PRODUCER_FENCED, lambda: init(known=STRANGER)),
    RefusalCase("InitProducerId", "a_past_epoch", ErrorCode.PRODUCER_FENCED, init_of_a_past_epoch),
    RefusalCase("InitProducerId", "a_former_id", ErrorCode.PRODUCER_FENCED, init_of_one_replaced_by_another_id),
    RefusalCase("InitProducerId", "one_with_something_open", ErrorCode.CONCURRENT_TRANSACTIONS, init_with_something_open),
    RefusalCase("InitProducerId", "one_whose_markers_are_written", ErrorCode.CONCURRENT_TRANSACTIONS, init_while_markers_are_written),
    RefusalCase("AddPartitionsToTxn", "no_name", ErrorCode.INVALID_REQUEST, add_without_a_name),
    RefusalCase("AddPartitionsToTxn", "an_unknown_name", ErrorCode.INVALID_PRODUCER_ID_MAPPING, lambda: add("nobody")),
    RefusalCase("AddPartitionsToTxn", "another_producer", ErrorCode.INVALID_PRODUCER_ID_MAPPING, lambda: add("another")),
    RefusalCase("AddPartitionsToTxn", "a_past_epoch", ErrorCode.PRODUCER_FENCED, lambda: add("past")),
    RefusalCase("AddPartitionsToTxn", "a_coming_epoch", ErrorCode.PRODUCER_FENCED, lambda: add("coming")),
    RefusalCase("AddPartitionsToTxn", "one_whose_markers_are_written", ErrorCode.CONCURRENT_TRANSACTIONS, lambda: add("it", is_ended=True)),
    RefusalCase("AddPartitionsToTxn", "what_is_verified_and_not_in_it", ErrorCode.TRANSACTION_ABORTABLE, lambda: verify(is_open=True)),
    RefusalCase(
        "AddPartitionsToTxn", "what_is_verified_and_nothing_is_open", ErrorCode.TRANSACTION_ABORTABLE, lambda: verify(is_open=False)
    ),
    RefusalCase("EndTxn", "no_name", ErrorCode.INVALID_REQUEST, end_without_a_name),
    RefusalCase("EndTxn", "TV1_one_who_is_late", ErrorCode.PRODUCER_FENCED, lambda: end_too_late(OLD)),
    RefusalCase("EndTxn", "TV2_one_who_is_late", ErrorCode.INVALID_TXN_STATE, lambda: end_too_late(NEW)),
    *(
        case
        for version in (OLD, NEW)
        for case in (
            _end("an_unknown_name", ErrorCode.INVALID_PRODUCER_ID_MAPPING, version, "unknown"),
            _end("another_producer", ErrorCode.INVALID_PRODUCER_ID_MAPPING, version, "Ongoing", "another"),
            _end("a_past_epoch", ErrorCode.PRODUCER_FENCED, version, "Ongoing", "past"),
            _end("a_coming_epoch", ErrorCode.PRODUCER_FENCED, version, "Ongoing", "coming"),
            _end("one_who_commits_nothing", ITS, version, "Empty"),
            _end("one_who_commits_again_too_early", ErrorCode.CONCURRENT_TRANSACTIONS, version, "PrepareCommit"),
            _end("one_who_aborts_again_too_early", ErrorCode.CONCURRENT_TRANSACTIONS, version, "PrepareAbort", is_commit=False),
            _end("one_who_aborts_what_will_be_committed", ErrorCode.CONCURRENT_TRANSACTIONS, version, "PrepareCommit", is_commit=False),
            _end("one_who_commits_what_will_be_aborted", ErrorCode.CONCURRENT_TRANSACTIONS, version, "PrepareAbort"),
            _end("one_who_aborts_what_is_committed", ITS, version, "CompleteCommit", is_commit=False),
            _end("one_who_commits_what_is_aborted", ITS, version, "CompleteAbort"),
        )
    ),
    _end("one_who_aborts_nothing", ITS, OLD, "Empty", is_commit=False),
    _end("one_who_commits_nothing_after_a_commit", ITS, NEW, "CompleteCommit", "following"),
    _end("one_who_commits_nothing_after_an_abort", ITS, NEW, "CompleteAbort", "following"),
]


@pytest.mark.parametrize("case", CASES, ids=ids_of(CASES))
def test_refusal(case: RefusalCase) -> None:
    assert case.ask() is case.code
