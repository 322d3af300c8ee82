"""Retention against a naive model: the same life of a log under different segment sizes.

The model knows batches and no segments, so it lets go as early as any segment size may. A log with one batch in each segment does the
same as the model; with larger segments it may keep more, never less. In both nothing above the high watermark goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from odradek.config.log_configuration import LogConfiguration
from odradek.storage.retention import drop_old_segments, make_way
from tests.storage.building import START_MS, Shelf, batch, read_values

RECORDS_PER_BATCH = 3
VALUE = bytes(40)
BATCH_SIZE = len(batch(*[VALUE] * RECORDS_PER_BATCH))
# One, two and five batches in a segment.
SEGMENT_SIZES = (BATCH_SIZE, 2 * BATCH_SIZE, 5 * BATCH_SIZE + 7)


@dataclass
class Model:
    """Batches of equal size, by their timestamps."""

    timestamps: list[int] = field(default_factory=list)
    log_start_offset: int = 0
    high_watermark: int = 0
    retention_ms: int = -1
    retention_bytes: int = -1

    @property
    def log_end_offset(self) -> int:
        return len(self.timestamps) * RECORDS_PER_BATCH

    def retain(self, now_ms: int) -> None:
        """Step over batch after batch as long as a rule lets it go: by size, and from there on by time."""
        self.log_start_offset = max(self.log_start_offset, self._start_by_size())
        self.log_start_offset = max(self.log_start_offset, self._start_by_time(now_ms))

    def _start_by_time(self, now_ms: int) -> int:
        start = self.log_start_offset // RECORDS_PER_BATCH
        while self._is_replicated(start) and self.retention_ms >= 0 and now_ms - self.timestamps[start] > self.retention_ms:
            start += 1
        return start * RECORDS_PER_BATCH

    def _start_by_size(self) -> int:
        start = 0
        while (
            self._is_replicated(start)
            and self.retention_bytes >= 0
            and (len(self.timestamps) - start - 1) * BATCH_SIZE >= self.retention_bytes
        ):
            start += 1
        return start * RECORDS_PER_BATCH

    def _is_replicated(self, number: int) -> bool:
        return (number + 1) * RECORDS_PER_BATCH <= self.high_watermark


class Life:
    """One log and its model, through the same operations."""

    def __init__(self, segment_bytes: int) -> None:
        self.shelf = Shelf(LogConfiguration(segment_bytes=segment_bytes, retention_ms=-1))
        self.model = Model()
        self.is_one_batch_a_segment = segment_bytes == BATCH_SIZE

    def append(self, age_ms: int) -> None:
        timestamp = self.shelf.clock.now_ms() - age_ms
        self.shelf.append(*[VALUE] * RECORDS_PER_BATCH, timestamp=timestamp)
        self.model.timestamps.append(timestamp)

    def advance(self, elapsed_ms: int) -> None:
        self.shelf.clock.advance(elapsed_ms)

    def replicate(self, part: float) -> None:
        lag = self.model.log_end_offset - self.model.high_watermark
        self.model.high_watermark += int(lag * part)
        self.shelf.log.advance_high_watermark(self.model.high_watermark)

    def delete_records(self, part: float) -> None:
        model = self.model
        model.log_start_offset += int((model.high_watermark - model.log_start_offset) * part)
        self.shelf.log.delete_records_before(model.log_start_offset)

    def keep_for(self, retention_ms: int) -> None:
        self.model.retention_ms = retention_ms
        self.shelf.log.configuration = self.shelf.configuration = replace(self.shelf.configuration, retention_ms=retention_ms)

    def keep_batches(self, count: int) -> None:
        retention_bytes = count * BATCH_SIZE - 1 if count > 0 else count
        self.model.retention_bytes = retention_bytes
        self.shelf.log.configuration = self.shelf.configuration = replace(self.shelf.configuration, retention_bytes=retention_bytes)

    def retain(self, segments_max: int) -> None:
        now_ms = self.shelf.clock.now_ms()
        self.model.retain(now_ms)
        work = make_way(self.shelf.log, now_ms)
        if work is not None:
            work.run()
        while drop_old_segments(self.shelf.log, now_ms, segments_max).segments:
            self.check()

    def restart(self, is_clean: bool) -> None:
        """The log start is as the checkpoint knows it, the high watermark too."""
        log = self.shelf.log
        start, recovery_point = log.log_start_offset, log.recovery_point
        if is_clean:
            log.close()
        self.shelf.open(was_clean=is_clean, recovery_point=recovery_point, log_start_offset=start)
        self.shelf.log.high_watermark = self.model.high_watermark

    def check(self) -> None:
        log, model = self.shelf.log, self.model
        assert log.log_start_offset <= model.log_start_offset
        assert model.log_start_offset <= log.high_watermark == model.high_watermark
        assert log.segments.first.base_offset <= log.log_start_offset
        assert log.log_end_offset == model.log_end_offset

    def check_exactly(self) -> None:
        """After a retention."""
        log = self.shelf.log
        if self.is_one_batch_a_segment:
            assert log.log_start_offset == self.model.log_start_offset
        assert [offset for offset, _ in read_values(log)] == list(range(log.log_start_offset, log.log_end_offset))


part = st.floats(0, 1)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(-3000, 3000)),
        st.tuples(st.just("append"), st.integers(-3000, 3000)),
        st.tuples(st.just("advance"), st.integers(0, 2000)),
        st.tuples(st.just("replicate"), part),
        st.tuples(st.just("replicate"), st.just(1.0)),
        st.tuples(st.just("delete_records"), part),
        st.tuples(st.just("keep_for"), st.integers(-1, 3000)),
        st.tuples(st.just("keep_batches"), st.integers(-1, 6)),
        st.tuples(st.just("retain"), st.integers(1, 4)),
        st.tuples(st.just("restart"), st.booleans()),
    ),
    max_size=40,
)


@given(operations)
def test_log_keeps_at_least_what_the_model_keeps(script: list[tuple[str, int]]) -> None:
    for segment_bytes in SEGMENT_SIZES:
        life = Life(segment_bytes)
        for name, argument in [*script, ("retain", 2)]:
            getattr(life, name)(argument)
            life.check()
            if name == "retain":
                life.check_exactly()


def test_model_lets_something_go() -> None:
    """Else the property would say nothing."""
    life = Life(BATCH_SIZE)
    for _ in range(4):
        life.append(0)
    life.replicate(1.0)
    life.keep_for(1000)
    life.advance(1001)
    life.append(0)

    life.retain(1)

    assert life.shelf.log.log_start_offset == life.model.log_start_offset == 4 * RECORDS_PER_BATCH
    assert life.shelf.clock.now_ms() == START_MS + 1001
