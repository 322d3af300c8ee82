"""What a simulation knows of each partition: what was sent, what was acknowledged or read, and what of it has to be there still.

    sent         every record that any producer ever put on the wire; nothing else may be read
    at           what is at an offset because somebody was told so: an acknowledgement, or a fetch
    durable_end  everything known below survives a power cut: it was acknowledged while `flush.messages` was 1
    visible_end  the high watermark is at least this: somebody was told so
    log_start    the largest log start that somebody was told; `firm_log_start` is the part of it that a crash does not take back

A crash of the process takes nothing from what is known. A power cut takes what lies above `durable_end`: it may be there or not, and
another record may get its offset. An answer that arrives after a crash counts for what it promised when it was sent (`Moment`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from odradek.base.identifiers import Uuid

# How long after somebody was told a log start it is in the checkpoint, with the nodes' settings: the interval and some waiting.
LOG_START_CHECKPOINTED_MS = 8_000


class BrokenPromise(Exception):
    """The node has not done what it promised. `promise` is the checker's name for it."""

    def __init__(self, promise: str, sentence: str) -> None:
        super().__init__(f"{promise}: {sentence}")
        self.promise = promise


@dataclass(frozen=True, slots=True)
class SentRecord:
    """A record as its producer knows it. `number` counts the producer's records in the partition, from 0."""

    producer: str
    number: int
    is_idempotent: bool
    sent_ms: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What had to hold when a request was sent."""

    crashes: int
    power_cuts: int
    visible_end: int
    log_start: int


@dataclass(slots=True)
class PartitionHistory:
    """One partition of one incarnation of a topic."""

    topic: str
    topic_id: Uuid
    index: int
    sent: dict[bytes, SentRecord] = field(default_factory=dict)
    at: dict[int, bytes] = field(default_factory=dict)
    offset_of: dict[bytes, int] = field(default_factory=dict)
    value_of_number: dict[tuple[str, int], bytes] = field(default_factory=dict)
    durable_end: int = 0
    visible_end: int = 0
    log_start: int = 0
    firm_log_start: int = 0
    # The largest offset that anybody has asked to delete up to, and what the checkpoint will make firm: (told at, log start).
    delete_asked: int = 0
    recent_starts: list[tuple[int, int]] = field(default_factory=list)
    # The shortest retention that the topic ever had; None: nothing goes by age or size, 0: anything may.
    retention_ms_min: int | None = None
    crashes: int = 0
    power_cuts: int = 0
    # The topic has the name of a deleted one. If a power cut brings that one's log back and tears its topic id, the new topic goes on where
    # the old one's log began, since nobody knows any more whose it is: offsets are rather left out than given twice.
    may_inherit_start: bool = False
    # What a producer snapshot knew of records that have been deleted since, nobody knows any more.
    is_snapshot_damaged: bool = False
    # A power cut can take a file and leave the next one: from here on there may be holes where nobody knew of a record.
    holes_from: int | None = None

    def __str__(self) -> str:
        return f"{self.topic}-{self.index}"

    def moment(self) -> Moment:
        """To be taken when a request is sent, and given back with its answer."""
        return Moment(self.crashes, self.power_cuts, self.visible_end, self.log_start)

    def is_outdated(self, asked: Moment) -> bool:
        """Whether a power cut lies between a request and its answer."""
        return asked.power_cuts != self.power_cuts

    def send(self, value: bytes, record: SentRecord) -> None:
        self.sent[value] = record
        self.value_of_number[record.producer, record.number] = value

    def learn(self, offset: int, value: bytes) -> None:
        """`value` is at `offset`: somebody was told so, and the checkers had nothing against it."""
        self.at[offset] = value
        self.offset_of[value] = offset

    def may_be_gone(self, offset: int, now_ms: int) -> bool:
        """Whether the log start may have passed `offset`: somebody asked for it, or its record is old enough."""
        if offset < self.delete_asked:
            return True
        if self.retention_ms_min is None:
            return False
        value = self.at.get(offset)
        return value is None or now_ms - self.sent[value].sent_ms >= self.retention_ms_min

    def may_be_hole(self, first: int, end: int) -> bool:
        """Whether there may be no records from `first` to before `end`: a power cut may have taken them, and nobody was promised any."""
        is_after_cut = self.holes_from is not None and first >= self.holes_from
        return is_after_cut and not any(offset in self.at for offset in range(first, end))

    def may_begin_behind(self, offset: int) -> bool:
        """Whether the log may begin behind `offset` though nobody has deleted anything."""
        return self.may_inherit_start and min(self.at, default=offset + 1) > offset

    def note_log_start(self, asked: Moment, log_start: int, now_ms: int) -> None:
        """Somebody was told that the log begins at `log_start`. What was told before a crash may be as it was before."""
        if asked.crashes == self.crashes and log_start > self.log_start:
            self.log_start = log_start
            self.recent_starts.append((now_ms, log_start))

    def stopped(self) -> None:
        """The node has stopped in good order: everything is on the disk."""
        self.durable_end = max(self.durable_end, self.visible_end)
        self.firm_log_start = max(self.firm_log_start, self.log_start)

    def crashed(self, now_ms: int, *, is_power_cut: bool) -> None:
        for told_ms, log_start in self.recent_starts:
            if now_ms - told_ms > LOG_START_CHECKPOINTED_MS:
                self.firm_log_start = max(self.firm_log_start, log_start)
        self.recent_starts.clear()
        self.crashes += 1
        self.log_start = self.firm_log_start
        if not is_power_cut:
            return
        self.power_cuts += 1
        self.holes_from = self.durable_end if self.holes_from is None else min(self.holes_from, self.durable_end)
        self.visible_end = min(self.visible_end, max(self.durable_end, self.firm_log_start))
        for offset in [offset for offset in self.at if offset >= self.durable_end]:
            value = self.at.pop(offset)
            if self.offset_of.get(value) == offset:
                del self.offset_of[value]


@dataclass(slots=True)
class TopicHistory:
    """One incarnation of a topic: its partitions, and what was asked of it."""

    name: str
    topic_id: Uuid
    partitions: list[PartitionHistory]
    configs: dict[str, str]
    # Since which change of the settings `flush.messages` is 1 for certain; None from the moment when somebody asks for anything else.
    flushed_since: int | None
    changes_count: int = 0
    # Whether other incarnations have its name: then nobody calls it by its name who could mean another one.
    is_name_shared: bool = False
    is_delete_asked: bool = False
    is_deleted: bool = False

    @property
    def has_small_segments(self) -> bool:
        """Whether a few records fill a segment."""
        return "internal.segment.bytes" in self.configs
