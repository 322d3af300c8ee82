"""The same records through kafka-python's and aiokafka's builders and readers: equal bytes where no codec decides, equal records always."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, cast

import pytest
from aiokafka.record.default_records import (  # type: ignore[import-untyped]
    DefaultRecordBatch as AiokafkaBatch,
)
from aiokafka.record.default_records import (
    DefaultRecordBatchBuilder as AiokafkaBuilder,
)
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import (  # type: ignore[import-untyped]
    DefaultRecordBatch as KafkaPythonBatch,
)
from kafka.record.default_records import (
    DefaultRecordBatchBuilder as KafkaPythonBuilder,
)

from odradek.records.batch import decode_records
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.header import check_batch
from odradek.records.record import Header, Record
from tests.records.strategies import CODECS, HEADERS

# Both libraries take a missing timestamp for now, and neither distinguishes a null from an absent part in other ways.
RECORDS = st.lists(
    st.tuples(st.integers(0, 2**42), st.none() | st.binary(max_size=200), st.none() | st.binary(max_size=200), HEADERS),
    min_size=1,
    max_size=6,
).map(lambda parts: [Record(offset, *part) for offset, part in enumerate(parts)])


class OtherBuilder(Protocol):
    """What both libraries' builders have."""

    def append(
        self, offset: int, *, timestamp: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
    ) -> object: ...

    def build(self) -> bytearray: ...


class OtherRecord(Protocol):
    """What both libraries' records have."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes | None]]


Builder = Callable[..., OtherBuilder]
BUILDERS = [cast("Builder", KafkaPythonBuilder), cast("Builder", AiokafkaBuilder)]
READERS = [cast("Callable[[bytes], Iterable[OtherRecord]]", reader) for reader in (KafkaPythonBatch, AiokafkaBatch)]


def built_elsewhere(
    builder: Builder, records: list[Record], codec: Codec, *, producer_id: int = -1, is_transactional: bool = False
) -> bytes:
    """`records` as another library encodes them."""
    other = builder(
        magic=2,
        compression_type=int(codec),
        is_transactional=is_transactional,
        producer_id=producer_id,
        producer_epoch=0 if producer_id >= 0 else -1,
        base_sequence=0 if producer_id >= 0 else -1,
        batch_size=1 << 20,
    )
    for record in records:
        headers = [(header.key, header.value) for header in record.headers]
        other.append(record.offset, timestamp=record.timestamp, key=record.key, value=record.value, headers=headers)
    return bytes(other.build())


def read_elsewhere(reader: Callable[[bytes], Iterable[OtherRecord]], batch: bytes) -> list[Record]:
    """The records of `batch` as another library decodes them."""
    return [
        Record(record.offset, record.timestamp, record.key, record.value, tuple(Header(key, value) for key, value in record.headers))
        for record in reader(batch)
    ]


@pytest.mark.parametrize("builder", BUILDERS)
@given(records=RECORDS)
def test_uncompressed_batches_are_the_same_bytes(builder: Builder, records: list[Record]) -> None:
    other = built_elsewhere(builder, records, Codec.NONE, producer_id=9, is_transactional=True)
    # They leave the leader epoch, which a producer does not know, at 0 or -1; it lies outside the checksum.
    ours = encode_batch(records, producer_id=9, producer_epoch=0, base_sequence=0, is_transactional=True)

    assert ours[:12] + ours[16:] == other[:12] + other[16:]


@pytest.mark.parametrize("builder", BUILDERS)
@given(records=RECORDS, codec=CODECS)
def test_we_accept_and_read_their_batches(builder: Builder, records: list[Record], codec: Codec) -> None:
    batch = built_elsewhere(builder, records, codec)

    assert check_batch(batch, 0, len(batch), 11, 1 << 20) == 0
    assert decode_records(batch) == records


@pytest.mark.parametrize("reader", READERS)
@given(records=RECORDS, codec=CODECS)
def test_they_read_our_batches(reader: Callable[[bytes], Iterable[OtherRecord]], records: list[Record], codec: Codec) -> None:
    assert read_elsewhere(reader, encode_batch(records, compression=codec)) == records
