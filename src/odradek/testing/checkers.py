"""What a simulation holds its nodes to: one small class for each promise.

Each looks at what a client was told before the history takes it in, and raises `BrokenPromise` where the two cannot both be true. So a
checker that is silent has agreed with every answer of the run. `Judge` asks them in turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from odradek.testing.history import BrokenPromise, Moment, PartitionHistory


class Checker:
    """Looks at answers. What a promise has nothing to say to is passed over."""

    def acknowledged(self, partition: PartitionHistory, base_offset: int, values: Sequence[bytes]) -> None:
        """A producer was told that `values` are at `base_offset` and behind."""

    def was_read(
        self, partition: PartitionHistory, asked: Moment, offset: int, records: Sequence[tuple[int, bytes]], high_watermark: int
    ) -> None:
        """A fetch from `offset` gave `records` (offset and value) and a high watermark."""

    def end_told(self, partition: PartitionHistory, asked: Moment, high_watermark: int) -> None:
        """Somebody was told the high watermark."""

    def start_told(self, partition: PartitionHistory, asked: Moment, log_start: int, now_ms: int) -> None:
        """Somebody was told the log start."""

    def out_of_range(self, partition: PartitionHistory, asked: Moment, offset: int, now_ms: int) -> None:
        """A fetch from `offset` was refused: it is not between the log start and the log end."""

    def sequence_refused(self, partition: PartitionHistory, last_value: bytes | None, code: int) -> None:
        """A producer whose last acknowledged record is `last_value` was told that its next does not follow on it."""


class NothingLost(Checker):
    """What was acknowledged or read is there as long as its promise holds, without a hole before or in it."""

    def was_read(
        self, partition: PartitionHistory, asked: Moment, offset: int, records: Sequence[tuple[int, bytes]], high_watermark: int
    ) -> None:
        if not records and high_watermark > offset and not partition.may_be_hole(offset, high_watermark):
            raise BrokenPromise("nothing lost", f"{partition} has nothing at {offset}, below its high watermark {high_watermark}")
        expected = offset
        for found, value in records:
            if found != expected and not partition.may_be_hole(expected, found):
                raise BrokenPromise("nothing lost", f"{partition} has a hole: {found} follows on {expected - 1}")
            expected = found + 1
            known = partition.at.get(found)
            if known is not None and known != value:
                raise BrokenPromise(
                    "nothing lost", f"{partition} had {_short(known)} at {found} and now has {_short(value)}, without a power cut between"
                )

    def out_of_range(self, partition: PartitionHistory, asked: Moment, offset: int, now_ms: int) -> None:
        if partition.may_begin_behind(offset):
            return
        if asked.log_start <= offset <= asked.visible_end and not partition.may_be_gone(offset, now_ms):
            raise BrokenPromise("nothing lost", f"{partition} refuses {offset}, which is below its end {asked.visible_end} and not deleted")


class OffsetsNotReused(Checker):
    """An acknowledged record has its offset for itself."""

    def acknowledged(self, partition: PartitionHistory, base_offset: int, values: Sequence[bytes]) -> None:
        for offset, value in enumerate(values, base_offset):
            known = partition.at.get(offset)
            if known is not None and known != value:
                raise BrokenPromise("offsets not reused", f"{partition} gave {offset} to {_short(value)}; it is that of {_short(known)}")


class NothingDoubled(Checker):
    """A record of an idempotent producer is in the log once, whatever was sent again."""

    def acknowledged(self, partition: PartitionHistory, base_offset: int, values: Sequence[bytes]) -> None:
        for offset, value in enumerate(values, base_offset):
            self._check(partition, offset, value)

    def was_read(
        self, partition: PartitionHistory, asked: Moment, offset: int, records: Sequence[tuple[int, bytes]], high_watermark: int
    ) -> None:
        for found, value in records:
            self._check(partition, found, value)

    def _check(self, partition: PartitionHistory, offset: int, value: bytes) -> None:
        known = partition.offset_of.get(value)
        record = partition.sent.get(value)
        if known is not None and known != offset and known >= partition.log_start and record is not None and record.is_idempotent:
            raise BrokenPromise("nothing doubled", f"{partition} has {_short(value)} of an idempotent producer at {known} and at {offset}")


class OrderKept(Checker):
    """The records of an idempotent producer are in the order in which it sent them."""

    def was_read(
        self, partition: PartitionHistory, asked: Moment, offset: int, records: Sequence[tuple[int, bytes]], high_watermark: int
    ) -> None:
        for found, value in records:
            record = partition.sent.get(value)
            if record is None or not record.is_idempotent:
                continue
            before = partition.value_of_number.get((record.producer, record.number - 1))
            before_at = None if before is None else partition.offset_of.get(before)
            if before_at is not None and before_at >= found:
                raise BrokenPromise("order kept", f"{partition} has {_short(value)} at {found}, before the one sent earlier at {before_at}")


class NothingForeign(Checker):
    """Every record that is read is one that somebody has sent, whole."""

    def was_read(
        self, partition: PartitionHistory, asked: Moment, offset: int, records: Sequence[tuple[int, bytes]], high_watermark: int
    ) -> None:
        for found, value in records:
            if value not in partition.sent:
                raise BrokenPromise("nothing foreign", f"{partition} has {_short(value)} at {found}, which nobody has sent")


class HighWatermarkMonotone(Checker):
    """What somebody was shown stays shown; the high watermark only goes back where a power cut took the records."""

    def was_read(
        self, partition: PartitionHistory, asked: Moment, offset: int, records: Sequence[tuple[int, bytes]], high_watermark: int
    ) -> None:
        if records and records[-1][0] >= high_watermark:
            raise BrokenPromise("high watermark", f"{partition} gave {records[-1][0]}, its high watermark is {high_watermark}")

    def end_told(self, partition: PartitionHistory, asked: Moment, high_watermark: int) -> None:
        if high_watermark < asked.visible_end:
            raise BrokenPromise("high watermark", f"{partition} says {high_watermark}; before the question it was {asked.visible_end}")


class LogStartMonotone(Checker):
    """What is deleted stays deleted, and nothing goes that may not."""

    def start_told(self, partition: PartitionHistory, asked: Moment, log_start: int, now_ms: int) -> None:
        if log_start < asked.log_start:
            raise BrokenPromise("log start", f"{partition} begins at {log_start}; before the question it was {asked.log_start}")
        for offset in range(partition.log_start, log_start):
            if not partition.may_be_gone(offset, now_ms) and offset in partition.at:
                raise BrokenPromise("log start", f"{partition} begins at {log_start}, but nobody has deleted {offset}")

    def was_read(
        self, partition: PartitionHistory, asked: Moment, offset: int, records: Sequence[tuple[int, bytes]], high_watermark: int
    ) -> None:
        if records and offset < asked.log_start:
            raise BrokenPromise("log start", f"{partition} gave {offset}, which was deleted up to {asked.log_start}")


class ProducersRemembered(Checker):
    """The node knows where an idempotent producer stands as long as it has its last record."""

    def sequence_refused(self, partition: PartitionHistory, last_value: bytes | None, code: int) -> None:
        offset = None if last_value is None else partition.offset_of.get(last_value)
        if offset is None or (partition.is_snapshot_damaged and offset < max(partition.log_start, partition.delete_asked)):
            return
        if last_value is not None:
            raise BrokenPromise(
                "producers remembered",
                f"{partition} answers {code} to what follows on {_short(last_value)} at {partition.offset_of[last_value]}",
            )


def all_checkers() -> list[Checker]:
    """One of each."""
    return [
        NothingForeign(),
        NothingLost(),
        OffsetsNotReused(),
        NothingDoubled(),
        OrderKept(),
        HighWatermarkMonotone(),
        LogStartMonotone(),
        ProducersRemembered(),
    ]


class Judge:
    """Shows each answer to every checker, then lets the history take it in."""

    def __init__(self, checkers: Sequence[Checker]) -> None:
        self._checkers = checkers
        self.answers_count = 0

    def acknowledged(
        self, partition: PartitionHistory, asked: Moment, base_offset: int, values: Sequence[bytes], *, is_durable: bool
    ) -> None:
        """`is_durable`: `flush.messages` was 1 from before the request until after its answer."""
        if partition.is_outdated(asked) and not is_durable:
            # The power went between the answer and its arrival: nothing was promised for that.
            return
        self.answers_count += 1
        for checker in self._checkers:
            checker.acknowledged(partition, base_offset, values)
        for offset, value in enumerate(values, base_offset):
            partition.learn(offset, value)
        end = base_offset + len(values)
        partition.visible_end = max(partition.visible_end, end)
        if is_durable:
            partition.durable_end = max(partition.durable_end, end)

    def was_read(
        self, partition: PartitionHistory, asked: Moment, offset: int, records: Sequence[tuple[int, bytes]], high_watermark: int
    ) -> None:
        if partition.is_outdated(asked):
            return
        self.answers_count += 1
        for checker in self._checkers:
            checker.was_read(partition, asked, offset, records, high_watermark)
        for found, value in records:
            partition.learn(found, value)
        self.end_told(partition, asked, high_watermark)

    def end_told(self, partition: PartitionHistory, asked: Moment, high_watermark: int) -> None:
        if partition.is_outdated(asked):
            return
        for checker in self._checkers:
            checker.end_told(partition, asked, high_watermark)
        partition.visible_end = max(partition.visible_end, high_watermark)

    def start_told(self, partition: PartitionHistory, asked: Moment, log_start: int, now_ms: int) -> None:
        if partition.is_outdated(asked):
            return
        for checker in self._checkers:
            checker.start_told(partition, asked, log_start, now_ms)
        partition.note_log_start(asked, log_start, now_ms)

    def out_of_range(self, partition: PartitionHistory, asked: Moment, offset: int, now_ms: int) -> None:
        if partition.is_outdated(asked):
            return
        for checker in self._checkers:
            checker.out_of_range(partition, asked, offset, now_ms)

    def sequence_refused(self, partition: PartitionHistory, last_value: bytes | None, code: int) -> None:
        for checker in self._checkers:
            checker.sequence_refused(partition, last_value, code)


def _short(value: bytes) -> str:
    """A value as it is told: the name in front, without the filling."""
    name = value.partition(b" ")[0]
    return name.decode("ascii", "replace") if len(name) < 60 else f"{len(value)} bytes that begin with {value[:16].hex()}"
