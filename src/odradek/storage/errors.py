"""What storage raises beyond `base.errors`: each is caught in this room or becomes one Kafka error at the broker."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from odradek.base.errors import OdradekError, StorageFailure

# The machine has no more of something that comes back when others let go of it: room, quota, descriptors, memory. What was asked for
# was not done, or done in part, but nothing is broken.
SHORTAGE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def is_shortage(error: OSError) -> bool:
    """Whether `error` is the want of something that may be there again later. Of an fsync it never is: what was written may be lost."""
    return error.errno in SHORTAGE_ERRNOS


@contextmanager
def room_can_wait() -> Iterator[None]:
    """For what can be written another time: that it does not fit now is no error. Every other error passes."""
    try:
        yield
    except OSError as error:
        if not is_shortage(error):
            raise


class NoRoom(StorageFailure):
    """A write did not fit: nothing of it is in the log, which stands as before and takes what fits."""


class OffsetOutOfRange(OdradekError):
    """A read below the log start or above the log end (error code 1)."""

    def __init__(self, offset: int, *, log_start_offset: int, log_end_offset: int) -> None:
        super().__init__(f"offset {offset} is outside of the log, which goes from {log_start_offset} to {log_end_offset}")
        self.offset = offset
        self.log_start_offset = log_start_offset
        self.log_end_offset = log_end_offset


class CorruptIndex(OdradekError):
    """An index file contradicts itself; the segment is scanned and its indexes are written anew."""


class CorruptSnapshot(OdradekError):
    """A producer snapshot fails its checksum or its structure; an older one, or the log itself, is used instead."""


class CorruptCheckpoint(OdradekError):
    """A checkpoint file is not in the form that its version promises."""


class LostTopicId(CorruptCheckpoint, OSError):
    """A topic id that was durable cannot be read. The disk has broken its word, so the directory goes offline, as Kafka's does."""


class LegacyBatches(OdradekError, OSError):
    """A log has batches of magic 0 or 1, which nobody has written since Kafka 0.11 unless told to. The directory goes offline, untouched:
    Kafka still serves them, this release does not, and to recovery they would look like damage.
    """


class UnexpectedOffset(OdradekError):
    """A batch from the leader does not begin at or behind the log end offset, or its offsets go back."""
