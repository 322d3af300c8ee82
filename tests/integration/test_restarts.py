"""What a start reads: after a clean stop names and ends, after a kill every batch that no flush has covered."""

from __future__ import annotations

import random
from pathlib import Path

from tests.conformance.clients.client import Message, Writing
from tests.conformance.clients.librdkafka import Librdkafka
from tests.integration.torture import damage_in, partition_files
from tests.support.odradek_node import OdradekNode

TOPIC = "restarted"
WRITTEN_BYTES = 12_000_000
MESSAGE_BYTES = 10_000
# Imports, metadata, the ends of segments and the last producer snapshot differ by less than this between two starts.
OTHER_READS_MAX = 2_000_000


def bytes_read(node: OdradekNode) -> int:
    """What the process has read so far, from the page cache or the disk."""
    lines = Path(f"/proc/{node.process_id}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def write(node: OdradekNode, seed: int) -> None:
    dice = random.Random(seed)
    messages = [Message(value=dice.randbytes(MESSAGE_BYTES)) for _ in range(WRITTEN_BYTES // MESSAGE_BYTES)]
    Librdkafka(node.bootstrap).write(TOPIC, 0, messages, Writing(is_idempotent=True))


def test_a_start_scans_nothing_after_a_clean_stop_and_what_was_written_since_after_a_kill(tmp_path: Path) -> None:
    node = OdradekNode(tmp_path)
    node.start()
    at_first_start = bytes_read(node)
    Librdkafka(node.bootstrap).create_topic(TOPIC, partition_count=1, settings={"internal.segment.bytes": "3000000"})
    write(node, seed=1)
    node.stop()
    files = {file: file.read_bytes() for file in partition_files(node.data_directory, f"{TOPIC}-0")}

    node.start()
    after_stop = bytes_read(node)
    write(node, seed=2)
    node.kill()
    node.start()
    after_kill = bytes_read(node)
    first, end = Librdkafka(node.bootstrap).offsets(TOPIC, 0)
    node.stop()

    assert after_stop < at_first_start + OTHER_READS_MAX
    assert after_kill > after_stop + WRITTEN_BYTES - OTHER_READS_MAX
    assert (first, end) == (0, 2 * WRITTEN_BYTES // MESSAGE_BYTES)
    changed = [file.name for file, content in files.items() if file.suffix == ".log" and file.read_bytes()[: len(content)] != content]
    assert changed == [], "what was there stays as it was"
    assert damage_in(partition_files(node.data_directory, f"{TOPIC}-0")) == []
