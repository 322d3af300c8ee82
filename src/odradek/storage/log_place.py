"""Where a log lives and whom it shares things with: its directory, its name, and what is made once for all logs of a node."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from odradek.base.clock import Clock
from odradek.base.identifiers import TopicPartition
from odradek.config.log_configuration import LogConfiguration
from odradek.storage.delayed_deletions import DelayedDeletions
from odradek.storage.filesystem import FileSystem
from odradek.storage.open_files import OpenFiles
from odradek.storage.producer_states import PRODUCER_ID_EXPIRATION_MS_DEFAULT
from odradek.storage.segment import Segment


def _ignore_failure(error: OSError) -> None:
    return


def _refuse_nothing_more(error: OSError, accept_again: Callable[[], None]) -> bool:
    return False


def _ignore_room() -> None:
    return


@dataclass(slots=True)
class LogPlace:
    """The surroundings of one log. `directory` changes when the log is renamed.

    `on_failure` hears of the first error of the disk that is no shortage, `on_shortage` of every write that did not fit, and `on_room` of
    the first that does again. Where answers may have been prepared that count on what did not fit, `on_shortage` says True, and the log
    takes nothing until the function it was given is called.
    """

    open_files: OpenFiles
    directory: str
    topic_partition: TopicPartition
    clock: Clock
    dice: random.Random
    deletions: DelayedDeletions
    producer_id_expiration_ms: int = PRODUCER_ID_EXPIRATION_MS_DEFAULT
    on_failure: Callable[[OSError], None] = _ignore_failure
    on_shortage: Callable[[OSError, Callable[[], None]], bool] = _refuse_nothing_more
    on_room: Callable[[], None] = _ignore_room

    @property
    def filesystem(self) -> FileSystem:
        return self.open_files.filesystem

    def new_segment(self, base_offset: int, configuration: LogConfiguration) -> Segment:
        """A segment that does not exist yet; what lies under its name is removed."""
        segment = self._segment(base_offset, 0, configuration, created_ms=self.clock.now_ms(), is_new=True)
        for handle in segment.handles():
            handle.unlink()
        segment.log.file(create=True)
        return segment

    def existing_segment(self, base_offset: int, size: int, configuration: LogConfiguration, *, has_transaction_index: bool) -> Segment:
        segment = self._segment(base_offset, size, configuration, created_ms=self.clock.now_ms(), is_new=False)
        if not has_transaction_index:
            segment.transaction_index.begin_empty()
        return segment

    def _segment(self, base_offset: int, size: int, configuration: LogConfiguration, *, created_ms: int, is_new: bool) -> Segment:
        jitter_ms = 0
        if configuration.segment_jitter_ms > 0:
            jitter_ms = self.dice.randrange(1 << 31) % min(configuration.segment_jitter_ms, configuration.segment_ms)
        return Segment(self.open_files, self.directory, base_offset, size, created_ms=created_ms, jitter_ms=jitter_ms, is_new=is_new)

    def delete_later(self, path: str, configuration: LogConfiguration) -> None:
        """Have a renamed file removed after `file.delete.delay.ms`."""
        self.deletions.add_file(path, self.clock.now_ms() + configuration.file_delete_delay_ms)
