"""One log through everything that can happen to it, beside a list of what it should hold.

Hypothesis chooses what happens: appends as leader and follower, transactions, rolls, truncations, deleted records, retention, changed
settings, clean stops, crashes with torn tails and lost indexes. After every step the log has to hold exactly the records of the list, and
whatever it finds by its indexes has to be what a linear scan of its files finds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from odradek.config.log_configuration import LogConfiguration, TimestampType
from odradek.records.batch import decode_records
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.control import ControlType
from odradek.records.end_marker import encode_end_marker
from odradek.records.record import Record
from odradek.storage.retention import drop_old_segments, make_way, old_segments
from odradek.storage.transaction_index import AbortedTransaction
from tests.storage.building import LOG_PATH, START_MS, Shelf
from tests.storage.linear_scan import LinearScan

configurations = st.builds(
    LogConfiguration,
    segment_bytes=st.sampled_from([220, 500, 1500, 1 << 20]),
    index_interval_bytes=st.sampled_from([0, 1, 100, 300, 4096]),
    segment_index_bytes=st.sampled_from([4, 16, 24, 60, 10 << 20]),
    segment_ms=st.sampled_from([1, 60, 10**9]),
    segment_jitter_ms=st.sampled_from([0, 10]),
    message_timestamp_type=st.sampled_from([TimestampType.CREATE_TIME] * 3 + [TimestampType.LOG_APPEND_TIME]),
    flush_messages=st.sampled_from([1, 5, 1 << 62]),
    retention_ms=st.just(-1),
)
times = st.one_of(st.integers(-60, 60).map(lambda step: START_MS + step), st.just(-1))
values = st.lists(st.tuples(st.binary(max_size=12), times), min_size=1, max_size=4)
part = st.floats(0, 1)


@dataclass(frozen=True, slots=True)
class Expected:
    """A batch that the log has taken."""

    base_offset: int
    last_offset: int
    leader_epoch: int
    values: tuple[bytes | None, ...]
    producer_id: int = -1
    last_sequence: int = -1
    marker: ControlType | None = None


class LogMachine(RuleBasedStateMachine):
    """See the module. `history` has every batch that is not truncated, those below the log start too."""

    @initialize(configuration=configurations, open_files_max=st.sampled_from([1, 3, 1000]))
    def begin(self, configuration: LogConfiguration, open_files_max: int) -> None:
        self.shelf = Shelf(configuration)
        self.shelf.open_files_max = open_files_max
        self.shelf.open()
        self.history: list[Expected] = []
        self.log_start_offset = self.log_end_offset = self.high_watermark = 0
        self.leader_epoch = 1

    # Appending

    @rule(content=values, codec=st.sampled_from(list(Codec)))
    def append(self, content: list[tuple[bytes, int]], codec: Codec) -> None:
        records = [Record(index, timestamp, None, value) for index, (value, timestamp) in enumerate(content)]
        self._append_as_leader(encode_batch(records, compression=codec))

    @rule(producer_id=st.integers(1, 2), content=values)
    def append_in_transaction(self, producer_id: int, content: list[tuple[bytes, int]]) -> None:
        records = [Record(index, timestamp, None, value) for index, (value, timestamp) in enumerate(content)]
        sequence = max((batch.last_sequence for batch in self.history if batch.producer_id == producer_id), default=-1) + 1
        data = encode_batch(records, producer_id=producer_id, producer_epoch=0, base_sequence=sequence, is_transactional=True)
        self._append_as_leader(data, producer_id=producer_id, last_sequence=sequence + len(records) - 1)

    @precondition(lambda self: self._open_transactions())
    @rule(choice=part, kind=st.sampled_from([ControlType.ABORT, ControlType.COMMIT]))
    def end_transaction(self, choice: float, kind: ControlType) -> None:
        opened = sorted(self._open_transactions())
        producer_id = opened[int(choice * (len(opened) - 1))]
        marker = encode_end_marker(kind, coordinator_epoch=0, producer_id=producer_id, producer_epoch=0, timestamp=START_MS)
        self._append_as_leader(marker, producer_id=producer_id, marker=kind)

    def _append_as_leader(self, data: bytes, *, producer_id: int = -1, last_sequence: int = -1, marker: ControlType | None = None) -> None:
        appended = self.shelf.log.append(data, self.leader_epoch, self.shelf.clock.now_ms())
        assert (appended.error_code, appended.base_offset) == (0, self.log_end_offset)
        taken = tuple(record.value for record in decode_records(data))
        last_offset = self.log_end_offset + len(taken) - 1
        assert appended.last_offset == last_offset
        self.history.append(Expected(self.log_end_offset, last_offset, self.leader_epoch, taken, producer_id, last_sequence, marker))
        self.log_end_offset = last_offset + 1

    @rule(gaps=st.lists(st.integers(0, 3), min_size=1, max_size=3), content=values, epoch_step=st.integers(0, 1))
    def append_as_follower(self, gaps: list[int], content: list[tuple[bytes, int]], epoch_step: int) -> None:
        """What a leader with a compacted log sends: its own offsets, with gaps."""
        self.leader_epoch += epoch_step
        data, offset = b"", self.log_end_offset
        for gap in gaps:
            records = [Record(offset + gap + index, timestamp, None, value) for index, (value, timestamp) in enumerate(content)]
            data += encode_batch(records, base_offset=offset + gap, leader_epoch=self.leader_epoch)
            taken = tuple(value for value, _ in content)
            self.history.append(Expected(offset + gap, offset + gap + len(taken) - 1, self.leader_epoch, taken))
            offset += gap + len(taken)
        assert self.shelf.log.append_as_follower(data) == offset
        self.log_end_offset = offset

    @rule()
    def elect(self) -> None:
        self.leader_epoch += 1

    @rule()
    def roll(self) -> None:
        self.shelf.log.roll()

    # Cutting

    @rule(at=part)
    def truncate(self, at: float) -> None:
        offset = self.log_start_offset + round((self.log_end_offset - self.log_start_offset) * at)
        self.shelf.log.truncate_to(offset)
        self.history = [batch for batch in self.history if batch.last_offset < offset]
        self.log_end_offset = offset
        self.high_watermark = min(self.high_watermark, offset)

    @rule(up_to=part)
    def replicate(self, up_to: float) -> None:
        ends = [batch.last_offset + 1 for batch in self.history if batch.last_offset >= self.high_watermark]
        if ends:
            self.high_watermark = ends[round(up_to * (len(ends) - 1))]
            self.shelf.log.advance_high_watermark(self.high_watermark)

    @rule(up_to=part)
    def delete_records(self, up_to: float) -> None:
        offset = self.log_start_offset + round((self.high_watermark - self.log_start_offset) * up_to)
        if offset > self.log_start_offset and self._splits_no_transaction(offset):
            assert self.shelf.log.delete_records_before(offset)
            self.log_start_offset = offset

    @rule(bytes_kept=st.sampled_from([0, 100, 500, 2000]), segments_max=st.integers(1, 3))
    def retain_size(self, bytes_kept: int, segments_max: int) -> None:
        self._retain(replace(self.shelf.configuration, retention_bytes=bytes_kept), segments_max)

    @rule(age_ms=st.integers(0, 100), segments_max=st.integers(1, 3))
    def retain_time(self, age_ms: int, segments_max: int) -> None:
        self._retain(replace(self.shelf.configuration, retention_ms=age_ms), segments_max)

    def _retain(self, configuration: LogConfiguration, segments_max: int) -> None:
        log, now_ms = self.shelf.log, self.shelf.clock.now_ms()
        kept = log.configuration
        log.configuration = configuration
        ends = [log.segments.end_offset_of(segment, self.log_end_offset) for segment in old_segments(log, now_ms).segments]
        if all(self._splits_no_transaction(end) for end in ends):
            make_way(log, now_ms)
            while drop_old_segments(log, now_ms, segments_max).segments:
                assert self.log_start_offset <= log.log_start_offset <= self.high_watermark
                self.log_start_offset = log.log_start_offset
        log.configuration = kept

    # Settings and time

    @rule(configuration=configurations)
    def configure(self, configuration: LogConfiguration) -> None:
        self.shelf.configuration = self.shelf.log.configuration = configuration

    @rule(elapsed_ms=st.integers(0, 100))
    def advance(self, elapsed_ms: int) -> None:
        self.shelf.clock.advance(elapsed_ms)

    @rule()
    def flush(self) -> None:
        self.shelf.log.flush()
        assert self.shelf.log.recovery_point == self.log_end_offset

    # Stopping

    @rule()
    def restart_cleanly(self) -> None:
        self.shelf.log.close()
        self._open(was_clean=True)

    @rule(
        scanned=part,
        tail=st.sampled_from([b"", bytes(70), b"\xff" * 20, encode_batch([Record(value=b"torn")])[:-1]]),
        lost=st.sets(st.sampled_from([".index", ".timeindex", ".txnindex", ".snapshot", "leader-epoch-checkpoint"])),
    )
    def crash(self, scanned: float, tail: bytes, lost: set[str]) -> None:
        """The process is gone, what it wrote is there; what the page cache or a half write may have done besides is added."""
        log = self.shelf.log
        filesystem = self.shelf.filesystem
        recovery_point = round(log.recovery_point * scanned)
        filesystem.open(log.segments.active.log.path).append(tail)
        for name in self.shelf.names():
            # A segment without aborted transactions has no index of them: nobody can see that one is missing below the recovery point.
            if any(name.endswith(suffix) for suffix in lost) and not (name.endswith(".txnindex") and recovery_point > 0):
                filesystem.unlink(f"{LOG_PATH}/{name}")
        self._open(was_clean=False, recovery_point=recovery_point)

    def _open(self, *, was_clean: bool, recovery_point: int = 0) -> None:
        log = self.shelf.open(was_clean=was_clean, recovery_point=recovery_point, log_start_offset=self.log_start_offset)
        # A truncation can have left the end between two batches, which nothing but an empty segment's name remembers.
        last_end = self.history[-1].last_offset + 1 if self.history else 0
        assert max(last_end, self.log_start_offset) <= log.log_end_offset <= self.log_end_offset
        self.log_end_offset = log.log_end_offset
        self.high_watermark = min(self.high_watermark, self.log_end_offset)
        log.high_watermark = self.high_watermark

    # What has to be true

    @invariant()
    def holds_what_it_should(self) -> None:
        log = self.shelf.log
        assert (log.log_start_offset, log.log_end_offset) == (self.log_start_offset, self.log_end_offset)
        assert log.high_watermark == self.high_watermark
        assert log.recovery_point <= log.log_end_offset
        scan = LinearScan(log)
        expected = [batch for batch in self.history if batch.last_offset >= self.log_start_offset]
        held = [batch for batch in scan.batches if batch.last_offset >= self.log_start_offset]
        assert [(batch.base_offset, batch.last_offset) for batch in held] == [(batch.base_offset, batch.last_offset) for batch in expected]
        assert [tuple(record.value for record in batch.records) for batch in held] == [batch.values for batch in expected]
        assert [batch.leader_epoch for batch in held] == [batch.leader_epoch for batch in expected]
        for batch in expected:
            assert log.leader_epochs.epoch_for_offset(batch.last_offset) == batch.leader_epoch
        assert all(earlier < later for earlier, later in pairwise(log.segments.base_offsets))
        scan.check_indexes()

    @invariant()
    def finds_what_a_scan_finds(self) -> None:
        LinearScan(self.shelf.log).check_lookups()

    @invariant()
    def knows_its_transactions(self) -> None:
        log = self.shelf.log
        aborted = self._aborted()
        for first, end in ((self.log_start_offset, self.log_end_offset), (self.log_end_offset // 2, self.log_end_offset)):
            if first >= self.log_start_offset:
                wanted = [one for one in aborted if one.last_offset >= first and one.first_offset < end]
                assert log.aborted_transactions(first, end) == wanted
        if self.high_watermark == self.log_end_offset:
            assert log.last_stable_offset == min(self._open_transactions().values(), default=self.high_watermark)

    def _open_transactions(self) -> dict[int, int]:
        """The first offset of each open transaction, by producer."""
        opened: dict[int, int] = {}
        for batch in self.history:
            if batch.marker is not None:
                opened.pop(batch.producer_id, None)
            elif batch.producer_id >= 0:
                opened.setdefault(batch.producer_id, batch.base_offset)
        return opened

    def _transactions(self) -> list[tuple[Expected, int, dict[int, int]]]:
        """Each marker with the first offset of what it ended and the transactions that were open beside it."""
        opened: dict[int, int] = {}
        ended = []
        for batch in self.history:
            if batch.marker is not None:
                first_offset = opened.pop(batch.producer_id)
                ended.append((batch, first_offset, dict(opened)))
            elif batch.producer_id >= 0:
                opened.setdefault(batch.producer_id, batch.base_offset)
        return ended

    def _aborted(self) -> list[AbortedTransaction]:
        return [
            AbortedTransaction(
                producer_id=batch.producer_id,
                first_offset=first_offset,
                last_offset=batch.last_offset,
                last_stable_offset=min(beside.values(), default=batch.last_offset + 1),
            )
            for batch, first_offset, beside in self._transactions()
            if batch.marker is ControlType.ABORT and first_offset >= self.log_start_offset
        ]

    def _splits_no_transaction(self, offset: int) -> bool:
        """Whoever cuts a transaction in two forgets, as Kafka does, that its second half was aborted."""
        ended = [(first_offset, batch.last_offset) for batch, first_offset, _ in self._transactions()]
        still_open = [(first_offset, self.log_end_offset) for first_offset in self._open_transactions().values()]
        return not any(first_offset < offset <= last_offset for first_offset, last_offset in ended + still_open)


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(max_examples=100, stateful_step_count=30)
