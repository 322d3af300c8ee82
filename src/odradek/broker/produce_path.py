"""Produce, from the frame to the log: parsed in place, judged, staged, answered; no message objects on the way.

The whole frame is read before anything is appended, so that a malformed one changes nothing. Each partition's batch goes, as the bytes
the producer made, to its log's staging area, which gives it offsets; the answer is built at once and waits in the connection until the
turn of the loop ends and the logs have been written (`append_turn`). Only what the client has to hear more of than a code (which record
was refused and why, who leads instead) is answered through the generated codec.

mypyc compiles this module; it also runs as it stands. A test holds its answers to the bytes of the generated `ProduceResponse`.
Order of refusals: `KafkaApis.handleProduceRequest`, `ReplicaManager.appendRecordsToLeader`, `UnifiedLog.append`.
"""

from __future__ import annotations

from typing import Any, Final, final

from librt.strings import BytesWriter, read_i16_be, read_i32_be, write_i16_be, write_i32_be, write_i64_be
from mypy_extensions import i16, i32, i64

from odradek.base.errors import ProtocolViolation, StorageFailure
from odradek.records.header import (
    ACCEPTED,
    ATTRIBUTES_POSITION,
    HEADER_SIZE,
    TRANSACTIONAL_FLAG,
    BatchHeader,
    check_batch,
    needs_looking_into,
    parse_header,
)
from odradek.storage.log_tail import StagedAppend

FLEXIBLE_VERSION_MIN: Final[i64] = 9
LOG_START_OFFSET_VERSION_MIN: Final[i64] = 5
RECORD_ERRORS_VERSION_MIN: Final[i64] = 8
TOPIC_ID_VERSION_MIN: Final[i64] = 13
UUID_SIZE: Final[i64] = 16
VARINT_SHIFT_MAX: Final[i64] = 28
# The smallest array element: an index and a null set of records. An array longer than the frame could hold is refused unread.
ELEMENT_SIZE_MIN: Final[i64] = 2

NOT_LEADER_OR_FOLLOWER: Final[i64] = 6
INVALID_TOPIC_EXCEPTION: Final[i64] = 17
RECORD_LIST_TOO_LARGE: Final[i64] = 18
NOT_ENOUGH_REPLICAS: Final[i64] = 19
INVALID_REQUIRED_ACKS: Final[i64] = 21
INVALID_TXN_STATE: Final[i64] = 48
TRANSACTIONAL_ID_AUTHORIZATION_FAILED: Final[i64] = 53
KAFKA_STORAGE_ERROR: Final[i64] = 56

# The flag is in the second byte of the attributes.
TRANSACTIONAL_POSITION: Final[i64] = ATTRIBUTES_POSITION + 1

# Kafka's own tools may write to internal topics; they say so by their client id (`AdminUtils.ADMIN_CLIENT_ID`).
ADMIN_CLIENT_ID: Final = "__admin_client"

NO_OFFSET: Final[i64] = -1
NO_TIMESTAMP: Final[i64] = -1


@final
class ProducedPart:
    """What one request brings for one partition, and what became of it."""

    __slots__ = (
        "append_time_ms",
        "base_offset",
        "end",
        "error_code",
        "error_message",
        "index",
        "last_offset",
        "log_start_offset",
        "partition",
        "record_errors",
        "start",
        "topic",
    )

    def __init__(self, topic: bytes, index: i64, start: i64, end: i64) -> None:
        # The topic's name in UTF-8, or its id from version 13 on.
        self.topic = topic
        self.index = index
        self.start = start
        self.end = end
        self.error_code: i64 = 0
        self.base_offset: i64 = NO_OFFSET
        self.last_offset: i64 = NO_OFFSET
        self.append_time_ms: i64 = NO_TIMESTAMP
        self.log_start_offset: i64 = NO_OFFSET
        self.error_message: str | None = None
        self.record_errors: Any = None
        self.partition: Any = None


@final
class ProduceFrame:
    """A Produce request, read but not decided. `topics` are the bytes that the answer repeats."""

    __slots__ = (
        "acks",
        "client_id",
        "correlation_id",
        "parts",
        "parts_count_by_topic",
        "timeout_ms",
        "topics",
        "topics_count",
        "transactional_id",
        "version",
    )

    def __init__(self, version: i64, correlation_id: i64) -> None:
        self.version = version
        self.correlation_id = correlation_id
        self.client_id: str | None = None
        self.transactional_id: str | None = None
        self.acks: i64 = 0
        self.timeout_ms: i64 = 0
        self.topics_count: i64 = 0
        # The raw name (with its length) or id of each topic, as the answer repeats it.
        self.topics: list[bytes] = []
        self.parts_count_by_topic: list[int] = []
        self.parts: list[ProducedPart] = []


@final
class FrameCursor:
    """A position in a frame; every step is checked against the frame's end, because the next frame follows in the same bytes."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: i64, end: i64) -> None:
        self.data = data
        self.position = position
        self.end = end

    def take(self, size: i64) -> i64:
        """The position of the next `size` bytes, which are passed over."""
        position = self.position
        if size < 0 or size > self.end - position:
            raise ProtocolViolation(f"a field of {size} bytes does not fit into the request")
        self.position = position + size
        return position

    def i16(self) -> i64:
        return i64(read_i16_be(self.data, self.take(2)))

    def i32(self) -> i64:
        return i64(read_i32_be(self.data, self.take(4)))

    def unsigned_varint(self) -> i64:
        value: i64 = 0
        shift: i64 = 0
        while True:
            byte: i64 = self.data[self.take(1)]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > VARINT_SHIFT_MAX:
                raise ProtocolViolation("a variable-length integer has more than 5 bytes")

    def array_length(self, is_flexible: bool) -> i64:
        """The length of an array that may not be null."""
        length = self.unsigned_varint() - 1 if is_flexible else self.i32()
        if length < 0 or length * ELEMENT_SIZE_MIN > self.end - self.position:
            raise ProtocolViolation(f"an array of {length} elements does not fit into the request")
        return length

    def string_size(self, is_flexible: bool) -> i64:
        """The size of a string in bytes, -1 for null."""
        return self.unsigned_varint() - 1 if is_flexible else self.i16()

    def skip_tagged_fields(self) -> None:
        count = self.unsigned_varint()
        while count > 0:
            self.unsigned_varint()
            self.take(self.unsigned_varint())
            count -= 1

    def nullable_string(self, is_flexible: bool) -> str | None:
        size = self.string_size(is_flexible)
        if size < 0:
            return None
        position = self.take(size)
        return text_of(self.data[position : position + size])


def text_of(encoded: bytes) -> str:
    """UTF-8 as text.

    Raises:
        ProtocolViolation: it is not UTF-8.
    """
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        raise ProtocolViolation("a string is not UTF-8") from None


def read_frame(data: bytes, start: i64, end: i64) -> ProduceFrame:
    """The Produce request in `data[start:end]`, of version 3 to 13.

    Raises:
        ProtocolViolation: it is truncated, over-long or malformed.
    """
    version = i64(read_i16_be(data, start + 2))
    frame = ProduceFrame(version, i64(read_i32_be(data, start + 4)))
    cursor = FrameCursor(data, start + 8, end)
    is_flexible = version >= FLEXIBLE_VERSION_MIN
    # The client id keeps its old encoding in every header version.
    frame.client_id = cursor.nullable_string(False)
    if is_flexible:
        cursor.skip_tagged_fields()
    frame.transactional_id = cursor.nullable_string(is_flexible)
    frame.acks = cursor.i16()
    frame.timeout_ms = cursor.i32()
    topics_count = cursor.array_length(is_flexible)
    frame.topics_count = topics_count
    while topics_count > 0:
        read_topic(frame, cursor, is_flexible)
        topics_count -= 1
    # Bytes behind the last field are ignored, as in Kafka.
    if is_flexible:
        cursor.skip_tagged_fields()
    return frame


def read_topic(frame: ProduceFrame, cursor: FrameCursor, is_flexible: bool) -> None:
    """One topic with its partitions."""
    raw_start = cursor.position
    size = UUID_SIZE if frame.version >= TOPIC_ID_VERSION_MIN else cursor.string_size(is_flexible)
    position = cursor.take(size)
    topic = cursor.data[position : position + size]
    frame.topics.append(cursor.data[raw_start : cursor.position])
    count = cursor.array_length(is_flexible)
    frame.parts_count_by_topic.append(count)
    while count > 0:
        index = cursor.i32()
        records_size = cursor.unsigned_varint() - 1 if is_flexible else cursor.i32()
        if records_size < 0:
            # Null records are an empty set: refused later, with a code.
            records_size = 0
        records_start = cursor.take(records_size)
        frame.parts.append(ProducedPart(topic, index, records_start, records_start + records_size))
        if is_flexible:
            cursor.skip_tagged_fields()
        count -= 1
    if is_flexible:
        cursor.skip_tagged_fields()


def has_transactional_batch(frame: ProduceFrame, data: bytes) -> bool:
    """Whether any batch of the request says that it belongs to a transaction."""
    for part in frame.parts:
        if part.end - part.start >= HEADER_SIZE and data[part.start + TRANSACTIONAL_POSITION] & TRANSACTIONAL_FLAG != 0:
            return True
    return False


@final
class ProducePath:
    """Decides Produce requests for one node."""

    __slots__ = ("_appends", "_clock", "_registry", "_slow_path")

    def __init__(self, registry: Any, appends: Any, clock: Any, slow_path: Any) -> None:
        """`registry` finds partitions, `appends` writes at the end of the turn, `slow_path` is a `ProduceSlowPath`."""
        self._registry = registry
        self._appends = appends
        self._clock = clock
        self._slow_path = slow_path

    def handle(self, connection: Any, data: bytes, start: i64, end: i64) -> None:
        """Decide the frame `data[start:end]`, which came over `connection`; the answer leaves when the logs are written.

        Raises:
            ProtocolViolation: the frame cannot be read; nothing was appended.
        """
        frame = read_frame(data, start, end)
        now_ms: i64 = self._clock.now_ms()
        is_plain = True
        is_appended = False
        # Who writes to a transaction has to say to which, or the whole request is refused (`KafkaApis.handleProduceRequest`).
        is_anonymous = frame.transactional_id is None and has_transactional_batch(frame, data)
        for part in frame.parts:
            if is_anonymous:
                part.error_code = TRANSACTIONAL_ID_AUTHORIZATION_FAILED
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

    def _finish_unanswered(self, connection: Any, frame: ProduceFrame, is_appended: bool) -> None:
        """acks=0: a client that is told nothing learns of a refusal from the end of its connection, and looks for the leader anew."""
        for part in frame.parts:
            if part.error_code != 0:
                connection.close(f"a produce request with acks=0 was refused with error {part.error_code}")
                break
        if is_appended:
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
            self._stage(partition, data, part, frame.version, now_ms)
        except StorageFailure:
            part.error_code = KAFKA_STORAGE_ERROR

    def _stage(self, partition: Any, data: bytes, part: ProducedPart, version: i64, now_ms: i64) -> None:
        """Judge the batch of `part` and stage it in the log of `partition`, or set its error code."""
        log = partition.log
        rules = partition.produce_rules
        part.error_code = check_batch(data, part.start, part.end, version, rules.message_bytes_max)
        if part.error_code != ACCEPTED:
            self._slow_path.explain(partition, data, part)
            return
        header: BatchHeader = parse_header(data, part.start)
        if header.is_transactional():
            # Nobody can have begun a transaction: the transaction coordinator is not built yet.
            part.error_code = INVALID_TXN_STATE
            return
        batch = data
        start = part.start
        latest_ms: i64 = rules.timestamp_latest_ms(now_ms)
        if needs_looking_into(header, rules.is_every_record_judged, rules.target_codec, latest_ms, rules.is_log_append_time):
            replaced: bytes | None = self._slow_path.validated_batch(partition, data[start : start + header.size], part, now_ms)
            if part.error_code != ACCEPTED:
                part.log_start_offset = log.log_start_offset
                return
            if replaced is not None:
                batch = replaced
                start = 0
                header = parse_header(batch, 0)
        staged: StagedAppend = log.tail.stage(batch, start, header, partition.leader_epoch, now_ms)
        part.error_code = staged.error_code
        if staged.error_code != RECORD_LIST_TOO_LARGE:
            part.log_start_offset = staged.log_start_offset
        if staged.error_code == ACCEPTED:
            part.base_offset = staged.base_offset
            part.last_offset = staged.last_offset
            part.append_time_ms = staged.log_append_time_ms
            self._appends.add_partition(partition)


def encode_answer(frame: ProduceFrame) -> bytes:
    """The response frame, where no partition has more to say than a code."""
    version = frame.version
    is_flexible = version >= FLEXIBLE_VERSION_MIN
    out = BytesWriter()
    write_i32_be(out, 0)
    write_i32_be(out, i32(frame.correlation_id))
    if is_flexible:
        out.append(0)
    write_length(out, frame.topics_count, is_flexible)
    position: i64 = 0
    for number, raw_topic in enumerate(frame.topics):
        out.write(raw_topic)
        count: i64 = frame.parts_count_by_topic[number]
        write_length(out, count, is_flexible)
        while count > 0:
            write_part(out, frame.parts[position], version, is_flexible)
            position += 1
            count -= 1
        if is_flexible:
            out.append(0)
    # Throttle time.
    write_i32_be(out, 0)
    if is_flexible:
        out.append(0)
    size = len(out) - 4
    out[0] = (size >> 24) & 0xFF
    out[1] = (size >> 16) & 0xFF
    out[2] = (size >> 8) & 0xFF
    out[3] = size & 0xFF
    return out.getvalue()


def write_length(out: BytesWriter, length: i64, is_flexible: bool) -> None:
    """The length of an array, as the version has it."""
    if not is_flexible:
        write_i32_be(out, i32(length))
        return
    value = length + 1
    while value >= 0x80:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)


def write_part(out: BytesWriter, part: ProducedPart, version: i64, is_flexible: bool) -> None:
    """One partition of the answer, without record errors, message and tagged fields."""
    write_i32_be(out, i32(part.index))
    write_i16_be(out, i16(part.error_code))
    write_i64_be(out, part.base_offset)
    write_i64_be(out, part.append_time_ms)
    if version >= LOG_START_OFFSET_VERSION_MIN:
        write_i64_be(out, part.log_start_offset)
    if version >= RECORD_ERRORS_VERSION_MIN:
        if is_flexible:
            # No record errors, a null message, no tagged fields.
            out.append(1)
            out.append(0)
            out.append(0)
        else:
            write_i32_be(out, 0)
            write_i16_be(out, -1)
