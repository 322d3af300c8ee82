"""The same life under different settings gives the same answers.

How large a segment is, how dense its index, how many files may be open, when the disk is waited for, whether the node stops or crashes in
between: none of it may show in what producers are answered, in what is read, or in what is found by time. A codec may show in the bytes,
and in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.config.log_configuration import LogConfiguration
from odradek.records.batch import decode_records, iterate_batches
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.record import Header, Record
from odradek.storage.open_files import OPEN_FILES_MAX
from tests.storage.building import START_MS, Shelf, small_segments

PRODUCER_ID = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One way to run a log. `pause` is what happens where the script has a pause."""

    configuration: LogConfiguration
    open_files_max: int = OPEN_FILES_MAX
    pause: str = "nothing"
    codec: Codec = Codec.NONE


PLAIN = Setting(configuration=LogConfiguration())
SAME_BYTES = {
    "small segments": Setting(configuration=small_segments(400, 0)),
    "a batch a segment": Setting(configuration=small_segments(400, 4096, segment_index_bytes=4)),
    "full indexes": Setting(configuration=small_segments(1 << 20, 0, segment_index_bytes=24)),
    "dense index": Setting(configuration=small_segments(1 << 20, 0)),
    "rolled by time": Setting(configuration=LogConfiguration(segment_ms=5, segment_jitter_ms=3)),
    "one open file": Setting(configuration=small_segments(400, 50), open_files_max=1),
    "everything flushed": Setting(configuration=small_segments(400, 50, flush_messages=1), pause="flush"),
    "clean stops": Setting(configuration=small_segments(600, 100), pause="stop"),
    "crashes": Setting(configuration=small_segments(600, 100), pause="crash"),
    "crashes of one segment": Setting(configuration=LogConfiguration(), pause="crash"),
    "rolls": Setting(configuration=LogConfiguration(), pause="roll"),
}
OTHER_BYTES = {codec.name: Setting(configuration=small_segments(500, 80), codec=codec, pause="crash") for codec in Codec}

steps = st.one_of(
    st.tuples(st.just("append"), st.lists(st.tuples(st.binary(max_size=30), st.integers(-40, 40)), min_size=1, max_size=4)),
    st.tuples(st.just("append"), st.lists(st.tuples(st.binary(max_size=30), st.integers(-40, 40)), min_size=1, max_size=4)),
    st.tuples(st.just("produce"), st.integers(1, 3)),
    st.tuples(st.just("repeat"), st.just(0)),
    st.tuples(st.just("skip"), st.integers(1, 3)),
    st.tuples(st.just("read"), st.floats(0, 1)),
    st.tuples(st.just("find"), st.integers(-45, 45)),
    st.tuples(st.just("find latest"), st.just(0)),
    st.tuples(st.just("delete"), st.floats(0, 1)),
    st.tuples(st.just("truncate"), st.floats(0, 1)),
    st.tuples(st.just("pause"), st.just(0)),
)
Step = tuple[str, object]


class Performer:
    """Plays a script on one log and keeps every answer."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.shelf = Shelf(setting.configuration)
        self.shelf.open_files_max = setting.open_files_max
        self.shelf.open()
        self.answers: list[object] = []
        self.content: list[bytes] = []
        self._sequence = 0
        self._last_batch: bytes | None = None

    def play(self, script: list[Step]) -> None:
        for name, argument in script:
            getattr(self, name.replace(" ", "_"))(argument)
            log = self.shelf.log
            log.high_watermark = log.log_end_offset
            self.answers.append((name, log.log_start_offset, log.log_end_offset, log.last_stable_offset))
        self.read(0.0)

    def append(self, content: list[tuple[bytes, int]]) -> None:
        records = [Record(0, START_MS + step, b"k", value, [Header("h", value)]) for value, step in content]
        self._stage(encode_batch(records, compression=self.setting.codec))

    def produce(self, count: int) -> None:
        self._last_batch = self._of_producer(count)
        self._sequence += count
        self._stage(self._last_batch)

    def repeat(self, _: object) -> None:
        if self._last_batch is not None:
            self._stage(self._last_batch)

    def skip(self, gap: int) -> None:
        """A batch is missing before this one."""
        if self._last_batch is not None:
            kept, self._sequence = self._sequence, self._sequence + gap
            self._stage(self._of_producer(1))
            self._sequence = kept

    def read(self, begin: float) -> None:
        """From some offset to the end, whatever the pieces."""
        log = self.shelf.log
        offset = log.log_start_offset + round((log.log_end_offset - log.log_start_offset) * begin)
        data, position = b"", offset
        while position < log.log_end_offset:
            piece = log.read(position, 350)
            data += piece.read()
            assert piece.next_offset > position
            position = piece.next_offset
        self.content.append(data)
        records = [record for batch in iterate_batches(data) for record in decode_records(data, batch.position)]
        self.answers.append([(one.offset, one.timestamp, one.key, one.value, len(one.headers)) for one in records])

    def find(self, step: int) -> None:
        self.answers.append(self.shelf.log.offset_for_timestamp(START_MS + step))

    def find_latest(self, _: object) -> None:
        self.answers.append(self.shelf.log.offset_of_max_timestamp())

    def delete(self, up_to: float) -> None:
        log = self.shelf.log
        offset = log.log_start_offset + round((log.log_end_offset - log.log_start_offset) * up_to)
        self.answers.append(log.delete_records_before(offset))

    def truncate(self, down_to: float) -> None:
        """To the beginning of a batch, which a restart can find again."""
        log = self.shelf.log
        offset = log.log_start_offset + round((log.log_end_offset - log.log_start_offset) * down_to)
        if offset == log.log_start_offset or offset == log.log_end_offset:
            return
        begin = next(int(batch.header.base_offset) for batch in iterate_batches(log.read(offset, 1).read()))
        log.truncate_to(max(begin, log.log_start_offset))
        # The producer whose batches went may or may not be known: that is not this test's question.
        self._last_batch = None

    def pause(self, _: object) -> None:
        log = self.shelf.log
        match self.setting.pause:
            case "flush":
                log.flush()
            case "roll":
                log.roll()
            case "stop":
                self.shelf.reopen_cleanly()
            case "crash":
                self.shelf.open(recovery_point=log.recovery_point, log_start_offset=log.log_start_offset)
            case other:
                assert other == "nothing"

    def _of_producer(self, count: int) -> bytes:
        records = [Record(0, START_MS, None, b"%d" % number) for number in range(self._sequence, self._sequence + count)]
        return encode_batch(
            records, compression=self.setting.codec, producer_id=PRODUCER_ID, producer_epoch=0, base_sequence=self._sequence
        )

    def _stage(self, batch: bytes) -> None:
        staged = self.shelf.log.append(batch, 1, self.shelf.clock.now_ms())
        self.answers.append((int(staged.error_code), int(staged.base_offset), int(staged.last_offset), staged.is_duplicate))


def performed(setting: Setting, script: list[Step]) -> Performer:
    performer = Performer(setting)
    performer.play(script)
    return performer


@settings(max_examples=120)
@given(st.lists(steps, min_size=5, max_size=40))
def test_settings_do_not_show_in_any_answer(script: list[Step]) -> None:
    plain = performed(PLAIN, script)

    for name, setting in SAME_BYTES.items():
        other = performed(setting, script)
        assert other.answers == plain.answers, name
        assert other.content == plain.content, name


@settings(max_examples=60)
@given(st.lists(steps, min_size=5, max_size=40))
def test_codec_shows_in_the_bytes_and_nowhere_else(script: list[Step]) -> None:
    plain = performed(PLAIN, script)

    for name, setting in OTHER_BYTES.items():
        assert performed(setting, script).answers == plain.answers, name
