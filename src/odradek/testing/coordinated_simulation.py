"""One simulation of coordinators: transactions and groups on a node, and what goes wrong, all out of one seed.

    outcome = simulate_coordinators(17)
    assert outcome.failure is None, outcome.story()

Writers of both transaction protocols write, abort, fall silent and come back under the same names; copiers carry what is committed from
one topic to another, with their group's offsets in the same transaction; members of groups of both protocols come, go, die and commit, over
topics whose partitions grow. Then everybody falls quiet, and in bounded time everything is copied, every partition has an owner, and no
transaction is open any more; the history of all transactions is looked at, the node starts once more, and so it is again.

Every log is on the disk before anybody hears of it (`log.flush.interval.messages=1`), so that a power cut may take nothing that was
promised; with one seed in four it is not, and then only processes crash.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field

from odradek.base.error_codes import ErrorCode
from odradek.protocol.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.testing.checkers import Judge
from odradek.testing.client import NoAnswer, SimulatedClient
from odradek.testing.coordinated_scene import CoordinatedScene, GaveUp, GrowingTopic, Refused
from odradek.testing.fault_schedule import FaultBudget, FaultKind, FaultSchedule
from odradek.testing.group_actors import COPY_OF, Copier, Watcher, fetch_offset
from odradek.testing.group_ledger import GroupLedger
from odradek.testing.group_members import SESSION_TIMEOUT_MS, GroupProtocol
from odradek.testing.history import BrokenPromise
from odradek.testing.simulated_disk import CrashKind
from odradek.testing.simulation import NODE, Outcome, drawn_settings, run_story
from odradek.testing.trace import LINES_KEPT_DEFAULT
from odradek.testing.transaction_checks import check_copy
from odradek.testing.transaction_operations import Isolation, Place
from odradek.testing.transactional_readers import TransactionalReader, WanderingReader
from odradek.testing.transactional_writers import TransactionalWriter
from odradek.testing.tube import Tube

SECONDS_DEFAULT = 15
# What everything after the faults may take, beyond the seconds of the plan.
ENDING_S_MAX = 900
# Members that are quiet have what they need in so many virtual seconds: sessions of the lost, rebalances, timeouts of what was left open.
QUIET_S_MAX = 120
SECONDS_BETWEEN_LOOKS = 1.0
TIMEOUT_MS = 4_000
SOURCE, TARGET, OTHER = "orders", "copies", "bills"
COPIERS, WATCHERS = "copiers", "watchers"
PARTITIONS_MAX = {SOURCE: 4, OTHER: 3}
GROUP, TRANSACTION = 0, 1
AT_REST = ("Empty", "CompleteCommit", "CompleteAbort", "Dead")

SETTINGS: Mapping[str, str] = {
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "group.initial.rebalance.delay.ms": "300",
    "group.consumer.session.timeout.ms": str(SESSION_TIMEOUT_MS),
    "group.consumer.heartbeat.interval.ms": "500",
    "group.consumer.assignment.interval.ms": "200",
}
# What power cannot take.
FAULTS_OF_PROCESSES = FaultBudget(
    (
        (FaultKind.CLEAN_RESTART, 8),
        (FaultKind.PROCESS_CRASH, 8),
        (FaultKind.CRASH_IN_OPERATION, 12),
        (FaultKind.CONNECTION_RESET, 12),
        (FaultKind.FULL_DISK, 3),
        (FaultKind.ROTTEN_SNAPSHOT, 2),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatedPlan:
    """How long, and with how much of what. `settings` are the node's, over those that are drawn."""

    seconds: int = SECONDS_DEFAULT
    budget: FaultBudget = field(default_factory=FaultBudget)
    settings: Mapping[str, str] = field(default_factory=dict)


def simulate_coordinators(seed: int, plan: CoordinatedPlan | None = None, *, lines_max: int | None = LINES_KEPT_DEFAULT) -> Outcome:
    """Run the simulation of `seed`. The last `lines_max` lines of its trace are kept, all for None."""
    return _Run(seed, plan or CoordinatedPlan(), lines_max).outcome()


class _Run:
    def __init__(self, seed: int, plan: CoordinatedPlan, lines_max: int | None) -> None:
        self._plan = plan
        self._tube = tube = Tube(seed, lines_max=lines_max)
        dice = tube.dice_for("settings")
        self._is_durable = dice.random() < 0.75
        settings = drawn_settings(dice) | _coordinator_settings(dice) | dict(plan.settings)
        if self._is_durable:
            settings["log.flush.interval.messages"] = "1"
        self._scene = CoordinatedScene(tube.around, tube.node(NODE, settings), Judge(()))
        for group in (COPIERS, WATCHERS):
            self._scene.ledgers[group] = GroupLedger(group, SESSION_TIMEOUT_MS)
        self._dice = tube.dice_for("keeper")
        self._client: SimulatedClient = self._scene.client("keeper")

    def outcome(self) -> Outcome:
        return run_story(self._tube, self._story(), self._scene)

    async def _story(self) -> None:
        async with asyncio.timeout(self._plan.seconds + ENDING_S_MAX):
            scene = self._scene
            await scene.node.start()
            await self._prepare()
            async with asyncio.TaskGroup() as actors:
                for name, work in self._people().items():
                    actors.create_task(work(), name=name)
                await self._faults().run()
                scene.is_over = True
                scene.note("fate", "everybody falls quiet")
                await self._until_quiet("everything is copied", self._is_everything_copied)
                await self._until_quiet("every partition has an owner", self._has_every_partition_an_owner)
                scene.is_done = True
            await self._until_quiet("transactions come to an end", self._are_transactions_over)
            await self._look_at_everything("first look")
            await scene.node.stop()
            await scene.node.start()
            await self._look_at_everything("second look")
            await scene.node.stop()

    def _faults(self) -> FaultSchedule:
        if self._is_durable:
            return FaultSchedule(self._scene, self._plan.budget, self._plan.seconds)
        return FaultSchedule(self._scene, FAULTS_OF_PROCESSES, self._plan.seconds, (CrashKind.PROCESS,))

    def _people(self) -> dict[str, Callable[[], Coroutine[object, object, None]]]:
        """Everybody who is at work, by name."""
        scene, dice = self._scene, self._tube.dice_for("people")
        kinds = ((GroupProtocol.CLASSIC,), (GroupProtocol.CONSUMER,), tuple(GroupProtocol))
        of_copiers, of_watchers = dice.choice(kinds), dice.choice(kinds)
        both = (SOURCE, OTHER)
        people: dict[str, Callable[[], Coroutine[object, object, None]]] = {"grower": self._grow}
        # Two of one name fence each other.
        for name, transactional_id in (("writer-1", "writer-1"), ("writer-2a", "writer-2"), ("writer-2b", "writer-2")):
            people[name] = TransactionalWriter(scene, name, transactional_id, both).run
        for name in ("copier-1", "copier-2"):
            people[name] = Copier(scene, name, COPIERS, SOURCE, TARGET, of_copiers).run
        for name in ("watcher-1", "watcher-2", "watcher-3"):
            people[name] = Watcher(scene, name, WATCHERS, both, of_watchers).run
        for name, isolation in (("reader-1", Isolation.READ_COMMITTED), ("reader-2", Isolation.READ_UNCOMMITTED)):
            people[name] = WanderingReader(scene, name, isolation).run
        return people

    # Topics

    async def _prepare(self) -> None:
        for key_type in (GROUP, TRANSACTION):
            request = FindCoordinatorRequest(key_type=key_type, coordinator_keys=["anybody"])
            await self._scene.insist(
                "keeper",
                "find coordinator",
                self._client,
                self._dice,
                request,
                FindCoordinatorResponse,
                4,
                lambda it: it.coordinators[0].error_code,
            )
        for name, count in ((SOURCE, 2), (OTHER, 1), (TARGET, PARTITIONS_MAX[SOURCE])):
            asked = CreateTopicsRequest(
                topics=[CreatableTopic(name=name, num_partitions=count, replication_factor=1)], timeout_ms=TIMEOUT_MS
            )
            try:
                await self._scene.insist(
                    "keeper",
                    f"create {name}",
                    self._client,
                    self._dice,
                    asked,
                    CreateTopicsResponse,
                    7,
                    lambda it: it.topics[0].error_code,
                    refusals=(ErrorCode.TOPIC_ALREADY_EXISTS,),
                )
            except Refused:
                self._scene.note("keeper", f"{name} is there already")
            described = await self._scene.insist(
                "keeper",
                f"describe {name}",
                self._client,
                self._dice,
                MetadataRequest(topics=[MetadataRequestTopic(name=name)]),
                MetadataResponse,
                12,
                lambda it: it.topics[0].error_code,
            )
            self._scene.growing[name] = GrowingTopic(name, described.topics[0].topic_id, count)

    async def _grow(self) -> None:
        """Give a topic another partition now and then."""
        scene, dice = self._scene, self._tube.dice_for("grower")
        client = scene.client("grower")
        while not scene.is_over:
            await asyncio.sleep(dice.randint(500, 6_000) / 1000)
            topic = scene.growing[dice.choice((SOURCE, OTHER))]
            if topic.partitions_count >= PARTITIONS_MAX[topic.name] or scene.is_over:
                continue
            count = topic.partitions_count + 1
            request = CreatePartitionsRequest(topics=[CreatePartitionsTopic(topic.name, count, None)], timeout_ms=TIMEOUT_MS)
            try:
                await scene.insist(
                    "grower",
                    f"grow {topic.name} to {count}",
                    client,
                    dice,
                    request,
                    CreatePartitionsResponse,
                    3,
                    lambda it: it.results[0].error_code,
                    # An earlier attempt was carried out; nobody is there to hold a replica while the node leaves.
                    refusals=(ErrorCode.INVALID_PARTITIONS, ErrorCode.INVALID_REPLICATION_FACTOR),
                )
            except Refused as refused:
                if refused.code is ErrorCode.INVALID_REPLICATION_FACTOR:
                    continue
            except GaveUp:
                continue
            topic.partitions_count = count
            scene.count("partitions added")
        client.close()

    def _places(self, *topics: str) -> list[Place]:
        growing = self._scene.growing
        return [(name, index) for name in topics or growing for index in range(growing[name].partitions_count)]

    # What has to come when everybody is quiet

    async def _until_quiet(self, what: str, is_so: Callable[[], Awaitable[str | None]]) -> None:
        """Wait until `is_so` has nothing to object.

        Raises:
            BrokenPromise: it still has after `QUIET_S_MAX`.
        """
        give_up_ms = self._scene.now_ms + QUIET_S_MAX * 1000
        objection: str | None = "nobody has looked"
        while objection is not None:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            try:
                objection = await is_so()
            except NoAnswer as silence:
                objection = f"no answer: {silence}"
            if objection is not None and self._scene.now_ms > give_up_ms:
                raise BrokenPromise("comes to rest", f"{what}: not after {QUIET_S_MAX} quiet seconds: {objection}")
        self._scene.note("keeper", what)

    async def _is_everything_copied(self) -> str | None:
        reader = TransactionalReader(self._scene, "keeper/ends", Isolation.READ_COMMITTED, self._client)
        for place in self._places(SOURCE):
            end = await reader.end_offset(place, -1, Isolation.READ_UNCOMMITTED)
            offset = await fetch_offset(self._scene, "keeper", self._client, COPIERS, place)
            if max(offset, 0) != end:
                return f"{place[0]}-{place[1]} is copied up to {offset} of {end}"
        return None

    async def _has_every_partition_an_owner(self) -> str | None:
        for group, topics in ((COPIERS, (SOURCE,)), (WATCHERS, (SOURCE, OTHER))):
            for place in self._places(*topics):
                if self._scene.ledgers[group].owner_of(place) is None:
                    return f"{place[0]}-{place[1]} of {group} has no owner, or two"
        return None

    async def _are_transactions_over(self) -> str | None:
        response = await self._client.request(ListTransactionsRequest(), ListTransactionsResponse, 1)
        if response.error_code != ErrorCode.NONE:
            return ErrorCode(response.error_code).name
        for transaction in response.transaction_states:
            if transaction.transaction_state not in AT_REST:
                return f"{transaction.transactional_id} is {transaction.transaction_state}"
        return None

    async def _look_at_everything(self, name: str) -> None:
        """Read all that is there, and hold the whole history to what Kafka promises."""
        await self._until_quiet(name, lambda: self._read_everything(name))
        anomalies = self._scene.transactions.anomalies()
        if anomalies:
            raise BrokenPromise("transactions", f"{anomalies[0]} ({len(anomalies)} in all)")

    async def _read_everything(self, name: str) -> str | None:
        scene = self._scene
        committed: dict[Place, list[str]] = {}
        for isolation in Isolation:
            reader = TransactionalReader(scene, f"{name}/{isolation}", isolation, self._client)
            for place in self._places():
                records = await reader.read_whole(place)
                if isolation is Isolation.READ_COMMITTED:
                    committed[place] = [value for _, value in records]
        for group in scene.ledgers:
            for place in self._places(SOURCE, OTHER) if group == WATCHERS else self._places(SOURCE):
                await fetch_offset(scene, name, self._client, group, place)
        for place in self._places():
            scene.transactions.add(await reader.tell_ends(place))
        for index in range(scene.growing[SOURCE].partitions_count):
            copies = [value.partition(COPY_OF)[2] for value in committed[TARGET, index]]
            for anomaly in check_copy(committed[SOURCE, index], copies):
                raise BrokenPromise("exactly once", f"partition {index}: {anomaly}")
        return None


def _coordinator_settings(dice: random.Random) -> dict[str, str]:
    """Few partitions or several, so that coordinators share a log or not; small pieces in which it is loaded."""
    return dict(SETTINGS) | {
        "offsets.topic.num.partitions": str(dice.choice((1, 2, 3))),
        "transaction.state.log.num.partitions": str(dice.choice((1, 2))),
        "offsets.load.buffer.size": str(dice.choice((1, 3_000, 5_242_880))),
        "transaction.state.log.load.buffer.size": str(dice.choice((1, 3_000, 5_242_880))),
    }
