"""What coordinators write, in the notation of `differential/outcome.py`: every batch and every record of a partition, to the byte.

A key or a value is told by its fields, and it is checked that they alone make those bytes again; so is the batch around them. What two
brokers must differ in is told by kind, and each of these kinds is a method here that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Final

from odradek.base.identifiers import Uuid
from odradek.coordinator.group.records import RECORD_TYPES as GROUP_RECORD_TYPES
from odradek.coordinator.record import CoordinatorRecord, RecordTypes, decode_record
from odradek.coordinator.transaction.records import RECORD_TYPES as TRANSACTION_RECORD_TYPES
from odradek.protocol.internal_records.group import OffsetCommitValue
from odradek.protocol.message import Message
from odradek.protocol.messages.describe_transactions import DescribeTransactionsResponse
from odradek.protocol.messages.write_txn_markers import WriteTxnMarkersResponse
from odradek.records.batch import BatchHeader, check_crc, decode_records
from odradek.records.builder import encode_batch
from odradek.records.compression import Codec
from odradek.records.control import end_marker_of
from odradek.records.record import Record
from odradek.wire.structure import Structure
from tests.conformance.differential.outcome import Notation

GROUP_TOPIC: Final = "__consumer_offsets"
TRANSACTION_TOPIC: Final = "__transaction_state"
_TYPES_BY_TOPIC: Final[Mapping[str, RecordTypes]] = {GROUP_TOPIC: GROUP_RECORD_TYPES, TRANSACTION_TOPIC: TRANSACTION_RECORD_TYPES}
_SECOND_MS: Final = 1000
_CODEC_BITS: Final = 0x07
_RECORD_TYPE_SIZE: Final = 2
_FROM_HASH_TABLES: Final = frozenset(
    {
        # Members by their ids.
        "members",
        # Topics by their ids.
        "topic_partitions",
        "assigned_partitions",
        "partitions_pending_revocation",
        # Partitions of a transaction.
        "transaction_partitions",
        "partition_ids",
        "results_by_topic_v3_and_below",
    }
)


class CoordinatorNotation(Notation):
    """Tells answers of coordinators and their logs; one for each script, so that names begin anew with it."""

    def __init__(self, hash_of: Callable[[Sequence[str]], int]) -> None:
        """`hash_of` computes what a group that subscribes to these topics has to write down as their hash."""
        super().__init__()
        self._hash_of = hash_of
        self._topics: dict[Uuid, str] = {}
        self._members: dict[str, str] = {}
        self._tellers = {
            **self._tellers,
            "topic_id": self._topic,
            "member_id": self._member,
            "leader": self._member,
            "metadata_hash": self._hash,
            "previous_producer_id": self._producer,
            "next_producer_id": self._producer,
            "version": self._metadata_offset,
            **dict.fromkeys(
                (
                    "commit_timestamp",
                    "expire_timestamp",
                    "current_state_timestamp",
                    "assignment_timestamp",
                    "transaction_last_update_timestamp_ms",
                    "transaction_start_timestamp_ms",
                    "transaction_start_time_ms",
                ),
                self._moment,
            ),
        }

    def know_topic(self, topic_id: Uuid, name: str) -> None:
        self._topics[topic_id] = name

    def is_known_producer(self, producer_id: int) -> bool:
        """Whether an answer has told of this producer."""
        return producer_id in self._producers

    # Kinds, and why brokers differ in them

    def _topic(self, value: object) -> str:
        """Ids of topics are drawn when a topic is made."""
        assert isinstance(value, bytes)
        return f"id of {self._topics[Uuid(value)]}" if Uuid(value) in self._topics else "ZERO" if not any(value) else "ID"

    def _member(self, value: object) -> str:
        """Ids of members are drawn by the coordinator; those that the script has chosen itself stay as they are."""
        if not isinstance(value, str) or not _is_drawn(value):
            return repr(value)
        return self._members.setdefault(value, f"M{len(self._members) + 1}")

    def _hash(self, value: object) -> str:
        """The hash of topics has their ids in it; told by the topics of the script whose hash it is."""
        names = sorted(self._topics.values())
        subsets = ([name for index, name in enumerate(names) if chosen >> index & 1] for chosen in range(1 << len(names)))
        return next((f"of {'+'.join(subset) or 'nothing'}" for subset in subsets if self._hash_of(subset) == value), "UNKNOWN")

    def _producer(self, value: object) -> str:
        """Producer ids are handed out in blocks, by a controller that may have been asked before."""
        return self._named(self._producers, value, "P")

    def _moment(self, value: object) -> str:
        """The clock goes on between two runs; -1 and 0 are no time of it."""
        assert isinstance(value, int)
        return "NOW" if value > 0 else str(value)

    def _metadata_offset(self, value: object) -> str:
        """How long the metadata log was: it depends on what the node and other scripts have done before."""
        return "OFFSET"

    def told(self, message: Message) -> str:
        """Kafka gathers the results of markers, and the partitions of a transaction, in hash tables."""
        if isinstance(message, DescribeTransactionsResponse):
            for state in message.transaction_states:
                state.topics.sort(key=lambda topic: topic.topic)
        if isinstance(message, WriteTxnMarkersResponse):
            for topic in (topic for marker in message.markers for topic in marker.topics):
                topic.partitions.sort(key=lambda result: result.partition_index)
        return super().told(message)

    def _value(self, value: object, name: str = "") -> str:
        """What Kafka keeps in hash tables it tells in their order: by ids that are drawn, or by the history of a table."""
        if isinstance(value, list) and name in _FROM_HASH_TABLES:
            return f"[{', '.join(sorted(self._value(one) for one in value))}]"
        return super()._value(value, name)

    # Logs

    def batch(self, topic: str, data: bytes, position: int, header: BatchHeader) -> list[str]:
        """One line for the batch and one for each of its records. A batch that holds more than its fields say is told with its bytes."""
        check_crc(data, position, header)
        records = decode_records(data, position)
        has_one_time = all(record.timestamp == header.base_timestamp == header.max_timestamp for record in records)
        lines = [
            f"  batch attributes={header.attributes} leader_epoch={header.partition_leader_epoch} records={len(records)} "
            f"last_delta={header.last_offset_delta} producer={self._producer(int(header.producer_id))}/{header.producer_epoch}"
            f"/{header.base_sequence} times={'one' if has_one_time else 'several'}"
        ]
        if _encoded_again(records, header) != data[position : position + int(header.size)]:
            lines.append(f"    not canonical: {data[position : position + int(header.size)].hex()}")
        told = [(record.key or b"", f"    {self._record(topic, record, header)}") for record in records]
        # Records of several members of a group come in the order of a hash table by their ids.
        for _, of_one_kind in groupby(told, key=lambda one: one[0][:_RECORD_TYPE_SIZE]):
            lines += sorted(line for _, line in of_one_kind)
        return lines

    def _record(self, topic: str, record: Record, header: BatchHeader) -> str:
        assert not record.headers
        if header.is_control():
            marker = end_marker_of(record)
            return f"marker {marker.control_type.name} coordinator_epoch={marker.coordinator_epoch} {len(record.value or b'')} bytes"
        if topic not in _TYPES_BY_TOPIC:
            return f"{record.key!r}: {record.value!r}"
        decoded = decode_record(_TYPES_BY_TOPIC[topic], record.key, record.value)
        if decoded is None:
            return f"of another type {record.key!r}: {record.value!r}"
        if (decoded.encoded_key(), decoded.encoded_value()) != (record.key, record.value):
            return f"not canonical: {(record.key or b'').hex()}: {(record.value or b'').hex()}"
        return self._decoded(decoded)

    def _decoded(self, record: CoordinatorRecord) -> str:
        assert isinstance(record.key, Structure)
        key = f"{record.key.NAME.removesuffix('Key')}{self.told_part(record.key)}"
        if record.value is None:
            return f"{key}: tombstone"
        assert isinstance(record.value, Structure)
        value = record.value
        lasting = ""
        if isinstance(value, OffsetCommitValue) and value.expire_timestamp > 0:
            lasting = f" lasting {(value.expire_timestamp - value.commit_timestamp) / _SECOND_MS} s"
        return f"{key}: v{record.value_version}{self.told_part(value)}{lasting}"


def _is_drawn(member_id: str) -> bool:
    """Whether a member id ends, or is, a UUID: either form of one has 36 or 22 characters."""
    tail = member_id[-36:]
    return (len(tail) == 36 and tail.count("-") == 4) or (len(member_id) == 22 and not member_id.startswith("member"))


def _encoded_again(records: Sequence[Record], header: BatchHeader) -> bytes:
    """The batch as its records and its header's fields make it."""
    return encode_batch(
        records,
        base_offset=int(header.base_offset),
        compression=Codec(int(header.attributes) & _CODEC_BITS),
        producer_id=int(header.producer_id),
        producer_epoch=int(header.producer_epoch),
        base_sequence=int(header.base_sequence),
        is_transactional=header.is_transactional(),
        is_control=header.is_control(),
        leader_epoch=int(header.partition_leader_epoch),
    )
