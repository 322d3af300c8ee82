"""Topic settings: what can be set for each topic, and otherwise comes from the broker (`odradek.config.topic`)."""

from __future__ import annotations

from odradek.config.bounds import LONG_MAX
from odradek.config.declaration import INERT, boolean, double, integer, listing, long, optional_integer, string
from odradek.config.throttled_replicas import ThrottledReplicas
from odradek.config.validators import Elements, GzipLevel, OneOf

CLEANUP_POLICY = listing(
    "cleanup.policy",
    ("delete",),
    "What happens to old records: delete removes whole segments, compact keeps the last record of each key; nothing keeps all.",
    validator=Elements(("compact", "delete")),
)

COMPRESSION_TYPE = string(
    "compression.type",
    "producer",
    "How batches are compressed on disk; producer leaves them as they came.",
    validator=OneOf(("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")),
)

COMPRESSION_GZIP_LEVEL = integer(
    "compression.gzip.level", -1, "How hard gzip tries, 1 to 9; -1 is the library's own choice.", validator=GzipLevel()
)

COMPRESSION_LZ4_LEVEL = integer("compression.lz4.level", 9, "How hard lz4 tries, 1 to 17.", minimum=1, maximum=17)

COMPRESSION_ZSTD_LEVEL = integer("compression.zstd.level", 3, "How hard zstd tries, -131072 to 22.", minimum=-131_072, maximum=22)

DELETE_RETENTION_MS = long(
    "delete.retention.ms", 86_400_000, "How long a compacted partition keeps the mark that a key was deleted.", effect=INERT, minimum=0
)

FILE_DELETE_DELAY_MS = long("file.delete.delay.ms", 60_000, "How long a deleted segment stays on disk under another name.", minimum=0)

FLUSH_MESSAGES = long("flush.messages", LONG_MAX, "After how many records a partition is flushed to disk.", minimum=1)

FLUSH_MS = long("flush.ms", LONG_MAX, "How long a record may stay unflushed.", minimum=0)

FOLLOWER_REPLICATION_THROTTLED_REPLICAS = listing(
    "follower.replication.throttled.replicas",
    (),
    "Replicas whose fetching is throttled, each as partition:broker, or * for all.",
    effect=INERT,
    validator=ThrottledReplicas(),
)

INDEX_INTERVAL_BYTES = integer("index.interval.bytes", 4096, "After how many bytes of records the index gets another entry.", minimum=0)

INTERNAL_SEGMENT_BYTES = optional_integer(
    "internal.segment.bytes", "A smaller segment size than segment.bytes allows, for tests.", internal=True
)

LEADER_REPLICATION_THROTTLED_REPLICAS = listing(
    "leader.replication.throttled.replicas",
    (),
    "Replicas whose serving of followers is throttled, each as partition:broker, or * for all.",
    effect=INERT,
    validator=ThrottledReplicas(),
)

LOCAL_RETENTION_BYTES = long(
    "local.retention.bytes",
    -2,
    "How many bytes stay on the local disk after they were copied to remote storage; -2 takes retention.bytes.",
    effect=INERT,
    minimum=-2,
)

LOCAL_RETENTION_MS = long(
    "local.retention.ms",
    -2,
    "How long segments stay on the local disk after they were copied to remote storage; -2 takes retention.ms.",
    effect=INERT,
    minimum=-2,
)

MAX_COMPACTION_LAG_MS = long(
    "max.compaction.lag.ms", LONG_MAX, "A record that could be compacted is, before it is older than this.", effect=INERT, minimum=1
)

MAX_MESSAGE_BYTES = integer("max.message.bytes", 1_048_588, "The largest batch of records, as it is compressed.", minimum=0)

MESSAGE_TIMESTAMP_AFTER_MAX_MS = long(
    "message.timestamp.after.max.ms", 3_600_000, "How far a record's time may lie in the future.", minimum=0
)

MESSAGE_TIMESTAMP_BEFORE_MAX_MS = long(
    "message.timestamp.before.max.ms", LONG_MAX, "How far a record's time may lie in the past.", minimum=0
)

MESSAGE_TIMESTAMP_TYPE = string(
    "message.timestamp.type",
    "CreateTime",
    "Whether records keep the time their producer gave them or get the time they were appended.",
    validator=OneOf(("CreateTime", "LogAppendTime")),
)

MIN_CLEANABLE_DIRTY_RATIO = double(
    "min.cleanable.dirty.ratio",
    0.5,
    "A partition is compacted when at least this part of it is not yet compacted.",
    effect=INERT,
    minimum=0,
    maximum=1,
)

MIN_COMPACTION_LAG_MS = long("min.compaction.lag.ms", 0, "A record younger than this is not compacted away.", effect=INERT, minimum=0)

MIN_INSYNC_REPLICAS = integer(
    "min.insync.replicas", 1, "How many replicas have to be in sync before a write with acks=all is taken.", minimum=1
)

PREALLOCATE = boolean("preallocate", False, "The file of a new segment is made in its full size at once.", effect=INERT)

REMOTE_LOG_COPY_DISABLE = boolean(
    "remote.log.copy.disable", False, "Nothing more is copied to remote storage; what is there stays readable.", effect=INERT
)

REMOTE_LOG_DELETE_ON_DISABLE = boolean(
    "remote.log.delete.on.disable", False, "Turning remote storage off deletes what is there.", effect=INERT
)

REMOTE_STORAGE_ENABLE = boolean("remote.storage.enable", False, "Closed segments are copied to a remote store.", effect=INERT)

RETENTION_BYTES = long(
    "retention.bytes", -1, "The oldest segments of a partition are deleted as long as this many bytes are left; -1 is no limit."
)

RETENTION_MS = long(
    "retention.ms",
    604_800_000,
    "Segments whose newest record is older than this are deleted; -1 keeps them. The segment being written to is closed first.",
    minimum=-1,
)

SEGMENT_BYTES = integer(
    "segment.bytes", 1_073_741_824, "A segment is closed when the next batch would make it larger than this.", minimum=1_048_576
)

SEGMENT_INDEX_BYTES = integer(
    "segment.index.bytes", 10_485_760, "The largest offset or time index of a segment; a full index closes the segment.", minimum=4
)

SEGMENT_JITTER_MS = long(
    "segment.jitter.ms", 0, "The most that is taken off the age at which a segment is closed, drawn for each segment.", minimum=0
)

SEGMENT_MS = long("segment.ms", 604_800_000, "A segment is closed when it is this old, even if it is not full.", minimum=1)

UNCLEAN_LEADER_ELECTION_ENABLE = boolean(
    "unclean.leader.election.enable",
    False,
    "A replica that is not in sync may become leader when no other is left, at the price of losing acknowledged records.",
)
