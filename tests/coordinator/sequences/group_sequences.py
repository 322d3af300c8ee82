"""The paths of the group protocols, each as a drawing; docs/consumer-groups.md shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatRequestTopicPartitions,
    ConsumerGroupHeartbeatResponse,
)
from tests.coordinator.group.migration_story import assignment_bytes, subscription_bytes
from tests.coordinator.group.shard_story import GROUP
from tests.coordinator.sequences.diagram import Diagram
from tests.coordinator.sequences.group_teller import COORDINATOR, GroupTeller

DELAY_MS: Final = 100
SESSION_MS: Final = 10_000


def classic_join() -> Diagram:
    told = GroupTeller("alice", COORDINATOR, "bob")
    told.join("alice")
    told.join("alice")
    told.join("bob")
    told.join("bob")
    told.wait(DELAY_MS * 2, "a moment for others to come: group.initial.rebalance.delay.ms")
    told.sync("bob", 1)
    told.sync("alice", 1, {"alice": b"0 1", "bob": b"2 3"})
    told.heartbeat("alice", 1)
    return told.diagram


def classic_rebalance() -> Diagram:
    told = GroupTeller("alice", COORDINATOR, "bob")
    told.join("alice")
    told.join("alice")
    told.wait(DELAY_MS * 2, "alice is alone")
    told.sync("alice", 1, {"alice": b"0 1 2 3"})
    told.join("bob")
    told.join("bob")
    told.heartbeat("alice", 1)
    told.join("alice")
    told.sync("alice", 2, {"alice": b"0 1", "bob": b"2 3"})
    told.sync("bob", 2)
    told.heartbeat("bob", 2)
    told.diagram.note("bob is silent for session.timeout.ms; alice is not")
    for _ in range(2):
        told.story.advance(SESSION_MS // 2)
        told.story.heartbeat(told.id_of("alice") or "", 2)
    told.heartbeat("bob", 2)
    told.heartbeat("alice", 2)
    told.join("alice")
    told.sync("alice", 3, {"alice": b"0 1 2 3"})
    return told.diagram


def classic_static_restart() -> Diagram:
    told = GroupTeller("alice", COORDINATOR, "alice (old)")
    told.join("alice (old)", instance_id="a")
    told.wait(DELAY_MS * 2, "she is alone")
    told.sync("alice (old)", 1, {"alice (old)": b"0 1 2 3"}, instance_id="a")
    told.diagram.note("her process is started anew, and the old one is still there somewhere")
    told.join("alice", instance_id="a")
    told.sync("alice", 1, instance_id="a")
    told.heartbeat("alice (old)", 1, instance_id="a")
    return told.diagram


class Modern:
    """A consumer of KIP-848 that says what it has."""

    def __init__(self, told: GroupTeller, name: str) -> None:
        self._told = told
        self._name = name
        self._epoch = 0
        self.has: dict[str, list[int]] = {}

    def join(self, *, topics: Sequence[str] = ("orders",), regex: str | None = None) -> None:
        request = ConsumerGroupHeartbeatRequest(
            group_id=GROUP,
            member_id=self._name,
            rebalance_timeout_ms=30_000,
            subscribed_topic_names=[] if regex else list(topics),
            subscribed_topic_regex=regex,
            topic_partitions=[],
        )
        self._beat(f"joins, reads {regex or ' '.join(topics)}", request)

    def beat(self, said: str = "") -> None:
        """Say what it has, or nothing where nothing has changed."""
        self._beat(f"epoch {self._epoch}{said}", self._request(None))

    def give_up(self, *kept: int) -> None:
        self.has = {"orders": list(kept)}
        told = " ".join(str(index) for index in kept)
        self._beat(f"epoch {self._epoch}, has only {told}", self._request(self.has))

    def leave(self) -> None:
        request = ConsumerGroupHeartbeatRequest(group_id=GROUP, member_id=self._name, member_epoch=-1)
        self._beat("leaves (epoch -1)", request)

    def _request(self, has: dict[str, list[int]] | None) -> ConsumerGroupHeartbeatRequest:
        partitions = None
        if has is not None:
            ids = self._told.story.image.topics.by_name
            partitions = [
                ConsumerGroupHeartbeatRequestTopicPartitions(topic_id=ids[name].id, partitions=indexes) for name, indexes in has.items()
            ]
        return ConsumerGroupHeartbeatRequest(group_id=GROUP, member_id=self._name, member_epoch=self._epoch, topic_partitions=partitions)

    def _beat(self, said: str, request: ConsumerGroupHeartbeatRequest) -> None:
        answer: ConsumerGroupHeartbeatResponse = self._told.beat(self._name, said, request)
        if answer.error_code == 0 and answer.member_epoch > 0:
            self._epoch = answer.member_epoch


def consumer_join_and_revoke() -> Diagram:
    told = GroupTeller("alice", COORDINATOR, "bob")
    alice, bob = Modern(told, "alice"), Modern(told, "bob")
    alice.join()
    bob.join()
    alice.beat()
    bob.beat()
    told.diagram.note("alice commits what she has read of 2 and 3, and stops reading them")
    alice.give_up(0, 1)
    bob.beat()
    alice.beat()
    return told.diagram


def consumer_leave() -> Diagram:
    told = GroupTeller("alice", COORDINATOR, "bob")
    alice, bob = Modern(told, "alice"), Modern(told, "bob")
    alice.join()
    bob.join()
    alice.beat()
    alice.give_up(0, 1)
    bob.beat()
    bob.leave()
    alice.beat()
    alice.leave()
    return told.diagram


def consumer_regex() -> Diagram:
    told = GroupTeller("alice", COORDINATOR, topics={"orders": 2, "bills": 1})
    alice = Modern(told, "alice")
    alice.join(regex="orders.*")
    told.diagram.note("somebody creates the topic orders-eu with one partition")
    told.story.create_topic("orders-eu", 1)
    told.story.consumer_group.metadata_deadline_ms = 0
    alice.beat()
    return told.diagram


def migration() -> Diagram:
    told = GroupTeller("alice", COORDINATOR, "bob")
    protocols = (("range", subscription_bytes(["orders"], {})),)
    told.join("alice", protocols=protocols)
    told.join("alice", protocols=protocols)
    told.wait(DELAY_MS * 2, "alice is alone, and her client is an old one")
    told.sync("alice", 1, {"alice": _assignment(0, 1, 2, 3)})
    told.diagram.note("bob has group.protocol=consumer: with him the group goes over to KIP-848")
    bob = Modern(told, "bob")
    bob.join()
    told.heartbeat("alice", 1)
    told.join("alice", protocols=protocols)
    told.sync("alice", 2)
    bob.beat()
    bob.leave()
    told.diagram.note("only alice is left: the group is a classic one again")
    told.heartbeat("alice", 2)
    told.join("alice", protocols=protocols)
    told.sync("alice", 3, {"alice": _assignment(0, 1, 2, 3)})
    return told.diagram


def _assignment(*partitions: int) -> bytes:
    return assignment_bytes({"orders": set(partitions)})


GROUP_SEQUENCES: Final[dict[str, Callable[[], Diagram]]] = {
    function.__name__: function
    for function in (
        classic_join,
        classic_rebalance,
        classic_static_restart,
        consumer_join_and_revoke,
        consumer_leave,
        consumer_regex,
        migration,
    )
}
