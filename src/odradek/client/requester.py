"""Carries calls out: asks who has to be asked, sends, and tries again with growing pauses until all is settled or the time is over.

The rules of trying again are in `core.keyed_call` and its calls. What is added here is what only a driver sees: the keys of a connection
that breaks are looked up anew, and a cluster that was never reached is not waited for: an address is wrong more often than a broker late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, final

from odradek.base.error_codes import ErrorCode, error_entry
from odradek.client.connection import Connection
from odradek.client.core.backoff import retry_backoff_ms
from odradek.client.core.cluster import Cluster, cluster_of
from odradek.client.core.keyed_call import Answered, Ask, Call, FallsBack, Findings, K, Outcomes, Progress, V
from odradek.client.errors import ClientError, ConnectionLost, DeadlinePassed, NobodyReached, UnsupportedByBroker
from odradek.client.node_pool import NodePool
from odradek.protocol.message import Message
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse

Result = TypeVar("Result")

# `request.timeout.ms` of Kafka's clients.
REQUEST_TIMEOUT_S: Final = 30.0


@final
@dataclass(frozen=True, slots=True)
class Deadline:
    """When an operation is given up, in the time of the running loop (`default.api.timeout.ms`)."""

    at_s: float
    timeout_s: float

    @classmethod
    def after(cls, timeout_s: float) -> Deadline:
        return cls(asyncio.get_running_loop().time() + timeout_s, timeout_s)

    def remaining_s(self) -> float:
        return max(self.at_s - asyncio.get_running_loop().time(), 0.0)


@dataclass(slots=True)
class _Sent(Generic[K]):
    """A question that was sent, and what came of it."""

    node_id: int
    ask: Ask[K]
    outcome: Message | ClientError


@final
class Requester:
    """Asks the cluster behind `pool`."""

    def __init__(self, pool: NodePool) -> None:
        self.pool = pool

    async def cluster(self, topics: Iterable[str] | None, deadline: Deadline) -> Cluster:
        """The brokers and these topics; all topics where None is given. Topics are never created by asking.

        Raises:
            ClientError: nobody could be asked in time.
        """
        wanted = None if topics is None else [MetadataRequestTopic(name=name) for name in topics]
        request = MetadataRequest(topics=wanted, allow_auto_topic_creation=False)
        attempt = 0
        while True:
            try:
                response = await self._ask_any(Ask(request, MetadataResponse, (), version_min=4), deadline)
            except ConnectionLost as error:
                await self._pause(attempt, deadline, str(error))
                attempt += 1
                continue
            assert isinstance(response, MetadataResponse)
            cluster = cluster_of(response)
            self.pool.learn(cluster.brokers.values())
            return cluster

    async def ask(self, call: Call[K, V], keys: Iterable[K], deadline: Deadline) -> Outcomes[K, V]:
        """What comes of each key.

        Raises:
            NobodyReached: the cluster was never reached.
            DeadlinePassed: something was still unsettled at the deadline; the sentence says what was last heard.
        """
        progress: Progress[K, V] = Progress(keys, call.lookup)
        attempt = 0
        heard = ""
        while not progress.is_finished:
            heard = await self._look_up(call, progress, deadline) or heard
            is_next_at_once = False
            for sent in await self._send_all(call, progress, deadline):
                if isinstance(sent.outcome, ConnectionLost):
                    heard = str(sent.outcome)
                    progress.lose(sent.ask.keys)
                    continue
                answered = self._read(call, sent)
                is_next_at_once = is_next_at_once or answered.is_next_at_once
                progress.take_answer(answered)
            if progress.is_finished or is_next_at_once:
                continue
            if progress.last_code != ErrorCode.NONE:
                heard = f"the last answer was {error_entry(progress.last_code).name} {progress.last_code}"
            await self._pause(attempt, deadline, heard)
            attempt += 1
        return progress.outcomes

    def _read(self, call: Call[K, V], sent: _Sent[K]) -> Answered[K, V]:
        if isinstance(sent.outcome, UnsupportedByBroker) and isinstance(call, FallsBack) and call.fall_back(sent.ask):
            return Answered(is_next_at_once=True)
        if isinstance(sent.outcome, ClientError):
            error = sent.outcome
            return Answered(refused=dict.fromkeys(sent.ask.keys, error))
        return call.read(sent.node_id, sent.ask, sent.outcome)

    async def _look_up(self, call: Call[K, V], progress: Progress[K, V], deadline: Deadline) -> str:
        """Find brokers for the keys that have none; what went wrong, if something did."""
        unfound = progress.unfound()
        for ask in call.lookup.asks(unfound) if unfound else ():
            try:
                response = await self._ask_any(ask, deadline)
            except ConnectionLost as error:
                return str(error)
            except UnsupportedByBroker as error:
                progress.take_findings(Findings(refused=dict.fromkeys(ask.keys, error)))
                continue
            findings = call.lookup.read(ask, response)
            self.pool.learn(findings.brokers)
            progress.take_findings(findings)
        return ""

    async def _send_all(self, call: Call[K, V], progress: Progress[K, V], deadline: Deadline) -> list[_Sent[K]]:
        """Ask all brokers at the same time; each of them one thing after the other."""
        async with asyncio.TaskGroup() as tasks:
            rounds = [
                tasks.create_task(self._ask_node(node_id, list(call.asks(keys)), deadline)) for node_id, keys in progress.by_node().items()
            ]
        return [sent for one in rounds for sent in one.result()]

    async def _ask_node(self, node_id: int, asks: list[Ask[K]], deadline: Deadline) -> list[_Sent[K]]:
        sent = []
        for ask in asks:
            outcome: Message | ClientError
            try:
                connection = await self.pool.to_node(node_id, self._timeout_s(deadline))
                outcome = await self._ask_on(connection, ask, deadline)
            except ClientError as error:
                outcome = error
            sent.append(_Sent(node_id, ask, outcome))
        return sent

    async def _ask_any(self, ask: Ask[K], deadline: Deadline) -> Message:
        """Raises ConnectionLost where another try may help, NobodyReached where the cluster has never been heard of."""
        try:
            connection = await self.pool.to_any(self._timeout_s(deadline))
        except NobodyReached as error:
            if deadline.remaining_s() == 0:
                raise DeadlinePassed(f"nobody was reached within {deadline.timeout_s:.3g} s: {error}") from error
            if not self.pool.has_reached_cluster:
                raise
            raise ConnectionLost(str(error)) from error
        return await self._ask_on(connection, ask, deadline)

    async def _ask_on(self, connection: Connection, ask: Ask[K], deadline: Deadline) -> Message:
        return await connection.request(
            ask.request, ask.response_type, self._timeout_s(deadline), version_min=ask.version_min, version_max=ask.version_max
        )

    def _timeout_s(self, deadline: Deadline) -> float:
        return min(REQUEST_TIMEOUT_S, deadline.remaining_s())

    async def _pause(self, attempt: int, deadline: Deadline, heard: str) -> None:
        pause_s = retry_backoff_ms(attempt, self.pool.dice) / 1000
        if pause_s >= deadline.remaining_s():
            raise DeadlinePassed(f"not done within {deadline.timeout_s:.3g} s" + (f"; {heard}" if heard else ""))
        await asyncio.sleep(pause_s)
