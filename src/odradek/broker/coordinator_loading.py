"""What the records of a coordinator's partition come to, before its shard sees them.

The topics of coordinators are compacted: of all plain records with one key only the last counts, whether a cleaner has been there or
not. So the gathering half, which runs in a pool while the node serves, keeps just that one, undecoded, and the shard replays tens of
thousands of records where the log may hold millions. Records of transactions and the markers that end them keep their whole order,
for what they come to depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, final

from odradek.base.identifiers import NO_PRODUCER_ID
from odradek.records.batch import check_crc, decode_records, iterate_batches
from odradek.records.control import ControlType, control_type_of


class GatheredRecord(NamedTuple):
    """One record as it stands in the log."""

    offset: int
    producer_id: int
    key: bytes | None
    value: bytes | None


class EndOfTransaction(NamedTuple):
    """A marker."""

    offset: int
    producer_id: int
    is_committed: bool


@final
class GatheredRecords:
    """The records of a partition, gathered piece by piece from its log start on."""

    __slots__ = ("_in_transactions", "_latest", "records_count")

    def __init__(self) -> None:
        self._latest: dict[bytes | None, GatheredRecord] = {}
        self._in_transactions: list[GatheredRecord | EndOfTransaction] = []
        self.records_count = 0

    def take(self, data: bytes, first_offset: int) -> None:
        """The next piece of the log: whole batches. Records below `first_offset` are of a batch that begins before the log start.

        Raises:
            CorruptRecords: a batch fails its checksum or its structure.
        """
        latest = self._latest
        for position, header in iterate_batches(data):
            check_crc(data, position, header)
            records = decode_records(data, position)
            producer_id = int(header.producer_id)
            self.records_count += len(records)
            if header.is_control():
                for record in records:
                    control_type = control_type_of(record.key)
                    if control_type in (ControlType.COMMIT, ControlType.ABORT):
                        is_committed = control_type is ControlType.COMMIT
                        self._in_transactions.append(EndOfTransaction(record.offset, producer_id, is_committed))
            elif header.is_transactional():
                self._in_transactions += [GatheredRecord(record.offset, producer_id, record.key, record.value) for record in records]
            else:
                for record in records:
                    if record.offset >= first_offset:
                        latest[record.key] = GatheredRecord(record.offset, NO_PRODUCER_ID, record.key, record.value)

    def in_order(self) -> Iterator[GatheredRecord | EndOfTransaction]:
        """What the shard has to replay, by offset."""
        return iter(sorted([*self._latest.values(), *self._in_transactions], key=_offset_of))


def _offset_of(gathered: GatheredRecord | EndOfTransaction) -> int:
    return gathered.offset
