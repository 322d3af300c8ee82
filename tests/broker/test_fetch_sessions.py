"""Fetch sessions as their clients live through them (KIP-227)."""

from __future__ import annotations

import random

import pytest

from odradek.base.clock import ManualClock
from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import ZERO_UUID
from odradek.broker.fetch_plan import PartitionFetch, PartitionKey, PartitionResult
from odradek.broker.fetch_sessions import (
    EPOCH_MAX,
    EVICTION_MS,
    FINAL_EPOCH,
    INITIAL_EPOCH,
    NO_SESSION,
    FetchContext,
    FetchSessionCache,
    Full,
    Incremental,
    Refused,
    Sessionless,
    next_epoch,
)

Outcome = tuple[ErrorCode, int, list[tuple[str, int]]]


def wants(topic: str, index: int = 0, offset: int = 0) -> PartitionFetch:
    return PartitionFetch(topic, ZERO_UUID, index, offset, 1_000)


def answer_to(fetch: PartitionFetch, *, size: int = 0, high_watermark: int = 0, error: int = 0) -> PartitionResult:
    result = PartitionResult(fetch, None, error)
    if error == 0:
        result.high_watermark, result.log_start_offset = high_watermark, 0
    result.size = size
    return result


class Client:
    """One client of one cache, with what the broker sees of it."""

    def __init__(self, sessions_max: int = 10) -> None:
        self.clock = ManualClock()
        self.cache = FetchSessionCache(self.clock, random.Random(1), sessions_max)

    def ask(
        self,
        session_id: int,
        epoch: int,
        *fetches: PartitionFetch,
        forget: tuple[PartitionKey, ...] = (),
        is_follower: bool = False,
        uses_topic_ids: bool = False,
    ) -> FetchContext:
        return self.cache.begin(session_id, epoch, fetches, forget, is_follower=is_follower, uses_topic_ids=uses_topic_ids)

    def open(self, *fetches: PartitionFetch, is_follower: bool = False) -> int:
        """A session whose first answer has nothing but the high watermark 0."""
        context = self.ask(NO_SESSION, INITIAL_EPOCH, *fetches, is_follower=is_follower)
        return context.select([answer_to(fetch) for fetch in context.fetches()])[1]


def asked(context: FetchContext) -> list[PartitionKey]:
    return [fetch.key for fetch in context.fetches()]


def told(context: FetchContext, **news: PartitionResult) -> Outcome:
    """The outcome when each partition has the result given under its topic, or no news."""
    results = [news.get(fetch.topic) or answer_to(fetch) for fetch in context.fetches()]
    error, session_id, selected = context.select(results)
    return error, session_id, [(result.fetch.topic, result.fetch.index) for result in selected]


def test_epoch_minus_one_opens_no_session() -> None:
    client = Client()

    context = client.ask(NO_SESSION, FINAL_EPOCH, wants("orders"))

    assert isinstance(context, Sessionless)
    assert told(context) == (ErrorCode.NONE, NO_SESSION, [("orders", 0)])
    assert len(client.cache) == 0


def test_full_fetch_opens_a_session_and_later_fetches_hear_only_news() -> None:
    client = Client()
    session_id = client.open(wants("orders"), wants("refunds"))
    assert session_id != NO_SESSION

    quiet = client.ask(session_id, 1)
    assert isinstance(quiet, Incremental)
    assert asked(quiet) == [("orders", 0), ("refunds", 0)]
    assert told(quiet) == (ErrorCode.NONE, session_id, [])

    busy = client.ask(session_id, 2)
    news = answer_to(wants("refunds"), size=100, high_watermark=5)
    assert told(busy, refunds=news) == (ErrorCode.NONE, session_id, [("refunds", 0)])


def test_session_begins_when_its_first_answer_leaves() -> None:
    """A client that went away while its first fetch was parked has left nothing behind."""
    client = Client()

    client.ask(NO_SESSION, INITIAL_EPOCH, wants("orders"))

    assert len(client.cache) == 0


def test_partition_that_returned_data_goes_to_the_end() -> None:
    client = Client()
    session_id = client.open(wants("a"), wants("b"), wants("c"))

    told(client.ask(session_id, 1), a=answer_to(wants("a"), size=10))

    assert asked(client.ask(session_id, 2)) == [("b", 0), ("c", 0), ("a", 0)]


def test_named_partitions_are_updated_in_place_added_at_the_end_or_forgotten() -> None:
    client = Client()
    session_id = client.open(wants("a"), wants("b"))

    context = client.ask(session_id, 1, wants("c"), wants("a", offset=42), forget=(("b", 0), ("never", 3)))

    assert [(fetch.topic, fetch.offset) for fetch in context.fetches()] == [("a", 42), ("c", 0)]


def test_moved_high_watermark_is_news_once() -> None:
    client = Client()
    session_id = client.open(wants("a"))
    moved = answer_to(wants("a"), high_watermark=7)

    assert told(client.ask(session_id, 1), a=moved)[2] == [("a", 0)]
    assert told(client.ask(session_id, 2), a=moved)[2] == []


def test_moved_log_start_is_news_once() -> None:
    client = Client()
    session_id = client.open(wants("a"))
    moved = answer_to(wants("a"))
    moved.log_start_offset = 3

    assert told(client.ask(session_id, 1), a=moved)[2] == [("a", 0)]
    assert told(client.ask(session_id, 2), a=moved)[2] == []


def test_error_is_news_each_time_and_so_is_its_end() -> None:
    client = Client()
    session_id = client.open(wants("a"))
    failed = answer_to(wants("a"), error=ErrorCode.NOT_LEADER_OR_FOLLOWER)

    assert told(client.ask(session_id, 1), a=failed)[2] == [("a", 0)]
    assert told(client.ask(session_id, 2), a=failed)[2] == [("a", 0)]
    assert told(client.ask(session_id, 3))[2] == [("a", 0)]
    assert told(client.ask(session_id, 4))[2] == []


def test_diverging_epoch_is_always_news() -> None:
    client = Client()
    session_id = client.open(wants("a"))
    diverging = answer_to(wants("a"))
    diverging.diverging_epoch = 3

    assert told(client.ask(session_id, 1), a=diverging)[2] == [("a", 0)]
    assert told(client.ask(session_id, 2), a=diverging)[2] == [("a", 0)]


def test_unknown_session_is_refused() -> None:
    context = Client().ask(1234, 1, wants("a"))

    assert isinstance(context, Refused)
    assert told(context) == (ErrorCode.FETCH_SESSION_ID_NOT_FOUND, NO_SESSION, [])
    assert asked(context) == []


@pytest.mark.parametrize("epoch", [2, 5, EPOCH_MAX])
def test_epoch_out_of_turn_is_refused_and_the_session_lives_on(epoch: int) -> None:
    client = Client()
    session_id = client.open(wants("a"))

    assert told(client.ask(session_id, epoch))[0] == ErrorCode.INVALID_FETCH_SESSION_EPOCH

    assert told(client.ask(session_id, 1)) == (ErrorCode.NONE, session_id, [])


def test_session_by_name_cannot_go_on_by_id() -> None:
    client = Client()
    session_id = client.open(wants("a"))

    assert told(client.ask(session_id, 1, uses_topic_ids=True))[0] == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


def test_answer_that_was_overtaken_says_so() -> None:
    """The client gave up waiting and sent its request again on another connection."""
    client = Client()
    session_id = client.open(wants("a"))
    slow = client.ask(session_id, 1)
    client.ask(session_id, 2)

    assert told(slow) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, session_id, [])


def test_session_ends_when_its_last_partition_is_forgotten() -> None:
    client = Client()
    session_id = client.open(wants("a"))

    context = client.ask(session_id, 1, forget=(("a", 0),))

    assert told(context) == (ErrorCode.NONE, NO_SESSION, [])
    assert told(client.ask(session_id, 2))[0] == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


@pytest.mark.parametrize("epoch", [INITIAL_EPOCH, FINAL_EPOCH])
def test_full_fetch_with_a_session_id_closes_that_session(epoch: int) -> None:
    client = Client()
    session_id = client.open(wants("a"))

    context = client.ask(session_id, epoch, wants("a"))

    assert isinstance(context, Full if epoch == INITIAL_EPOCH else Sessionless)
    assert len(client.cache) == 0


def test_epochs_wrap_to_one_and_never_to_zero() -> None:
    assert [next_epoch(epoch) for epoch in (FINAL_EPOCH, INITIAL_EPOCH, 1, EPOCH_MAX)] == [FINAL_EPOCH, 1, 2, 1]


# The cache is full


def test_newcomer_has_no_session_when_all_are_young() -> None:
    client = Client(sessions_max=1)
    first = client.open(wants("a"))

    assert client.open(wants("b"), wants("c")) == NO_SESSION

    assert told(client.ask(first, 1))[0] == ErrorCode.NONE


def test_newcomer_takes_the_place_of_the_longest_idle() -> None:
    client = Client(sessions_max=2)
    idle, busy = client.open(wants("a")), client.open(wants("b"))
    client.clock.advance(EVICTION_MS)
    client.ask(busy, 1)
    client.clock.advance(1)

    newcomer = client.open(wants("c"))

    assert newcomer != NO_SESSION
    assert told(client.ask(idle, 1))[0] == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert client.cache.statistics() == {"sessions": 2, "partitions": 2, "evicted": 1}


def test_larger_session_takes_the_place_of_a_smaller_one_that_is_old() -> None:
    client = Client(sessions_max=2)
    small, large = client.open(wants("a")), client.open(wants("b"), wants("c"), wants("d"))
    client.clock.advance(EVICTION_MS + 1)
    client.ask(small, 1)
    client.ask(large, 1)

    assert client.open(wants("e"), wants("f")) != NO_SESSION

    assert told(client.ask(small, 2))[0] == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert told(client.ask(large, 2))[0] == ErrorCode.NONE


def test_smaller_session_does_not_take_the_place_of_a_larger_one() -> None:
    client = Client(sessions_max=1)
    large = client.open(wants("a"), wants("b"))
    client.clock.advance(EVICTION_MS + 1)
    client.ask(large, 1)

    assert client.open(wants("c")) == NO_SESSION


def test_follower_takes_the_place_of_a_young_consumer_but_not_of_a_follower() -> None:
    client = Client(sessions_max=1)
    consumer = client.open(wants("a"), wants("b"))

    follower = client.open(wants("a"), is_follower=True)

    assert follower != NO_SESSION
    assert told(client.ask(consumer, 1))[0] == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert client.open(wants("a"), wants("b"), is_follower=True) == NO_SESSION
    assert client.open(wants("a"), wants("b")) == NO_SESSION
