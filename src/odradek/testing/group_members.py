"""Members of a group in a simulation, of the classic protocol and of KIP-848: what they own, as the coordinator told them.

A member does one thing at a time: `beat` keeps its place in the group, and may give it partitions or take them away. What it owns it
uses until it has given it up; it gives up before it says so, and everything at once when it is told that it is no member any more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from enum import Enum
from struct import Struct
from typing import final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.coordinator.group.consumer_embedding import assignment_of, encode_assignment
from odradek.protocol.internal_records.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
)
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
    ConsumerGroupHeartbeatResponse,
)
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from odradek.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from odradek.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from odradek.testing.client import NoAnswer
from odradek.testing.coordinated_scene import TRY_AGAIN, CoordinatedScene
from odradek.testing.history import BrokenPromise
from odradek.testing.transaction_operations import Place

SESSION_TIMEOUT_MS = 6_000
REBALANCE_TIMEOUT_MS = 15_000
# JoinGroup and SyncGroup are answered when everybody else is ready.
PATIENCE_MS = REBALANCE_TIMEOUT_MS + 10_000
NOT_A_MEMBER = frozenset(
    {
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.ILLEGAL_GENERATION,
        ErrorCode.FENCED_MEMBER_EPOCH,
        ErrorCode.REBALANCE_IN_PROGRESS,
        # The last members that KIP-848 knows of were put out, and the group is one of the classic protocol since.
        ErrorCode.GROUP_ID_NOT_FOUND,
    }
)
SUBSCRIPTION_VERSION = 3
CONSUMER = "consumer"
ASSIGNOR = "range"
_VERSION = Struct(">h")


class GroupProtocol(Enum):
    """How a member takes part in its group."""

    CLASSIC = "classic"
    CONSUMER = "consumer"


class GroupMember(ABC):
    """One member. `generation` is the generation or the member epoch with which it commits; -1 while it is in no group."""

    # In which versions of OffsetCommit it can say who it is.
    commit_versions: tuple[int, ...] = (7, 8, 9)

    def __init__(self, scene: CoordinatedScene, name: str, group: str, topics: Collection[str]) -> None:
        self.name = name
        self.group = group
        self.topics = tuple(topics)
        self.member_id = ""
        self.generation = -1
        self.owned: set[Place] = set()
        self._scene = scene
        self._ledger = scene.ledgers[group]
        self._dice = scene.dice_for(f"{name}/group")
        self._client = scene.client(f"{name}/group", timeout_ms=PATIENCE_MS)

    @abstractmethod
    async def beat(self) -> None:
        """Ask the coordinator, once, for whatever is next.

        Raises:
            NoAnswer: and nothing has changed.
        """

    @abstractmethod
    async def leave(self) -> None:
        """Leave the group; what the member owned it gives up first."""

    def vanish(self) -> None:
        """The process ends; nobody is told."""
        self._scene.note(self.name, "vanishes", {"member": self.member_id})
        self._ledger.vanished(self.name)
        self.owned.clear()
        self._client.close()

    def _give_up(self, places: Collection[Place]) -> None:
        for place in sorted(places):
            self._ledger.gave_up(self.name, place)
            self.owned.discard(place)

    def _take(self, places: Collection[Place]) -> None:
        for place in sorted(places - self.owned if isinstance(places, set) else set(places) - self.owned):
            self._ledger.took(self.name, place, self._scene.now_ms)
            self.owned.add(place)

    def _check_known(self, code: ErrorCode, what: str) -> None:
        if code not in TRY_AGAIN:
            raise BrokenPromise("no nonsense", f"{self.name} was answered {code.name} to {what}")

    def _note(self, what: str, code: ErrorCode) -> None:
        owned = ",".join(f"{topic}-{index}" for topic, index in sorted(self.owned))
        self._scene.note(self.name, what, {"error": code.name, "generation": self.generation, "owns": owned})


@final
class ConsumerMember(GroupMember):
    """A member of KIP-848: it is told what it owns, gives up first and says so, and is given the rest when others have."""

    commit_versions = (9,)

    def __init__(self, scene: CoordinatedScene, name: str, group: str, topics: Collection[str]) -> None:
        super().__init__(scene, name, group, topics)
        self.member_id = str(Uuid(self._dice.randbytes(16)))
        self._epoch = 0
        self._is_subscription_said = False

    async def beat(self) -> None:
        ids = {self._scene.growing[name].topic_id: name for name in self.topics}
        request = ConsumerGroupHeartbeatRequest(
            group_id=self.group,
            member_id=self.member_id,
            member_epoch=self._epoch,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            subscribed_topic_names=None if self._is_subscription_said else list(self.topics),
            topic_partitions=[
                ConsumerGroupHeartbeatRequestTopicPartitions(topic_id, sorted(index for topic, index in self.owned if topic == name))
                for topic_id, name in ids.items()
                if any(topic == name for topic, _ in self.owned)
            ],
        )
        sent_ms = self._scene.now_ms
        try:
            response = await self._client.request(request, ConsumerGroupHeartbeatResponse, 1)
        except NoAnswer:
            # The coordinator may be another one by now, which has to be told everything.
            self._is_subscription_said = False
            raise
        code = ErrorCode(response.error_code)
        if code in NOT_A_MEMBER:
            self._note("is no member any more", code)
            self._give_up(set(self.owned))
            self._epoch, self.generation, self._is_subscription_said = 0, -1, False
            return
        if code is not ErrorCode.NONE:
            self._note("beats", code)
            self._check_known(code, "a heartbeat")
            self._is_subscription_said = False
            raise NoAnswer(code.name)
        self._ledger.heard(self.name, sent_ms)
        self._is_subscription_said = True
        self._epoch = self.generation = response.member_epoch
        if response.assignment is not None:
            told = {(ids[it.topic_id], index) for it in response.assignment.topic_partitions for index in it.partitions}
            self._give_up(self.owned - told)
            self._take(told)
        self._note("beats", code)

    async def leave(self) -> None:
        self._give_up(set(self.owned))
        if self._epoch > 0:
            request = ConsumerGroupHeartbeatRequest(group_id=self.group, member_id=self.member_id, member_epoch=-1)
            try:
                response = await self._client.request(request, ConsumerGroupHeartbeatResponse, 1)
                self._note("leaves", ErrorCode(response.error_code))
            except NoAnswer as silence:
                self._scene.note(self.name, "leaves without an answer", {"reason": silence})
        self._client.close()


@final
class ClassicMember(GroupMember):
    """A member of the classic protocol that gives up everything before it joins again; as leader it deals the partitions out."""

    def __init__(self, scene: CoordinatedScene, name: str, group: str, topics: Collection[str]) -> None:
        super().__init__(scene, name, group, topics)
        self._version = self._dice.choice((4, 5, 9))
        self._known_counts: dict[str, int] = {}
        self._is_leader = False

    async def beat(self) -> None:
        if self.generation < 0 or (self._is_leader and self._counts() != self._known_counts):
            await self._join()
            return
        sent_ms = self._scene.now_ms
        request = HeartbeatRequest(self.group, self.generation, self.member_id)
        response = await self._client.request(request, HeartbeatResponse, 3)
        code = ErrorCode(response.error_code)
        self._note("beats", code)
        if code is ErrorCode.NONE:
            self._ledger.heard(self.name, sent_ms)
        elif code in NOT_A_MEMBER:
            self._drop_out(code)
        else:
            self._check_known(code, "a heartbeat")

    async def leave(self) -> None:
        self._give_up(set(self.owned))
        if self.member_id:
            request = LeaveGroupRequest(self.group, members=[MemberIdentity(self.member_id)])
            try:
                response = await self._client.request(request, LeaveGroupResponse, 4)
                self._note("leaves", ErrorCode(response.error_code))
            except NoAnswer as silence:
                self._scene.note(self.name, "leaves without an answer", {"reason": silence})
        self._client.close()

    async def _join(self) -> None:
        self._give_up(set(self.owned))
        self.generation = -1
        self._known_counts = self._counts()
        request = JoinGroupRequest(
            group_id=self.group,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            member_id=self.member_id,
            protocol_type=CONSUMER,
            protocols=[JoinGroupRequestProtocol(ASSIGNOR, self._subscription())],
        )
        response = await self._client.request(request, JoinGroupResponse, self._version)
        code = ErrorCode(response.error_code)
        self._note("joins", code)
        if code is ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = response.member_id
        elif code in NOT_A_MEMBER:
            self._drop_out(code)
        elif code is ErrorCode.NONE:
            self.member_id = response.member_id
            self._is_leader = response.leader == response.member_id
            await self._sync(response)
        else:
            self._check_known(code, "joining")
            raise NoAnswer(code.name)

    async def _sync(self, joined: JoinGroupResponse) -> None:
        assignments = []
        if self._is_leader and not joined.skip_assignment:
            assignments = [
                SyncGroupRequestAssignment(member_id, _encoded(places))
                for member_id, places in self._dealt([member.member_id for member in joined.members]).items()
            ]
        request = SyncGroupRequest(
            group_id=self.group,
            generation_id=joined.generation_id,
            member_id=self.member_id,
            protocol_type=CONSUMER,
            protocol_name=ASSIGNOR,
            assignments=assignments,
        )
        sent_ms = self._scene.now_ms
        response = await self._client.request(request, SyncGroupResponse, 5)
        code = ErrorCode(response.error_code)
        if code is ErrorCode.NONE:
            self._ledger.heard(self.name, sent_ms)
            self.generation = joined.generation_id
            assigned = assignment_of(response.assignment).assigned_partitions if response.assignment else []
            self._take({(it.topic, index) for it in assigned for index in it.partitions})
        elif code in NOT_A_MEMBER:
            self._drop_out(code)
        else:
            self._check_known(code, "syncing")
        self._note("syncs", code)

    def _drop_out(self, code: ErrorCode) -> None:
        """Join anew, under the same name if it still has one."""
        self._give_up(set(self.owned))
        self.generation = -1
        if code is ErrorCode.UNKNOWN_MEMBER_ID:
            self.member_id = ""

    def _counts(self) -> dict[str, int]:
        return {name: self._scene.growing[name].partitions_count for name in self.topics}

    def _dealt(self, member_ids: Collection[str]) -> Mapping[str, list[Place]]:
        """Each partition to one member, in turn."""
        places = [(name, index) for name in self.topics for index in range(self._known_counts[name])]
        ordered = sorted(member_ids)
        return {member_id: places[number :: len(ordered)] for number, member_id in enumerate(ordered)}

    def _subscription(self) -> bytes:
        out = bytearray(_VERSION.pack(SUBSCRIPTION_VERSION))
        ConsumerProtocolSubscription(topics=list(self.topics)).encode(out, SUBSCRIPTION_VERSION)
        return bytes(out)


def _encoded(places: Collection[Place]) -> bytes:
    topics = dict.fromkeys(topic for topic, _ in places)
    assigned = [ConsumerProtocolAssignmentTopicPartition(topic, [index for name, index in places if name == topic]) for topic in topics]
    return encode_assignment(ConsumerProtocolAssignment(assigned_partitions=assigned), SUBSCRIPTION_VERSION)


MEMBERS: Mapping[GroupProtocol, type[ConsumerMember] | type[ClassicMember]] = {
    GroupProtocol.CLASSIC: ClassicMember,
    GroupProtocol.CONSUMER: ConsumerMember,
}
