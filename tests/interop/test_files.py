"""What Odradek leaves on disk after a clean stop, read by Apache Kafka's dump tool. `test_handover` starts whole nodes on it."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conformance.clients.client import Codec, Message, Writing
from tests.conformance.clients.librdkafka import Librdkafka
from tests.conformance.corpus import BINARY_MESSAGES, TEXT_MESSAGES
from tests.support.odradek_node import OdradekNode
from tests.support.reference_kafka import ToolOutcome, missing_reason, run_tool

_TOPIC = "left-on-disk"
_WRITTEN: Sequence[Message] = [*TEXT_MESSAGES, *BINARY_MESSAGES]
_DUMP_LOG_SEGMENTS = "org.apache.kafka.tools.DumpLogSegments"


@pytest.fixture(scope="module", autouse=True)
def _kafka_is_here() -> None:
    reason = missing_reason()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def stopped_node(tmp_path_factory: pytest.TempPathFactory) -> OdradekNode:
    """A node that took every codec, an idempotent producer and enough to roll segments, and was stopped."""
    node = OdradekNode(tmp_path_factory.mktemp("interop"))
    node.start()
    client = Librdkafka(node.bootstrap)
    client.create_topic(_TOPIC, partition_count=1, settings={"segment.bytes": "1048576", "index.interval.bytes": "100"})
    for codec in Codec:
        client.write(_TOPIC, 0, _WRITTEN, Writing(codec=codec))
    client.write(_TOPIC, 0, _WRITTEN, Writing(is_idempotent=True))
    for _ in range(4):
        client.write(_TOPIC, 0, [Message(key=b"large", value=bytes(400_000))])
    client.create_topic("deleted", partition_count=1)
    client.delete_topic("deleted")
    client.alter_topic_setting(_TOPIC, "retention.ms", "-1")
    node.stop()
    return node


def _partition(node: OdradekNode) -> Path:
    return node.data_directory / f"{_TOPIC}-0"


def _dump(*arguments: str) -> ToolOutcome:
    outcome = run_tool(_DUMP_LOG_SEGMENTS, arguments)
    assert outcome.exit_code == 0, outcome.text + outcome.errors
    return outcome


def _joined(files: Sequence[Path]) -> str:
    assert files, "there is no such file"
    return ",".join(str(file) for file in sorted(files))


def test_every_batch_is_dumped_as_valid(stopped_node: OdradekNode) -> None:
    segments = list(_partition(stopped_node).glob("*.log"))
    assert len(segments) > 1, "the scenario rolls"

    told = _dump("--files", _joined(segments), "--deep-iteration", "--print-data-log").text

    assert "isvalid: false" not in told
    assert told.count("| offset:") == 6 * len(_WRITTEN) + 4
    assert "Found" not in told
    assert {"compresscodec: " + name for name in ("none", "gzip", "snappy", "lz4", "zstd")} <= set(re.findall(r"compresscodec: \w+", told))


def test_indexes_pass_their_checks(stopped_node: OdradekNode) -> None:
    indexes = [*_partition(stopped_node).glob("*.index"), *_partition(stopped_node).glob("*.timeindex")]

    checked = _dump("--files", _joined(indexes), "--index-sanity-check").text
    verified = _dump("--files", _joined(indexes), "--verify-index-only").text

    for index in indexes:
        assert f"{index} passed sanity check." in checked
    for complaint in ("Mismatches in", "Non-secutive", "out of order", "Index offset"):
        assert complaint not in verified


def test_producer_snapshot_is_read(stopped_node: OdradekNode) -> None:
    snapshots = list(_partition(stopped_node).glob("*.snapshot"))

    told = _dump("--files", _joined(snapshots)).text

    assert re.search(rf"producerId: \d+ producerEpoch: 0 .*lastSequence: {len(_WRITTEN) - 1}", told)


def test_metadata_log_is_decoded(stopped_node: OdradekNode) -> None:
    segments = list((stopped_node.data_directory / "__cluster_metadata-0").glob("*.log"))

    told = _dump("--files", _joined(segments), "--cluster-metadata-decoder", "--skip-record-metadata").text

    for record in ("TOPIC_RECORD", "PARTITION_RECORD", "REMOVE_TOPIC_RECORD", "CONFIG_RECORD", "REGISTER_BROKER_RECORD"):
        assert f'"type":"{record}"' in told
    assert "Could not" not in told
    assert "Error" not in told


def test_metadata_snapshots_are_decoded(stopped_node: OdradekNode) -> None:
    checkpoints = [
        *(stopped_node.data_directory / "__cluster_metadata-0").glob("*.checkpoint"),
        stopped_node.data_directory / "bootstrap.checkpoint",
    ]

    for checkpoint in checkpoints:
        told = _dump("--files", str(checkpoint), "--cluster-metadata-decoder").text
        assert "isvalid: false" not in told
        assert "baseOffset: 0" in told
