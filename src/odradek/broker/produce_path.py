"""Produce, from the frame to the log: parsed in place, judged, staged, answered; no message objects on the way.

The whole frame is read before anything is appended, so that a malformed one changes nothing. Each partition's batch goes, as the bytes
the producer made, to its log's staging area, which gives it offsets; the answer is built at once and waits in the connection until the
turn of the loop ends and the logs have been written (`append_turn`). Only what the client has to hear more of than a code (which record
was refused and why, who leads instead) is answered through the generated codec.

mypyc compiles this module; it also runs as it stands.
Order of refusals: `KafkaApis.handleProduceRequest`, `ReplicaManager.appendRecordsToLeader`, `UnifiedLog.append`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from odradek.base.clock import Clock
from odradek.base.errors import StorageFailure
from odradek.broker.append_turn import AppendTurn
from odradek.broker.partition import Partition
from odradek.broker.partitions import PartitionRegistry
from odradek.broker.produce_answer import encode_answer
from odradek.broker.produce_frame import TOPIC_ID_VERSION_MIN, ProducedPart, ProduceFrame, has_transactional_batch, read_frame
from odradek.broker.transaction_verification import IMPLICIT_JOIN_VERSION_MIN
from odradek.broker.transactional_produce import TransactionalProduce
from odradek.net.frame_connection import FrameConnection
from odradek.records.header import ACCEPTED, check_batch, needs_looking_into, parse_header
from odradek.wire.frame_cursor import text_of

if TYPE_CHECKING:
    from odradek.broker.produce_slow_path import ProduceSlowPath

NOT_LEADER_OR_FOLLOWER: Final[i64] = 6
INVALID_TOPIC_EXCEPTION: Final[i64] = 17
RECORD_LIST_TOO_LARGE: Final[i64] = 18
NOT_ENOUGH_REPLICAS: Final[i64] = 19
INVALID_REQUIRED_ACKS: Final[i64] = 21
TRANSACTIONAL_ID_AUTHORIZATION_FAILED: Final[i64] = 53
KAFKA_STORAGE_ERROR: Final[i64] = 56

# Kafka's own tools may write to internal topics; they say so by their client id (`AdminUtils.ADMIN_CLIENT_ID`).
ADMIN_CLIENT_ID: Final = "__admin_client"


@final
class ProducePath:
    """Decides Produce requests for one node."""

    __slots__ = ("_appends", "_clock", "_now_ms", "_now_turn", "_registry", "_slow_path", "_transactional")

    def __init__(
        self,
        registry: PartitionRegistry,
        appends: AppendTurn,
        clock: Clock,
        slow_path: ProduceSlowPath,
        transactional: TransactionalProduce,
    ) -> None:
        """`registry` finds partitions, `appends` writes at the end of the turn."""
        self._registry = registry
        self._appends = appends
        self._clock = clock
        self._slow_path = slow_path
        self._transactional = transactional
        self._now_ms: i64 = 0
        self._now_turn: i64 = -1

    def handle(self, connection: FrameConnection, data: bytes, start: i64, end: i64) -> None:
        """Decide the frame `data[start:end]`, which came over `connection`; the answer leaves when the logs are written.

        Raises:
            ProtocolViolation: the frame cannot be read; nothing was appended.
        """
        frame = read_frame(data, start, end)
        if frame.transactional_id is None:
            # Who writes to a transaction has to say to which, or the whole request is refused (`KafkaApis.handleProduceRequest`).
            if has_transactional_batch(frame, data):
                frame.refusal_code = TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        elif frame.version >= IMPLICIT_JOIN_VERSION_MIN and self._transactional.joins(connection, frame, data, self):
            # The producer does not say where it writes: its coordinator has to know before anything is written.
            return
        self.decide(connection, frame, data)

    def decide(self, connection: FrameConnection, frame: ProduceFrame, data: bytes) -> None:
        """Append what the request brings, and answer it."""
        now_ms = self._time_of_turn()
        is_plain = True
        is_appended = False
        for part in frame.parts:
            if frame.refusal_code != 0:
                part.error_code = frame.refusal_code
            else:
                self._append(frame, part, data, now_ms)
            if part.error_code == 0:
                is_appended = True
            elif part.error_message is not None or part.record_errors is not None or part.error_code == NOT_LEADER_OR_FOLLOWER:
                is_plain = False
        if frame.acks == 0:
            self._finish_unanswered(connection, frame, is_appended)
            return
        answer = encode_answer(frame) if is_plain else self._slow_path.encode_answer(frame, connection)
        connection.send(answer)
        if is_appended:
            self._appends.add_answer(connection, frame, answer)

    def _time_of_turn(self) -> i64:
        """The clock is asked once for all requests of a turn: 900 instructions, a twentieth of a small request."""
        turn: i64 = self._appends.turns_count
        if turn != self._now_turn:
            self._now_turn = turn
            self._now_ms = self._clock.now_ms()
        return self._now_ms

    def _finish_unanswered(self, connection: FrameConnection, frame: ProduceFrame, is_appended: bool) -> None:
        """acks=0: a client that is told nothing learns of a refusal from the end of its connection, and looks for the leader anew."""
        for part in frame.parts:
            if part.error_code != 0:
                connection.close(f"a produce request with acks=0 was refused with error {part.error_code}")
                break
        if is_appended:
            self._appends.add_unanswered(connection, frame)
        self._appends.request_end()

    def _append(self, frame: ProduceFrame, part: ProducedPart, data: bytes, now_ms: i64) -> None:
        """Stage what `part` brings, or set its error code."""
        if frame.acks < -1 or frame.acks > 1:
            part.error_code = INVALID_REQUIRED_ACKS
            return
        if frame.version >= TOPIC_ID_VERSION_MIN:
            partition = self._registry.by_id(part.topic, part.index)
        else:
            partition = self._registry.get(text_of(part.topic), part.index)
        if partition is None or not partition.is_leader:
            part.error_code = self._slow_path.why_absent(frame, part)
            return
        part.partition = partition
        if partition.log.is_offline:
            part.error_code = KAFKA_STORAGE_ERROR
            return
        if partition.is_internal and frame.client_id != ADMIN_CLIENT_ID:
            part.error_code = INVALID_TOPIC_EXCEPTION
            return
        if frame.acks == -1 and not partition.has_enough_in_sync:
            part.error_code = NOT_ENOUGH_REPLICAS
            return
        try:
            self._stage(frame, partition, data, part, now_ms)
        except StorageFailure:
            part.error_code = KAFKA_STORAGE_ERROR

    def _stage(self, frame: ProduceFrame, partition: Partition, data: bytes, part: ProducedPart, now_ms: i64) -> None:
        """Judge the batch of `part` and stage it in the log of `partition`, or set its error code."""
        log = partition.log
        rules = partition.produce_rules
        part.error_code = check_batch(data, part.start, part.end, frame.version, rules.message_bytes_max)
        if part.error_code != ACCEPTED:
            self._slow_path.explain(partition, data, part)
            return
        header = parse_header(data, part.start)
        if header.is_transactional():
            part.error_code = self._transactional.refusal(frame, partition, header, part)
            if part.error_code != ACCEPTED:
                return
        batch = data
        start = part.start
        latest_ms = rules.timestamp_latest_ms(now_ms)
        if needs_looking_into(header, rules.is_every_record_judged, rules.target_codec, latest_ms, rules.is_log_append_time):
            replaced = self._slow_path.validated_batch(partition, data[start : start + header.size], part, now_ms)
            if part.error_code != ACCEPTED:
                part.log_start_offset = log.log_start_offset
                return
            if replaced is not None:
                batch = replaced
                start = 0
                header = parse_header(batch, 0)
        staged = log.tail.stage(batch, start, header, partition.leader_epoch, now_ms)
        part.error_code = staged.error_code
        if staged.error_code != RECORD_LIST_TOO_LARGE:
            part.log_start_offset = staged.log_start_offset
        if staged.error_code == ACCEPTED:
            part.base_offset = staged.base_offset
            part.last_offset = staged.last_offset
            part.append_time_ms = staged.log_append_time_ms
            self._appends.add_partition(partition)
