"""Of all plain records with one key only the last counts, whether a cleaner has been there or not. Compiled by mypyc."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from mypy_extensions import i64

from odradek.records.key_values import KeyValue, RecordCursor


@final
class LatestRecords:
    """The last record of each key, in the order of their offsets."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[bytes | None, KeyValue] = {}

    def take_batch(self, data: bytes, begin: i64, end: i64, record_count: i64, base_offset: i64, first_offset: i64) -> None:
        """As `Gatherer` says."""
        cursor = RecordCursor(data, begin, end, record_count, base_offset)
        while cursor.advance():
            if cursor.offset >= first_offset:
                self.take((cursor.offset, cursor.key(), cursor.value()))

    def take(self, record: KeyValue) -> None:
        """The next record."""
        key = record[1]
        # A key that comes again is taken out of its former place.
        self._by_key.pop(key, None)
        self._by_key[key] = record

    def forget(self, key: bytes) -> None:
        """Something else has come under this key."""
        self._by_key.pop(key, None)

    def others(self) -> Iterable[KeyValue]:
        """All that count, in the order of their offsets."""
        return self._by_key.values()
