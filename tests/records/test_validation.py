"""The slow path of Produce: which records are refused and how, and what a batch is turned into (`LogValidatorTest.java`)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.base.error_codes import ErrorCode
from odradek.config.log_configuration import LONG_MAX, LogConfiguration, TimestampType
from odradek.records.batch import decode_records
from odradek.records.builder import assemble_batch, encode_batch
from odradek.records.compression import Codec, compress
from odradek.records.header import is_crc_right, parse_header, restamp_timestamps
from odradek.records.produce_rules import ProduceRules
from odradek.records.record import Record, write_record
from odradek.records.validation import RECORD_ERRORS_MAX, RecordError, Verdict, validate_batch
from tests.records.strategies import CODECS, records

NOW_MS = 1_700_000_000_000
GOOD = [Record(offset, NOW_MS + offset, b"key %d" % offset, b"value") for offset in range(5)]
NAMES = {Codec.NONE: "uncompressed", Codec.GZIP: "gzip", Codec.SNAPPY: "snappy", Codec.LZ4: "lz4", Codec.ZSTD: "zstd"}
TOPIC = LogConfiguration()
COMPACTED = LogConfiguration(is_compacted=True)


def verdict(batch: bytes, configuration: LogConfiguration) -> Verdict:
    return validate_batch(batch, ProduceRules(configuration), NOW_MS)


def test_good_batch_stays_as_it_is() -> None:
    for codec in Codec:
        assert verdict(encode_batch(GOOD, compression=codec), COMPACTED) == Verdict()


def test_compacted_topic_refuses_records_without_key_by_their_index() -> None:
    """KIP-467."""
    batch = encode_batch([GOOD[0], replace(GOOD[1], key=None), GOOD[2], replace(GOOD[3], key=None)], compression=Codec.GZIP)

    outcome = verdict(batch, COMPACTED)

    assert outcome.error_code is ErrorCode.INVALID_RECORD
    assert outcome.replacement is None
    assert [error.batch_index for error in outcome.record_errors] == [1, 3]
    assert all("without a key" in error.message for error in outcome.record_errors)
    assert outcome.message is not None
    assert "2 of 4" in outcome.message
    assert verdict(batch, TOPIC) == Verdict()


def test_compacted_topic_takes_an_empty_key() -> None:
    assert verdict(encode_batch([Record(0, NOW_MS, b"", None)]), COMPACTED) == Verdict()


@pytest.mark.parametrize(
    ("timestamp", "is_taken"), [(NOW_MS - 1_000, True), (NOW_MS - 1_001, False), (NOW_MS + 50, True), (NOW_MS + 51, False)]
)
def test_timestamps_must_lie_within_what_the_topic_allows(timestamp: int, is_taken: bool) -> None:
    """KIP-937."""
    configuration = LogConfiguration(message_timestamp_before_max_ms=1_000, message_timestamp_after_max_ms=50)

    outcome = verdict(encode_batch([GOOD[0], replace(GOOD[1], timestamp=timestamp)]), configuration)

    if is_taken:
        assert outcome.error_code is ErrorCode.NONE
    else:
        assert outcome.error_code is ErrorCode.INVALID_TIMESTAMP
        (error,) = outcome.record_errors
        assert error == RecordError(1, f"the timestamp {timestamp} is out of range, this topic takes [{NOW_MS - 1_000}, {NOW_MS + 50}]")


def test_record_without_timestamp_is_in_every_range() -> None:
    configuration = LogConfiguration(message_timestamp_before_max_ms=1_000)

    assert verdict(encode_batch([Record(0, -1, b"k")]), configuration) == Verdict()


def test_wrong_timestamp_gives_the_code_even_beside_a_missing_key() -> None:
    batch = encode_batch([replace(GOOD[0], key=None), replace(GOOD[1], timestamp=NOW_MS + 3_600_001)])

    outcome = verdict(batch, COMPACTED)

    assert outcome.error_code is ErrorCode.INVALID_TIMESTAMP
    assert [error.batch_index for error in outcome.record_errors] == [0, 1]


def test_producer_cannot_claim_append_time_where_the_broker_stamps() -> None:
    batch = encode_batch(GOOD, timestamp_type=TimestampType.LOG_APPEND_TIME, append_time_ms=NOW_MS)

    outcome = verdict(batch, LogConfiguration(message_timestamp_type=TimestampType.LOG_APPEND_TIME))

    assert outcome.error_code is ErrorCode.INVALID_TIMESTAMP
    assert len(outcome.record_errors) == len(GOOD)


def test_claimed_append_time_is_taken_back_where_producers_stamp() -> None:
    """Kafka only refuses it there if the records have no timestamp."""
    batch = encode_batch(GOOD, timestamp_type=TimestampType.LOG_APPEND_TIME, append_time_ms=NOW_MS)
    unstamped = encode_batch(GOOD, timestamp_type=TimestampType.LOG_APPEND_TIME, append_time_ms=-1)

    outcome = verdict(batch, TOPIC)

    assert outcome.replacement is not None
    header = parse_header(outcome.replacement, 0)
    assert not header.is_log_append_time()
    assert is_crc_right(outcome.replacement, 0, header.size)
    assert verdict(unstamped, TOPIC).error_code is ErrorCode.INVALID_TIMESTAMP


def test_broker_stamping_ignores_the_producers_timestamps() -> None:
    configuration = LogConfiguration(message_timestamp_type=TimestampType.LOG_APPEND_TIME, message_timestamp_before_max_ms=1)

    assert verdict(encode_batch([replace(GOOD[0], timestamp=5)]), configuration) == Verdict()


def test_wrong_maximum_timestamp_is_put_right() -> None:
    batch = bytearray(encode_batch(GOOD))
    restamp_timestamps(batch, 0, len(batch), NOW_MS + 9_000_000, False)

    outcome = verdict(bytes(batch), TOPIC)

    assert outcome.replacement == encode_batch(GOOD)


@pytest.mark.parametrize("target", list(Codec))
@given(drawn=records(), source=CODECS)
def test_topics_codec_replaces_the_producers(target: Codec, drawn: list[Record], source: Codec) -> None:
    batch = encode_batch(drawn, compression=source, producer_id=8, producer_epoch=1, base_sequence=30, is_transactional=True)
    configuration = LogConfiguration(compression_type=NAMES[target], message_timestamp_after_max_ms=LONG_MAX)

    outcome = verdict(batch, configuration)

    assert outcome.error_code is ErrorCode.NONE
    if source is target:
        assert outcome.replacement is None
        return
    assert outcome.replacement == encode_batch(
        drawn, compression=target, producer_id=8, producer_epoch=1, base_sequence=30, is_transactional=True
    )


@pytest.mark.parametrize(
    ("configuration", "codec", "level"),
    [
        (LogConfiguration(compression_type="gzip", compression_gzip_level=1), Codec.GZIP, 1),
        (LogConfiguration(compression_type="lz4", compression_lz4_level=12), Codec.LZ4, 12),
        (LogConfiguration(compression_type="zstd", compression_zstd_level=-7), Codec.ZSTD, -7),
    ],
)
def test_topics_level_is_used(configuration: LogConfiguration, codec: Codec, level: int) -> None:
    """KIP-390."""
    many = [Record(offset, NOW_MS, b"key %d" % (offset * 7919 % 500), b"value %d" % offset) for offset in range(2_000)]

    outcome = verdict(encode_batch(many), configuration)

    assert outcome.replacement == encode_batch(many, compression=codec, level=level)
    assert outcome.replacement != encode_batch(many, compression=codec)


def test_batch_that_outgrows_the_limit_when_converted_is_too_large() -> None:
    batch = encode_batch([Record(0, NOW_MS, None, bytes(10_000))], compression=Codec.ZSTD)
    configuration = LogConfiguration(compression_type="uncompressed", max_message_bytes=5_000)

    assert verdict(batch, configuration) == Verdict(ErrorCode.MESSAGE_TOO_LARGE)


def misnumbered(codec: Codec) -> bytes:
    """A batch whose records all claim to be the first."""
    body = bytearray()
    for record in GOOD:
        write_record(body, record, 0, record.timestamp - NOW_MS)
    return assemble_batch(
        compress(codec, bytes(body)),
        base_offset=0,
        leader_epoch=-1,
        attributes=codec,
        last_offset_delta=len(GOOD) - 1,
        base_timestamp=NOW_MS,
        max_timestamp=NOW_MS + 4,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        record_count=len(GOOD),
    )


def test_wrongly_numbered_records_of_old_clients_are_numbered_anew() -> None:
    outcome = verdict(misnumbered(Codec.LZ4), TOPIC)

    assert outcome.replacement is not None
    assert decode_records(outcome.replacement) == GOOD


@pytest.mark.parametrize("count", [4, 6])
def test_wrong_count_of_records_is_refused(count: int) -> None:
    header = parse_header(encode_batch(GOOD), 0)
    batch = assemble_batch(
        encode_batch(GOOD)[61:],
        base_offset=0,
        leader_epoch=-1,
        attributes=0,
        last_offset_delta=count - 1,
        base_timestamp=header.base_timestamp,
        max_timestamp=header.max_timestamp,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        record_count=count,
    )

    assert verdict(batch, COMPACTED).error_code is ErrorCode.INVALID_RECORD


def test_data_that_cannot_be_decompressed_is_refused() -> None:
    batch = bytearray(encode_batch(GOOD, compression=Codec.ZSTD))
    batch[61] ^= 0xFF

    assert verdict(bytes(batch), COMPACTED).error_code is ErrorCode.INVALID_RECORD


def test_number_of_reasons_is_limited() -> None:
    batch = encode_batch([Record(0, NOW_MS)] * (RECORD_ERRORS_MAX + 10))

    assert len(verdict(batch, COMPACTED).record_errors) == RECORD_ERRORS_MAX


@given(drawn=records(keys=st.binary(max_size=10)), codec=CODECS)
def test_batch_that_is_taken_holds_the_same_records(drawn: list[Record], codec: Codec) -> None:
    configuration = LogConfiguration(compression_type="zstd", is_compacted=True, message_timestamp_after_max_ms=LONG_MAX)

    outcome = verdict(encode_batch(drawn, compression=codec), configuration)

    assert outcome.error_code is ErrorCode.NONE
    if outcome.replacement is not None:
        assert decode_records(outcome.replacement) == drawn


def test_rules_say_when_no_header_is_enough() -> None:
    assert not ProduceRules(TOPIC).is_every_record_judged
    assert ProduceRules(COMPACTED).is_every_record_judged
    assert ProduceRules(LogConfiguration(message_timestamp_before_max_ms=5)).is_every_record_judged
    stamped = LogConfiguration(message_timestamp_before_max_ms=5, message_timestamp_type=TimestampType.LOG_APPEND_TIME)
    assert not ProduceRules(stamped).is_every_record_judged


def test_latest_timestamp_stays_a_number_of_64_bits() -> None:
    assert ProduceRules(TOPIC).timestamp_latest_ms(NOW_MS) == NOW_MS + 3_600_000
    assert ProduceRules(LogConfiguration(message_timestamp_after_max_ms=LONG_MAX)).timestamp_latest_ms(NOW_MS) == LONG_MAX
