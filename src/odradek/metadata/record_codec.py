"""Metadata records as bytes: `frame version, record type, record version` as unsigned varints, then the message (`MetadataRecordSerde`).

The version of a record follows from the cluster's `metadata.version`, so that a node of an older release in the same cluster can read it.
Fields that the version lacks are dropped where the cluster cannot know them yet (directories of a partition before level 17).
"""

from __future__ import annotations

from odradek.base.errors import CorruptRecords, ProtocolViolation
from odradek.metadata.feature_levels import record_version
from odradek.protocol.internal_records import metadata as records
from odradek.protocol.message import Message
from odradek.wire.varint import read_unsigned_varint, write_unsigned_varint

FRAME_VERSION = 1


# Every record is a generated message; its `API_KEY` is the number of its type.
MetadataRecord = Message

RECORD_TYPES: tuple[type[Message], ...] = (
    records.RegisterBrokerRecord,
    records.UnregisterBrokerRecord,
    records.TopicRecord,
    records.PartitionRecord,
    records.ConfigRecord,
    records.PartitionChangeRecord,
    records.FenceBrokerRecord,
    records.UnfenceBrokerRecord,
    records.RemoveTopicRecord,
    records.DelegationTokenRecord,
    records.UserScramCredentialRecord,
    records.FeatureLevelRecord,
    records.ClientQuotaRecord,
    records.ProducerIdsRecord,
    records.BrokerRegistrationChangeRecord,
    records.AccessControlEntryRecord,
    records.RemoveAccessControlEntryRecord,
    records.NoOpRecord,
    records.ZkMigrationStateRecord,
    records.RemoveUserScramCredentialRecord,
    records.BeginTransactionRecord,
    records.EndTransactionRecord,
    records.AbortTransactionRecord,
    records.RemoveDelegationTokenRecord,
    records.RegisterControllerRecord,
    records.ClearElrRecord,
)
_TYPE_BY_KEY: dict[int, type[Message]] = {record_type.API_KEY: record_type for record_type in RECORD_TYPES}


def encode_metadata_record(record: MetadataRecord, metadata_version: int) -> bytes:
    """The value of the Kafka record that carries `record` in a cluster at `metadata_version`."""
    version = record_version(record.NAME, metadata_version)
    out = bytearray()
    write_unsigned_varint(out, FRAME_VERSION)
    write_unsigned_varint(out, record.API_KEY)
    write_unsigned_varint(out, version)
    record.encode(out, version)
    return bytes(out)


def decode_metadata_record(data: bytes) -> MetadataRecord:
    """The record that `data` frames.

    Raises:
        CorruptRecords: the bytes are no metadata record, or of a kind or version this release does not know.
    """
    try:
        frame_version, position = read_unsigned_varint(data, 0)
        record_type_key, position = read_unsigned_varint(data, position)
        version, position = read_unsigned_varint(data, position)
        record_type = _TYPE_BY_KEY.get(record_type_key)
        if frame_version != FRAME_VERSION or record_type is None:
            raise CorruptRecords(f"a metadata record has frame version {frame_version} and type {record_type_key}, which nobody knows")
        if not record_type.VERSION_MIN <= version <= record_type.VERSION_MAX:
            raise CorruptRecords(f"a {record_type.NAME} has version {version}; this release reads up to {record_type.VERSION_MAX}")
        record, _ = record_type.decode(data, position, version)
    except ProtocolViolation as violation:
        raise CorruptRecords(f"a metadata record cannot be read: {violation}") from violation
    return record
