"""Broker settings, one of eight modules: partition logs.

Directories, segments, retention, timestamps, compaction, and the defaults that topics take from their broker.
"""

from __future__ import annotations

from odradek.config.bounds import DOUBLE_MAX, LONG_MAX
from odradek.config.declaration import (
    CLUSTER_WIDE,
    HIGH,
    INERT,
    LOW,
    PER_BROKER,
    boolean,
    double,
    integer,
    listing,
    long,
    optional_integer,
    optional_listing,
    optional_long,
    string,
)
from odradek.config.validators import Elements, GzipLevel, OneOf

LOG_DIR = listing(
    "log.dir",
    ("/tmp/kafka-logs",),
    "The directory of the partition logs, when log.dirs is not given.",
    importance=HIGH,
    validator=Elements(is_empty_allowed=False),
)

LOG_DIRS = optional_listing("log.dirs", "The directories of the partition logs; each partition lives in one of them.", importance=HIGH)

# Stands for every entry of log.dirs.
ALL_LOG_DIRS = "*"

CORDONED_LOG_DIRS = listing(
    "cordoned.log.dirs",
    (),
    "Log directories in which no new partition is placed; * stands for all.",
    scope=PER_BROKER,
    validator=Elements(is_null_allowed=True),
)

LOG_DIR_FAILURE_TIMEOUT_MS = long(
    "log.dir.failure.timeout.ms",
    30_000,
    "A broker that could not tell the controller of a failed directory for this long stops.",
    importance=LOW,
    minimum=1,
)

NUM_RECOVERY_THREADS_PER_DATA_DIR = integer(
    "num.recovery.threads.per.data.dir",
    2,
    "How many threads open and recover the logs of one directory when the node starts.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
    minimum=1,
)

LOG_SEGMENT_BYTES = integer(
    "log.segment.bytes",
    1_073_741_824,
    "A segment is closed when the next batch would make it larger than this.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
    minimum=1_048_576,
)

LOG_ROLL_MS = optional_long(
    "log.roll.ms", "A segment is closed when it is this old, even if it is not full.", importance=HIGH, scope=CLUSTER_WIDE
)

LOG_ROLL_HOURS = integer("log.roll.hours", 168, "The same as log.roll.ms in hours; the milliseconds win.", importance=HIGH, minimum=1)

LOG_ROLL_JITTER_MS = optional_long(
    "log.roll.jitter.ms",
    "The most that is taken off the age at which a segment is closed, drawn for each segment, so that not all are closed at once.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
)

LOG_ROLL_JITTER_HOURS = integer(
    "log.roll.jitter.hours", 0, "The same as log.roll.jitter.ms in hours; the milliseconds win.", importance=HIGH, minimum=0
)

LOG_RETENTION_MS = optional_long(
    "log.retention.ms",
    "Segments whose newest record is older than this are deleted; -1 keeps them. The segment being written to is closed first.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
)

LOG_RETENTION_MINUTES = optional_integer(
    "log.retention.minutes", "The same as log.retention.ms in minutes; the milliseconds win.", importance=HIGH
)

LOG_RETENTION_HOURS = integer(
    "log.retention.hours", 168, "The same as log.retention.ms in hours; minutes and milliseconds win.", importance=HIGH
)

LOG_RETENTION_BYTES = long(
    "log.retention.bytes",
    -1,
    "The oldest segments of a partition are deleted as long as this many bytes are left; -1 is no limit.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
)

LOG_RETENTION_CHECK_INTERVAL_MS = long(
    "log.retention.check.interval.ms", 300_000, "How often segments that retention no longer keeps are looked for.", minimum=1
)

LOG_INITIAL_TASK_DELAY_MS = long(
    "log.initial.task.delay.ms",
    30_000,
    "How long after the start the first retention, and the first writing down of offsets, waits.",
    importance=LOW,
    minimum=0,
    internal=True,
)

LOG_CLEANUP_POLICY = listing(
    "log.cleanup.policy",
    ("delete",),
    "What happens to old records: delete removes whole segments, compact keeps the last record of each key.",
    scope=CLUSTER_WIDE,
    validator=Elements(("compact", "delete")),
)

LOG_SEGMENT_DELETE_DELAY_MS = long(
    "log.segment.delete.delay.ms",
    60_000,
    "How long a deleted segment stays on disk under another name.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
    minimum=0,
)

LOG_INDEX_SIZE_MAX_BYTES = integer(
    "log.index.size.max.bytes",
    10_485_760,
    "The largest offset or time index of a segment; a full index closes the segment.",
    scope=CLUSTER_WIDE,
    minimum=4,
)

LOG_INDEX_INTERVAL_BYTES = integer(
    "log.index.interval.bytes", 4096, "After how many bytes of records the index gets another entry.", scope=CLUSTER_WIDE, minimum=0
)

LOG_PREALLOCATE = boolean(
    "log.preallocate", False, "The file of a new segment is made in its full size at once.", scope=CLUSTER_WIDE, effect=INERT
)

LOG_FLUSH_INTERVAL_MESSAGES = long(
    "log.flush.interval.messages",
    LONG_MAX,
    "After how many records a log is flushed to disk.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
    minimum=1,
)

LOG_FLUSH_INTERVAL_MS = optional_long(
    "log.flush.interval.ms",
    "How long a record may stay unflushed; when it is absent, log.flush.scheduler.interval.ms.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
)

LOG_FLUSH_SCHEDULER_INTERVAL_MS = long(
    "log.flush.scheduler.interval.ms", LONG_MAX, "How often logs that are due to be flushed are looked for.", importance=HIGH
)

LOG_FLUSH_OFFSET_CHECKPOINT_INTERVAL_MS = integer(
    "log.flush.offset.checkpoint.interval.ms",
    60_000,
    "How often the offset up to which each log is flushed is written down.",
    importance=HIGH,
    minimum=0,
)

LOG_FLUSH_START_OFFSET_CHECKPOINT_INTERVAL_MS = integer(
    "log.flush.start.offset.checkpoint.interval.ms",
    60_000,
    "How often the first offset of each log is written down.",
    importance=HIGH,
    minimum=0,
)

LOG_MESSAGE_TIMESTAMP_TYPE = string(
    "log.message.timestamp.type",
    "CreateTime",
    "Whether records keep the time their producer gave them or get the time they were appended.",
    scope=CLUSTER_WIDE,
    validator=OneOf(("CreateTime", "LogAppendTime")),
)

LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS = long(
    "log.message.timestamp.before.max.ms", LONG_MAX, "How far a record's time may lie in the past.", scope=CLUSTER_WIDE, minimum=0
)

LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS = long(
    "log.message.timestamp.after.max.ms", 3_600_000, "How far a record's time may lie in the future.", scope=CLUSTER_WIDE, minimum=0
)

MESSAGE_MAX_BYTES = integer(
    "message.max.bytes", 1_048_588, "The largest batch of records, as it is compressed.", importance=HIGH, scope=CLUSTER_WIDE, minimum=0
)

COMPRESSION_TYPE = string(
    "compression.type",
    "producer",
    "How batches are compressed on disk; producer leaves them as they came.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
    validator=OneOf(("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")),
)

COMPRESSION_GZIP_LEVEL = integer(
    "compression.gzip.level", -1, "How hard gzip tries, 1 to 9; -1 is the library's own choice.", scope=CLUSTER_WIDE, validator=GzipLevel()
)

COMPRESSION_LZ4_LEVEL = integer("compression.lz4.level", 9, "How hard lz4 tries, 1 to 17.", scope=CLUSTER_WIDE, minimum=1, maximum=17)

COMPRESSION_ZSTD_LEVEL = integer(
    "compression.zstd.level", 3, "How hard zstd tries, -131072 to 22.", scope=CLUSTER_WIDE, minimum=-131_072, maximum=22
)

MIN_INSYNC_REPLICAS = integer(
    "min.insync.replicas",
    1,
    "How many replicas have to be in sync before a write with acks=all is taken.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
    minimum=1,
)

LOG_CLEANER_ENABLE = boolean("log.cleaner.enable", True, "Logs with the policy compact are compacted.", effect=INERT)

LOG_CLEANER_THREADS = integer("log.cleaner.threads", 1, "How many logs are compacted at once.", scope=CLUSTER_WIDE, effect=INERT, minimum=0)

LOG_CLEANER_DEDUPE_BUFFER_SIZE = long(
    "log.cleaner.dedupe.buffer.size",
    134_217_728,
    "The memory for the keys of the logs being compacted, in bytes.",
    scope=CLUSTER_WIDE,
    effect=INERT,
)

LOG_CLEANER_IO_BUFFER_SIZE = integer(
    "log.cleaner.io.buffer.size",
    524_288,
    "The memory for reading and writing while compacting, in bytes.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=0,
)

LOG_CLEANER_IO_BUFFER_LOAD_FACTOR = double(
    "log.cleaner.io.buffer.load.factor",
    0.9,
    "How full the table of keys may get before a pass of compaction ends.",
    scope=CLUSTER_WIDE,
    effect=INERT,
)

LOG_CLEANER_IO_MAX_BYTES_PER_SECOND = double(
    "log.cleaner.io.max.bytes.per.second",
    DOUBLE_MAX,
    "How many bytes compaction reads and writes in a second.",
    scope=CLUSTER_WIDE,
    effect=INERT,
)

LOG_CLEANER_BACKOFF_MS = long(
    "log.cleaner.backoff.ms",
    15_000,
    "How long compaction rests when there is nothing to compact.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=0,
)

LOG_CLEANER_MIN_CLEANABLE_RATIO = double(
    "log.cleaner.min.cleanable.ratio",
    0.5,
    "A log is compacted when at least this part of it is not yet compacted.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=0,
    maximum=1,
)

LOG_CLEANER_DELETE_RETENTION_MS = long(
    "log.cleaner.delete.retention.ms",
    86_400_000,
    "How long a compacted log keeps the mark that a key was deleted.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=0,
)

LOG_CLEANER_MIN_COMPACTION_LAG_MS = long(
    "log.cleaner.min.compaction.lag.ms", 0, "A record younger than this is not compacted away.", scope=CLUSTER_WIDE, effect=INERT, minimum=0
)

LOG_CLEANER_MAX_COMPACTION_LAG_MS = long(
    "log.cleaner.max.compaction.lag.ms",
    LONG_MAX,
    "A record that could be compacted is, before it is older than this.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=1,
)

LOG_LOCAL_RETENTION_MS = long(
    "log.local.retention.ms",
    -2,
    "How long segments stay on the local disk after they were copied to remote storage; -2 takes log.retention.ms.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=-2,
)

LOG_LOCAL_RETENTION_BYTES = long(
    "log.local.retention.bytes",
    -2,
    "How many bytes stay on the local disk after they were copied to remote storage; -2 takes log.retention.bytes.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=-2,
)

PRODUCER_ID_EXPIRATION_MS = integer(
    "producer.id.expiration.ms",
    86_400_000,
    "A producer that has written nothing for this long is forgotten.",
    importance=LOW,
    scope=CLUSTER_WIDE,
    minimum=1,
)

PRODUCER_ID_EXPIRATION_CHECK_INTERVAL_MS = integer(
    "producer.id.expiration.check.interval.ms",
    600_000,
    "How often producers to forget are looked for.",
    importance=LOW,
    minimum=1,
    internal=True,
)

TRANSACTION_PARTITION_VERIFICATION_ENABLE = boolean(
    "transaction.partition.verification.enable",
    True,
    "A partition checks with the coordinator that a transaction it is written to is running.",
    importance=LOW,
    scope=CLUSTER_WIDE,
)
