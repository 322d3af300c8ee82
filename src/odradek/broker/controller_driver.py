"""Runs the controller of this node: decides at once, writes in groups, answers when what was decided is committed.

A request is decided in the turn of the loop that brings it, on the metadata as of the last decision. Its records wait in `_staged` until
the commit under way, if any, is through; then all that wait go into the log together and share one wait for the disk. After the commit,
in the order of the decisions: the image is published, then the response leaves. A decision without records may rest on ones that are not
committed yet, so it too waits for what was staged before it.

What follows from time alone is done here as well, at its hour: a record of nothing when the log was idle, silent brokers, snapshots.

When there is no room for the log, everything that waits for it is refused and forgotten, and the next request is decided on what is
committed; the node serves on, and the log grows again as soon as it can. Any other error of the disk ends the node.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from odradek.base.clock import Clock
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused, StorageFailure
from odradek.broker.metadata_publisher import MetadataPublisher
from odradek.broker.raft_driver import RaftDriver, snapshot_to_load
from odradek.broker.request import RequestContext
from odradek.controller.controller import Controller, MetadataUpdate, Situation
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import MetadataImage
from odradek.metadata.record_codec import MetadataRecord, decode_metadata_record, encode_metadata_record
from odradek.protocol.internal_records.metadata import NoOpRecord
from odradek.protocol.message import Message
from odradek.protocol.messages.describe_quorum import DescribeQuorumRequest
from odradek.raft.batches import pack
from odradek.raft.control_records import QuorumHistory
from odradek.raft.describe import describe_quorum
from odradek.raft.snapshot_files import SnapshotId, encode_snapshot
from odradek.raft.snapshot_schedule import SnapshotSchedule, SnapshotSettings, snapshots_to_delete
from odradek.storage.errors import NoRoom

log = logging.getLogger("odradek.broker.controller_driver")

# What is to be removed: a snapshot or a path.
Doomed = TypeVar("Doomed")

# How often the sessions of brokers are looked at, in parts of a session, so that a silent one is fenced soon after its end.
SESSION_CHECKS_PER_SESSION = 8
# Decisions that may wait for a commit. Requests beyond it are refused as retriable rather than kept without end.
STAGED_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerTimes:
    """How often the driver acts on its own; milliseconds, 0 for never."""

    idle_interval_ms_max: int = 500
    broker_session_timeout_ms: int = 9_000


@dataclass(slots=True)
class _Staged:
    """A decision that was taken and is not committed yet. `values` are its records, encoded; `update` is None without records."""

    values: Sequence[bytes]
    update: MetadataUpdate | None
    committed: asyncio.Future[None]


class ControllerDriver:
    """The active controller of a quorum of which this node is the leader."""

    def __init__(
        self,
        *,
        controller: Controller,
        raft: RaftDriver,
        publisher: MetadataPublisher,
        bootstrap: Sequence[MetadataRecord],
        clock: Clock,
        pool: Executor,
        times: ControllerTimes,
        snapshots: SnapshotSettings,
    ) -> None:
        self._controller = controller
        self._raft = raft
        self._publisher = publisher
        self._bootstrap = bootstrap
        self._clock = clock
        self._pool = pool
        self._times = times
        self._snapshot_settings = snapshots
        self._snapshot_schedule = SnapshotSchedule(snapshots, clock.monotonic_ms())
        self._staged: deque[_Staged] = deque()
        self._next_offset = 0
        self._committing: list[_Staged] = []
        self._work = asyncio.Event()
        self._is_running = False
        self._failure: BaseException | None = None
        self._has_room = True
        self._last_append_ms = clock.monotonic_ms()
        self._last_session_check_ms = clock.monotonic_ms()
        self._snapshot_task: asyncio.Future[int] | None = None

    @property
    def raft(self) -> RaftDriver:
        return self._raft

    async def start(self) -> None:
        """Lead the quorum, read what is in the log, become active. What the log holds is published when this returns.

        Raises:
            StartRefused: the log belongs to a release this one cannot follow.
            CorruptRecords: the log or its newest snapshot is damaged.
        """
        await self._raft.start()
        self._load()
        self._next_offset = self._raft.node.log_end_offset
        records = self._controller.activate(self._bootstrap, self._clock.monotonic_ms())
        self._is_running = True
        self._stage(records)
        await self._commit_staged()

    async def run(self) -> None:
        """Commit what is staged and do what time calls for, until `stop`. A failure of the disk leaves as it is and ends the node."""
        try:
            while self._is_running:
                await self._wait_for_work()
                self._act_on_time()
                while self._staged:
                    await self._commit_staged()
        except BaseException as error:
            self._fail(error)
            raise

    async def request(self, message: object, context: RequestContext) -> Message:
        """Decide `message` and answer when its records are committed and applied on this node.

        Raises:
            RequestRefused: the request as a whole ends with an error.
        """
        return await self.decide(message, context.api_version)  # type: ignore[arg-type]

    async def decide(self, message: Message, api_version: int) -> Message:
        """As `request`, for requests of the node itself."""
        if not self._is_running:
            raise RequestRefused(ErrorCode.NOT_CONTROLLER, "The controller of this node is not running.")
        if isinstance(message, DescribeQuorumRequest):
            return describe_quorum(self._raft.node, message, api_version, self._clock.now_ms())
        if len(self._staged) >= STAGED_MAX:
            raise RequestRefused(ErrorCode.REQUEST_TIMED_OUT, "The controller has more requests than it can write.")
        decision = self._controller.decide(message, self._situation(api_version))
        # The snapshot file and the log hold one decision whole or not at all; larger ones than a batch do not exist (10,000 records).
        waiting = self._stage(decision.records)
        if waiting is not None:
            await waiting
        return decision.response

    async def stop(self) -> None:
        """Commit what is staged, then no more."""
        if self._failure is None:
            while self._staged or self._committing:
                self._work.set()
                await asyncio.wait([(self._staged or self._committing)[-1].committed])
        self._is_running = False
        self._work.set()
        while self._snapshot_task is not None:
            await asyncio.wait([self._snapshot_task])

    def _situation(self, api_version: int) -> Situation:
        return Situation(
            now_ms=self._clock.monotonic_ms(),
            next_offset=self._next_offset,
            kraft_version=self._raft.node.kraft_version,
            api_version=api_version,
        )

    def _stage(self, records: Sequence[MetadataRecord]) -> asyncio.Future[None] | None:
        """Take a decision's records into the controller and queue them; what to wait for, None when nothing is outstanding."""
        if not records:
            last = self._staged[-1] if self._staged else self._committing[-1] if self._committing else None
            return None if last is None else last.committed
        update = self._controller.replay(
            records, base_offset=self._next_offset, epoch=self._raft.node.epoch, append_time_ms=self._clock.now_ms()
        )
        # The level that these records raise holds for them too: readers take the level first.
        metadata_version = update.image.features.metadata_version_or_minimum
        values = [encode_metadata_record(record, metadata_version) for record in records]
        self._next_offset += len(records)
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._staged.append(_Staged(values, update, committed))
        self._work.set()
        return committed

    async def _commit_staged(self) -> None:
        self._committing = list(self._staged)
        self._staged.clear()
        if not self._committing:
            return
        batches = pack((staged.values for staged in self._committing), timestamp_ms=self._clock.now_ms())
        self._last_append_ms = self._clock.monotonic_ms()
        try:
            high_watermark = await self._raft.commit(batches)
        except NoRoom as error:
            self._refuse_staged(error)
            return
        if not self._has_room:
            self._has_room = True
            log.info("metadata log has room again")
        self._snapshot_schedule.on_records(sum(len(batch.data) for batch in batches))
        for staged in self._committing:
            assert staged.update is not None
            assert staged.update.image.offset < high_watermark, "published before it was committed"
            self._publisher.publish(staged.update.delta, staged.update.image)
            if not staged.committed.done():
                staged.committed.set_result(None)
        self._committing = []
        self._write_snapshot_when_due()

    def _refuse_staged(self, error: NoRoom) -> None:
        """Nothing of what was decided since the last commit is in the log, nor ever will be."""
        if self._has_room:
            self._has_room = False
            log.error("metadata log has no room: changes are refused until there is", extra={"reason": str(error)})
        self._controller.go_back_to(self._publisher.image)
        self._next_offset = self._raft.node.log_end_offset
        self._refuse_waiting(RequestRefused(ErrorCode.KAFKA_STORAGE_ERROR, "The disk of the controller has no room for the change."))

    def _refuse_waiting(self, refusal: RequestRefused) -> None:
        for staged in [*self._committing, *self._staged]:
            if not staged.committed.done():
                staged.committed.set_exception(refusal)
                # Nobody may be waiting any more; an exception that is never looked at would be logged as a mistake.
                staged.committed.exception()
        self._committing = []
        self._staged.clear()

    async def _wait_for_work(self) -> None:
        if self._staged:
            return
        self._work.clear()
        delay_ms = self._delay_ms()
        handle = asyncio.get_running_loop().call_later(delay_ms / 1000, self._work.set) if delay_ms is not None else None
        try:
            await self._work.wait()
        finally:
            if handle is not None:
                handle.cancel()

    def _delay_ms(self) -> int | None:
        now_ms = self._clock.monotonic_ms()
        deadlines = []
        if self._times.idle_interval_ms_max > 0:
            deadlines.append(self._last_append_ms + self._times.idle_interval_ms_max)
        deadlines.append(self._last_session_check_ms + self._session_check_interval_ms)
        return max(min(deadlines) - now_ms, 0)

    @property
    def _session_check_interval_ms(self) -> int:
        return max(self._times.broker_session_timeout_ms // SESSION_CHECKS_PER_SESSION, 1)

    def _act_on_time(self) -> None:
        now_ms = self._clock.monotonic_ms()
        if now_ms - self._last_session_check_ms >= self._session_check_interval_ms:
            self._last_session_check_ms = now_ms
            self._stage(self._controller.on_time_passed(self._situation(0)))
        idle_ms = self._times.idle_interval_ms_max
        # Followers and observers measure by these records how far behind they are when nothing else is written (KIP-835).
        if idle_ms > 0 and not self._staged and now_ms - self._last_append_ms >= idle_ms:
            self._stage([NoOpRecord()])

    def _load(self) -> None:
        """Bring the controller and the image to the committed end of the log."""
        metadata_log = self._raft.log
        self._controller.begin(self._raft.node.kraft_version)
        loaded = snapshot_to_load(metadata_log)
        from_offset = metadata_log.start_offset
        if loaded is not None:
            snapshot_id, snapshot = loaded
            from_offset = snapshot_id.end_offset
            records = [decode_metadata_record(value) for value in snapshot.values]
            self._controller.load_snapshot(
                records,
                end_offset=snapshot_id.end_offset,
                epoch=snapshot_id.epoch,
                append_time_ms=snapshot.last_contained_log_timestamp_ms,
            )
        for batch in metadata_log.read(from_offset):
            if batch.next_offset > self._raft.high_watermark:
                break
            self._snapshot_schedule.on_records(batch.size)
            if batch.values:
                self._controller.replay(
                    [decode_metadata_record(value) for value in batch.values],
                    base_offset=batch.base_offset,
                    epoch=batch.epoch,
                    append_time_ms=batch.max_timestamp_ms,
                )
        self._snapshot_schedule.on_start(self._clock.monotonic_ms())
        image = self._controller.image
        self._publisher.publish(MetadataDelta.of_everything(image), image)

    def _write_snapshot_when_due(self) -> None:
        now_ms = self._clock.monotonic_ms()
        if self._snapshot_task is not None or not self._snapshot_schedule.is_due(now_ms) or self._controller.has_open_transaction:
            return
        self._snapshot_schedule.on_snapshot(now_ms)
        image = self._publisher.image
        node = self._raft.node
        quorum = QuorumHistory(kraft_version=node.kraft_version, voters=node.voters)
        self._snapshot_task = asyncio.get_running_loop().run_in_executor(self._pool, self._write_snapshot, image, quorum)
        self._snapshot_task.add_done_callback(self._on_snapshot_written)

    def _write_snapshot(self, image: MetadataImage, quorum: QuorumHistory) -> int:
        metadata_version = image.features.metadata_version_or_minimum
        batches = encode_snapshot(
            (encode_metadata_record(record, metadata_version) for record in image.records()),
            epoch=image.epoch,
            last_contained_log_timestamp_ms=image.last_append_time_ms,
            now_ms=self._clock.now_ms(),
            quorum=quorum,
        )
        return self._raft.log.write_snapshot(SnapshotId(image.offset + 1, image.epoch), batches)

    def _on_snapshot_written(self, task: asyncio.Future[int]) -> None:
        self._snapshot_task = None
        error = task.exception()
        if error is not None:
            self._snapshot_schedule.on_failure(self._clock.monotonic_ms())
            log.error("metadata snapshot failed and is tried again", extra={"reason": str(error)})
            return
        log.info("metadata snapshot written", extra={"bytes": task.result()})
        metadata_log = self._raft.log
        doomed = snapshots_to_delete(metadata_log.snapshots(), metadata_log.size, self._snapshot_settings, self._clock.now_ms())
        if doomed:
            self._remove(metadata_log.unlink_snapshots, doomed, self._on_snapshots_removed)

    def _remove(self, remove: Callable[[list[Doomed]], int], doomed: list[Doomed], then: Callable[[], None]) -> None:
        """Have files removed in the pool, and go on with `then`."""

        def done(task: asyncio.Future[int]) -> None:
            self._snapshot_task = None
            error = task.exception()
            if error is not None:
                log.error("old metadata could not be removed", extra={"reason": str(error)})
                return
            then()

        self._snapshot_task = asyncio.get_running_loop().run_in_executor(self._pool, remove, doomed)
        self._snapshot_task.add_done_callback(done)

    def _on_snapshots_removed(self) -> None:
        metadata_log = self._raft.log
        try:
            obsolete = metadata_log.drop_what_snapshots_hold()
        except (OSError, StorageFailure) as error:
            log.error("old metadata could not be removed", extra={"reason": str(error)})
            return
        if obsolete:
            self._remove(metadata_log.unlink, obsolete, lambda: None)

    def _fail(self, error: BaseException) -> None:
        """Nothing can be promised any more: whoever waits is told so, and no new request is taken."""
        self._is_running = False
        self._failure = error
        self._refuse_waiting(RequestRefused(ErrorCode.NOT_CONTROLLER, "The controller of this node has failed."))
