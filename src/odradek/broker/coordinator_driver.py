"""Runs the shards of one coordinator on this node: one for each partition of its topic that the node leads (`CoordinatorRuntime.java`).

Follows the metadata: a partition that begins to be led is loaded, one that is lost is given up. Keeps one timer for the earliest
deadline of all shards. Which partition keeps what is `coordinator.placement`; what is decided, the shard; how it is written,
`coordinator_runner`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.broker.coordinator_runner import RunnerParts, RunnerState, ShardRunner
from odradek.broker.partition import Partition
from odradek.broker.partitions import PartitionRegistry
from odradek.broker.purgatory import Cancellable
from odradek.coordinator.placement import partition_of
from odradek.coordinator.shard import Answer, Encoded, Moment, Outcome, Refusal, Shard, Ticket
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage

AnyShard = TypeVar("AnyShard", bound=Shard)


class CoordinatorDriver(Generic[AnyShard]):
    """The coordinator whose state is in `topic`. A subscriber of the metadata, after the partition registry."""

    def __init__(
        self,
        topic: str,
        make_shard: Callable[[int], AnyShard],
        partitions: PartitionRegistry,
        parts: RunnerParts,
        tasks: asyncio.TaskGroup,
        call_later: Callable[[float, Callable[[], None]], Cancellable],
        perform: Callable[[ShardRunner[AnyShard], object], None] | None = None,
    ) -> None:
        """`make_shard(partition index)` makes an empty shard; `tasks` owns the loading."""
        self.topic = topic
        self._make_shard = make_shard
        self._partitions = partitions
        self._parts = parts
        self._tasks = tasks
        self._call_later = call_later
        self._perform = perform or _refuse_deed
        self._runners: dict[int, ShardRunner[AnyShard]] = {}
        self._image = EMPTY_IMAGE
        self._timer: Cancellable | None = None
        self._armed_for_ms = 0
        self._is_closed = False
        # The runners that have staged something since the last writes. A node has fifty, and most turns are none of theirs.
        self._staged: dict[ShardRunner[AnyShard], None] = {}
        parts.appends.add_follower(self._after_writes)

    # Asking

    async def ask(self, key: str, question: Callable[[AnyShard, Ticket, Moment], Outcome]) -> Answer:
        """Ask the shard that keeps `key`.

        Raises:
            RequestRefused: it refuses, or is not here (NOT_COORDINATOR), or is loading, or its topic does not exist yet.
        """
        runner = self._runner_of(key)
        later = runner.ask(question)
        # What was decided may wait for something that only time brings.
        self._arm_for(runner.next_deadline_ms())
        answer = await later
        if isinstance(answer, Refusal):
            raise RequestRefused(answer.code, answer.message)
        return answer

    def ask_encoded(self, key: str, question: Callable[[AnyShard, Moment], Encoded | None], then: Callable[[ErrorCode], None]) -> bool:
        """As `ShardRunner.ask_encoded`, of the shard that keeps `key`; False also where that is not here."""
        index = self.partition_index_of(key)
        runner = None if index is None else self._runners.get(index)
        if runner is None or not runner.ask_encoded(question, then):
            return False
        self._arm_for(runner.next_deadline_ms())
        return True

    def shards(self) -> Iterator[AnyShard]:
        """Every shard that can be asked, for reading.

        Raises:
            RequestRefused: one is loading.
        """
        for _, runner in sorted(self._runners.items()):
            if runner.state is RunnerState.LOADING:
                raise RequestRefused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
            shard = runner.peek()
            if shard is not None:
                yield shard

    def loaded_shards(self) -> list[AnyShard]:
        """The shards that can be read now."""
        return [shard for _, runner in sorted(self._runners.items()) if (shard := runner.peek()) is not None]

    def partition_index_of(self, key: str) -> int | None:
        """The partition that keeps `key`; None while the topic does not exist."""
        topic = self._image.topics.by_name.get(self.topic)
        return None if topic is None else partition_of(key, len(topic.partitions))

    def runner_at(self, index: int) -> ShardRunner[AnyShard] | None:
        """The runner of a partition that this node coordinates."""
        return self._runners.get(index)

    def peek(self, key: str) -> AnyShard:
        """The shard that keeps `key`, for reading at once: what it says may not be committed yet.

        Raises:
            RequestRefused: it cannot be asked now.
        """
        runner = self._runner_of(key)
        shard = runner.peek()
        if shard is None:
            is_loading = runner.state is RunnerState.LOADING
            raise RequestRefused(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS if is_loading else ErrorCode.NOT_COORDINATOR)
        return shard

    def _runner_of(self, key: str) -> ShardRunner[AnyShard]:
        index = self.partition_index_of(key)
        if index is None or self._is_closed:
            raise RequestRefused(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        runner = self._runners.get(index)
        if runner is None:
            raise RequestRefused(ErrorCode.NOT_COORDINATOR)
        return runner

    # Leadership

    def on_metadata_update(self, delta: MetadataDelta, image: MetadataImage) -> None:
        """Load what is led newly, give up what is not led any more, and tell the others of the change."""
        self._image = image
        if self._is_closed:
            return
        led = {partition.index: partition for partition in self._led()}
        for index in [index for index, runner in self._runners.items() if led.get(index) is not runner.partition]:
            self._runners.pop(index).stop()
        for runner in list(self._runners.values()):
            runner.on_metadata_update(delta, image)
        for index, partition in led.items():
            if index not in self._runners:
                self._start(index, partition)
        self._arm()

    def _led(self) -> Iterator[Partition]:
        topic = self._image.topics.by_name.get(self.topic)
        for index in topic.partitions if topic is not None else ():
            partition = self._partitions.get(self.topic, index)
            if partition is not None and partition.is_leader and not partition.log.is_offline:
                yield partition

    def _start(self, index: int, partition: Partition) -> None:
        runner = ShardRunner(partition, lambda: self._make_shard(index), lambda: self._image, self._parts, self._perform, self._note_staged)
        self._runners[index] = runner
        self._tasks.create_task(self._load(runner), name=f"loading of {partition.topic_partition}")

    async def _load(self, runner: ShardRunner[AnyShard]) -> None:
        await runner.load()
        self._arm()

    def _note_staged(self, runner: ShardRunner[AnyShard]) -> None:
        self._staged[runner] = None

    def _after_writes(self) -> None:
        if not self._staged:
            return
        staged, self._staged = self._staged, {}
        for runner in staged:
            runner.after_writes()
        self._restart_failed(staged)

    def _restart_failed(self, runners: Iterable[ShardRunner[AnyShard]]) -> None:
        for runner in runners:
            if runner.state is RunnerState.FAILED and not self._is_closed and not runner.partition.log.is_offline:
                # What is in the log is the truth; whoever asks meanwhile is told that it is being read.
                self._call_later(0, lambda runner=runner: self._restart(runner))  # type: ignore[misc]

    def _restart(self, failed: ShardRunner[AnyShard]) -> None:
        index = failed.partition.index
        if self._runners.get(index) is failed and not self._is_closed:
            self._start(index, failed.partition)

    # Time

    def _arm(self) -> None:
        deadlines = [deadline_ms for runner in self._runners.values() if (deadline_ms := runner.next_deadline_ms()) is not None]
        self._arm_for(min(deadlines, default=None))

    def _arm_for(self, deadline_ms: int | None) -> None:
        """Act on time at `deadline_ms`, if nothing comes before that anyway."""
        if self._is_closed or deadline_ms is None:
            return
        if self._timer is not None:
            if self._armed_for_ms <= deadline_ms:
                return
            self._timer.cancel()
        self._armed_for_ms = deadline_ms
        delay_ms = max(deadline_ms - self._parts.clock.monotonic_ms(), 0)
        self._timer = self._call_later(delay_ms / 1000, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        for runner in list(self._runners.values()):
            runner.act_on_time()
        self._restart_failed(self._runners.values())
        self._arm()

    # Ending

    def close(self) -> None:
        """The node stops: everybody who waits is told to ask another coordinator."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for runner in self._runners.values():
            runner.stop()
        self._runners.clear()


def _refuse_deed(runner: object, deed: object) -> None:
    raise AssertionError(f"nobody does {deed}")
