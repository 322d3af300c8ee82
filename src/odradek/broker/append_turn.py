"""The end of a turn, as the logs see it: what was staged is written once per log, what became visible is shown, and answers that
must wait for more than the write are taken back until it has come.

Answers to Produce are queued in their connections as soon as the batches are staged, in the hope that the write succeeds, which
it does but once in the life of a disk. Three things make an answer wait or change, and only then is it looked up again:

- the write failed: the partitions of that log answer KAFKA_STORAGE_ERROR;
- the log promises a flush (`flush.messages`): the answers of this turn leave after one fsync that serves them all (group commit);
- `acks=all` and the in-sync replicas do not all have the records yet: the answer is parked under its partitions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from concurrent.futures import Executor
from typing import final

from odradek.base.clock import Clock
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import StorageFailure
from odradek.broker.partition import Partition
from odradek.broker.produce_frame import ProducedPart, ProduceFrame
from odradek.broker.purgatory import Purgatory
from odradek.net.frame_connection import FrameConnection
from odradek.net.output import HeldResponse
from odradek.net.turn import Turn
from odradek.protocol import apis
from odradek.protocol.messages.produce import ProduceResponse
from odradek.storage.flush_work import FlushWork

log = logging.getLogger("odradek.broker.append_turn")

PRODUCE_KEY = 0
ACKS_ALL = -1


@final
class QueuedAnswer:
    """An answer of this turn, where it is queued, and the request it belongs to."""

    __slots__ = ("connection", "frame", "response")

    def __init__(self, connection: FrameConnection, frame: ProduceFrame, response: bytes) -> None:
        self.connection = connection
        self.frame = frame
        self.response = response

    def take_back(self) -> HeldResponse:
        """Put an empty place where the answer is queued."""
        connection = self.connection
        held = HeldResponse(connection.on_output)
        position = next(number for number, piece in enumerate(connection.outgoing) if piece is self.response)
        connection.outgoing[position] = held
        connection.outgoing_size -= len(self.response)
        return held

    def with_errors(self, code_by_part: dict[int, ErrorCode]) -> bytes:
        """The answer again, with other outcomes for the parts at some positions."""
        frame = self.frame
        # The header of every Produce response is the size, the correlation id and, in flexible versions, an empty set of tags.
        header_size = 8 + apis.response_header_version(PRODUCE_KEY, frame.version)
        response, _ = ProduceResponse.decode(self.response, header_size, frame.version)
        position = 0
        for topic in response.responses:
            for partition in topic.partition_responses:
                code = code_by_part.get(position)
                if code is not None:
                    partition.error_code = code
                    partition.base_offset = -1
                    partition.log_append_time_ms = -1
                position += 1
        out = bytearray(self.response[:header_size])
        response.encode(out, frame.version)
        out[0:4] = (len(out) - 4).to_bytes(4, "big")
        return bytes(out)


class AppendTurn:
    """Gathers the appends of a turn; a hook of `Turn`."""

    __slots__ = ("_answers", "_clock", "_dirty", "_flushing", "_loop", "_pool", "_purgatory", "_turn")

    def __init__(self, turn: Turn, purgatory: Purgatory, clock: Clock, loop: asyncio.AbstractEventLoop, pool: Executor) -> None:
        self._turn = turn
        self._purgatory = purgatory
        self._clock = clock
        self._loop = loop
        self._pool = pool
        self._dirty: dict[Partition, None] = {}
        self._answers: list[QueuedAnswer] = []
        turn.add_hook(self.write)

    def add_partition(self, partition: Partition) -> None:
        """Something was staged in the log of `partition`."""
        self._dirty[partition] = None

    def add_answer(self, connection: FrameConnection, frame: ProduceFrame, response: bytes) -> None:
        """`response` is queued in `connection` and depends on this turn's writes."""
        self._answers.append(QueuedAnswer(connection, frame, response))

    def request_end(self) -> None:
        """There is something to write, though nobody waits for an answer."""
        self._turn.request_end()

    def write(self) -> None:
        """Write every log that something was staged in, and show what has become visible."""
        if not self._dirty:
            # A repeated batch stages nothing, but is answered.
            self._answers.clear()
            return
        dirty, self._dirty = self._dirty, {}
        answers, self._answers = self._answers, []
        failed: set[Partition] = set()
        waiting: set[Partition] = set()
        to_flush: set[Partition] = set()
        for partition in dirty:
            if not self._write(partition):
                failed.add(partition)
                continue
            if partition.high_watermark < partition.log.log_end_offset:
                waiting.add(partition)
            if partition.log.is_flush_due:
                to_flush.add(partition)
        if failed or waiting or to_flush:
            self._reconsider(answers, failed, waiting, to_flush)

    def _write(self, partition: Partition) -> bool:
        """Write what is staged in one log and show it; False if it is not in the log."""
        try:
            partition.log.write_staged()
        except StorageFailure as error:
            log.error("append failed", extra={"partition": str(partition.topic_partition), "reason": str(error)})
            return False
        except Exception:
            # Whatever went wrong: what may not have been written must not be acknowledged.
            log.exception("append failed", extra={"partition": str(partition.topic_partition)})
            return False
        try:
            partition.after_append()
        except Exception:
            # The records are in the log; that somebody who waited for them could not be answered is no reason to deny it.
            log.exception("waiting requests could not be completed", extra={"partition": str(partition.topic_partition)})
        return True

    def _reconsider(self, answers: list[QueuedAnswer], failed: set[Partition], waiting: set[Partition], to_flush: set[Partition]) -> None:
        """Take back the answers that cannot leave as they are."""
        await_flush: list[tuple[QueuedAnswer, HeldResponse]] = []
        for answer in answers:
            parts = answer.frame.parts
            failed_parts = {
                n: ErrorCode.KAFKA_STORAGE_ERROR for n, part in enumerate(parts) if part.error_code == 0 and part.partition in failed
            }
            if failed_parts:
                held = answer.take_back()
                answer.response = answer.with_errors(failed_parts)
                held.fulfil([answer.response])
            elif any(part.error_code == 0 and part.partition in to_flush for part in parts):
                await_flush.append((answer, answer.take_back()))
            elif answer.frame.acks == ACKS_ALL and any(part.error_code == 0 and part.partition in waiting for part in parts):
                self._park(answer, answer.take_back())
        if to_flush:
            self._flush(to_flush, await_flush)

    # acks=all

    def _park(self, answer: QueuedAnswer, held: HeldResponse) -> None:
        delayed = DelayedProduce(answer, held)
        if not delayed.is_complete():
            deadline_ms = self._clock.monotonic_ms() + max(answer.frame.timeout_ms, 0)
            self._purgatory.park(delayed, delayed.partitions(), deadline_ms)

    # Group commit

    def _flush(self, partitions: set[Partition], answers: list[tuple[QueuedAnswer, HeldResponse]]) -> None:
        """Sync the logs in the pool, all in one go, and let the answers leave when it is done."""
        works = []
        for partition in partitions:
            work = partition.log.begin_flush()
            if work is not None:
                works.append((partition, work))
        future = self._loop.run_in_executor(self._pool, _sync_all, works)

        def done(finished: asyncio.Future[dict[Partition, StorageFailure]]) -> None:
            if not finished.cancelled():
                self._flushed(works, finished.result(), answers)

        future.add_done_callback(done)

    def _flushed(
        self,
        works: list[tuple[Partition, FlushWork]],
        error_by_partition: dict[Partition, StorageFailure],
        answers: list[tuple[QueuedAnswer, HeldResponse]],
    ) -> None:
        for partition, work in works:
            error = error_by_partition.get(partition)
            if error is None:
                partition.log.end_flush(work)
            else:
                partition.log.flush_failed()
                log.error("flush failed", extra={"partition": str(partition.topic_partition), "reason": str(error)})
        for answer, held in answers:
            failed_parts = {
                n: ErrorCode.KAFKA_STORAGE_ERROR for n, part in enumerate(answer.frame.parts) if part.partition in error_by_partition
            }
            if failed_parts:
                held.fulfil([answer.with_errors(failed_parts)])
            elif answer.frame.acks == ACKS_ALL:
                self._park(answer, held)
            else:
                held.fulfil([answer.response])


def _sync_all(works: list[tuple[Partition, FlushWork]]) -> dict[Partition, StorageFailure]:
    """Wait for the disk, in a thread of the pool; the errors by partition."""
    errors: dict[Partition, StorageFailure] = {}
    for partition, work in works:
        try:
            work.run()
        except StorageFailure as error:
            errors[partition] = error
    return errors


class DelayedProduce:
    """An `acks=all` answer that waits for the high watermark to pass its records, or for its timeout (`DelayedProduce.scala`)."""

    __slots__ = ("_answer", "_held", "_pending")

    def __init__(self, answer: QueuedAnswer, held: HeldResponse) -> None:
        self._answer = answer
        self._held = held
        self._pending: dict[int, ProducedPart] = {n: part for n, part in enumerate(answer.frame.parts) if part.error_code == 0}

    def partitions(self) -> list[Hashable]:
        """What the answer waits for."""
        return [part.partition for part in self._pending.values()]

    def is_complete(self) -> bool:
        """Answer, and return True, if every partition has come as far as it must or cannot any more."""
        codes: dict[int, ErrorCode] = {}
        for position, part in self._pending.items():
            partition = part.partition
            if not partition.is_leader:
                codes[position] = ErrorCode.NOT_LEADER_OR_FOLLOWER
            elif partition.high_watermark <= part.last_offset:
                return False
            elif not partition.has_enough_in_sync:
                codes[position] = ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
        self._held.fulfil([self._answer.with_errors(codes) if codes else self._answer.response])
        return True

    def try_complete(self, key: Hashable) -> bool:
        return self.is_complete()

    def expire(self) -> None:
        late = {n: ErrorCode.REQUEST_TIMED_OUT for n, part in self._pending.items() if part.partition.high_watermark <= part.last_offset}
        self._held.fulfil([self._answer.with_errors(late)])
