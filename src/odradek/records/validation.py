"""The slow path of Produce: a batch whose records have to be looked at, or which the topic wants otherwise than the producer made it.

The hot path has judged header and checksum (`header.check_batch`) and found a reason to look closer (`header.needs_looking_into`):
the topic is compacted and takes no record without a key, a timestamp may lie outside what the topic allows, or the topic has a codec
of its own. Every record is then read and judged, as `LogValidator` does for every batch; one bad record refuses the whole batch, and
the answer says which records and why (KIP-467).

Leaves to the log: offsets, leader epoch, and the time of the append (`message.timestamp.type=LogAppendTime`), which are stamped later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import CorruptRecords
from odradek.base.identifiers import NO_TIMESTAMP
from odradek.records.batch import batch_body
from odradek.records.builder import assemble_batch, encode_batch
from odradek.records.compression import Codec, compress
from odradek.records.header import LOG_APPEND_TIME_FLAG, BatchHeader, parse_header, restamp_timestamps
from odradek.records.produce_rules import KEEPS_CODEC, ProduceRules
from odradek.records.record import Record, read_records

# A producer learns the fate of every record from the code; these are the reasons, and a batch of a million bad records needs no more.
RECORD_ERRORS_MAX: Final = 1000


class RecordError(NamedTuple):
    """Why one record of a batch was refused; `batch_index` counts from 0 within the batch."""

    batch_index: int
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a batch: with `replacement` None it stays as it is. `message` and `record_errors` are for the producer."""

    error_code: ErrorCode = ErrorCode.NONE
    replacement: bytes | None = None
    message: str | None = None
    record_errors: Sequence[RecordError] = ()


ACCEPTED_AS_IT_IS: Final = Verdict()


def validate_batch(batch: bytes, rules: ProduceRules, now_ms: int) -> Verdict:
    """Judge every record of one batch that `check_batch` has accepted, and make it what the topic wants."""
    header = parse_header(batch, 0)
    try:
        body = batch_body(batch, 0, header)
        records = read_records(body, header.record_count, header.base_offset, header.base_timestamp)
    except CorruptRecords as error:
        return Verdict(ErrorCode.INVALID_RECORD, message=str(error))
    if header.is_log_append_time():
        for record in records:
            record.timestamp = header.max_timestamp
    refusal = _judged(records, header, rules, now_ms)
    if refusal is not None:
        return refusal
    return _as_wanted(batch, header, body, records, rules)


def _judged(records: Sequence[Record], header: BatchHeader, rules: ProduceRules, now_ms: int) -> Verdict | None:
    reason_of_timestamp = _timestamp_judge(header, rules, now_ms)
    record_errors: list[RecordError] = []
    has_wrong_timestamp = False
    for index, record in enumerate(records):
        if rules.is_compacted and record.key is None:
            reason = "a compacted topic takes no record without a key"
        else:
            reason = reason_of_timestamp(record.timestamp)
            if not reason:
                continue
            has_wrong_timestamp = True
        if len(record_errors) < RECORD_ERRORS_MAX:
            record_errors.append(RecordError(index, reason))
    if not record_errors:
        return None
    # Kafka answers with the timestamp's code as soon as one record has a wrong one, whatever else is wrong.
    code = ErrorCode.INVALID_TIMESTAMP if has_wrong_timestamp else ErrorCode.INVALID_RECORD
    message = (
        f"{len(record_errors)} of {len(records)} records were refused; record {record_errors[0].batch_index}: {record_errors[0].message}"
    )
    return Verdict(code, message=message, record_errors=tuple(record_errors))


def _timestamp_judge(header: BatchHeader, rules: ProduceRules, now_ms: int) -> Callable[[int], str]:
    """A function from a record's timestamp to the reason why it is refused, empty if it is not."""
    append_time_reason = "a producer must not set the timestamp type to LogAppendTime" if header.is_log_append_time() else ""
    earliest_ms = now_ms - rules.timestamp_before_max_ms
    latest_ms = now_ms + rules.timestamp_after_max_ms

    def reason(timestamp: int) -> str:
        # The type in the header only counts where there is no timestamp to judge: so it is in Kafka.
        if rules.is_log_append_time or timestamp == NO_TIMESTAMP:
            return append_time_reason
        if earliest_ms <= timestamp <= latest_ms:
            return ""
        return f"the timestamp {timestamp} is out of range, this topic takes [{earliest_ms}, {latest_ms}]"

    return reason


def _as_wanted(batch: bytes, header: BatchHeader, body: bytes, records: Sequence[Record], rules: ProduceRules) -> Verdict:
    codec = Codec(header.codec() if rules.target_codec == KEEPS_CODEC else rules.target_codec)
    is_converted = codec != header.codec()
    max_timestamp = header.max_timestamp if rules.is_log_append_time else max(record.timestamp for record in records)
    # Some old clients number the records of a compressed batch wrongly; Kafka writes such a batch anew instead of refusing it.
    is_misnumbered = (codec is not Codec.NONE or is_converted) and any(
        record.offset != offset for offset, record in enumerate(records, header.base_offset)
    )
    if is_misnumbered:
        return _within_size(_renumbered(header, records, codec, rules.target_level), rules)
    if is_converted:
        return _within_size(_recompressed(header, body, max_timestamp, codec, rules.target_level), rules)
    if max_timestamp == header.max_timestamp and not header.is_log_append_time():
        return ACCEPTED_AS_IT_IS
    buffer = bytearray(batch)
    restamp_timestamps(buffer, 0, header.size, max_timestamp, False)
    return Verdict(replacement=bytes(buffer))


def _within_size(batch: bytes, rules: ProduceRules) -> Verdict:
    if len(batch) > rules.message_bytes_max:
        return Verdict(ErrorCode.MESSAGE_TOO_LARGE)
    return Verdict(replacement=batch)


def _recompressed(header: BatchHeader, body: bytes, max_timestamp: int, codec: Codec, level: int | None) -> bytes:
    """The same records under another codec; they are copied as they are, since nothing in them depends on it."""
    kept_attributes = header.attributes & ~(0x07 | LOG_APPEND_TIME_FLAG)
    return assemble_batch(
        compress(codec, body, level),
        base_offset=header.base_offset,
        leader_epoch=header.partition_leader_epoch,
        attributes=kept_attributes | codec,
        last_offset_delta=header.last_offset_delta,
        base_timestamp=header.base_timestamp,
        max_timestamp=max_timestamp,
        producer_id=header.producer_id,
        producer_epoch=header.producer_epoch,
        base_sequence=header.base_sequence,
        record_count=header.record_count,
    )


def _renumbered(header: BatchHeader, records: Sequence[Record], codec: Codec, level: int | None) -> bytes:
    return encode_batch(
        records,
        base_offset=header.base_offset,
        compression=codec,
        level=level,
        producer_id=header.producer_id,
        producer_epoch=header.producer_epoch,
        base_sequence=header.base_sequence,
        is_transactional=header.is_transactional(),
        leader_epoch=header.partition_leader_epoch,
    )
