"""What the records of a coordinator's partition come to, before its shard sees them.

The topics of coordinators are compacted: of all plain records with one key only the last counts, whether a cleaner has been there or
not. So the gathering half, which runs in a pool while the node serves, keeps just that one, undecoded, and the shard replays tens of
thousands of records where the log may hold millions. Records of transactions and the markers that end them keep their whole order,
for what they come to depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, final

from odradek.records.batch import BatchHeader, batch_body, check_crc, decode_records, iterate_batches
from odradek.records.control import ControlType, control_type_of
from odradek.records.header import CURRENT_MAGIC
from odradek.records.key_values import KeyValue, NotPlain, read_key_values

# How many records are replayed before the loop may do something else.
RUN_RECORDS_MAX: Final = 500


class GatheredRecord(NamedTuple):
    """One record of a transaction as it stands in the log."""

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
        # By key, in the order of the offsets: a key that comes again is taken out of its former place.
        self._latest: dict[bytes | None, KeyValue] = {}
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
            records = _key_values(data, position, header)
            self.records_count += len(records)
            if header.is_control() or header.is_transactional():
                self._take_of_transaction(records, header)
                continue
            for record in records:
                if record[0] >= first_offset:
                    key = record[1]
                    latest.pop(key, None)
                    latest[key] = record

    def _take_of_transaction(self, records: Sequence[KeyValue], header: BatchHeader) -> None:
        producer_id = int(header.producer_id)
        if not header.is_control():
            self._in_transactions += [GatheredRecord(offset, producer_id, key, value) for offset, key, value in records]
            return
        for offset, key, _ in records:
            control_type = control_type_of(key)
            if control_type in (ControlType.COMMIT, ControlType.ABORT):
                self._in_transactions.append(EndOfTransaction(offset, producer_id, control_type is ControlType.COMMIT))

    def in_order(self) -> Iterator[list[KeyValue] | GatheredRecord | EndOfTransaction]:
        """What the shard has to replay, by offset: runs of plain records, and those of transactions one by one."""
        transactional = iter(self._in_transactions)
        following = next(transactional, None)
        run: list[KeyValue] = []
        for record in self._latest.values():
            while following is not None and following.offset < record[0]:
                if run:
                    yield run
                    run = []
                yield following
                following = next(transactional, None)
            run.append(record)
            if len(run) == RUN_RECORDS_MAX:
                yield run
                run = []
        if run:
            yield run
        if following is not None:
            yield following
            yield from transactional


def _key_values(data: bytes, position: int, header: BatchHeader) -> Sequence[KeyValue]:
    if header.magic == CURRENT_MAGIC:
        with suppress(NotPlain):
            return read_key_values(batch_body(data, position, header), header.record_count, header.base_offset)
    return [(record.offset, record.key, record.value) for record in decode_records(data, position)]
