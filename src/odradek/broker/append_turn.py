"""The end of a turn, as the logs see it: what was staged is written once per log, what became visible is shown, and answers that
must wait for more than the write are taken back until it has come.

Answers to Produce are queued in their connections as soon as the batches are staged, in the hope that the write succeeds, which
it does unless the disk is full or broken. Three things make an answer wait or change, and only then is it looked up again:

- the write failed: what should have gone into that log is answered KAFKA_STORAGE_ERROR. That can have happened in the middle of the turn,
  where a segment was full; what was staged before and got into the log is answered as promised, and the log takes nothing more until the
  turn is over, so that no offset that an answer of this turn names is given to anybody else;
- the log promises a flush (`flush.messages`): the answers leave after one fsync that serves them all (`group_commit`), and so long the
  high watermark stays where it is, so that nobody reads what a power cut could still take;
- `acks=all` and the in-sync replicas do not all have the records yet: the answer is parked under its partitions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Container, Hashable, Mapping
from typing import final

from odradek.base.clock import Clock
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import StorageFailure
from odradek.broker.group_commit import GroupCommit
from odradek.broker.partition import Partition
from odradek.broker.produce_frame import ProducedPart, ProduceFrame
from odradek.broker.purgatory import Purgatory
from odradek.net.frame_connection import FrameConnection
from odradek.net.output import HeldResponse
from odradek.net.turn import Turn
from odradek.protocol import apis
from odradek.protocol.messages.produce import ProduceResponse
from odradek.storage.errors import NoRoom

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
        held = HeldResponse(connection.request_flush)
        position = next(number for number, piece in enumerate(connection.outgoing) if piece is self.response)
        connection.outgoing[position] = held
        connection.outgoing_size -= len(self.response)
        return held

    def refuse(self, partitions: Container[Partition]) -> None:
        """Answer KAFKA_STORAGE_ERROR for what should have gone to `partitions`; the rest of the answer stays."""
        self._refuse({n: part for n, part in enumerate(self.frame.parts) if part.error_code == 0 and part.partition in partitions})

    def refuse_unwritten(self, partitions: Container[Partition]) -> None:
        """As `refuse`, but for what is in the logs of `partitions` all the same."""
        self._refuse({n: part for n, part in enumerate(self.frame.parts) if part.partition in partitions and _is_unwritten(part)})

    def _refuse(self, parts: Mapping[int, ProducedPart]) -> None:
        for part in parts.values():
            part.error_code = ErrorCode.KAFKA_STORAGE_ERROR
        if parts:
            self.response = self.with_errors(dict.fromkeys(parts, ErrorCode.KAFKA_STORAGE_ERROR))

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


@final
class AppendTurn:
    """Gathers the appends of a turn; a hook of `Turn`."""

    __slots__ = ("_answers", "_clock", "_dirty", "_followers", "_group_commit", "_purgatory", "_refusing", "_turn", "_unanswered")

    def __init__(self, turn: Turn, purgatory: Purgatory, clock: Clock, group_commit: GroupCommit) -> None:
        self._turn = turn
        self._purgatory = purgatory
        self._clock = clock
        self._group_commit = group_commit
        self._dirty: dict[Partition, None] = {}
        self._answers: list[QueuedAnswer] = []
        # Requests with acks=0: all they can be told is that their connection ends.
        self._unanswered: list[tuple[FrameConnection, ProduceFrame]] = []
        # Lets logs for which there was no room take batches again.
        self._refusing: list[Callable[[], None]] = []
        self._followers: list[Callable[[], None]] = []
        turn.add_hook(self.write)

    def add_follower(self, follower: Callable[[], None]) -> None:
        """Call `follower` after the writes of every turn. What it stages is written in that turn too, and all are called again after it."""
        self._followers.append(follower)

    def after_answers(self, work: Callable[[], None]) -> None:
        """Do `work` behind the answers of this turn and before anybody asks again; what it stages is written at once."""

        def done_with_care() -> None:
            try:
                work()
            except Exception:
                # As with a follower: one coordinator's mistake is not to stop the others.
                log.exception("what follows the answers failed")

        self._turn.after_sending(done_with_care)

    @property
    def turns_count(self) -> int:
        """The number of the turn that is under way."""
        return self._turn.turns_count

    def add_partition(self, partition: Partition) -> None:
        """Something was staged in the log of `partition`."""
        self._dirty[partition] = None

    def add_answer(self, connection: FrameConnection, frame: ProduceFrame, response: bytes) -> None:
        """`response` is queued in `connection` and depends on this turn's writes."""
        self._answers.append(QueuedAnswer(connection, frame, response))

    def add_unanswered(self, connection: FrameConnection, frame: ProduceFrame) -> None:
        """`frame` came over `connection`, depends on this turn's writes, and wants no answer."""
        self._unanswered.append((connection, frame))

    def request_end(self) -> None:
        """There is something to write, though nobody waits for an answer."""
        self._turn.request_end()

    def refuse_until_end(self, accept_again: Callable[[], None]) -> bool:
        """A write did not fit into a log (`LogDirectories.on_shortage`): it takes nothing more until this turn is over."""
        self._refusing.append(accept_again)
        self._turn.request_end()
        return True

    def write(self) -> None:
        """Write every log that something was staged in, and show what has become visible."""
        try:
            self._write_all()
            self._follow_up()
        finally:
            if self._refusing:
                refusing, self._refusing = self._refusing, []
                for accept_again in refusing:
                    accept_again()

    def _follow_up(self) -> None:
        """Let the coordinators see what was written, and write what they do upon that.

        The end of a transaction is three writes, each of which rests on the one before: the decision, its markers, the completion. The last
        two follow the answer in the same turn (`after_answers`), so that the producer's next transaction never finds the last one still
        ending; in a turn each it was told CONCURRENT_TRANSACTIONS 95 times of 100, and waited 20 ms each time.
        """
        is_over = False
        while not is_over:
            is_over = True
            for follower in self._followers:
                if self._dirty:
                    # Those before this one have not seen it.
                    is_over = False
                    self._write_all()
                try:
                    follower()
                except Exception:
                    # One coordinator's mistake must neither stop the answers of this turn nor the others.
                    log.exception("what follows the writes failed")
            is_over = is_over and not self._dirty
        # What a follower has decided and staged nothing, such as a batch that came again, waits for no write.
        self._answers.clear()
        self._unanswered.clear()

    def _write_all(self) -> None:
        if not self._dirty:
            # A repeated batch stages nothing, but is answered.
            self._answers.clear()
            self._unanswered.clear()
            return
        dirty, self._dirty = self._dirty, {}
        answers, self._answers = self._answers, []
        unanswered, self._unanswered = self._unanswered, []
        failed: set[Partition] = set()
        waiting: set[Partition] = set()
        # In the order of their appends, which a set would not keep: the waits of a turn come in the same order every time.
        to_flush: dict[Partition, None] = {}
        for partition in dirty:
            if not self._write(partition):
                failed.add(partition)
                if partition.log.is_offline:
                    continue
            if partition.high_watermark < partition.log.log_end_offset:
                waiting.add(partition)
            if partition.log.is_flush_due:
                to_flush[partition] = None
        if failed or waiting or to_flush:
            self._reconsider(answers, failed, waiting, to_flush)
        if failed:
            for connection, frame in unanswered:
                if any(part.partition in failed and _is_unwritten(part) for part in frame.parts):
                    connection.close("a produce request with acks=0 could not be written")

    def _write(self, partition: Partition) -> bool:
        """Write what is staged in one log and show what is in it; False if not all that was staged in this turn is."""
        written = partition.log
        try:
            # Where nothing is staged any more, it may have failed to be written in the middle of the turn.
            is_whole = written.write_staged() or not (written.is_refusing or written.is_offline)
        except NoRoom:
            # Said once for the whole directory, when it began.
            is_whole = False
        except StorageFailure as error:
            log.error("append failed", extra={"partition": str(partition.topic_partition), "reason": str(error)})
            return False
        except Exception:
            # Whatever went wrong: what may not have been written must not be acknowledged.
            log.exception("append failed", extra={"partition": str(partition.topic_partition)})
            return False
        self._show(partition)
        return is_whole

    def _show(self, partition: Partition) -> None:
        """Let everybody who waits for the partition see how far it has come."""
        try:
            partition.after_append()
        except Exception:
            # The records are in the log; that somebody who waited for them could not be answered is no reason to deny it.
            log.exception("waiting requests could not be completed", extra={"partition": str(partition.topic_partition)})

    def _reconsider(
        self, answers: list[QueuedAnswer], failed: set[Partition], waiting: set[Partition], to_flush: dict[Partition, None]
    ) -> None:
        """Take back the answers that cannot leave as they are."""
        await_flush: list[tuple[QueuedAnswer, HeldResponse]] = []
        for answer in answers:
            parts = answer.frame.parts
            is_failed = any(part.error_code == 0 and part.partition in failed for part in parts)
            is_to_flush = any(part.error_code == 0 and part.partition in to_flush for part in parts)
            is_waiting = answer.frame.acks == ACKS_ALL and any(part.error_code == 0 and part.partition in waiting for part in parts)
            if not (is_failed or is_to_flush or is_waiting):
                continue
            held = answer.take_back()
            if is_failed:
                answer.refuse_unwritten(failed)
            # Some partitions of an answer may have failed while others have a promise to keep first.
            if is_to_flush:
                await_flush.append((answer, held))
            elif is_waiting:
                self._park(answer, held)
            else:
                held.fulfil([answer.response])
        if to_flush:
            self._flush(to_flush, await_flush)

    # acks=all

    def _park(self, answer: QueuedAnswer, held: HeldResponse) -> None:
        delayed = DelayedProduce(answer, held)
        if not delayed.is_complete():
            deadline_ms = self._clock.monotonic_ms() + max(answer.frame.timeout_ms, 0)
            self._purgatory.park(delayed, delayed.partitions(), deadline_ms)

    # Group commit

    def _flush(self, partitions: Collection[Partition], answers: list[tuple[QueuedAnswer, HeldResponse]]) -> None:
        """Let the answers leave when the logs are durable."""

        def done(error_by_partition: Mapping[Partition, StorageFailure]) -> None:
            for partition in partitions:
                if partition not in error_by_partition:
                    # What was held back until it was durable can be seen now.
                    self._show(partition)
            for answer, held in answers:
                self._flushed(answer, held, error_by_partition)

        self._group_commit.commit(partitions, done)

    def _flushed(self, answer: QueuedAnswer, held: HeldResponse, error_by_partition: Mapping[Partition, StorageFailure]) -> None:
        answer.refuse(error_by_partition)
        if answer.frame.acks == ACKS_ALL:
            self._park(answer, held)
        else:
            held.fulfil([answer.response])


def _is_unwritten(part: ProducedPart) -> bool:
    written = part.partition.log
    return part.error_code == 0 and (written.is_offline or part.last_offset >= written.log_end_offset)


@final
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
            if partition.log.is_offline:
                codes[position] = ErrorCode.KAFKA_STORAGE_ERROR
            elif partition.high_watermark <= part.last_offset:
                if partition.is_leader:
                    return False
                codes[position] = ErrorCode.NOT_LEADER_OR_FOLLOWER
            elif not partition.has_enough_in_sync:
                codes[position] = ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
        self._held.fulfil([self._answer.with_errors(codes) if codes else self._answer.response])
        return True

    def try_complete(self, key: Hashable) -> bool:
        return self.is_complete()

    def expire(self) -> None:
        late = {n: ErrorCode.REQUEST_TIMED_OUT for n, part in self._pending.items() if part.partition.high_watermark <= part.last_offset}
        self._held.fulfil([self._answer.with_errors(late)])
