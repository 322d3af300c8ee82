"""The segments of one log in the order of their offsets (`LogSegments.java`)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import final

from odradek.storage.segment import Segment


@final
class Segments:
    """Never empty once a log is open; the last one is the one that is appended to."""

    __slots__ = ("_base_offsets", "_segments")

    def __init__(self) -> None:
        self._base_offsets: list[int] = []
        self._segments: list[Segment] = []

    def __len__(self) -> int:
        return len(self._segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(list(self._segments))

    @property
    def first(self) -> Segment:
        return self._segments[0]

    @property
    def active(self) -> Segment:
        return self._segments[-1]

    @property
    def base_offsets(self) -> list[int]:
        return list(self._base_offsets)

    def add(self, segment: Segment) -> None:
        """Take a segment in, in place of one that begins at the same offset."""
        self.remove(segment.base_offset)
        index = bisect_left(self._base_offsets, segment.base_offset)
        self._base_offsets.insert(index, segment.base_offset)
        self._segments.insert(index, segment)

    def remove(self, base_offset: int) -> None:
        index = bisect_left(self._base_offsets, base_offset)
        if index < len(self._base_offsets) and self._base_offsets[index] == base_offset:
            del self._base_offsets[index], self._segments[index]

    def floor(self, offset: int) -> Segment | None:
        """The last segment that begins at or before `offset`."""
        index = bisect_right(self._base_offsets, offset)
        return self._segments[index - 1] if index else None

    def higher(self, base_offset: int) -> Segment | None:
        """The segment behind the one that begins at `base_offset`."""
        index = bisect_right(self._base_offsets, base_offset)
        return self._segments[index] if index < len(self._segments) else None

    def between(self, first_offset: int, upper_bound: int) -> list[Segment]:
        """The segments that can hold offsets from `first_offset` to before `upper_bound`."""
        first = max(0, bisect_right(self._base_offsets, first_offset) - 1)
        return self._segments[first : bisect_left(self._base_offsets, upper_bound)]

    def end_offset_of(self, segment: Segment, log_end_offset: int) -> int:
        """Where `segment` ends: the beginning of the next one, or the log end."""
        following = self.higher(segment.base_offset)
        return following.base_offset if following is not None else log_end_offset

    def size(self) -> int:
        """Bytes of batches in all segments."""
        return sum(segment.size for segment in self._segments)
