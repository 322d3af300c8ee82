"""All logs of a node through everything that can happen to them together: topics come, go and come back under their old names, records
are written and deleted, checkpoints are written sooner or later, the node stops, is killed, or loses its power.

Beside them stands a list of what every topic should hold. Names are few, so that most of them have a past.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from odradek.base.clock import ManualClock
from odradek.base.identifiers import TopicPartition, Uuid, random_uuid
from odradek.config.log_configuration import LogConfiguration
from odradek.storage.checkpoint_work import Checkpoint, CheckpointWork
from odradek.storage.log import Log
from odradek.storage.log_directories import LogDirectories
from odradek.storage.meta_properties import MetaProperties, write_meta_properties
from odradek.storage.retention import drop_old_segments, make_way
from odradek.testing.simulated_disk import CrashKind, SimulatedDisk
from tests.storage.building import START_MS, batch, read_values, small_segments

PATHS = ("/one", "/two")
NAMES = [TopicPartition("orders", 0), TopicPartition("a-b-1", 1)]
names = st.sampled_from(NAMES)
choice = st.floats(0, 1)


@dataclass(slots=True)
class Topic:
    """What one log should hold: a value for each offset, None where a power cut took it.

    `kept_start` is where it begins at the earliest after a crash, and a power cut takes nothing below `flushed_to`. `told` has every value
    that was ever written at an offset: what one power cut has taken and nobody has waited for since, the next one may bring back.
    """

    topic_id: Uuid
    values: list[bytes | None] = field(default_factory=list)
    log_start_offset: int = 0
    kept_start: int = 0
    flushed_to: int = 0
    told: dict[int, set[bytes]] = field(default_factory=dict)


class DirectoriesMachine(RuleBasedStateMachine):
    """See the module."""

    @initialize(segment_bytes=st.sampled_from([200, 500, 1 << 20]), delay_ms=st.sampled_from([0, 1000]))
    def begin(self, segment_bytes: int, delay_ms: int) -> None:
        self.clock = ManualClock(START_MS)
        self.disk = SimulatedDisk(self.clock.now_ms)
        self.filesystem = self.disk.mount()
        self.dice = random.Random(11)
        self.configuration: LogConfiguration = small_segments(segment_bytes, 100, file_delete_delay_ms=delay_ms, retention_ms=-1)
        self.topics: dict[TopicPartition, Topic] = {}
        self.written_count = 0
        for path in PATHS:
            self.filesystem.make_directories(path)
            meta = MetaProperties(cluster_id="cluster", node_id=1, directory_id=random_uuid(self.dice))
            write_meta_properties(self.filesystem, path, meta, START_MS)
        self.disk.settle()
        self._start()

    def _start(self) -> None:
        self.overtaken: list[CheckpointWork] = []
        self.logs = LogDirectories.open(self.filesystem, PATHS, self.clock, self.dice, node_id=1)
        self.logs.open_existing(lambda topic: self.configuration)

    def _log(self, name: TopicPartition) -> Log:
        held = self.logs.get(name)
        assert held is not None
        return held

    # Topics

    @rule(name=names)
    def create(self, name: TopicPartition) -> None:
        if name not in self.topics:
            topic = self.topics[name] = Topic(random_uuid(self.dice))
            created = self.logs.create(name, topic.topic_id, self.configuration)
            assert (created.log_start_offset, created.log_end_offset, created.high_watermark) == (0, 0, 0)

    @rule(name=names)
    def delete(self, name: TopicPartition) -> None:
        if name in self.topics:
            del self.topics[name]
            self.logs.delete_async(name)

    @rule(name=names)
    def replace(self, name: TopicPartition) -> None:
        """Deleted, and created again at once."""
        self.delete(name)
        self.create(name)

    @rule(elapsed_ms=st.sampled_from([0, 500, 1000]))
    def remove_leftovers(self, elapsed_ms: int) -> None:
        self.clock.advance(elapsed_ms)
        self.logs.deletions.remove_due(self.clock.now_ms())

    # Records

    @rule(name=names, count=st.integers(1, 3), leader_epoch=st.integers(1, 2))
    def append(self, name: TopicPartition, count: int, leader_epoch: int) -> None:
        topic = self.topics.get(name)
        if topic is not None:
            values = [b"%d" % (self.written_count + number) for number in range(count)]
            self.written_count += count
            appended = self._log(name).append(batch(*values), max(leader_epoch, self._log(name).leader_epochs.latest_epoch), START_MS)
            assert (appended.error_code, appended.base_offset) == (0, len(topic.values))
            for offset, value in enumerate(values, len(topic.values)):
                topic.told.setdefault(offset, set()).add(value)
            topic.values += values
            self._log(name).high_watermark = len(topic.values)

    @rule(name=names, up_to=choice)
    def delete_records(self, name: TopicPartition, up_to: float) -> None:
        topic = self.topics.get(name)
        if topic is not None:
            topic.log_start_offset += round((len(topic.values) - topic.log_start_offset) * up_to)
            self._log(name).delete_records_before(topic.log_start_offset)

    @rule(name=names, up_to=choice)
    def delete_records_for_good(self, name: TopicPartition, up_to: float) -> None:
        """As DeleteRecords does it: the new log start is on the disk before anybody is told."""
        self.delete_records(name, up_to)
        self.write_checkpoint(Checkpoint.LOG_STARTS)

    @rule(name=names)
    def drop_segments(self, name: TopicPartition) -> None:
        """What lies below the log start goes, and then the names of the files say where the log begins."""
        if name in self.topics:
            make_way(self._log(name), self.clock.now_ms())
            drop_old_segments(self._log(name), self.clock.now_ms(), 10)

    @rule(name=names)
    def flush(self, name: TopicPartition) -> None:
        if name in self.topics:
            self._log(name).flush()
            self.topics[name].flushed_to = len(self.topics[name].values)

    # Checkpoints

    @rule(checkpoint=st.sampled_from(list(Checkpoint)))
    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        self.logs.checkpoint(checkpoint)
        if checkpoint is Checkpoint.LOG_STARTS:
            for topic in self.topics.values():
                topic.kept_start = topic.log_start_offset

    @rule(checkpoint=st.sampled_from([Checkpoint.LOG_STARTS, Checkpoint.RECOVERY_POINTS]))
    def begin_checkpoint_that_is_slow(self, checkpoint: Checkpoint) -> None:
        self.overtaken.append(self.logs.begin_checkpoint(checkpoint))

    @precondition(lambda self: self.overtaken)
    @rule()
    def end_checkpoint_that_was_slow(self) -> None:
        work = self.overtaken.pop(0)
        work.run()
        self.logs.end_checkpoint(work)

    # Stopping

    @rule()
    def stop_and_start(self) -> None:
        self.logs.close()
        for topic in self.topics.values():
            topic.kept_start, topic.flushed_to = topic.log_start_offset, len(topic.values)
        self._start()
        assert all(directory.was_clean for directory in self.logs.directories)

    @rule()
    def crash_and_start(self) -> None:
        self._crash(CrashKind.PROCESS, random.Random(0))
        for name, topic in self.topics.items():
            log = self._log(name)
            assert topic.kept_start <= log.log_start_offset <= topic.log_start_offset, f"{name} begins at {log.log_start_offset}"
            topic.log_start_offset = log.log_start_offset
            assert log.high_watermark <= len(topic.values)
            log.high_watermark = len(topic.values)

    @rule(seed=st.integers(0, 1 << 30))
    def lose_power_and_start(self, seed: int) -> None:
        self._crash(CrashKind.POWER, random.Random(seed))
        for held in self.logs:
            # What nobody was waited for may have come back or never have come; the metadata know which topic has the name now.
            topic = self.topics.get(held.topic_partition)
            if topic is None:
                self.logs.set_aside(held.topic_partition)
            elif held.topic_id is None:
                held.assign_topic_id(topic.topic_id)
            elif held.topic_id != topic.topic_id:
                self.logs.delete_async(held.topic_partition)
        for name, topic in self.topics.items():
            self._take_over(name, topic)

    def _take_over(self, name: TopicPartition, topic: Topic) -> None:
        """Hold what a power cut has left of a topic against what it must not take, and go on from there."""
        log = self.logs.get(name)
        if log is None:
            assert topic.flushed_to == 0, f"{name} is gone, and was durable up to {topic.flushed_to}"
            log = self.logs.create(name, topic.topic_id, self.configuration)
            topic.kept_start = 0
        end = log.log_end_offset
        assert topic.flushed_to <= end <= max(*topic.told, -1, topic.kept_start - 1) + 1
        assert topic.kept_start <= log.log_start_offset
        assert log.log_start_offset <= topic.log_start_offset or topic.flushed_to == 0
        found: dict[int, bytes] = dict(read_values(log))
        durable = range(log.log_start_offset, topic.flushed_to)
        assert [found.get(offset) for offset in durable] == [topic.values[offset] for offset in durable]
        assert all(value in topic.told[offset] for offset, value in found.items()), f"{name} has what was never written there"
        topic.values = [found.get(offset) for offset in range(end)]
        topic.log_start_offset = log.log_start_offset
        log.high_watermark = end

    def _crash(self, kind: CrashKind, dice: random.Random) -> None:
        self.disk.crash(kind, dice)
        self.filesystem = self.disk.mount()
        self._start()

    # What has to be true

    @invariant()
    def every_topic_holds_what_it_should(self) -> None:
        assert len(self.logs) == len(self.topics)
        for name, topic in self.topics.items():
            log = self._log(name)
            assert log.topic_id == topic.topic_id
            assert (log.log_start_offset, log.log_end_offset) == (topic.log_start_offset, len(topic.values))
            expected = [(offset, value) for offset, value in enumerate(topic.values) if value is not None]
            assert read_values(log) == [pair for pair in expected if pair[0] >= topic.log_start_offset]

    @invariant()
    def directories_are_those_of_the_topics(self) -> None:
        """And of those that wait for their removal, each under another name."""
        held = [name for path in PATHS for name in self.filesystem.list_directories(path)]
        live = sorted(name for name in held if not name.endswith(("-delete", "-stray")))
        assert live == sorted(f"{name.topic}-{name.partition}" for name in self.topics)
        assert len(held) - len(live) <= len(self.logs.deletions)


TestDirectoriesMachine = DirectoriesMachine.TestCase
TestDirectoriesMachine.settings = settings(max_examples=100, stateful_step_count=40)
