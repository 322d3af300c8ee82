"""What the hot modules make of one fixed sequence of good and damaged input, as text: run it compiled and interpreted, and compare.

`python -m tests.workshop.hot_scenario` prints one line for each outcome: a code, bytes in hexadecimal, or the name of what was raised.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import ParamSpec

from odradek.base.clock import ManualClock
from odradek.base.errors import ProtocolViolation
from odradek.base.identifiers import TopicPartition, Uuid
from odradek.broker.produce_answer import encode_answer
from odradek.broker.produce_frame import read_frame
from odradek.config.log_configuration import LogConfiguration, TimestampType
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.records import header
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.record import Record
from odradek.storage.log import Log
from odradek.storage.memory_filesystem import MemoryFileSystem

P = ParamSpec("P")

SEED = 4_3_1
DAMAGES_PER_BATCH = 40
HEADER_FIELDS = ("base_offset", "size", "partition_leader_epoch", "magic", "crc", "attributes", "last_offset_delta", "base_timestamp")
PRODUCE_VERSIONS = (3, 7, 9, 13)


def outcomes() -> Iterator[str]:
    """Everything, in a fixed order."""
    dice = random.Random(SEED)
    batches = list(sample_batches(dice))
    for batch in batches:
        yield from header_outcomes(batch, dice)
    for version in PRODUCE_VERSIONS:
        yield from produce_outcomes(batches, version, dice)
    for timestamp_type in TimestampType:
        yield from log_outcomes(batches, timestamp_type)


def sample_batches(dice: random.Random) -> Iterator[bytes]:
    """Small and large, every codec, idempotent and not."""
    for number, codec in enumerate(Codec):
        for count, value_size in ((1, 0), (3, 10), (40, 1000)):
            records = [Record(i, 1000 + i, b"key" if i % 2 else None, dice.randbytes(value_size)) for i in range(count)]
            yield encode_batch(records, compression=codec)
            yield encode_batch(records, compression=codec, producer_id=number, producer_epoch=0, base_sequence=dice.randrange(2**31))


def header_outcomes(batch: bytes, dice: random.Random) -> Iterator[str]:
    yield f"crc {header.computed_crc(batch, 0, len(batch)):08x}"
    parsed = header.parse_header(batch, 0)
    yield f"header {[getattr(parsed, name) for name in HEADER_FIELDS]} {parsed.last_sequence()} {parsed.codec()}"
    yield f"needs looking into {header.needs_looking_into(parsed, False, 2, 1010, False)}"
    for now_ms in (0, 2**40):
        yield header.append_time_header(batch, 0, len(batch), 77, 5, now_ms).hex()
    buffer = bytearray(batch)
    header.stamp(buffer, 0, 2**40, 9)
    header.restamp_append_time(buffer, 0, len(buffer), 12345)
    yield buffer[:70].hex()
    for damaged in (batch, *damages(batch, dice)):
        for version in (3, 9):
            yield said(header.check_batch, damaged, 0, len(damaged), version, 20_000)


def damages(data: bytes, dice: random.Random) -> Iterator[bytes]:
    """`data` with bits turned, cut short, and with something behind it."""
    for _ in range(DAMAGES_PER_BATCH):
        damaged = bytearray(data)
        damaged[dice.randrange(min(len(data), 80))] ^= 1 << dice.randrange(8)
        yield bytes(damaged)
        yield data[: dice.randrange(len(data))]
        yield data + dice.randbytes(dice.randrange(1, 30))


def produce_outcomes(batches: list[bytes], version: int, dice: random.Random) -> Iterator[str]:
    """The frame of a request for two topics, read and answered, whole and damaged."""
    topics = [
        TopicProduceData(name, Uuid(name.encode() * 4), [PartitionProduceData(i, batch) for i, batch in enumerate(batches[:5])])
        for name in ("some", "more")
    ]
    for topic in topics:
        if version >= 13:
            topic.name = ""
        else:
            topic.topic_id = Uuid(bytes(16))
    frame = bytearray(b"\x00\x00" + version.to_bytes(2, "big") + b"\x00\x00\x00\x4d\x00\x02me" + (b"\x00" if version >= 9 else b""))
    ProduceRequest(None, -1, 1500, topics).encode(frame, version)
    for damaged in (bytes(frame), *damages(bytes(frame), dice)):
        yield said(answered, damaged)


def answered(frame: bytes) -> str:
    read = read_frame(frame, 0, len(frame))
    for number, part in enumerate(read.parts):
        part.error_code, part.base_offset, part.log_start_offset = number, 2**33 + number, number // 2
    return encode_answer(read).hex()


def log_outcomes(batches: list[bytes], timestamp_type: TimestampType) -> Iterator[str]:
    """Appends, a duplicate among them, and every file that they leave behind."""
    filesystem = MemoryFileSystem()
    filesystem.make_directories("data")
    clock = ManualClock()
    configuration = LogConfiguration(segment_bytes=100_000, index_interval_bytes=500, message_timestamp_type=timestamp_type)
    log = Log.open(filesystem, "data/orders-0", TopicPartition("orders", 0), configuration, clock)
    for batch in [*batches, batches[-1]]:
        staged = log.stage(batch, 0, header.parse_header(batch, 0), leader_epoch=3, now_ms=clock.now_ms())
        yield f"staged {staged.base_offset} {staged.last_offset} {staged.log_append_time_ms} {staged.error_code} {staged.is_duplicate}"
        if staged.base_offset % 3 == 0:
            log.write_staged()
        clock.advance(7)
    log.write_staged()
    log.close()
    for name in sorted(filesystem.list_names("data/orders-0")):
        file = filesystem.open(f"data/orders-0/{name}")
        yield f"{name} {file.pread(file.size(), 0).hex()}"


def said(action: Callable[P, object], *arguments: P.args, **options: P.kwargs) -> str:
    """What `action` returns, or which of the two errors that may escape it raised."""
    try:
        return str(action(*arguments, **options))
    except (ProtocolViolation, IndexError) as error:
        return type(error).__name__


if __name__ == "__main__":
    for line in outcomes():
        print(line)
