"""A producer's state does not go with its records: a repetition is known after retention, DeleteRecords and a restart, of whatever kind.

Kafka forgets here: it drops the snapshot that stands at the log start, and takes none when the log start has reached the end. Then a batch
that is sent again because its answer was lost is appended a second time.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from odradek.config.log_configuration import LogConfiguration
from odradek.storage.log import Log
from odradek.storage.retention import drop_old_segments, make_way
from tests.storage.building import START_MS, Shelf, idempotent, small_segments


def drop_everything(shelf: Shelf) -> None:
    """Retention by time lets all records go; only an empty segment is left."""
    shelf.log.high_watermark = shelf.log.log_end_offset
    shelf.log.configuration = LogConfiguration(retention_ms=0)
    shelf.clock.advance(1)
    make_way(shelf.log, shelf.clock.now_ms())
    drop_old_segments(shelf.log, shelf.clock.now_ms(), 100)
    assert shelf.log.size == 0


def delete_everything(shelf: Shelf) -> None:
    """A client deletes all records; their segment stays."""
    shelf.log.high_watermark = shelf.log.log_end_offset
    shelf.log.delete_records_before(shelf.log.log_end_offset)


def crash(shelf: Shelf) -> Log:
    return shelf.open(log_start_offset=shelf.log.log_start_offset)


@pytest.mark.parametrize("restart", [Shelf.reopen_cleanly, crash])
@pytest.mark.parametrize("delete", [drop_everything, delete_everything])
def test_repetition_is_known_when_all_records_are_gone(delete: Callable[[Shelf], None], restart: Callable[[Shelf], Log]) -> None:
    shelf = Shelf(small_segments(300))
    for sequence in range(5):
        shelf.append_batch(idempotent(sequence))
    delete(shelf)

    log = restart(shelf)
    log = restart(shelf)

    assert (log.log_start_offset, log.log_end_offset) == (5, 5)
    again = log.append(idempotent(4), 1, START_MS)
    assert (again.is_duplicate, again.base_offset) == (True, 4)
    assert shelf.append_batch(idempotent(5)) == 5


def test_producers_of_deleted_records_are_known_after_a_crash() -> None:
    """The records below the log start are in the segment still, so recovery reads them."""
    shelf = Shelf()
    shelf.append_batch(idempotent(0, 3, producer_id=7))
    shelf.append_batch(idempotent(0, 3, producer_id=8))
    shelf.log.high_watermark = 6
    shelf.log.delete_records_before(3)

    log = crash(shelf)

    assert log.append(idempotent(0, 3, producer_id=7), 1, START_MS).is_duplicate
