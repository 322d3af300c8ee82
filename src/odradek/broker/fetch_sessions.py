"""Fetch sessions: what a client said it wants, kept so that it need not say it again (KIP-227).

A full fetch opens a session; each following request of the session has the next epoch, names only what changed, and is answered
only with what changed. `FetchSessionCache.begin` turns a request into one of four contexts, each of which says which partitions
to read and which of the results to send:

    Refused      the session or its epoch is not known: one error, no partitions
    Sessionless  epoch -1: read and send what was asked, keep nothing
    Full         epoch 0: the same, and open a session when there is room
    Incremental  read everything in the session, send what has data, an error or news

The cache is bounded. A newcomer takes the place of a session that was idle for two minutes, or of one that is worth less: a
consumer's before a follower's, a smaller one before a larger, but never one that is itself younger than two minutes unless the
newcomer is a follower (`FetchSessionCacheShard.java`; one event loop needs no shards).

Invariants: the order of a session's partitions is the order of reading, and whoever returned data goes to its end; an epoch is
handed out once.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, final

from odradek.base.clock import Clock
from odradek.base.error_codes import NO_ERROR, ErrorCode
from odradek.broker.fetch_plan import PartitionFetch, PartitionKey, PartitionResult

NO_SESSION: Final = 0
INITIAL_EPOCH: Final = 0
FINAL_EPOCH: Final = -1
EPOCH_MAX: Final = 2**31 - 1
SESSIONS_MAX_DEFAULT: Final = 1000
# A session that nobody used for this long may be evicted by anybody; a younger one is safe from its equals.
EVICTION_MS: Final = 120_000


def next_epoch(epoch: int) -> int:
    """The epoch of the request after the one with `epoch`; -1 stays -1, and 0 is never used twice."""
    if epoch < 0:
        return FINAL_EPOCH
    return 1 if epoch == EPOCH_MAX else epoch + 1


@final
class FetchSession:
    """What one client follows. `epoch` is what its next request has to carry."""

    __slots__ = ("created_ms", "epoch", "is_privileged", "last_used_ms", "partitions", "session_id", "uses_topic_ids")

    def __init__(self, session_id: int, *, is_privileged: bool, uses_topic_ids: bool, now_ms: int) -> None:
        self.session_id = session_id
        self.epoch = 1
        self.is_privileged = is_privileged
        self.uses_topic_ids = uses_topic_ids
        self.created_ms = now_ms
        self.last_used_ms = now_ms
        self.partitions: dict[PartitionKey, PartitionFetch] = {}

    def update(self, fetches: Iterable[PartitionFetch], forgotten: Iterable[PartitionKey]) -> None:
        """Take over what the client names: new partitions go to the end, known ones keep their place."""
        partitions = self.partitions
        for fetch in fetches:
            known = partitions.get(fetch.key)
            if known is None:
                partitions[fetch.key] = fetch
            else:
                known.take_over(fetch)
        for key in forgotten:
            partitions.pop(key, None)


class Refused:
    """The session cannot go on; the client has to begin a new one."""

    __slots__ = ("error",)

    def __init__(self, error: ErrorCode) -> None:
        self.error = error

    def fetches(self) -> Sequence[PartitionFetch]:
        return ()

    def select(self, results: list[PartitionResult]) -> tuple[ErrorCode, int, list[PartitionResult]]:
        return self.error, NO_SESSION, []


class Sessionless:
    """One answer to one question."""

    __slots__ = ("_fetches",)

    def __init__(self, fetches: dict[PartitionKey, PartitionFetch]) -> None:
        self._fetches = fetches

    def fetches(self) -> Sequence[PartitionFetch]:
        return list(self._fetches.values())

    def select(self, results: list[PartitionResult]) -> tuple[ErrorCode, int, list[PartitionResult]]:
        return NO_ERROR, NO_SESSION, results


class Full:
    """The first request of a client that would like a session."""

    __slots__ = ("_cache", "_fetches", "_is_privileged", "_uses_topic_ids")

    def __init__(
        self, cache: FetchSessionCache, fetches: dict[PartitionKey, PartitionFetch], *, is_privileged: bool, uses_topic_ids: bool
    ) -> None:
        self._cache = cache
        self._fetches = fetches
        self._is_privileged = is_privileged
        self._uses_topic_ids = uses_topic_ids

    def fetches(self) -> Sequence[PartitionFetch]:
        return list(self._fetches.values())

    def select(self, results: list[PartitionResult]) -> tuple[ErrorCode, int, list[PartitionResult]]:
        """The session begins when its first answer leaves, so that a client that went away while it waited leaves none."""
        session = self._cache.create(len(results), is_privileged=self._is_privileged, uses_topic_ids=self._uses_topic_ids)
        if session is None:
            return NO_ERROR, NO_SESSION, results
        for result in results:
            fetch = result.fetch
            fetch.sent_high_watermark = result.high_watermark
            fetch.sent_log_start_offset = result.log_start_offset
            session.partitions[fetch.key] = fetch
        return NO_ERROR, session.session_id, results


class Incremental:
    """A later request of a session."""

    __slots__ = ("_expected_epoch", "_session")

    def __init__(self, session: FetchSession) -> None:
        self._session = session
        self._expected_epoch = session.epoch

    def fetches(self) -> Sequence[PartitionFetch]:
        return list(self._session.partitions.values())

    def select(self, results: list[PartitionResult]) -> tuple[ErrorCode, int, list[PartitionResult]]:
        """Keep what is news. An answer that was overtaken by a duplicate of its request is none."""
        session = self._session
        if session.epoch != self._expected_epoch:
            return ErrorCode.INVALID_FETCH_SESSION_EPOCH, session.session_id, []
        partitions = session.partitions
        selected = []
        for result in results:
            fetch = partitions.get(result.fetch.key)
            if fetch is None or not fetch.is_news(result):
                continue
            selected.append(result)
            if result.size > 0:
                # To the end: with a small response, every partition has its turn at the front.
                del partitions[fetch.key]
                partitions[fetch.key] = fetch
        return NO_ERROR, session.session_id, selected


FetchContext = Refused | Sessionless | Full | Incremental


class FetchSessionCache:
    """The sessions of one node."""

    __slots__ = ("_clock", "_dice", "_evicted_count", "_sessions", "_sessions_max")

    def __init__(self, clock: Clock, dice: random.Random, sessions_max: int | Callable[[], int] = SESSIONS_MAX_DEFAULT) -> None:
        self._clock = clock
        self._dice = dice
        self._sessions_max = sessions_max if callable(sessions_max) else lambda: sessions_max
        # In the order of their last use, the longest idle first.
        self._sessions: OrderedDict[int, FetchSession] = OrderedDict()
        self._evicted_count = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(
        self,
        session_id: int,
        session_epoch: int,
        fetches: Sequence[PartitionFetch],
        forgotten: Iterable[PartitionKey],
        *,
        is_follower: bool,
        uses_topic_ids: bool,
    ) -> FetchContext:
        """What the request with this session id and epoch means."""
        if session_epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            if session_id != NO_SESSION:
                self._sessions.pop(session_id, None)
            by_key = {fetch.key: fetch for fetch in fetches}
            if session_epoch == FINAL_EPOCH:
                return Sessionless(by_key)
            return Full(self, by_key, is_privileged=is_follower, uses_topic_ids=uses_topic_ids)
        session = self._sessions.get(session_id)
        if session is None:
            return Refused(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != session_epoch:
            return Refused(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids != uses_topic_ids:
            return Refused(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        session.update(fetches, forgotten)
        if not session.partitions:
            # Nothing is left to follow: the session ends with this answer.
            del self._sessions[session_id]
            return Sessionless({fetch.key: fetch for fetch in fetches})
        session.epoch = next_epoch(session.epoch)
        session.last_used_ms = self._clock.monotonic_ms()
        self._sessions.move_to_end(session_id)
        return Incremental(session)

    def create(self, partitions_count: int, *, is_privileged: bool, uses_topic_ids: bool) -> FetchSession | None:
        """A new session for `partitions_count` partitions; None when the cache is full of sessions that are worth more."""
        now_ms = self._clock.monotonic_ms()
        if len(self._sessions) >= self._sessions_max() and not self._evict(partitions_count, is_privileged, now_ms):
            return None
        session_id = self._dice.randint(1, EPOCH_MAX)
        while session_id in self._sessions:
            session_id = self._dice.randint(1, EPOCH_MAX)
        session = FetchSession(session_id, is_privileged=is_privileged, uses_topic_ids=uses_topic_ids, now_ms=now_ms)
        self._sessions[session_id] = session
        return session

    def statistics(self) -> dict[str, int]:
        """Counts of now (`sessions`, `partitions`) and since the start (`evicted`)."""
        return {
            "sessions": len(self._sessions),
            "partitions": sum(len(session.partitions) for session in self._sessions.values()),
            "evicted": self._evicted_count,
        }

    def _evict(self, partitions_count: int, is_privileged: bool, now_ms: int) -> bool:
        oldest = next(iter(self._sessions.values()), None)
        if oldest is None:
            return False
        if now_ms - oldest.last_used_ms > EVICTION_MS:
            victim = oldest
        else:
            # Only when the cache is full and busy is it searched, and then by whoever wants to get in.
            evictable = [session for session in self._sessions.values() if _may_be_evicted(session, is_privileged, now_ms)]
            if not evictable:
                return False
            victim = min(evictable, key=_worth)
            if (is_privileged, partitions_count, 0) < _worth(victim):
                return False
        del self._sessions[victim.session_id]
        self._evicted_count += 1
        return True


def _may_be_evicted(session: FetchSession, for_privileged: bool, now_ms: int) -> bool:
    return now_ms - session.created_ms > EVICTION_MS or (for_privileged and not session.is_privileged)


def _worth(session: FetchSession) -> tuple[bool, int, int]:
    return session.is_privileged, len(session.partitions), session.session_id
