"""Consumer groups live through the end of their node: they go on from their commits, with the members that they had."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka.admin import AdminClient

from odradek.base.identifiers import TopicPartition
from tests.conformance.clients.librdkafka import Librdkafka
from tests.integration.aiokafka_member import SESSION_MS, AiokafkaMember
from tests.integration.members import CLASSIC, CONSUMER, NODE_SETTINGS, LibrdkafkaMember, NotingMember, now_ms
from tests.integration.ownership import Assigned, Expectation, Note, Read, Released, judge
from tests.integration.steady_writer import SteadyWriter
from tests.support.odradek_node import OdradekNode, free_port

AIOKAFKA: Final = "aiokafka"
KINDS: Final = (CLASSIC, CONSUMER, AIOKAFKA)
# The members of these are told nothing of the node's end: they have what they had. aiokafka joins its group again.
LASTING_KINDS: Final = (CLASSIC, CONSUMER)
MEMBERS: Final = 3
PARTITIONS: Final = 6
RECORDS_PER_SECOND: Final = 600
KILLS: Final = 4
HEARTBEAT_MS: Final = 3_000
SHARED_SECONDS_MAX: Final = 60
READ_SECONDS_MAX: Final = 60
STORY_SECONDS_MAX: Final = 300


class Group:
    """One group of one kind of member, over a topic of its name."""

    def __init__(self, kind: str, bootstrap: str, seed: int) -> None:
        self.topic = f"read-by-{kind}"
        self.notes: list[Note] = []
        self._bootstrap = bootstrap
        self.members = [self._member(kind, f"{kind}-{n}", seed + n) for n in range(MEMBERS)]
        for member in self.members:
            member.start()

    def _member(self, kind: str, name: str, seed: int) -> NotingMember:
        if kind == AIOKAFKA:
            return AiokafkaMember(name, self._bootstrap, self.topic, self.notes.append, seed)
        return LibrdkafkaMember(kind, name, self._bootstrap, self.topic, self.notes.append, seed, session_ms=SESSION_MS)

    def await_shared(self) -> None:
        """Until every partition has its owner."""
        self._await(self._is_shared, SHARED_SECONDS_MAX)

    def await_end(self, written: Mapping[TopicPartition, int]) -> None:
        """Until the last record of every partition has been read."""
        self._await(lambda: self._has_read(written), READ_SECONDS_MAX)

    def _await(self, question: Callable[[], bool], seconds_max: float) -> None:
        deadline = time.monotonic() + seconds_max
        while not question():
            failures = [f"{member.name}: {member.failure!r}" for member in self.members if member.failure is not None]
            assert failures == []
            refusals = [refusal for member in self.members for refusal in member.refusals[-5:]]
            assert time.monotonic() < deadline, f"{self.topic}: {self.changes()}, refused: {refusals}"
            time.sleep(0.05)

    def _is_shared(self) -> bool:
        owned: dict[str, set[int]] = {}
        for note in list(self.notes):
            if isinstance(note, Assigned):
                owned.setdefault(note.member, set()).update(note.partitions)
            elif isinstance(note, Released):
                owned[note.member].difference_update(note.partitions)
        return [len(partitions) for partitions in owned.values()] == [PARTITIONS // MEMBERS] * MEMBERS

    def _has_read(self, written: Mapping[TopicPartition, int]) -> bool:
        last = {note.partition: note.last for note in list(self.notes) if isinstance(note, Read)}
        return all(last.get(partition.partition, -1) == end - 1 for partition, end in written.items() if partition.topic == self.topic)

    def changes(self) -> list[Note]:
        return [note for note in self.notes if isinstance(note, Assigned | Released)]

    def member_ids(self) -> set[str]:
        """As the node tells them."""
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        described = admin.describe_consumer_groups([self.topic])[self.topic].result(READ_SECONDS_MAX)
        return {str(member.member_id) for member in described.members}

    def faults(self, written: Mapping[TopicPartition, int], begins_ms: int) -> list[str]:
        ends = {partition.partition: end for partition, end in written.items() if partition.topic == self.topic}
        # Nobody may be without an owner for longer than a session, though this is no matter here.
        expected = Expectation(ends=ends, begins_ms=begins_ms, ends_ms=now_ms(), without_owner_ms_max=SESSION_MS)
        return [f"{self.topic}: {fault}" for fault in judge(self.notes, expected).faults]


@pytest.mark.timeout(STORY_SECONDS_MAX)
@pytest.mark.parametrize("ending", ["kill", "stop"])
def test_groups_go_on_from_their_commits_with_the_same_members_when_the_node_comes_back(tmp_path: Path, ending: str) -> None:
    """Also of KIP-848: a member whose heartbeat meets the new coordinator is known to it by id and epoch."""
    seed = int(os.environ.get("TORTURE_SEED", random.randrange(1_000_000)))
    dice = random.Random(seed)
    settings = dict(NODE_SETTINGS) | {
        "group.consumer.session.timeout.ms": str(SESSION_MS),
        # librdkafka waits no longer for an answer, and may be fenced for what it does not know by then: not what this is about.
        "group.consumer.heartbeat.interval.ms": str(HEARTBEAT_MS),
        "auto.create.topics.enable": "false",
    }
    node = OdradekNode(tmp_path, settings, port=free_port())
    node.start()
    begins_ms = now_ms()
    for kind in KINDS:
        Librdkafka(node.bootstrap).create_topic(f"read-by-{kind}", partition_count=PARTITIONS)
    partitions = [TopicPartition(f"read-by-{kind}", n) for kind in KINDS for n in range(PARTITIONS)]
    writer = SteadyWriter(node.bootstrap, partitions, seed, records_per_second=RECORDS_PER_SECOND)
    writer.start()
    groups = {kind: Group(kind, node.bootstrap, seed) for kind in KINDS}
    for group in groups.values():
        group.await_shared()
    changes_before = {kind: group.changes() for kind, group in groups.items()}
    ids_before = {kind: group.member_ids() for kind, group in groups.items()}

    for _ in range(KILLS if ending == "kill" else 1):
        time.sleep(0.3 + dice.random())
        if ending == "kill":
            node.kill()
        else:
            node.stop()
        node.start()
    writer.settle()
    for group in groups.values():
        group.await_end(writer.written)

    for kind in LASTING_KINDS:
        assert groups[kind].changes() == changes_before[kind], f"seed {seed}: the members of {kind} were told to share anew"
        assert groups[kind].member_ids() == ids_before[kind], f"seed {seed}"
    for group in groups.values():
        for member in group.members:
            member.begin_leaving()
        for member in group.members:
            member.await_end()
    node.stop()
    faults = [fault for group in groups.values() for fault in group.faults(writer.written, begins_ms)]
    assert faults == [], f"TORTURE_SEED={seed}"
