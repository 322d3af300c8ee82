"""Broker settings, one of eight modules: group, share and streams coordinators.

Sessions, heartbeats, assignment, and the internal topics that keep the coordinators' state.
"""

from __future__ import annotations

from odradek.config.bounds import INT_MAX
from odradek.config.declaration import CLUSTER_WIDE, HIGH, INERT, LOW, integer, listing, long, short, string
from odradek.config.validators import Elements, OneOfAnyCase

GROUP_COORDINATOR_REBALANCE_PROTOCOLS = listing(
    "group.coordinator.rebalance.protocols",
    ("classic", "consumer", "streams"),
    "The group protocols the coordinator speaks.",
    effect=INERT,
    validator=Elements(("consumer", "classic", "share", "streams"), is_empty_allowed=False),
)

GROUP_COORDINATOR_THREADS = integer(
    "group.coordinator.threads",
    4,
    "How many shards of the group coordinator run at once in a Java broker.",
    importance=HIGH,
    effect=INERT,
    minimum=1,
)

GROUP_COORDINATOR_BACKGROUND_THREADS = integer(
    "group.coordinator.background.threads",
    2,
    "Threads for assignments and regular expressions in a Java broker.",
    importance=HIGH,
    effect=INERT,
    minimum=1,
)

GROUP_COORDINATOR_APPEND_LINGER_MS = integer(
    "group.coordinator.append.linger.ms",
    -1,
    "How long the group coordinator gathers records before it writes them; -1 adapts to the load.",
    effect=INERT,
    minimum=-1,
)

GROUP_COORDINATOR_CACHED_BUFFER_MAX_BYTES = integer(
    "group.coordinator.cached.buffer.max.bytes",
    1_048_588,
    "The largest buffer the group coordinator keeps between two writes.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=524_288,
)

GROUP_INITIAL_REBALANCE_DELAY_MS = integer(
    "group.initial.rebalance.delay.ms",
    3000,
    "How long the coordinator of a new classic group waits for more members before it lets them assign.",
)

GROUP_MIN_SESSION_TIMEOUT_MS = integer(
    "group.min.session.timeout.ms", 6000, "The shortest session timeout a member of a classic group may ask for."
)

GROUP_MAX_SESSION_TIMEOUT_MS = integer(
    "group.max.session.timeout.ms", 1_800_000, "The longest session timeout a member of a classic group may ask for."
)

GROUP_MAX_SIZE = integer("group.max.size", INT_MAX, "How many members a classic group may have.", minimum=1)

GROUP_CONSUMER_SESSION_TIMEOUT_MS = integer(
    "group.consumer.session.timeout.ms",
    45_000,
    "A member of a consumer group that is silent for this long is removed.",
    minimum=1,
)

GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS = integer(
    "group.consumer.min.session.timeout.ms", 45_000, "The shortest session timeout a consumer group may be given.", effect=INERT, minimum=1
)

GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS = integer(
    "group.consumer.max.session.timeout.ms", 60_000, "The longest session timeout a consumer group may be given.", effect=INERT, minimum=1
)

GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS = integer(
    "group.consumer.heartbeat.interval.ms", 5000, "How often members of a consumer group send a heartbeat.", minimum=1
)

GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS = integer(
    "group.consumer.min.heartbeat.interval.ms",
    5000,
    "The shortest heartbeat interval a consumer group may be given.",
    effect=INERT,
    minimum=1,
)

GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS = integer(
    "group.consumer.max.heartbeat.interval.ms",
    15_000,
    "The longest heartbeat interval a consumer group may be given.",
    effect=INERT,
    minimum=1,
)

GROUP_CONSUMER_MAX_SIZE = integer("group.consumer.max.size", INT_MAX, "How many members a consumer group may have.", minimum=1)

GROUP_CONSUMER_ASSIGNORS = listing(
    "group.consumer.assignors",
    ("uniform", "range"),
    "The assignors a consumer group may use; the first is the default.",
    validator=Elements(is_empty_allowed=False),
)

GROUP_CONSUMER_ASSIGNMENT_INTERVAL_MS = integer(
    "group.consumer.assignment.interval.ms",
    1000,
    "The shortest time between two assignments of a consumer group.",
    scope=CLUSTER_WIDE,
    minimum=0,
)

GROUP_CONSUMER_MIN_ASSIGNMENT_INTERVAL_MS = integer(
    "group.consumer.min.assignment.interval.ms",
    0,
    "The shortest assignment interval a consumer group may be given.",
    effect=INERT,
    minimum=0,
)

GROUP_CONSUMER_MAX_ASSIGNMENT_INTERVAL_MS = integer(
    "group.consumer.max.assignment.interval.ms",
    15_000,
    "The longest assignment interval a consumer group may be given.",
    effect=INERT,
    minimum=0,
)

GROUP_CONSUMER_MIGRATION_POLICY = string(
    "group.consumer.migration.policy",
    "bidirectional",
    "Whether groups may move between the classic and the consumer protocol while members are there.",
    validator=OneOfAnyCase(("DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL")),
)

GROUP_CONSUMER_REGEX_REFRESH_INTERVAL_MS = integer(
    "group.consumer.regex.refresh.interval.ms",
    600_000,
    "How often the topics that match a regular expression are looked up again.",
    minimum=10_000,
    internal=True,
)

GROUP_SHARE_SESSION_TIMEOUT_MS = integer(
    "group.share.session.timeout.ms", 45_000, "A member of a share group that is silent for this long is removed.", effect=INERT, minimum=1
)

GROUP_SHARE_MIN_SESSION_TIMEOUT_MS = integer(
    "group.share.min.session.timeout.ms", 45_000, "The shortest session timeout a share group may be given.", effect=INERT, minimum=1
)

GROUP_SHARE_MAX_SESSION_TIMEOUT_MS = integer(
    "group.share.max.session.timeout.ms", 60_000, "The longest session timeout a share group may be given.", effect=INERT, minimum=1
)

GROUP_SHARE_HEARTBEAT_INTERVAL_MS = integer(
    "group.share.heartbeat.interval.ms", 5000, "How often members of a share group send a heartbeat.", effect=INERT, minimum=1
)

GROUP_SHARE_MIN_HEARTBEAT_INTERVAL_MS = integer(
    "group.share.min.heartbeat.interval.ms", 5000, "The shortest heartbeat interval a share group may be given.", effect=INERT, minimum=1
)

GROUP_SHARE_MAX_HEARTBEAT_INTERVAL_MS = integer(
    "group.share.max.heartbeat.interval.ms", 15_000, "The longest heartbeat interval a share group may be given.", effect=INERT, minimum=1
)

GROUP_SHARE_MAX_SIZE = integer(
    "group.share.max.size", 200, "How many members a share group may have.", effect=INERT, minimum=1, maximum=1000
)

GROUP_SHARE_ASSIGNORS = listing(
    "group.share.assignors", ("simple",), "The assignors of share groups.", effect=INERT, validator=Elements(is_empty_allowed=False)
)

GROUP_SHARE_ASSIGNMENT_INTERVAL_MS = integer(
    "group.share.assignment.interval.ms",
    1000,
    "The shortest time between two assignments of a share group.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=0,
)

GROUP_SHARE_MIN_ASSIGNMENT_INTERVAL_MS = integer(
    "group.share.min.assignment.interval.ms", 0, "The shortest assignment interval a share group may be given.", effect=INERT, minimum=0
)

GROUP_SHARE_MAX_ASSIGNMENT_INTERVAL_MS = integer(
    "group.share.max.assignment.interval.ms", 15_000, "The longest assignment interval a share group may be given.", effect=INERT, minimum=0
)

GROUP_SHARE_DELIVERY_COUNT_LIMIT = integer(
    "group.share.delivery.count.limit",
    5,
    "How often a record of a share group is delivered before it counts as undeliverable.",
    effect=INERT,
    minimum=2,
    maximum=10,
)

GROUP_SHARE_MIN_DELIVERY_COUNT_LIMIT = integer(
    "group.share.min.delivery.count.limit", 2, "The smallest delivery limit a share group may be given.", effect=INERT, minimum=2, maximum=5
)

GROUP_SHARE_MAX_DELIVERY_COUNT_LIMIT = integer(
    "group.share.max.delivery.count.limit",
    10,
    "The largest delivery limit a share group may be given.",
    effect=INERT,
    minimum=5,
    maximum=25,
)

GROUP_SHARE_RECORD_LOCK_DURATION_MS = integer(
    "group.share.record.lock.duration.ms",
    30_000,
    "How long a consumer of a share group holds a record before it goes to another.",
    effect=INERT,
    minimum=1000,
    maximum=3_600_000,
)

GROUP_SHARE_MIN_RECORD_LOCK_DURATION_MS = integer(
    "group.share.min.record.lock.duration.ms",
    15_000,
    "The shortest record lock a share group may be given.",
    effect=INERT,
    minimum=1000,
    maximum=30_000,
)

GROUP_SHARE_MAX_RECORD_LOCK_DURATION_MS = integer(
    "group.share.max.record.lock.duration.ms",
    60_000,
    "The longest record lock a share group may be given.",
    effect=INERT,
    minimum=30_000,
    maximum=3_600_000,
)

GROUP_SHARE_PARTITION_MAX_RECORD_LOCKS = integer(
    "group.share.partition.max.record.locks",
    2000,
    "How many records of one partition a share group may hold at once.",
    effect=INERT,
    minimum=100,
    maximum=10_000,
)

GROUP_SHARE_MIN_PARTITION_MAX_RECORD_LOCKS = integer(
    "group.share.min.partition.max.record.locks",
    100,
    "The smallest number of record locks a share group may be given.",
    effect=INERT,
    minimum=100,
    maximum=2000,
)

GROUP_SHARE_MAX_PARTITION_MAX_RECORD_LOCKS = integer(
    "group.share.max.partition.max.record.locks",
    4000,
    "The largest number of record locks a share group may be given.",
    effect=INERT,
    minimum=2000,
    maximum=10_000,
)

GROUP_SHARE_MAX_SHARE_SESSIONS = integer(
    "group.share.max.share.sessions", 2000, "How many share sessions the node remembers.", effect=INERT, minimum=1
)

GROUP_SHARE_INITIALIZE_RETRY_INTERVAL_MS = integer(
    "group.share.initialize.retry.interval.ms",
    30_000,
    "How long the coordinator waits before it tries again to set up the state of a shared partition.",
    importance=LOW,
    effect=INERT,
    minimum=1,
    internal=True,
)

GROUP_SHARE_PERSISTER_CLASS_NAME = string(
    "group.share.persister.class.name",
    "org.apache.kafka.server.share.persister.DefaultStatePersister",
    "The Java class that keeps the state of share groups.",
    effect=INERT,
    internal=True,
)

GROUP_STREAMS_SESSION_TIMEOUT_MS = integer(
    "group.streams.session.timeout.ms",
    45_000,
    "A member of a streams group that is silent for this long is removed.",
    effect=INERT,
    minimum=1,
)

GROUP_STREAMS_MIN_SESSION_TIMEOUT_MS = integer(
    "group.streams.min.session.timeout.ms", 45_000, "The shortest session timeout a streams group may be given.", effect=INERT, minimum=1
)

GROUP_STREAMS_MAX_SESSION_TIMEOUT_MS = integer(
    "group.streams.max.session.timeout.ms", 60_000, "The longest session timeout a streams group may be given.", effect=INERT, minimum=1
)

GROUP_STREAMS_HEARTBEAT_INTERVAL_MS = integer(
    "group.streams.heartbeat.interval.ms", 5000, "How often members of a streams group send a heartbeat.", effect=INERT, minimum=1
)

GROUP_STREAMS_MIN_HEARTBEAT_INTERVAL_MS = integer(
    "group.streams.min.heartbeat.interval.ms",
    5000,
    "The shortest heartbeat interval a streams group may be given.",
    effect=INERT,
    minimum=1,
)

GROUP_STREAMS_MAX_HEARTBEAT_INTERVAL_MS = integer(
    "group.streams.max.heartbeat.interval.ms",
    15_000,
    "The longest heartbeat interval a streams group may be given.",
    effect=INERT,
    minimum=1,
)

GROUP_STREAMS_MAX_SIZE = integer("group.streams.max.size", INT_MAX, "How many members a streams group may have.", effect=INERT, minimum=1)

GROUP_STREAMS_ASSIGNMENT_INTERVAL_MS = integer(
    "group.streams.assignment.interval.ms",
    1000,
    "The shortest time between two assignments of a streams group.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=0,
)

GROUP_STREAMS_MIN_ASSIGNMENT_INTERVAL_MS = integer(
    "group.streams.min.assignment.interval.ms", 0, "The shortest assignment interval a streams group may be given.", effect=INERT, minimum=0
)

GROUP_STREAMS_MAX_ASSIGNMENT_INTERVAL_MS = integer(
    "group.streams.max.assignment.interval.ms",
    15_000,
    "The longest assignment interval a streams group may be given.",
    effect=INERT,
    minimum=0,
)

GROUP_STREAMS_NUM_STANDBY_REPLICAS = integer(
    "group.streams.num.standby.replicas", 0, "How many standby copies of each task's state a streams group keeps.", effect=INERT, minimum=0
)

GROUP_STREAMS_MAX_STANDBY_REPLICAS = integer(
    "group.streams.max.standby.replicas", 2, "The most standby copies a streams group may be given.", effect=INERT, minimum=0
)

GROUP_STREAMS_INITIAL_REBALANCE_DELAY_MS = integer(
    "group.streams.initial.rebalance.delay.ms",
    3000,
    "How long the coordinator of a new streams group waits for more members before it assigns.",
    effect=INERT,
    minimum=0,
)

OFFSETS_TOPIC_NUM_PARTITIONS = integer(
    "offsets.topic.num.partitions", 50, "How many partitions the topic of committed offsets has.", importance=HIGH, minimum=1
)

OFFSETS_TOPIC_REPLICATION_FACTOR = short(
    "offsets.topic.replication.factor", 3, "How many replicas the topic of committed offsets has.", importance=HIGH, minimum=1
)

OFFSETS_TOPIC_SEGMENT_BYTES = integer(
    "offsets.topic.segment.bytes", 104_857_600, "The segment size of the topic of committed offsets.", importance=HIGH, minimum=1
)

OFFSETS_TOPIC_COMPRESSION_CODEC = integer(
    "offsets.topic.compression.codec",
    0,
    "The compression of the topic of committed offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.",
    importance=HIGH,
)

OFFSETS_RETENTION_MINUTES = integer(
    "offsets.retention.minutes",
    10_080,
    "How long the offsets of a group without members are kept.",
    importance=HIGH,
    minimum=1,
)

OFFSETS_RETENTION_CHECK_INTERVAL_MS = long(
    "offsets.retention.check.interval.ms", 600_000, "How often offsets to forget are looked for.", importance=HIGH, minimum=1
)

OFFSETS_COMMIT_TIMEOUT_MS = integer(
    "offsets.commit.timeout.ms",
    5000,
    "How long a commit waits for the replicas of the offsets topic.",
    importance=HIGH,
    minimum=1,
)

OFFSETS_LOAD_BUFFER_SIZE = integer(
    "offsets.load.buffer.size",
    5_242_880,
    "How many bytes are read at once when a coordinator loads its groups.",
    importance=HIGH,
    minimum=1,
)

OFFSET_METADATA_MAX_BYTES = integer(
    "offset.metadata.max.bytes", 4096, "The longest text a consumer may leave with a committed offset.", importance=HIGH
)

SHARE_COORDINATOR_THREADS = integer(
    "share.coordinator.threads", 1, "How many shards of the share coordinator run at once in a Java broker.", effect=INERT, minimum=1
)

SHARE_COORDINATOR_APPEND_LINGER_MS = integer(
    "share.coordinator.append.linger.ms",
    -1,
    "How long the share coordinator gathers records before it writes them; -1 adapts to the load.",
    effect=INERT,
    minimum=-1,
)

SHARE_COORDINATOR_CACHED_BUFFER_MAX_BYTES = integer(
    "share.coordinator.cached.buffer.max.bytes",
    1_048_588,
    "The largest buffer the share coordinator keeps between two writes.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=524_288,
)

SHARE_COORDINATOR_LOAD_BUFFER_SIZE = integer(
    "share.coordinator.load.buffer.size",
    5_242_880,
    "How many bytes are read at once when the share coordinator loads its state.",
    importance=HIGH,
    effect=INERT,
    minimum=1,
)

SHARE_COORDINATOR_WRITE_TIMEOUT_MS = integer(
    "share.coordinator.write.timeout.ms",
    5000,
    "How long a write of the share coordinator waits for replicas.",
    importance=HIGH,
    effect=INERT,
    minimum=1,
)

SHARE_COORDINATOR_COLD_PARTITION_SNAPSHOT_INTERVAL_MS = integer(
    "share.coordinator.cold.partition.snapshot.interval.ms",
    300_000,
    "How often the state of a shared partition that nobody uses is written whole.",
    importance=LOW,
    effect=INERT,
    minimum=1,
    internal=True,
)

SHARE_COORDINATOR_SNAPSHOT_UPDATE_RECORDS_PER_SNAPSHOT = integer(
    "share.coordinator.snapshot.update.records.per.snapshot",
    500,
    "How many changes of a shared partition's state are written before it is written whole.",
    effect=INERT,
    minimum=0,
    maximum=500,
)

SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS = integer(
    "share.coordinator.state.topic.num.partitions",
    50,
    "How many partitions the topic of share group state has.",
    importance=HIGH,
    minimum=1,
)

SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR = short(
    "share.coordinator.state.topic.replication.factor",
    3,
    "How many replicas the topic of share group state has.",
    importance=HIGH,
    minimum=1,
)

SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR = short(
    "share.coordinator.state.topic.min.isr", 2, "The min.insync.replicas of the topic of share group state.", importance=HIGH, minimum=1
)

SHARE_COORDINATOR_STATE_TOPIC_SEGMENT_BYTES = integer(
    "share.coordinator.state.topic.segment.bytes",
    104_857_600,
    "The segment size of the topic of share group state.",
    importance=HIGH,
    minimum=1,
)

SHARE_COORDINATOR_STATE_TOPIC_COMPRESSION_CODEC = integer(
    "share.coordinator.state.topic.compression.codec",
    0,
    "The compression of the topic of share group state, as in offsets.topic.compression.codec.",
    importance=HIGH,
    effect=INERT,
)

SHARE_COORDINATOR_STATE_TOPIC_PRUNE_INTERVAL_MS = integer(
    "share.coordinator.state.topic.prune.interval.ms",
    300_000,
    "How often records of share group state that are no longer needed are deleted.",
    importance=LOW,
    effect=INERT,
    minimum=1,
    internal=True,
)
