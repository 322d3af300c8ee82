"""The same batches under the same settings leave the same files, byte for byte: where segments begin, what stands in their indexes, and
which of them retention and DeleteRecords have taken away.

`segment_files.txt` holds the names, sizes and checksums that Apache Kafka 4.3.1 left behind; `--record-reference` refreshes it.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from odradek.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.record import Record
from odradek.wire.checksum import crc32c
from tests.conformance.differential.scripts import MOMENT_MS, fill, make_topic
from tests.conformance.differential.wire import Exchange
from tests.conformance.nodes import APACHE_KAFKA, HOUSEKEEPING, Node

_RECORD: Final = Path(__file__).with_name("segment_files.txt")
_RETENTION_SECONDS_MAX: Final = 30
_YEAR_MS: Final = 365 * 24 * 3_600_000
# What depends on the moment, or on an identity that is drawn: not a matter of segments.
_LEFT_OUT: Final = ("partition.metadata", ".deleted")


def batches(count: int, *, step_ms: int = 10, size: int = 100, seed: int = 1, first_ms: int = MOMENT_MS) -> list[bytes]:
    """Batches of one to three records, each about `step_ms` later than the one before it, but for those that come late."""
    dice = random.Random(seed)
    made = []
    for number in range(count):
        moment = first_ms + number * step_ms - (dice.randrange(1, 50) if number % 4 == 3 else 0)
        records = [Record(timestamp=moment + index, value=dice.randbytes(dice.randrange(size))) for index in range(dice.randrange(1, 4))]
        made.append(encode_batch(records, compression=Codec.GZIP if number % 7 == 5 else Codec.NONE))
    return made


def without_times(count: int) -> list[bytes]:
    return [encode_batch([Record(timestamp=-1, value=bytes([number]) * 80)]) for number in range(count)]


def of_producers(count: int) -> list[bytes]:
    """Two producers in turns, whose state goes into a snapshot at each roll."""
    return [
        encode_batch(
            [Record(timestamp=MOMENT_MS, value=b"v" * 60)] * 2,
            producer_id=7_000 + number % 2,
            producer_epoch=0,
            base_sequence=number // 2 * 2,
        )
        for number in range(count)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A topic with settings, what is written to it, and where it is to begin when everything has been tidied up."""

    settings: Mapping[str, str] = field(default_factory=dict)
    written: Sequence[bytes]
    deleted_before: int | None = None
    begins_at: int = 0


def age(years: int) -> str:
    """A retention that began so many years before the moment of the records."""
    return str(int(time.time() * 1000) - MOMENT_MS + years * _YEAR_MS)


SMALL: Final = {"internal.segment.bytes": "1000", "index.interval.bytes": "200", "retention.ms": "-1"}
OLD: Final = batches(12, first_ms=MOMENT_MS - 3 * _YEAR_MS, seed=2)


def cases() -> dict[str, Case]:
    keep = {"retention.ms": "-1"}
    return {
        "defaults": Case(settings=keep, written=batches(60)),
        "every_batch_indexed": Case(settings=keep | {"index.interval.bytes": "0"}, written=batches(30)),
        "interval_of_the_index": Case(settings=keep | {"index.interval.bytes": "500"}, written=batches(60)),
        "small_segments": Case(settings=SMALL, written=batches(60)),
        "full_offset_index": Case(
            settings=keep | {"index.interval.bytes": "0", "segment.index.bytes": "40"}, written=batches(40, step_ms=0)
        ),
        "full_time_index": Case(settings=keep | {"index.interval.bytes": "0", "segment.index.bytes": "60"}, written=batches(40)),
        "rolled_by_time": Case(settings=keep | {"segment.ms": "1000"}, written=batches(40, step_ms=150)),
        "rolled_by_time_that_goes_back": Case(settings=keep | {"segment.ms": "500"}, written=batches(20, step_ms=-100)),
        "no_times": Case(settings=SMALL, written=without_times(30)),
        "producers": Case(settings=SMALL | {"internal.segment.bytes": "700"}, written=of_producers(24)),
        "larger_than_a_segment_allows_two_of": Case(settings=SMALL | {"internal.segment.bytes": "450"}, written=batches(20, size=110)),
        "kept_by_size": Case(settings=SMALL | {"retention.bytes": "3000"}, written=batches(60), begins_at=76),
        "kept_by_size_nothing": Case(settings=SMALL | {"retention.bytes": "0"}, written=batches(20), begins_at=36),
        "kept_by_time": Case(settings=SMALL | {"retention.ms": age(2)}, written=[*OLD, *batches(20)], begins_at=21),
        "kept_by_time_nothing": Case(settings=SMALL | {"retention.ms": age(-1)}, written=batches(20), begins_at=36),
        "late_record_keeps_what_follows": Case(settings=SMALL | {"retention.ms": age(2)}, written=[*batches(6), *OLD]),
        "deleted_by_a_client": Case(settings=SMALL, written=batches(40), deleted_before=40, begins_at=40),
        "deleted_to_the_end": Case(settings=SMALL, written=batches(20), deleted_before=-1, begins_at=36),
        "compacted_keeps_by_neither": Case(
            settings=SMALL | {"cleanup.policy": "compact", "retention.bytes": "0", "min.compaction.lag.ms": str(10 * _YEAR_MS)},
            written=[encode_batch([Record(timestamp=MOMENT_MS, key=b"%d" % number, value=b"v" * 90)]) for number in range(20)],
        ),
    }


def begin_of(exchange: Exchange, topic: str) -> int:
    ask = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[ListOffsetsPartition(timestamp=-2)])])
    answer = exchange.quietly(ask, 7)
    assert isinstance(answer, ListOffsetsResponse)
    return answer.topics[0].partitions[0].offset


def write(exchange: Exchange, name: str, case: Case) -> str:
    topic = make_topic(exchange, f"-{name}", partition_count=1, **{key.replace(".", "_"): value for key, value in case.settings.items()})
    fill(exchange, topic, case.written)
    if case.deleted_before is not None:
        partition = DeleteRecordsPartition(partition_index=0, offset=case.deleted_before)
        exchange.quietly(DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic, partitions=[partition])], timeout_ms=5000), 2)
    return topic


def await_beginnings(exchange: Exchange, wanted: Mapping[str, int]) -> None:
    """Wait until retention has brought every topic to where it is to begin; what it does beyond that shows in the files."""
    deadline = time.monotonic() + _RETENTION_SECONDS_MAX
    while True:
        found = {topic: begin_of(exchange, topic) for topic in wanted}
        if found == wanted:
            return
        assert time.monotonic() < deadline, {topic: (found[topic], wanted[topic]) for topic in wanted if found[topic] != wanted[topic]}


def await_tidied(directories: Mapping[Path, int]) -> None:
    """Wait until no directory has a segment that ends before its log begins: they go a moment after the log start has moved."""
    deadline = time.monotonic() + _RETENTION_SECONDS_MAX
    while left := [path for path, begins_at in directories.items() if _has_passed_segment(path, begins_at)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _has_passed_segment(directory: Path, begins_at: int) -> bool:
    bases = sorted(int(path.stem) for path in directory.glob("*.log"))
    return any(following <= begins_at for following in bases[1:])


def files_of(directory: Path) -> list[str]:
    """A line for each file: its name, its size, and the checksum of what is in it."""
    lines = []
    for path in sorted(directory.iterdir()):
        if not path.name.endswith(_LEFT_OUT):
            content = path.read_bytes()
            lines.append(f"  {path.name} {len(content)} {crc32c(content):08x}")
    return lines


def test_same_batches_leave_the_same_files(start_node: Callable[[str], Node], target: str, record_reference: bool) -> None:
    node = start_node(HOUSEKEEPING)
    all_cases = cases()
    with Exchange(node.bootstrap, "files") as exchange:
        topics = {name: write(exchange, name, case) for name, case in all_cases.items()}
        await_beginnings(exchange, {topics[name]: case.begins_at for name, case in all_cases.items()})
    await_tidied({node.data_directory / f"{topics[name]}-0": case.begins_at for name, case in all_cases.items()})
    node.stop()

    told = ""
    for name, topic in topics.items():
        told += "\n".join([name, *files_of(node.data_directory / f"{topic}-0")]) + "\n"
    starts = (node.data_directory / "log-start-offset-checkpoint").read_text().splitlines()[2:]
    told += "\n".join(["log-start-offset-checkpoint", *sorted(f"  {line}" for line in starts if line.startswith(exchange.topic))]) + "\n"
    if record_reference and target == APACHE_KAFKA:
        _RECORD.write_text(told)
    assert told == _RECORD.read_text()
