"""The client of an operator: what there is to know of groups, offsets and transactions, and the few things that change them.

Every operation has the client's whole time (`timeout_s`), counted from its own beginning. Where many things are asked about at once, each
has its outcome in `Outcomes`; where an operation makes sense only as a whole, the first refusal is raised.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition
from odradek.client.connection import ClientIdentity
from odradek.client.connector import Connector, connect_plaintext
from odradek.client.core.address import Address
from odradek.client.core.cluster import NO_LEADER, Broker, Cluster
from odradek.client.core.group_calls import DeleteGroups, DescribeGroups, GroupListing, ListGroups
from odradek.client.core.group_description import GroupDescription
from odradek.client.core.group_lag import PartitionLag, partition_lags, partitions_of
from odradek.client.core.hanging_transactions import OpenTransaction, hanging, open_longer_than
from odradek.client.core.keyed_call import Outcomes, in_parts
from odradek.client.core.offset_calls import (
    EARLIEST_TIMESTAMP,
    LATEST_TIMESTAMP,
    UNKNOWN_OFFSET,
    CommitOffsets,
    CommittedByPartition,
    DeleteOffsets,
    ErrorByPartition,
    FetchOffsets,
    ListOffsets,
)
from odradek.client.core.offset_plan import OffsetPlan, PartitionEnds, ResetTarget, ToTimestamp, plan_offsets
from odradek.client.core.transaction_calls import (
    AbortTransaction,
    DescribeProducers,
    DescribeTransactions,
    FencedProducer,
    FenceProducer,
    ListTransactions,
    ProducerDescription,
    TransactionDescription,
    TransactionFilter,
    TransactionListing,
)
from odradek.client.errors import Refused
from odradek.client.node_pool import NodePool
from odradek.client.requester import Deadline, Requester

# The transaction timeout that Kafka's client asks for where it only wants to fence (its `request.timeout.ms`).
FENCING_TRANSACTION_TIMEOUT_MS: Final = 30_000
# So many topics are described at once: a cluster may have more than fit into one answer.
TOPICS_PER_REQUEST_MAX: Final = 500


@asynccontextmanager
async def connected(
    bootstrap: Sequence[Address], identity: ClientIdentity, *, timeout_s: float, connector: Connector = connect_plaintext
) -> AsyncIterator[AdminClient]:
    """A client of the cluster that one of the addresses belongs to; its connections end with the block."""
    async with NodePool(bootstrap, identity, connector=connector) as pool:
        yield AdminClient(Requester(pool), timeout_s)


@final
class AdminClient:
    """Every method raises ClientError: NobodyReached where nobody answers at all, DeadlinePassed where the time was not enough."""

    def __init__(self, requester: Requester, timeout_s: float) -> None:
        self._requester = requester
        self._timeout_s = timeout_s

    def broker(self, node_id: int) -> Broker | None:
        """Where a broker is that an answer has named."""
        return self._requester.pool.broker(node_id)

    # Groups

    async def list_groups(self, *, states: Sequence[str] = (), types: Sequence[str] = ()) -> list[GroupListing]:
        """The groups of the whole cluster, by their id; those in one of the states and of one of the types, where some are given."""
        deadline = self._deadline()
        brokers = (await self._requester.cluster([], deadline)).brokers
        outcomes = await self._requester.ask(ListGroups(states, types), brokers, deadline)
        return sorted((group for groups in outcomes.all().values() for group in groups), key=lambda group: group.group_id)

    async def describe_groups(self, group_ids: Collection[str]) -> Outcomes[str, GroupDescription]:
        """Consumer groups of either protocol. Refused: GROUP_ID_NOT_FOUND, or a group of another kind."""
        return await self._requester.ask(DescribeGroups(), group_ids, self._deadline())

    async def committed_offsets(self, group_ids: Collection[str]) -> Outcomes[str, CommittedByPartition]:
        """What groups have committed; nothing, for a group that does not exist."""
        return await self._requester.ask(FetchOffsets(), group_ids, self._deadline())

    async def group_lags(self, groups: Collection[GroupDescription]) -> dict[str, list[PartitionLag]]:
        """How far groups are behind, by their id."""
        committed = (await self.committed_offsets([group.group_id for group in groups])).all()
        ends = await self.log_end_offsets({one for group in groups for one in partitions_of(group, committed[group.group_id])})
        return {group.group_id: partition_lags(group, committed[group.group_id], ends) for group in groups}

    async def delete_groups(self, group_ids: Collection[str]) -> Outcomes[str, None]:
        """Forget groups that have no members, and what they have committed."""
        return await self._requester.ask(DeleteGroups(), group_ids, self._deadline())

    async def commit_offsets(self, group_id: str, offsets: Mapping[TopicPartition, int]) -> ErrorByPartition:
        """Set the offsets of a group that has no members."""
        return (await self._requester.ask(CommitOffsets(offsets), [group_id], self._deadline())).single()

    async def delete_offsets(self, group_id: str, partitions: Collection[TopicPartition]) -> ErrorByPartition:
        """Have a group forget offsets of topics that no member reads."""
        return (await self._requester.ask(DeleteOffsets(partitions), [group_id], self._deadline())).single()

    # Offsets

    async def plan_offsets(
        self, target: ResetTarget, partitions: Collection[TopicPartition], committed: CommittedByPartition
    ) -> OffsetPlan:
        """What `target` means for these partitions, which exist; nothing is changed."""
        earliest, latest = await self._offsets(partitions, EARLIEST_TIMESTAMP), await self._offsets(partitions, LATEST_TIMESTAMP)
        at_time = await self._offsets(partitions, target.timestamp_ms) if isinstance(target, ToTimestamp) else {}
        ends = {
            partition: PartitionEnds(earliest[partition], latest[partition], at_time.get(partition, UNKNOWN_OFFSET))
            for partition in partitions
        }
        return plan_offsets(target, partitions, {partition: one.offset for partition, one in committed.items()}, ends)

    async def log_end_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset of each partition; those are left out that do not exist, or have no leader now."""
        if not partitions:
            return {}
        cluster = await self.describe_topics({partition.topic for partition in partitions})
        led = [one for one in partitions if (found := cluster.partition(one)) is not None and found.leader_id != NO_LEADER]
        outcomes = await self._requester.ask(ListOffsets(LATEST_TIMESTAMP), led, self._deadline())
        for error in outcomes.refused.values():
            # Gone between the two questions.
            if not isinstance(error, Refused) or error.code != ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
                raise error
        return outcomes.done

    async def _offsets(self, partitions: Collection[TopicPartition], timestamp_ms: int) -> dict[TopicPartition, int]:
        return (await self._requester.ask(ListOffsets(timestamp_ms), partitions, self._deadline())).all()

    # Topics

    async def describe_topics(self, topics: Iterable[str] | None) -> Cluster:
        """The topics of these names, or all; each that cannot be described has an error code."""
        deadline = self._deadline()
        if topics is None:
            return await self._requester.cluster(None, deadline)
        parts = [await self._requester.cluster(part, deadline) for part in in_parts(sorted(topics), TOPICS_PER_REQUEST_MAX)]
        return Cluster(parts[-1].brokers if parts else {}, {name: topic for part in parts for name, topic in part.topics.items()})

    # Transactions

    async def list_transactions(self, wanted: TransactionFilter) -> list[TransactionListing]:
        """The transactional ids of the whole cluster that the filter lets through, by their id."""
        deadline = self._deadline()
        brokers = (await self._requester.cluster([], deadline)).brokers
        outcomes = await self._requester.ask(ListTransactions(wanted), brokers, deadline)
        return sorted((found for listed in outcomes.all().values() for found in listed), key=lambda found: found.transactional_id)

    async def describe_transactions(self, transactional_ids: Collection[str]) -> Outcomes[str, TransactionDescription]:
        """How transactional ids stand. Refused: TRANSACTIONAL_ID_NOT_FOUND."""
        return await self._requester.ask(DescribeTransactions(), transactional_ids, self._deadline())

    async def describe_producers(
        self, partitions: Collection[TopicPartition], *, broker_id: int | None = None
    ) -> Outcomes[TopicPartition, tuple[ProducerDescription, ...]]:
        """Who has written to partitions, as their leaders know, or as one broker does that holds them."""
        if broker_id is not None:
            # Where the broker is has to be known first.
            await self._requester.cluster([], self._deadline())
        return await self._requester.ask(DescribeProducers(broker_id), partitions, self._deadline())

    async def hanging_transactions(
        self, partitions: Collection[TopicPartition], *, older_than_ms: int, now_ms: int, broker_id: int | None = None
    ) -> list[OpenTransaction]:
        """The transactions in these partitions that no coordinator will end."""
        producers = (await self.describe_producers(partitions, broker_id=broker_id)).all()
        candidates = open_longer_than(producers, older_than_ms, now_ms)
        if not candidates:
            return []
        producer_ids = sorted({candidate.producer.producer_id for candidate in candidates})
        listed = await self.list_transactions(TransactionFilter(producer_ids=producer_ids))
        id_by_producer_id = {found.producer_id: found.transactional_id for found in listed}
        described = await self.describe_transactions(list(id_by_producer_id.values()))
        for error in described.refused.values():
            if not isinstance(error, Refused) or error.code != ErrorCode.TRANSACTIONAL_ID_NOT_FOUND:
                raise error
        return hanging(candidates, id_by_producer_id, described.done)

    async def abort_transaction(self, partition: TopicPartition, *, producer_id: int, producer_epoch: int, coordinator_epoch: int) -> None:
        """Have the leader of a partition write the abort marker of a transaction that hangs there."""
        call = AbortTransaction(producer_id=producer_id, producer_epoch=producer_epoch, coordinator_epoch=coordinator_epoch)
        (await self._requester.ask(call, [partition], self._deadline())).single()

    async def fence_producer(self, transactional_id: str) -> FencedProducer:
        """Shut out whoever has a transactional id, and abort its open transaction."""
        return (await self._requester.ask(FenceProducer(FENCING_TRANSACTION_TIMEOUT_MS), [transactional_id], self._deadline())).single()

    def _deadline(self) -> Deadline:
        return Deadline.after(self._timeout_s)
