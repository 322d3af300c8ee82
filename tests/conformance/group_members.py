"""Members of consumer groups at work, of any client.

Each runs in a thread of its own: with some clients a member joins only while the others rejoin.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from tests.conformance.group_clients import KINDS, GroupClient, Place, Seen

# Longer than any client's session: a member that goes without a word is missed after that.
SETTLED_SECONDS_MAX: Final = 60.0
LEFT_SECONDS_MAX: Final = 30.0


class Member:
    """One member at work: polls until told to commit, and leaves when told to."""

    def __init__(self, kind: str, place: Place) -> None:
        self.owned: frozenset[int] = frozenset()
        self.seen: list[Seen] = []
        self.failure: BaseException | None = None
        self._has_to_commit = threading.Event()
        self._has_committed = threading.Event()
        self._may_leave = threading.Event()
        self._join: Callable[[], GroupClient] = partial(KINDS[kind].join, place)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def commit(self) -> None:
        """Take no more, and commit what has come; raises what went wrong meanwhile."""
        self._has_to_commit.set()
        assert self._has_committed.wait(LEFT_SECONDS_MAX), "the member does not come to its commit"
        self._raise_failure()

    def leave(self) -> None:
        """Leave the group and end; raises what went wrong meanwhile."""
        self._has_to_commit.set()
        self._may_leave.set()
        self._thread.join(timeout=LEFT_SECONDS_MAX)
        assert not self._thread.is_alive(), "the member does not come to its end"
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _work(self) -> None:
        try:
            client = self._join()
            try:
                while not self._has_to_commit.is_set():
                    self.seen += client.poll()
                    self.owned = client.owned()
                if self.seen:
                    client.commit()
                self._has_committed.set()
                self._may_leave.wait()
            finally:
                client.close()
        except BaseException as failure:  # told by `commit` and `leave`, in the thread of the test
            self.failure = failure
        finally:
            self._has_committed.set()
            self.owned = frozenset()


class Members:
    """The members of one group, over the partitions of one topic."""

    def __init__(self, kind: str, place: Place, partition_count: int) -> None:
        self._make: Callable[[], Member] = partial(Member, kind, place)
        self._partitions = frozenset(range(partition_count))
        self.present: list[Member] = []
        self.gone: list[Member] = []

    def join(self, count: int) -> None:
        self.present += [self._make() for _ in range(count)]

    def leave(self, count: int) -> None:
        """The last `count` commit, and only then the first of them leaves: who stays a moment longer reads nothing a second time."""
        leaving = self.present[-count:]
        for member in leaving:
            member.commit()
        for member in leaving:
            self.present.remove(member)
            self.gone.append(member)
            member.leave()

    def await_shared(self, seconds_max: float = SETTLED_SECONDS_MAX) -> None:
        """Until every partition has one owner and every member has its share."""
        fair = len(self._partitions) // len(self.present)
        self._await(
            lambda: self._is_shared() and all(len(member.owned) == fair for member in self.present),
            lambda: f"the owners are {[sorted(member.owned) for member in self.present]}",
            seconds_max,
        )

    def await_seen(self, count: int, seconds_max: float = SETTLED_SECONDS_MAX) -> None:
        """Until `count` records have come, over all members there have been."""
        self._await(lambda: len(self.seen()) >= count, lambda: f"{len(self.seen())} of {count} records have come", seconds_max)

    def seen(self) -> list[Seen]:
        return [one for member in [*self.gone, *self.present] for one in member.seen]

    def end(self) -> None:
        """Everybody leaves, whatever happened."""
        for member in self.present:
            with suppress(BaseException):
                member.leave()

    def _is_shared(self) -> bool:
        owned = [partition for member in self.present for partition in member.owned]
        return len(owned) == len(set(owned)) and set(owned) == self._partitions

    def _await(self, question: Callable[[], bool], told: Callable[[], str], seconds_max: float) -> None:
        deadline = time.monotonic() + seconds_max
        while not question():
            failures = [member.failure for member in self.present if member.failure is not None]
            if failures:
                raise failures[0]
            assert time.monotonic() < deadline, told()
            threading.Event().wait(0.02)
