"""What members of groups do with what they own: copy it in transactions, or commit how far they have come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import ZERO_UUID
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from odradek.testing.client import NoAnswer, SimulatedClient
from odradek.testing.coordinated_scene import TRY_AGAIN, CoordinatedScene, GaveUp, Refused
from odradek.testing.group_members import MEMBERS, GroupMember, GroupProtocol
from odradek.testing.history import BrokenPromise
from odradek.testing.scene import back_off
from odradek.testing.transaction_operations import Isolation, OffsetAcknowledged, OffsetFetched, OffsetSent, Place
from odradek.testing.transactional_readers import TransactionalReader
from odradek.testing.transactional_session import NOT_A_MEMBER, Fenced, TransactionalSession, TransactionProtocol

OFFSET_FETCH_VERSION = 8
COPIER_TIMEOUT_MS = 20_000
# How long a copier may stand still in the middle of a transaction, and then go on as if nothing had happened: longer than its session.
STALL_MS_MAX = 10_000
# What a copy has between its own name and the record it is made of.
COPY_OF = "<"
PLACES_PER_COPY_MAX = 3


async def fetch_offset(scene: CoordinatedScene, who: str, client: SimulatedClient, group: str, place: Place) -> int:
    """The committed offset that no open transaction can change any more; -1 if there is none.

    Raises:
        NoAnswer: it cannot be told now.
    """
    asked = OffsetFetchRequestGroup(group_id=group, topics=[OffsetFetchRequestTopics(place[0], ZERO_UUID, [place[1]])])
    asked_at = scene.transactions.moment()
    response = await client.request(OffsetFetchRequest(groups=[asked], require_stable=True), OffsetFetchResponse, OFFSET_FETCH_VERSION)
    answer = response.groups[0]
    partition = answer.topics[0].partitions[0] if answer.topics else None
    code = ErrorCode(answer.error_code or (partition.error_code if partition is not None else 0))
    offset = -1 if partition is None else partition.committed_offset
    scene.note(who, f"fetches the offset of {group} in {place[0]}-{place[1]}", {"error": code.name, "offset": offset})
    if code in TRY_AGAIN:
        raise NoAnswer(code.name)
    if code is not ErrorCode.NONE:
        raise BrokenPromise("no nonsense", f"{who} was answered {code.name} to a fetch of the offset of {group}")
    at = scene.transactions.moment()
    scene.transactions.add(OffsetFetched(asked_at=asked_at, at=at, group=group, topic=place[0], partition=place[1], offset=offset))
    return offset


class GroupActor:
    """A member that comes and goes; what it does with its partitions is up to its kind."""

    def __init__(
        self, scene: CoordinatedScene, name: str, group: str, topics: tuple[str, ...], protocols: tuple[GroupProtocol, ...]
    ) -> None:
        self.name = name
        self._scene = scene
        self._group = group
        self._topics = topics
        self._protocols = protocols
        self._dice = scene.dice_for(name)
        self._client = scene.client(name)
        self._lives_count = 0
        # Where it goes on in what it owns.
        self._positions: dict[Place, int] = {}

    async def run(self) -> None:
        """Be a member, again and again, until the scene is done."""
        while not self._scene.is_done:
            self._lives_count += 1
            protocol = self._dice.choice(self._protocols)
            member = MEMBERS[protocol](self._scene, f"{self.name}.{self._lives_count}", self._group, self._topics)
            await self._live(member)
            await asyncio.sleep(self._dice.choice((0, 0.5, 4)))
        self._client.close()

    async def _live(self, member: GroupMember) -> None:
        scene, dice = self._scene, self._dice
        pace_ms = dice.choice((200, 600))
        rounds = dice.randint(5, 60)
        while not scene.is_done and (scene.is_over or rounds > 0):
            rounds -= 1
            try:
                await member.beat()
                for place in [place for place in self._positions if place not in member.owned]:
                    del self._positions[place]
                await self._find_positions(member)
                await self._work(member)
            except NoAnswer as silence:
                scene.note(member.name, "got no answer", {"reason": silence})
                await back_off(dice)
            await asyncio.sleep(dice.randint(0, pace_ms) / 1000)
        self._positions.clear()
        if scene.is_done or dice.random() < 0.5:
            await member.leave()
        else:
            scene.count("members lost")
            member.vanish()

    async def _find_positions(self, member: GroupMember) -> None:
        for place in sorted(member.owned - self._positions.keys()):
            offset = await fetch_offset(self._scene, member.name, self._client, self._group, place)
            self._positions[place] = max(offset, 0)

    async def _work(self, member: GroupMember) -> None:
        raise NotImplementedError


class Watcher(GroupActor):
    """Commits an offset for one of its partitions now and then, always a larger one."""

    async def _work(self, member: GroupMember) -> None:
        if not self._positions or self._scene.is_over or self._dice.random() < 0.5:
            return
        place = self._dice.choice(sorted(self._positions))
        offset = self._positions[place] + 1
        scene, history = self._scene, self._scene.transactions
        commit = f"{member.name}/{place[0]}-{place[1]}@{offset}/{history.moment()}"
        sent = OffsetSent(
            at=history.moment(), commit=commit, transaction=None, group=self._group, topic=place[0], partition=place[1], offset=offset
        )
        history.add(sent)
        topic = OffsetCommitRequestTopic(place[0], ZERO_UUID, [OffsetCommitRequestPartition(place[1], offset)])
        request = OffsetCommitRequest(
            group_id=self._group, generation_id_or_member_epoch=member.generation, member_id=member.member_id, topics=[topic]
        )
        version = self._dice.choice(member.commit_versions)
        # Who has been given the partition before this is asked has it because this member is none any more.
        successor = scene.ledgers[self._group].successor_of(member.name, place)
        response = await self._client.request(request, OffsetCommitResponse, version)
        code = ErrorCode(response.topics[0].partitions[0].error_code)
        scene.note(member.name, f"commits {offset} in {place[0]}-{place[1]}", {"error": code.name})
        if code is ErrorCode.NONE and successor is not None:
            raise BrokenPromise("one owner", f"{member.name} commits an offset in {place[0]}-{place[1]}, which {successor} owns")
        if code is ErrorCode.NONE:
            history.add(OffsetAcknowledged(at=history.moment(), commit=commit))
            self._positions[place] = offset
            scene.count("offsets committed")
        elif code not in NOT_A_MEMBER and code not in TRY_AGAIN:
            raise BrokenPromise("no nonsense", f"{member.name} was answered {code.name} to a commit of offsets")


class Copier(GroupActor):
    """Copies what is committed in one topic into the same partition of another, with its offset in the same transaction."""

    def __init__(
        self, scene: CoordinatedScene, name: str, group: str, source: str, target: str, protocols: tuple[GroupProtocol, ...]
    ) -> None:
        super().__init__(scene, name, group, (source,), protocols)
        self._target = target
        self._protocol = self._dice.choice(list(TransactionProtocol))
        self._reader = TransactionalReader(scene, f"{name}/reader", Isolation.READ_COMMITTED, self._client)
        self._session: TransactionalSession | None = None
        self._sessions_count = 0

    async def _work(self, member: GroupMember) -> None:
        try:
            if self._session is None:
                await self._begin_session()
            assert self._session is not None
            if self._positions:
                await self._copy(member, self._session)
        except (Fenced, GaveUp) as reason:
            self._scene.note(self.name, "begins a new session", {"reason": repr(reason)})
            self._drop_session()
        except NoAnswer:
            # The transaction may be open; whoever comes next aborts it.
            self._drop_session()
            raise

    async def _begin_session(self) -> None:
        self._sessions_count += 1
        session = TransactionalSession(self._scene, f"{self.name}/{self._sessions_count}", self.name, self._protocol, COPIER_TIMEOUT_MS)
        self._session = session
        await session.begin()

    def _drop_session(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
        self._positions.clear()

    async def _copy(self, member: GroupMember, session: TransactionalSession) -> None:
        scene, dice = self._scene, self._dice
        transaction = session.start()
        places = sorted(self._positions)
        some = dice.sample(places, min(len(places), dice.randint(1, PLACES_PER_COPY_MAX)))
        offsets: dict[Place, int] = {}
        number = 0
        try:
            for place in some:
                found = await self._reader.poll(place, self._positions[place], transaction=transaction)
                values = [f"{transaction}/{number + index}{COPY_OF}{value}" for index, (_, value) in enumerate(found.records)]
                number += len(values)
                if values:
                    await session.send((self._target, place[1]), values)
                if found.next_position > self._positions[place]:
                    offsets[place] = found.next_position
            if offsets:
                if not scene.is_over and dice.random() < 0.06:
                    scene.count("copiers stalled")
                    await asyncio.sleep(dice.randint(1_000, STALL_MS_MAX) / 1000)
                ledger = scene.ledgers[self._group]
                successors = [owner for place in offsets if (owner := ledger.successor_of(member.name, place)) is not None]
                await session.send_offsets(self._group, offsets, member.member_id, member.generation)
                if successors:
                    raise BrokenPromise(
                        "one owner", f"{member.name} commits offsets in a transaction where {successors[0]} owns the partition"
                    )
            is_commit = scene.is_over or dice.random() < 0.85
        except Refused as refused:
            scene.note(session.name, "has to abort", {"reason": refused.code.name})
            is_commit = False
        await session.end(is_commit=is_commit)
        self._went_on(offsets, is_commit=is_commit)

    def _went_on(self, offsets: Mapping[Place, int], *, is_commit: bool) -> None:
        if is_commit:
            self._positions.update(offsets)
            self._scene.count("copies", len(offsets))
        else:
            # Whatever was read since is read again.
            self._positions.clear()
