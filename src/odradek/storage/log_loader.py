"""Opening a log: from the files of a directory to what a `log.Log` is made of (`LogLoader.java`, KAFKA-FACTS §2.1).

After a clean stop only names, sizes and the ends of the last segment are looked at. After any other stop every segment behind the
recovery point is scanned; the first bad batch ends the log, and what lies behind goes. Leftovers of an interrupted cleaning or
deletion are completed or removed first, so that no offset is in two segments.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from odradek.base.errors import CorruptRecords
from odradek.base.identifiers import METADATA_TOPIC_NAME, Uuid
from odradek.config.log_configuration import LogConfiguration
from odradek.storage.checkpoint_file import EpochStart
from odradek.storage.errors import CorruptCheckpoint, CorruptIndex, LostTopicId, room_can_wait
from odradek.storage.file_names import (
    CLEANED_SUFFIX,
    DELETED_SUFFIX,
    LEADER_EPOCH_CHECKPOINT,
    LOG_SUFFIX,
    OFFSET_INDEX_SUFFIX,
    PRODUCER_SNAPSHOT_SUFFIX,
    SWAP_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
    offset_name,
    offset_of,
)
from odradek.storage.leader_epochs import LeaderEpochs
from odradek.storage.log_place import LogPlace
from odradek.storage.log_recovery import ScanListener, bring_producers, nobody_listens, rebuild_producers, recover_segment
from odradek.storage.partition_metadata import read_partition_metadata, write_partition_metadata
from odradek.storage.producer_states import ProducerStates
from odradek.storage.segment import Segment
from odradek.storage.segments import Segments

_LEFTOVER_SUFFIXES = (DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX)
_LOG_EXTENSION = LOG_SUFFIX.removeprefix(".")
_INDEX_SUFFIXES = (OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX)
_INDEX_EXTENSIONS = frozenset(suffix.removeprefix(".") for suffix in _INDEX_SUFFIXES)
# Snapshots of the quorum's log keep their own way of going.
_QUORUM_SNAPSHOT_DELETED_SUFFIX = ".checkpoint.deleted"


@dataclass(slots=True, kw_only=True)
class LoadedLog:
    """Everything that a log consists of, agreeing with each other."""

    segments: Segments
    leader_epochs: LeaderEpochs
    producers: ProducerStates
    topic_id: Uuid | None
    log_start_offset: int
    log_end_offset: int
    recovery_point: int


def load_log(
    place: LogPlace,
    configuration: LogConfiguration,
    *,
    topic_id: Uuid | None = None,
    recovery_point: int = 0,
    log_start_offset: int = 0,
    was_clean: bool = False,
    names: list[str] | None = None,
    on_scanned: ScanListener = nobody_listens,
) -> LoadedLog:
    """The log in `place`, made if there is none. The offsets are those of the checkpoints, 0 where these know nothing.

    `names` is what is in the directory, if somebody has just looked.

    Raises:
        OSError: the disk failed.
    """
    filesystem = place.filesystem
    returned: set[int] = set()
    try:
        found = filesystem.list_names(place.directory) if names is None else names
        returned = _returned_segments(found)
        names = _settle_leftovers(place, found)
        topic_id = _agreed_topic_id(place, names, topic_id, was_ever_flushed=recovery_point > log_start_offset)
    except FileNotFoundError:
        if filesystem.is_directory(place.directory):
            raise
        names = []
        filesystem.make_directories(place.directory)
        if topic_id is not None:
            write_partition_metadata(filesystem, place.directory, topic_id)
    loading = _Loading(place, configuration, names, returned, on_scanned)
    if was_clean:
        loading.repair_broken_segments()
    else:
        loading.recover(recovery_point, log_start_offset)
    return loading.finish(topic_id=topic_id, recovery_point=recovery_point, log_start_offset=log_start_offset, was_clean=was_clean)


class _Loading:
    """One log on its way from names to a `LoadedLog`."""

    __slots__ = (
        "_configuration",
        "_empty",
        "_epochs",
        "_had_no_epochs",
        "_had_snapshots",
        "_incomplete",
        "_on_scanned",
        "_place",
        "_producers",
        "_replayed_to",
        "_segments",
    )

    def __init__(
        self, place: LogPlace, configuration: LogConfiguration, names: list[str], returned: set[int], on_scanned: ScanListener
    ) -> None:
        self._place = place
        self._configuration = configuration
        self._on_scanned = on_scanned
        self._segments = Segments()
        # Segments that lack an index or may lack one, and segments that have nothing in any of their files.
        self._incomplete = returned
        self._empty: set[int] = set()
        # Up to where a scan has brought the producers, -1 when none has.
        self._replayed_to = -1
        known = set(names)
        for name in names:
            if name.endswith(LOG_SUFFIX) and (base_offset := offset_of(name)) is not None:
                self._add_segment(base_offset, known)
        snapshots = [offset for name in names if name.endswith(PRODUCER_SNAPSHOT_SUFFIX) and (offset := offset_of(name)) is not None]
        self._had_snapshots = bool(snapshots)
        self._epochs = LeaderEpochs(place.filesystem, place.directory, is_new=LEADER_EPOCH_CHECKPOINT not in known)
        # Those of single segments that are scanned come in then, but no others.
        self._had_no_epochs = not self._epochs.entries
        self._producers = ProducerStates(place.filesystem, place.directory, snapshots, place.producer_id_expiration_ms)

    def _add_segment(self, base_offset: int, known: set[str]) -> None:
        name = offset_name(base_offset)
        size = self._size_of(name + LOG_SUFFIX)
        has_transaction_index = name + TRANSACTION_INDEX_SUFFIX in known
        self._segments.add(
            self._place.existing_segment(base_offset, size, self._configuration, has_transaction_index=has_transaction_index)
        )
        if has_transaction_index and not _is_readable(self._segments.floor(base_offset)):
            self._incomplete.add(base_offset)
        indexes = [suffix for suffix in _INDEX_SUFFIXES if name + suffix in known]
        if not size and not any(self._size_of(name + suffix) for suffix in indexes):
            self._empty.add(base_offset)
        elif OFFSET_INDEX_SUFFIX not in indexes or TIME_INDEX_SUFFIX not in indexes:
            self._incomplete.add(base_offset)

    def _size_of(self, name: str) -> int:
        return self._place.filesystem.size(f"{self._place.directory}/{name}")

    def repair_broken_segments(self) -> None:
        """Scan only the segments whose indexes are missing, and the last one if its end cannot be read."""
        for segment in self._segments:
            if segment.base_offset in self._incomplete or (segment is self._segments.active and not _has_readable_end(segment)):
                self._recover_from(segment)

    def recover(self, recovery_point: int, log_start_offset: int) -> None:
        """Scan every segment that can hold something behind the recovery point, and those before it that lost an index."""
        for segment in self._segments:
            end_offset = self._segments.end_offset_of(segment, 1 << 62)
            if end_offset > recovery_point:
                break
            # The flush that brought the recovery point to the end of a segment may have come before the last index entries.
            if segment.base_offset in self._incomplete or (end_offset == recovery_point and not segment.are_indexes_complete()):
                self._recover_from(segment)
        unflushed = self._segments.between(recovery_point, 1 << 62) if len(self._segments) else []
        for index, segment in enumerate(unflushed):
            truncated = 0 if segment.base_offset in self._empty else self._recover_from(segment)
            if truncated or self._has_hole_behind(segment, log_start_offset):
                self._remove(unflushed[index + 1 :])
                return

    def finish(self, *, topic_id: Uuid | None, recovery_point: int, log_start_offset: int, was_clean: bool) -> LoadedLog:
        """Agree on the offsets, and bring the producers up to the end."""
        segments = self._segments
        log_end_offset = segments.active.last_boundary()[0] if len(segments) else log_start_offset
        if log_end_offset < log_start_offset:
            # Files are missing: nothing that is left lies behind the log start.
            self._remove(list(segments))
            self._epochs.clear()
            self._producers.start_empty_at(log_start_offset)
            log_end_offset = log_start_offset
        if not len(segments):
            segments.add(self._place.new_segment(log_start_offset, self._configuration))
        self._epochs.truncate_from_end(log_end_offset)
        self._epochs.truncate_from_start(log_start_offset)
        log_start_offset = max(log_start_offset, segments.first.base_offset)
        self._fill_in_epochs(log_start_offset, log_end_offset)
        self._producers.remove_snapshots_beyond(log_end_offset)
        self._producers.remove_stray_snapshots(segments.base_offsets)
        now_ms = self._place.clock.now_ms()
        if self._replayed_to == log_end_offset:
            if self._producers.has_snapshot_at(log_end_offset):
                # The crash may have come in the middle of it, when the segment that begins here was empty yet and is not scanned.
                self._producers.renew_snapshot()
            self._producers.remove_expired(now_ms)
        else:
            rebuild_producers(
                self._producers,
                segments,
                log_start_offset=log_start_offset,
                log_end_offset=log_end_offset,
                now_ms=now_ms,
                # A snapshot that a truncation has left behind the end is gone by now, and still says that there were producers.
                was_clean=was_clean and not self._had_snapshots,
            )
        return LoadedLog(
            segments=segments,
            leader_epochs=self._epochs,
            producers=self._producers,
            topic_id=topic_id,
            log_start_offset=log_start_offset,
            log_end_offset=log_end_offset,
            recovery_point=log_end_offset if was_clean else min(recovery_point, log_end_offset),
        )

    def _has_hole_behind(self, segment: Segment, log_start_offset: int) -> bool:
        """Whether a power cut has taken the end of a segment of the quorum's log, and left the next one.

        The quorum's log has every offset, and no record of it means anything without those before. Below the log start, where a snapshot
        stands for them, the cut may have brought back some of the segments that were being removed. Other logs may have had holes from the
        beginning (a cleaner made them), so with those nothing can be told from a hole, and Kafka goes on behind it.
        """
        if self._place.topic_partition.topic != METADATA_TOPIC_NAME:
            return False
        following = self._segments.higher(segment.base_offset)
        return following is not None and segment.last_boundary()[0] < following.base_offset > log_start_offset

    def _fill_in_epochs(self, log_start_offset: int, log_end_offset: int) -> None:
        """Read from the batches what the file of epochs does not know.

        It was lost while it was being replaced, or was replaced when the log start had moved and the crash came before that was on the
        disk. A log whose batches have no epochs is left alone.
        """
        earliest = self._epochs.earliest
        known_from = log_end_offset if earliest is None or self._had_no_epochs else earliest.start_offset
        found: list[EpochStart] = []
        if log_start_offset >= known_from:
            return
        with suppress(CorruptRecords):
            for segment in self._segments.between(log_start_offset, known_from):
                for batch in segment.batches(log_start_offset, known_from):
                    epoch = int(batch.header.partition_leader_epoch)
                    if epoch < 0:
                        return
                    if not found or epoch > found[-1].epoch:
                        found.append(EpochStart(epoch, max(log_start_offset, int(batch.header.base_offset))))
        if found:
            self._epochs.fill_in(found)

    def _recover_from(self, segment: Segment) -> int:
        """Scan one segment with the producers as they were at its beginning; how many bytes were cut off."""
        if self._replayed_to == segment.base_offset:
            # The next start may have to begin here.
            self._producers.renew_snapshot()
        else:
            before = Segments()
            for earlier in self._segments:
                if earlier.base_offset < segment.base_offset:
                    before.add(earlier)
            bring_producers(
                self._producers,
                before,
                log_start_offset=self._segments.first.base_offset,
                log_end_offset=segment.base_offset,
                now_ms=self._place.clock.now_ms(),
            )
        truncated = recover_segment(segment, self._configuration, self._producers, self._epochs, self._on_scanned)
        if segment is self._segments.active:
            # This one goes on growing, and until it is flushed its indexes would be made anew after the next crash in any case.
            segment.give_back_room()
        else:
            with room_can_wait():
                segment.leave()
        self._replayed_to = self._producers.end_offset
        return truncated

    def _remove(self, segments: list[Segment]) -> None:
        for segment in segments:
            self._segments.remove(segment.base_offset)
            for path in segment.mark(DELETED_SUFFIX):
                self._place.delete_later(path, self._configuration)
            snapshot = self._producers.mark_snapshot_deleted(segment.base_offset)
            if snapshot is not None:
                self._place.delete_later(snapshot, self._configuration)


def _is_readable(segment: Segment | None) -> bool:
    """Whether the segment's index of aborted transactions is one; Kafka looks at each of these few at every start."""
    assert segment is not None
    try:
        segment.transaction_index.entries()
    except CorruptIndex:
        return False
    return True


def _has_readable_end(segment: Segment) -> bool:
    if not segment.size:
        return True
    try:
        segment.check_indexes()
        return segment.last_boundary()[1] == segment.size
    except (CorruptIndex, CorruptRecords):
        return False


def _agreed_topic_id(place: LogPlace, names: list[str], topic_id: Uuid | None, *, was_ever_flushed: bool) -> Uuid | None:
    """The id in the directory wins; who asks for another has to look (a deleted topic of the same name).

    Raises:
        LostTopicId: the id cannot be read, though it has been durable.
    """
    try:
        found = read_partition_metadata(place.filesystem, place.directory)
    except CorruptCheckpoint as error:
        if was_ever_flushed:
            raise LostTopicId(str(error)) from error
        if topic_id is not None:
            # Who asks knows whose log it is.
            write_partition_metadata(place.filesystem, place.directory, topic_id)
            return topic_id
        # A log's first flush waits for this file too, so a power cut that tore it found nothing durable in the log; nor does a stop in good
        # order wait for a log without records. Which incarnation of the topic it was nobody knows any more, and records of a deleted one
        # must not come back in its successor: nothing of it stays but the log start, below which nobody was ever to read again.
        for name in names:
            place.filesystem.unlink(f"{place.directory}/{name}")
        names.clear()
        return None
    if found is None and topic_id is not None:
        write_partition_metadata(place.filesystem, place.directory, topic_id)
    return found if found is not None else topic_id


def _returned_segments(names: list[str]) -> set[int]:
    """Segments that were on their way out when a power cut gave them their names back, but not all of their indexes.

    Nothing tells of a lost index of aborted transactions but this, since most segments have none.
    """
    leaving = {name for name in names if name.endswith(DELETED_SUFFIX)}
    if not leaving:
        return set()
    bases = {offset for name in leaving if (offset := offset_of(name)) is not None}
    present = set(names)
    return {
        offset
        for offset in bases
        if offset_name(offset) + LOG_SUFFIX in present and offset_name(offset) + LOG_SUFFIX + DELETED_SUFFIX not in present
    }


def _is_in_order(names: list[str]) -> bool:
    """Whether nothing was interrupted, and each index has its segment; as nearly always, so each name is looked at once."""
    segments: set[str] = set()
    indexes: set[str] = set()
    for name in names:
        stem, _, suffix = name.partition(".")
        if suffix == _LOG_EXTENSION:
            segments.add(stem)
        elif suffix in _INDEX_EXTENSIONS:
            indexes.add(stem)
        elif suffix.endswith(_LEFTOVER_SUFFIXES):
            return False
    return indexes <= segments


def _settle_leftovers(place: LogPlace, names: list[str]) -> list[str]:
    """Complete or undo what a stop has interrupted; the names that are there afterwards."""
    if _is_in_order(names):
        return names
    filesystem, directory = place.filesystem, place.directory
    cleaned_from = min(
        (offset for name in names if name.endswith(CLEANED_SUFFIX) and (offset := offset_of(name)) is not None), default=1 << 63
    )
    kept: dict[str, None] = {}
    swapped: list[str] = []
    for name in names:
        if name.endswith(SWAP_SUFFIX) and (offset_of(name) or 0) < cleaned_from:
            swapped.append(name)
        elif name.endswith((CLEANED_SUFFIX, SWAP_SUFFIX)) or (
            name.endswith(DELETED_SUFFIX) and not name.endswith(_QUORUM_SNAPSHOT_DELETED_SUFFIX)
        ):
            filesystem.unlink(f"{directory}/{name}")
        else:
            kept[name] = None
    _complete_swaps(place, kept, swapped)
    for name in [name for name in kept if name.endswith(_INDEX_SUFFIXES)]:
        if name.partition(".")[0] + LOG_SUFFIX not in kept:
            filesystem.unlink(f"{directory}/{name}")
            del kept[name]
    return list(kept)


def _complete_swaps(place: LogPlace, kept: dict[str, None], swapped: list[str]) -> None:
    """Give cleaned segments their names, after the segments that they replace have gone."""
    filesystem, directory = place.filesystem, place.directory
    first, end = 1 << 63, -1
    for name in swapped:
        if name.endswith(LOG_SUFFIX + SWAP_SUFFIX):
            base_offset = offset_of(name) or 0
            first, end = min(first, base_offset), max(end, _end_offset(place, base_offset, name))
    for name in list(kept):
        offset = offset_of(name)
        if offset is not None and first <= offset < end:
            filesystem.unlink(f"{directory}/{name}")
            del kept[name]
    for name in swapped:
        target = name.removesuffix(SWAP_SUFFIX)
        filesystem.rename(f"{directory}/{name}", f"{directory}/{target}")
        kept[target] = None


def _end_offset(place: LogPlace, base_offset: int, name: str) -> int:
    """The offset behind the last batch of a segment that does not have its final name yet."""
    path = f"{place.directory}/{name}"
    segment = Segment(place.open_files, place.directory, base_offset, place.filesystem.size(path), created_ms=0, jitter_ms=0, is_new=True)
    segment.log.path = path
    return segment.last_boundary()[0]
