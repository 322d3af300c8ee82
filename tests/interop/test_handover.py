"""One directory goes from hand to hand: Odradek's, Apache Kafka's, Odradek's again, after clean stops and after kills under load.

Whoever takes it over must show what the former owner showed (`picture.Picture`), keep every promise that was given to producers
(`account.judge`), go on where its idempotent producers were, and leave a directory that Kafka's own tools find no fault with.

A start of Apache Kafka takes seconds; that is why these are few and long stories.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from odradek.base.identifiers import TopicPartition
from tests.conformance.clients.librdkafka import Librdkafka
from tests.integration.account import Account, judge
from tests.integration.load import Load
from tests.integration.reading import read_everything
from tests.interop import rich_story
from tests.interop.picture import Picture, picture_of
from tests.support.odradek_node import OdradekNode
from tests.support.reference_kafka import ReferenceNode, missing_reason, run_tool

UNDER_LOAD: Final = "under-load"
ACKNOWLEDGED_MIN: Final = 1500
ANSWERS_SECONDS_MAX: Final = 30
# Half a minute on a machine that has nothing else to do; Java on a busy one takes its time.
STORY_SECONDS_MAX: Final = 400
# Retention is at work while the story is told; a later owner has no reason to look.
FIRST_SETTINGS: Final = rich_story.NODE_SETTINGS
LATER_SETTINGS: Final = rich_story.LASTING_SETTINGS


@pytest.fixture(scope="module", autouse=True)
def _kafka_is_here() -> None:
    reason = missing_reason()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.mark.timeout(STORY_SECONDS_MAX)
def test_directory_of_odradek_is_taken_over_by_kafka_and_back_after_stops_and_kills(tmp_path: Path) -> None:
    node = OdradekNode(tmp_path, FIRST_SETTINGS)
    node.start()
    sequencer = rich_story.tell(node.bootstrap)
    node.stop()
    rich_story.append_transactions(node.data_directory)
    check_with_kafkas_tools(node.data_directory, is_clean=True)
    node = OdradekNode(tmp_path, LATER_SETTINGS)
    node.start()
    before = show(node.bootstrap)
    assert before.record_count > 300
    node.stop()
    # Ours, clean, to Kafka.
    kafka = ReferenceNode(tmp_path, LATER_SETTINGS)
    kafka.start()
    assert before.differences(show(kafka.bootstrap)) == []
    rich_story.tell_more(kafka.bootstrap, sequencer)
    rich_story.tell_transactions(kafka.bootstrap)
    before = show(kafka.bootstrap)
    accounts = kill_under_load(kafka)
    # Kafka's, killed, to us.
    node.start()
    first_load = check_promises(node.bootstrap, accounts)
    assert before.differences(without_load(show(node.bootstrap))) == []
    rich_story.tell_more(node.bootstrap, sequencer)
    rich_story.tell_transactions(node.bootstrap)
    before = show(node.bootstrap)
    accounts += kill_under_load(node, first_load)
    killed = copy_of(node.data_directory, tmp_path / "killed")
    check_with_kafkas_tools(node.data_directory, is_clean=False)
    # Ours, killed, to Kafka; and to ourselves.
    kafka.start()
    check_promises(kafka.bootstrap, accounts)
    recovered_by_kafka = show(kafka.bootstrap)
    ourselves = OdradekNode(killed, LATER_SETTINGS)
    ourselves.start()
    assert recovered_by_kafka.differences(show(ourselves.bootstrap)) == []
    ourselves.stop()
    rich_story.tell_more(kafka.bootstrap, sequencer)
    before = show(kafka.bootstrap)
    kafka.stop()
    # Kafka's, clean, to us.
    node.start()
    assert before.differences(show(node.bootstrap)) == []
    sequencer.check_that_a_repetition_is_recognised(node.bootstrap)
    sequencer.append(node.bootstrap)
    node.stop()


@pytest.mark.timeout(STORY_SECONDS_MAX)
def test_directory_of_kafka_is_taken_over_by_odradek_and_back(tmp_path: Path) -> None:
    kafka = ReferenceNode(tmp_path, FIRST_SETTINGS)
    kafka.start()
    sequencer = rich_story.tell(kafka.bootstrap)
    rich_story.tell_transactions(kafka.bootstrap)
    before = show(kafka.bootstrap)
    kafka.stop()
    node = OdradekNode(tmp_path, LATER_SETTINGS)
    node.start()
    assert before.differences(show(node.bootstrap)) == []
    rich_story.tell_more(node.bootstrap, sequencer)
    before = show(node.bootstrap)
    node.stop()
    check_with_kafkas_tools(node.data_directory, is_clean=True)
    kafka = ReferenceNode(tmp_path, LATER_SETTINGS)
    kafka.start()
    assert before.differences(show(kafka.bootstrap)) == []
    rich_story.tell_more(kafka.bootstrap, sequencer)
    rich_story.tell_transactions(kafka.bootstrap)
    kafka.stop()


def show(bootstrap: str) -> Picture:
    return picture_of(bootstrap, timestamps=rich_story.TIMESTAMPS)


def without_load(picture: Picture) -> Picture:
    """The picture but for the topic under load, which was being written when it was last looked at."""
    return Picture(
        topic_ids={name: topic_id for name, topic_id in picture.topic_ids.items() if name != UNDER_LOAD},
        settings_by_topic={name: settings for name, settings in picture.settings_by_topic.items() if name != UNDER_LOAD},
        broker_settings=picture.broker_settings,
        partitions={partition: shown for partition, shown in picture.partitions.items() if partition.topic != UNDER_LOAD},
    )


def load_partitions() -> list[TopicPartition]:
    return [TopicPartition(UNDER_LOAD, index) for index in range(2)]


def kill_under_load(node: OdradekNode | ReferenceNode, former: int = 0) -> list[Account]:
    """Let producers write until enough is acknowledged, and end the process; what they were told."""
    client = Librdkafka(node.bootstrap)
    if UNDER_LOAD not in client.topic_names():
        client.create_topic(UNDER_LOAD, partition_count=2, settings=rich_story.SMALL_SEGMENTS)
    load = Load(node.bootstrap, load_partitions(), seed=former, name_suffix=f"-{former}")
    load.start()
    assert load.wait_for_answers(ACKNOWLEDGED_MIN, ANSWERS_SECONDS_MAX), "nothing is answered"
    node.kill()
    load.abandon()
    return load.accounts


def check_promises(bootstrap: str, accounts: Sequence[Account]) -> int:
    """The judgement of everything that was ever written under load; how many records there are."""
    verdict = judge(accounts, read_everything(bootstrap, load_partitions()))
    assert verdict.faults == []
    assert verdict.acknowledged >= ACKNOWLEDGED_MIN
    return verdict.records


def copy_of(data_directory: Path, directory: Path) -> Path:
    shutil.copytree(data_directory, directory / "data")
    return directory


def check_with_kafkas_tools(data_directory: Path, *, is_clean: bool) -> None:
    """Every file of every partition through Kafka's dump tool. A killed node may have left a torn batch at the end of a log."""
    # What waits for its removal is nobody's any more: Kafka leaves the indexes there as long as it had reserved them.
    live = [partition for partition in data_directory.glob("*-[0-9]*") if partition.is_dir() and not partition.name.endswith("-delete")]
    files = [file for partition in live for file in partition.iterdir()]
    metadata = [file for file in files if file.parent.name == "__cluster_metadata-0"]
    topics = [file for file in files if file.parent.name != "__cluster_metadata-0"]
    segments = [file for file in topics if file.name.endswith(".log")]
    small = [file for file in topics if file.name.endswith((".snapshot", ".txnindex")) and file.stat().st_size]
    told = dump([*segments, *small], "--deep-iteration", "--print-data-log")
    assert "isvalid: false" not in told
    assert "Could not" not in told
    assert told.count("baseOffset:") >= len(segments) / 2
    for content in (r"producerEpoch: \d+ .*lastSequence: \d+", r"lastStableOffset: \d+"):
        assert re.search(content, told), f"nothing says {content}: producer snapshots and aborted transactions are read"
    if is_clean:
        assert "Found" not in told, re.findall("Found.*", told)
    indexes = [file for file in topics if file.name.endswith((".index", ".timeindex"))]
    checked = dump(indexes, "--index-sanity-check")
    assert checked.count("passed sanity check.") + checked.count("is empty.") == len(indexes), checked[-2000:]
    verified = dump(indexes, "--verify-index-only")
    for complaint in ("Mismatches in", "Non-secutive", "Non-consecutive", "out of order", "Index offset"):
        assert complaint not in verified, re.findall(f".*{complaint}.*", verified)[:5]
    decoded = dump([file for file in metadata if file.name.endswith((".log", ".checkpoint"))], "--cluster-metadata-decoder")
    for record in ("TOPIC_RECORD", "PARTITION_RECORD", "CONFIG_RECORD", "REGISTER_BROKER_RECORD", "SnapshotFooter"):
        assert record in decoded
    for complaint in ("Could not", "isvalid: false"):
        assert complaint not in decoded, re.findall(f".*{complaint}.*", decoded)[:5]


def dump(files: Sequence[Path], *options: str) -> str:
    assert files, "there are no such files"
    outcome = run_tool("org.apache.kafka.tools.DumpLogSegments", ["--files", ",".join(map(str, sorted(files))), *options])
    assert outcome.exit_code == 0, (outcome.text + outcome.errors)[-2000:]
    assert "Exception" not in outcome.errors, outcome.errors[-2000:]
    return outcome.text
