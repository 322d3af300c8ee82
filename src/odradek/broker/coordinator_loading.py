"""What the records of a coordinator's partition come to, before its shard sees them.

The topics of coordinators are compacted: of all plain records with one key only the last counts, whether a cleaner has been there or
not. So the gathering half, which runs in a pool while the node serves, keeps just that one, in the form in which the shard wants it, and
the shard takes in tens of thousands of records where the log may hold millions. Records of transactions and the markers that end them
keep their whole order, for what they come to depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, final

from odradek.base.identifiers import NO_PRODUCER_ID
from odradek.coordinator.shard import ShardGatherer
from odradek.records.batch import BatchHeader, check_crc, decode_records, iterate_batches
from odradek.records.control import ControlType, control_type_of
from odradek.records.key_values import KeyValue
from odradek.records.plain_walk import PlainBatches
from odradek.records.record import Record

# How many records are gathered, or are replayed, before somebody else may have the interpreter; of one batch all are gathered at once.
GATHERED_RECORDS_MAX: Final = 2_000
REPLAYED_RECORDS_MAX: Final = 500


class GatheredRecord(NamedTuple):
    """One record as it stands in the log; `producer_id` is -1 where it belongs to no transaction."""

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
    """The records of a partition, gathered piece by piece from its log start on; the plain ones by `gatherer`."""

    __slots__ = ("_gatherer", "_in_transactions", "records_count")

    def __init__(self, gatherer: ShardGatherer) -> None:
        self._gatherer = gatherer
        self._in_transactions: list[GatheredRecord | EndOfTransaction] = []
        self.records_count = 0

    def take(self, data: bytes, first_offset: int) -> None:
        """The next piece of the log: whole batches. Records below `first_offset` are of a batch that begins before the log start.

        Raises:
            CorruptRecords: a batch fails its checksum or its structure.
        """
        batches = PlainBatches(data)
        while True:
            # Between two rounds, not within one, another thread can go on.
            while batches.give_to(self._gatherer, first_offset, GATHERED_RECORDS_MAX):
                pass
            found = next(iterate_batches(data, batches.position), None)
            if found is None:
                break
            position, header = found
            check_crc(data, position, header)
            self._take_otherwise(decode_records(data, position), header, first_offset)
            batches.position += header.size
        self.records_count += batches.records_count

    def _take_otherwise(self, records: list[Record], header: BatchHeader, first_offset: int) -> None:
        """Records of a transaction, its marker, or those of a batch that is seldom."""
        self.records_count += len(records)
        producer_id = int(header.producer_id)
        if header.is_control():
            for record in records:
                control_type = control_type_of(record.key)
                if control_type in (ControlType.COMMIT, ControlType.ABORT):
                    self._in_transactions.append(EndOfTransaction(record.offset, producer_id, control_type is ControlType.COMMIT))
        elif header.is_transactional():
            self._in_transactions += [GatheredRecord(record.offset, producer_id, record.key, record.value) for record in records]
        else:
            for record in records:
                if record.offset >= first_offset:
                    self._gatherer.take((record.offset, record.key, record.value))

    def in_order(self) -> Iterator[GatheredRecord | EndOfTransaction]:
        """What the shard has to replay one by one, by offset."""
        return _merged(self._gatherer.others(), self._in_transactions)


def _merged(
    plain: Iterable[KeyValue], transactional: Iterable[GatheredRecord | EndOfTransaction]
) -> Iterator[GatheredRecord | EndOfTransaction]:
    rest = iter(transactional)
    following = next(rest, None)
    for offset, key, value in plain:
        while following is not None and following.offset < offset:
            yield following
            following = next(rest, None)
        yield GatheredRecord(offset, NO_PRODUCER_ID, key, value)
    if following is not None:
        yield following
        yield from rest
