"""A coordinator that takes up a large `__consumer_offsets` partition: Odradek and Apache Kafka in turns, as ratios.

    python -m benchmarks.offset_loading [--groups 10000] [--commits 1000000] [--rewritten 1,10] [--runs 3] [--json FILE]

Ten partitions of a topic are committed at a time, one batch each, by every group in turn, until there are so many commits; `--rewritten`
says how often a group commits the same partitions: in a log that was not cleaned yet all but the last are of no use. The same segments are
put into the directory of each broker while it is stopped. Timed is the start until the offset of the last group is answered, less the start
of the same node without a commit, until it answers that there is none.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import command, topics
from benchmarks.brokers import Broker
from benchmarks.comparison import less
from benchmarks.odradek_install import NotMeasurable
from benchmarks.row import OWN_LOAD, Row
from benchmarks.session import Session
from odradek.base.clock import SystemClock
from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import TopicPartition, Uuid
from odradek.config.log_configuration import LogConfiguration
from odradek.controller.topic_names import GROUP_METADATA_TOPIC
from odradek.coordinator.group.records import offset_commit
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
)
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from odradek.storage.filesystem import RealFileSystem
from odradek.storage.log import Log
from tests.support.wire_client import WireClient

TOPIC: Final = "events"
PARTITIONS_OF_A_COMMIT: Final = 10
OFFSET_FETCH_VERSION: Final = 8
SEGMENT_BYTES: Final = 104_857_600
ANSWER_SECONDS_MAX: Final = 300
ASK_INTERVAL_S: Final = 0.005
NO_OFFSET: Final = -1
FLOOR: Final = 1.0
GOAL: Final = 0.5


def main() -> int:
    return command.run_rows("benchmarks.offset_loading", __doc__, _add_arguments, _rows)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--groups", type=int, default=10_000, metavar="N", help="default: 10000")
    parser.add_argument("--commits", type=int, default=1_000_000, metavar="N", help="records of offsets; default: 1000000")
    parser.add_argument("--rewritten", type=_numbers, default=[1, 10], metavar="N,N", help="commits of one partition; default: 1,10")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _rows(options: argparse.Namespace) -> Sequence[Row]:
    return [row(options.groups, options.commits, rewritten) for rewritten in options.rewritten]


def row(groups_count: int, commits_count: int, rewritten: int) -> Row:
    """One size of log."""
    return Row(
        name=f"offsets-{groups_count}-{commits_count}-{rewritten}",
        title=f"Loading {commits_count:,} commits of {groups_count:,} groups, each partition committed {rewritten} times",
        load=f"{OWN_LOAD} asks for the offset of the last group",
        metrics=(less("loading", "s", FLOOR, GOAL), less("CPU of the loading", "s")),
        measure=partial(_measure, groups_count=groups_count, commits_count=commits_count, rewritten=rewritten),
        starts=True,
    )


def _measure(session: Session, *, groups_count: int, commits_count: int, rewritten: int) -> Mapping[str, float]:
    directory = session.directory / session.fresh_name("offsets")
    session.candidate.prepare(directory)
    _make_topics(session, directory, partitions_count=max(commits_count // (groups_count * rewritten), PARTITIONS_OF_A_COMMIT))
    try:
        empty_s, empty_cpu_s = _start(session, directory, _group(0), NO_OFFSET)
        batches = session.prepared(f"offsets-{rewritten}", lambda: list(_batches(groups_count, commits_count, rewritten)))
        _append(directory / "data", batches)
        full_s, full_cpu_s = _start(session, directory, _group(groups_count - 1), rewritten)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if full_s <= empty_s:
        raise NotMeasurable("the start without a commit took longer: whatever else the machine did was more than what is measured")
    return {"loading": full_s - empty_s, "CPU of the loading": full_cpu_s - empty_cpu_s}


def _make_topics(session: Session, directory: Path, partitions_count: int) -> None:
    """The topic of groups as a single compacted partition, and one to commit offsets of."""
    broker = session.candidate.start(directory)
    try:
        broker.await_answer()
        topics.create_topic(broker, TOPIC, partitions_count)
        topics.create_topic(broker, GROUP_METADATA_TOPIC, 1, {"cleanup.policy": "compact", "segment.bytes": str(SEGMENT_BYTES)})
    finally:
        broker.stop()


def _start(session: Session, directory: Path, group: str, offset: int) -> tuple[float, float]:
    """Seconds, and seconds of processor time, from the start to the answer that `group` has committed `offset`."""
    topic = OffsetFetchRequestTopics(name=TOPIC, topic_id=Uuid(bytes(16)), partition_indexes=[0])
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=[topic])], require_stable=False)

    def is_answered(client: WireClient) -> bool:
        answered = client.request(request, OffsetFetchResponse, OFFSET_FETCH_VERSION).groups[0]
        return not answered.error_code and answered.topics[0].partitions[0].committed_offset == offset

    began = time.perf_counter()
    broker = session.candidate.start(directory)
    try:
        broker.await_answer()
        _ask_until(broker, is_answered, f"the offset of {group} is not answered")
        return time.perf_counter() - began, broker.cpu_s()
    finally:
        broker.stop()


def _ask_until(broker: Broker, is_so: Callable[[WireClient], bool], complaint: str) -> None:
    until = time.monotonic() + ANSWER_SECONDS_MAX
    client = broker.client()
    try:
        while not is_so(client):
            if broker.has_ended or time.monotonic() > until:
                raise NotMeasurable(complaint)
            time.sleep(ASK_INTERVAL_S)
    finally:
        client.close()


def _group(number: int) -> str:
    return f"consumers-of-service-{number}"


def _batches(groups_count: int, commits_count: int, rewritten: int) -> Sequence[bytes]:
    """All commits, as a coordinator writes them: a round of all groups, then the next. The offset says how often there was a round."""
    now_ms = int(time.time() * 1000)
    batches = []
    partitions_count = commits_count // (groups_count * rewritten)
    for again in range(1, rewritten + 1):
        for first in range(0, partitions_count, PARTITIONS_OF_A_COMMIT):
            for number in range(groups_count):
                group = _group(number)
                indexes = range(first, min(first + PARTITIONS_OF_A_COMMIT, partitions_count))
                batches.append(encode_batch([_record(group, index, again, now_ms) for index in indexes], base_sequence=0))
    return batches


def _record(group: str, index: int, offset: int, now_ms: int) -> Record:
    record = offset_commit(
        group,
        TOPIC,
        index,
        offset=offset,
        leader_epoch=0,
        metadata="",
        commit_timestamp_ms=now_ms,
        expire_timestamp_ms=-1,
        topic_id=Uuid(bytes(16)),
    )
    return Record(0, now_ms, record.encoded_key(), record.encoded_value())


def _append(data_directory: Path, batches: Sequence[bytes]) -> None:
    """Put the batches behind what the stopped node has in its partition of groups."""
    clock = SystemClock()
    log = Log.open(
        RealFileSystem(),
        str(data_directory / f"{GROUP_METADATA_TOPIC}-0"),
        TopicPartition(GROUP_METADATA_TOPIC, 0),
        LogConfiguration(segment_bytes=SEGMENT_BYTES),
        clock,
        was_clean=True,
    )
    for batch in batches:
        if log.append(batch, 0, clock.now_ms()).error_code != ErrorCode.NONE:
            raise NotMeasurable("the log of the groups takes no batches")
    log.close()


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
