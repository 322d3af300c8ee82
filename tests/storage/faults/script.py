"""The script that every fault and every crash is put into: a busy little life of a node's storage, and two restarts.

Two log directories; plain, idempotent and transactional produces; rolls, flushes, checkpoints; DeleteRecords and retention; a topic that is
deleted and created again; settings that change; records, snapshots and votes of the quorum; a clean stop and what comes after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from odradek.base.identifiers import TopicPartition, Uuid
from odradek.raft.election_state import ElectionState
from odradek.raft.voters import VoterKey
from odradek.records.control import ControlType
from odradek.records.end_marker import encode_end_marker
from tests.storage.building import START_MS, batch, idempotent, small_segments
from tests.storage.faults.life import CONFIGURATION, Life, Step

ORDERS, PAYMENTS, DOOMED, IDLE = (TopicPartition(name, 0) for name in ("orders", "payments", "doomed", "idle"))
FIRST_ID, SECOND_ID, THIRD_ID, FOURTH_ID, REBORN_ID = (Uuid(bytes([number]) * 16) for number in range(100, 105))


def plain(*sizes: int, timestamp: int = START_MS) -> bytes:
    """One batch with a record of each of `sizes` bytes."""
    return batch(*[bytes([size % 251]) * size for size in sizes], timestamp=timestamp)


def transactional(producer_id: int, sequence: int) -> bytes:
    return idempotent(sequence, 2, producer_id=producer_id, is_transactional=True)


def marker(kind: ControlType, producer_id: int) -> bytes:
    return encode_end_marker(kind, coordinator_epoch=2, producer_id=producer_id, producer_epoch=0, timestamp=START_MS)


def steps() -> Iterator[Step]:
    """The steps of the script, each at most a few calls."""
    yield from _beginning()
    yield from _transactions()
    yield from _quorum()
    yield from _deletions()
    yield from _restart()
    yield from _second_life()


def run(life: Life, *, tolerate: bool = False) -> None:
    """Everything from the first start on. With `tolerate`, a step that fails with the disk is given up, and the next one tried."""
    life.start()
    for step in steps():
        if tolerate:
            with life.tolerant():
                step(life)
            if not life.is_running:
                # The start after the stop has failed: that node is not there any more.
                return
        else:
            step(life)


def _beginning() -> Iterator[Step]:
    yield lambda life: life.create(ORDERS, FIRST_ID)
    yield lambda life: life.create(PAYMENTS, SECOND_ID)
    yield lambda life: life.create(IDLE, FOURTH_ID)
    for number in range(4):
        yield _append(ORDERS, plain(60 + number, 20, timestamp=START_MS + number * 10))
    yield lambda life: life.flush(ORDERS)
    for sequence in range(3):
        yield _append(PAYMENTS, idempotent(sequence * 2, 2, producer_id=7))
    yield _append(PAYMENTS, plain(90) + plain(40))
    yield lambda life: life.flush(PAYMENTS, 8)
    yield lambda life: life.checkpoint()
    yield _append(IDLE, idempotent(0, 1, producer_id=9))


def _transactions() -> Iterator[Step]:
    yield _append(PAYMENTS, transactional(1, 0))
    yield _append(PAYMENTS, transactional(2, 0))
    yield _append(PAYMENTS, transactional(1, 2))
    yield _append(PAYMENTS, marker(ControlType.ABORT, 1))
    yield _append(PAYMENTS, plain(120))
    yield _epoch(2)
    yield _append(PAYMENTS, marker(ControlType.COMMIT, 2))
    yield _append(PAYMENTS, transactional(3, 0))
    yield lambda life: life.flush(PAYMENTS)
    yield lambda life: life.checkpoint()


def _quorum() -> Iterator[Step]:
    yield lambda life: life.write_quorum_state(ElectionState(epoch=2, voted=VoterKey(1, FIRST_ID)))
    yield lambda life: life.append_metadata(b"topic orders", b"topic payments")
    yield lambda life: life.flush_metadata()
    yield lambda life: life.append_metadata(b"x" * 150)
    yield lambda life: life.append_metadata(b"y" * 150)
    yield lambda life: life.flush_metadata()
    yield lambda life: life.write_snapshot()
    yield lambda life: life.append_metadata(b"z" * 150)
    yield lambda life: life.write_quorum_state(ElectionState(epoch=3, leader_id=1))
    yield lambda life: life.flush_metadata()
    yield lambda life: life.write_snapshot()
    yield lambda life: life.delete_old_snapshots()
    yield lambda life: life.append_metadata(b"not waited for")


def _deletions() -> Iterator[Step]:
    yield lambda life: life.create(DOOMED, THIRD_ID)
    yield _append(DOOMED, plain(30))
    yield _append(DOOMED, idempotent(0, 3, producer_id=8))
    yield lambda life: life.flush(DOOMED)
    yield lambda life: life.checkpoint()
    yield lambda life: life.delete_records(ORDERS, 5)
    yield lambda life: life.checkpoint()
    yield _append(ORDERS, idempotent(0, 4, producer_id=7))
    yield lambda life: life.delete(DOOMED)
    yield lambda life: life.create(DOOMED, REBORN_ID)
    yield _append(DOOMED, plain(10, 10))
    yield lambda life: life.flush(DOOMED)
    yield lambda life: life.retain(ORDERS, replace(CONFIGURATION, retention_bytes=450))
    yield _append(ORDERS, plain(70, timestamp=START_MS + 90))
    yield lambda life: life.flush(ORDERS)
    # Everything of this log is old: only what the producer was remains.
    yield lambda life: life.retain(IDLE, replace(CONFIGURATION, retention_ms=0))
    yield lambda life: life.remove_due(70_000)
    yield lambda life: life.checkpoint()


def _restart() -> Iterator[Step]:
    def restart(life: Life) -> None:
        life.close()
        life.start()

    yield restart


def _second_life() -> Iterator[Step]:
    yield _epoch(3)
    yield lambda life: life.change_configuration(small_segments(250, 60))
    yield _append(PAYMENTS, transactional(3, 2))
    yield _append(PAYMENTS, marker(ControlType.ABORT, 3))
    yield _append(PAYMENTS, idempotent(6, 2, producer_id=7))
    yield _append(ORDERS, idempotent(4, 1, producer_id=7))
    yield lambda life: life.delete_records(PAYMENTS, 8)
    yield lambda life: life.flush(PAYMENTS)
    yield lambda life: life.checkpoint()
    yield _append(PAYMENTS, transactional(2, 2))
    yield _append(ORDERS, plain(100, 30, timestamp=START_MS + 100))
    yield lambda life: life.append_metadata(b"after the restart")
    yield lambda life: life.flush_metadata()
    yield _append(IDLE, idempotent(1, 1, producer_id=9))
    yield lambda life: life.retain(PAYMENTS, replace(small_segments(250, 60), retention_bytes=600))
    yield lambda life: life.delete(DOOMED)
    yield lambda life: life.remove_due(70_000)


def _append(partition: TopicPartition, data: bytes) -> Step:
    return lambda life: life.append(partition, data)


def _epoch(leader_epoch: int) -> Step:
    def change(life: Life) -> None:
        life.leader_epoch = leader_epoch

    return change
