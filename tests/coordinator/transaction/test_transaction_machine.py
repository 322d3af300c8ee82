"""Any interleaving of producers of two names with timeouts, markers, reloads, and crashes before and after every batch is durable.

Each name has two producers that do not know of each other, so one of them is a zombie much of the time. They do as clients do: they write
to a partition when they have been told that it is in their transaction, and ask again when an answer was lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.shard import Answer, Outcome, Ticket
from odradek.coordinator.transaction.transaction import AT_REST, EPOCH_BUMP_VERSION
from odradek.protocol.messages.end_txn import EndTxnResponse
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from tests.coordinator.transaction.transaction_fields import fields_of
from tests.coordinator.transaction.transaction_story import Producer
from tests.coordinator.transaction.transaction_world import Place, TransactionWorld, Write, code_of
from tests.support.from_sources import told_from_sources

# What `planted_machine` plants.
PLANTED_NAMES = ("fenced_producers_are_believed", "decided_transactions_are_not_resumed", "late_transactions_are_left_open")
PLANTED_SECONDS_MAX = 90
IDS = ("alpha", "beta")
PLACES: tuple[Place, ...] = (("orders", 0), ("orders", 1), ("bills", 0))
TIMEOUT_MS = 30_000
# Rounds in which everything that can happen by itself does: a timeout, an id for it, its markers, its completion.
QUIET_ROUNDS = 6


@dataclass(slots=True)
class Session:
    """A producer as it knows itself."""

    name: str
    transactional_id: str
    is_new: bool
    producer: Producer | None = None
    # After which batch of the log it was made what it is.
    began_at: int = 0
    added: set[Place] = field(default_factory=set)
    transactions_count: int = 0
    writes: list[Write] = field(default_factory=list)
    # What it waits for, to be asked again when the answer is lost.
    question: Callable[[], None] | None = None
    is_waiting: bool = False

    @property
    def transaction(self) -> str:
        return f"{self.name}/{self.transactions_count}"

    def go_on(self) -> None:
        """What was under way is over."""
        self.transactions_count += 1
        self.added.clear()
        self.writes = []


class TransactionMachine(RuleBasedStateMachine):
    """Four producers, two names; `version` is the cluster's transaction version."""

    version: ClassVar[int] = EPOCH_BUMP_VERSION

    def __init__(self) -> None:
        super().__init__()
        self.world = TransactionWorld(PLACES, version=self.version)
        self.sessions = [
            Session(f"{name}-{number}", name, is_new=is_new and self.version >= EPOCH_BUMP_VERSION)
            for name in IDS
            for number, is_new in enumerate((True, False))
        ]
        # Of each name, who became its producer with which batch of the log.
        self.takeovers: dict[str, list[tuple[int, str]]] = {name: [] for name in IDS}
        # What producers were told of the end of their transactions.
        self.told: list[tuple[list[Write], bool]] = []

    @initialize(worn_out=some.sets(some.sampled_from(IDS)))
    def begin(self, worn_out: set[str]) -> None:
        for transactional_id in sorted(worn_out):
            self.world.wear_out(transactional_id)

    number = some.integers(0, 3)

    @rule(number=number)
    def init(self, number: int) -> None:
        session = self.sessions[number]
        if session.is_waiting:
            return
        request = InitProducerIdRequest(transactional_id=session.transactional_id, transaction_timeout_ms=TIMEOUT_MS)
        # It has no past: whatever it has begun before, it knows nothing of it.
        session.producer = None
        session.go_on()

        def on_answer(answer: Answer) -> None:
            assert isinstance(answer, InitProducerIdResponse)
            if answer.error_code == ErrorCode.NONE:
                session.producer = (answer.producer_id, answer.producer_epoch)

        def ask() -> None:
            fresh_id = self.world.fresh_id_for(session.transactional_id)
            decided = self._ask(
                session, lambda ticket: self.world.shard.init_producer_id(ticket, request, fresh_id, self.world.now), on_answer
            )
            if code_of(decided) is ErrorCode.NONE:
                session.began_at = len(self.world.batches)
                self.takeovers[session.transactional_id].append((session.began_at, session.name))
            else:
                assert code_of(decided) is ErrorCode.CONCURRENT_TRANSACTIONS

        session.question = ask
        ask()

    @rule(number=number, place=some.sampled_from(PLACES))
    def add(self, number: int, place: Place) -> None:
        session = self.sessions[number]
        if session.is_waiting or session.producer is None:
            return
        producer, version = session.producer, EPOCH_BUMP_VERSION if session.is_new else 0

        def on_answer(answer: Answer) -> None:
            if code_of(answer) is ErrorCode.NONE:
                session.added.add(place)

        def ask() -> None:
            decided = self._ask(
                session,
                lambda ticket: self.world.shard.add_partitions(
                    ticket, session.transactional_id, producer, frozenset({place}), version, self.world.now
                ),
                on_answer,
            )
            self._check_not_fenced(session, code_of(decided))

        session.question = ask
        ask()

    @rule(number=number, place=some.sampled_from(PLACES))
    def write(self, number: int, place: Place) -> None:
        """A produce request, with the look at the coordinator that the partition's leader takes before it writes."""
        session = self.sessions[number]
        if session.is_waiting or session.producer is None or place not in session.added:
            return
        partition = self.world.partitions[place]
        if not partition.has_open(session.producer):
            code = self.world.shard.verify_partition(session.transactional_id, session.producer, place)
            if code is not ErrorCode.NONE:
                return
        write = Write(session.transaction)
        if partition.write(session.producer, write):
            self._check_not_fenced(session, ErrorCode.NONE)
            session.writes.append(write)

    @rule(number=number, is_commit=some.booleans())
    def end(self, number: int, is_commit: bool) -> None:
        session = self.sessions[number]
        if session.is_waiting or session.producer is None or not session.added:
            return
        producer, version, writes = session.producer, EPOCH_BUMP_VERSION if session.is_new else 0, session.writes

        def on_answer(answer: Answer) -> None:
            assert isinstance(answer, EndTxnResponse)
            if answer.error_code == ErrorCode.NONE:
                assert all(write.is_committed in (None, is_commit) for write in writes), f"{session.transaction} was ended otherwise"
                self.told.append((writes, is_commit))
                if session.is_new:
                    session.producer = (answer.producer_id, answer.producer_epoch)
                session.go_on()
            elif answer.error_code != ErrorCode.CONCURRENT_TRANSACTIONS:
                # Fenced: it writes nothing more.
                session.producer = None
                session.go_on()

        def ask() -> None:
            fresh_id = self.world.fresh_id_for(session.transactional_id)
            decided = self._ask(
                session,
                lambda ticket: self.world.shard.end(
                    ticket,
                    session.transactional_id,
                    producer,
                    is_commit=is_commit,
                    client_version=version,
                    fresh_producer_id=fresh_id,
                    now=self.world.now,
                ),
                on_answer,
            )
            self._check_not_fenced(session, code_of(decided))

        session.question = ask
        ask()

    @rule(number=number)
    def ask_again(self, number: int) -> None:
        """What was not answered is asked once more."""
        session = self.sessions[number]
        if not session.is_waiting and session.question is not None:
            session.question()

    @rule(batches_count=some.integers(1, 3))
    def flush(self, batches_count: int) -> None:
        self.world.flush(batches_count)

    @rule()
    def flush_all(self) -> None:
        self.world.flush()

    @rule(number=some.integers(0, 5))
    def tell_partition(self, number: int) -> None:
        self.world.tell_one(number)

    @rule()
    def give_producer_ids(self) -> None:
        self.world.give_producer_ids()

    @rule(elapsed_ms=some.sampled_from([1, 10_000, 41_000]))
    def let_time_pass(self, elapsed_ms: int) -> None:
        self.world.advance(elapsed_ms)

    @rule(batches_kept=some.integers(0, 3))
    def crash(self, batches_kept: int) -> None:
        end = self.world.crash(batches_kept)
        for name, takeovers in self.takeovers.items():
            self.takeovers[name] = [takeover for takeover in takeovers if takeover[0] <= end]
        for session in self.sessions:
            session.is_waiting = False

    @invariant()
    def replay_is_what_lives(self) -> None:
        again = self.world.replayed()
        live = {it.transactional_id: fields_of(self.world.recorded(it)) for it in self.world.shard}
        assert {it.transactional_id: fields_of(it) for it in again} == live

    @invariant()
    def markers_are_for_partitions_that_were_added(self) -> None:
        for telling in self.world.tellings:
            assert set(telling.remaining) <= telling.due.partitions <= set(PLACES)

    @invariant()
    def what_was_told_is_what_happened(self) -> None:
        for writes, is_commit in self.told:
            assert all(write.is_committed in (None, is_commit) for write in writes)

    def teardown(self) -> None:
        """Nobody asks for anything any more: every transaction comes to an end, everywhere."""
        for _ in range(QUIET_ROUNDS):
            self.world.advance(TIMEOUT_MS + 20_000)
            self.world.flush()
            self.world.give_producer_ids()
            self.world.flush()
            while self.world.tellings:
                self.world.tell_one(0)
            self.world.flush()
        assert [it for it in self.world.shard if it.state not in AT_REST] == []
        for place, partition in self.world.partitions.items():
            assert not any(partition.open_writes.values()), f"a transaction hangs in {place}"
        for writes, is_commit in self.told:
            assert all(write.is_committed is is_commit for write in writes)

    def _ask(self, session: Session, question: Callable[[Ticket], Outcome], on_answer: Callable[[Answer], None]) -> Answer:
        def on_answered(answer: Answer) -> None:
            session.is_waiting, session.question = False, None
            on_answer(answer)

        session.is_waiting = True
        decided = self.world.ask(question, on_answered)
        self.world.flush(0)
        return decided

    def _check_not_fenced(self, session: Session, code: ErrorCode) -> None:
        """Who is told yes is the last producer of its name."""
        if code is ErrorCode.NONE:
            last = self.takeovers[session.transactional_id][-1][1]
            assert last == session.name, f"{session.name} succeeds, and {last} has taken its name"


class FlexibleRecordsMachine(TransactionMachine):
    """Transaction version 1: producers of the old protocol, records of the new form."""

    version = 1


class OldRecordsMachine(TransactionMachine):
    """Transaction version 0."""

    version = 0


@pytest.mark.parametrize("machine", [TransactionMachine, FlexibleRecordsMachine, OldRecordsMachine])
def test_transactions_hold_to_their_rules_whatever_happens(machine: type[TransactionMachine]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=50, deadline=None))


@pytest.mark.parametrize("name", PLANTED_NAMES)
def test_machine_finds_the_bug(name: str) -> None:
    """Bugs that the simulator has to find (`tests.simulation`) break the rules of this machine too."""
    told = told_from_sources("tests.coordinator.transaction.planted_machine", name, seconds_max=PLANTED_SECONDS_MAX)

    assert told == "found\n"
