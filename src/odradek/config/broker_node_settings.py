"""Broker settings, one of eight modules: the node itself.

Who it is, which roles it has, how it takes part in the quorum, the metadata log, and what it does with topics by default.
"""

from __future__ import annotations

from odradek.config.bounds import LONG_MAX
from odradek.config.declaration import (
    CLUSTER_WIDE,
    HIGH,
    INERT,
    LOW,
    REFUSED,
    boolean,
    class_name,
    integer,
    listing,
    long,
    optional_integer,
    optional_listing,
    optional_string,
)
from odradek.config.quorum_addresses import HostsAndPorts, QuorumVoters
from odradek.config.validators import Elements

NODE_ID = integer(
    "node.id",
    -1,
    "The number of this node, unique among the brokers and controllers of the cluster.",
    importance=HIGH,
    minimum=0,
    required=True,
)

BROKER_ID = integer("broker.id", -1, "The older name of node.id; when both are given they are equal.", importance=HIGH)

PROCESS_ROLES = listing(
    "process.roles",
    (),
    "What this process is: a broker, a controller, or both.",
    importance=HIGH,
    validator=Elements(("broker", "controller"), is_empty_allowed=False),
    required=True,
)

BROKER_RACK = optional_string(
    "broker.rack",
    "The rack, zone or machine this broker stands in; replicas are spread over racks and consumers may read from their own.",
)

CONTROLLER_LISTENER_NAMES = listing(
    "controller.listener.names",
    (),
    "The listeners on which controllers are spoken to; the first one is the one this node uses to reach them.",
    importance=HIGH,
    validator=Elements(is_empty_allowed=False),
    required=True,
)

CONTROLLER_QUORUM_VOTERS = listing(
    "controller.quorum.voters",
    (),
    "The controllers of a quorum with fixed members, each as id@host:port.",
    importance=HIGH,
    validator=QuorumVoters(),
)

CONTROLLER_QUORUM_BOOTSTRAP_SERVERS = listing(
    "controller.quorum.bootstrap.servers",
    (),
    "Addresses at which a node finds the controllers of a quorum whose members can change.",
    importance=HIGH,
    validator=HostsAndPorts(),
)

CONTROLLER_QUORUM_AUTO_JOIN_ENABLE = boolean(
    "controller.quorum.auto.join.enable",
    False,
    "A controller that is not a voter yet adds itself to the quorum.",
    importance=LOW,
    effect=INERT,
)

CONTROLLER_QUORUM_ELECTION_TIMEOUT_MS = integer(
    "controller.quorum.election.timeout.ms",
    1000,
    "A candidate that has not won after this long stands for election again.",
    importance=HIGH,
    minimum=0,
)

CONTROLLER_QUORUM_ELECTION_BACKOFF_MAX_MS = integer(
    "controller.quorum.election.backoff.max.ms",
    1000,
    "The longest random pause between two candidacies, so that rivals do not keep splitting the votes.",
    importance=HIGH,
    effect=INERT,
    minimum=0,
)

CONTROLLER_QUORUM_FETCH_TIMEOUT_MS = integer(
    "controller.quorum.fetch.timeout.ms",
    2000,
    "A follower that could not fetch from the leader for this long calls an election; a leader that no majority fetches from resigns.",
    importance=HIGH,
    minimum=0,
)

CONTROLLER_QUORUM_REQUEST_TIMEOUT_MS = integer(
    "controller.quorum.request.timeout.ms", 2000, "How long a quorum member waits for the answer to one request.", effect=INERT, minimum=0
)

CONTROLLER_QUORUM_RETRY_BACKOFF_MS = integer(
    "controller.quorum.retry.backoff.ms",
    20,
    "The pause before a quorum request that failed is sent again.",
    importance=LOW,
    effect=INERT,
    minimum=0,
)

CONTROLLER_QUORUM_APPEND_LINGER_MS = integer(
    "controller.quorum.append.linger.ms",
    25,
    "How long the leader gathers records before it writes them to the metadata log.",
    effect=INERT,
    minimum=0,
)

CONTROLLER_QUORUM_FETCH_MAX_BYTES = integer(
    "controller.quorum.fetch.max.bytes",
    1_048_576,
    "The most bytes of the metadata log one fetch of a follower returns.",
    importance=LOW,
    effect=INERT,
    minimum=1,
)

CONTROLLER_QUORUM_FETCH_SNAPSHOT_MAX_BYTES = integer(
    "controller.quorum.fetch.snapshot.max.bytes",
    1_048_576,
    "The most bytes of a metadata snapshot one FetchSnapshot answer carries.",
    importance=LOW,
    effect=INERT,
    minimum=1,
)

CONTROLLER_PERFORMANCE_SAMPLE_PERIOD_MS = long(
    "controller.performance.sample.period.ms",
    60_000,
    "How often the controller reports the times of its slow events.",
    effect=INERT,
    minimum=100,
    internal=True,
)

CONTROLLER_PERFORMANCE_ALWAYS_LOG_THRESHOLD_MS = long(
    "controller.performance.always.log.threshold.ms",
    2000,
    "A controller event slower than this is always logged.",
    effect=INERT,
    minimum=0,
    internal=True,
)

CONTROLLER_SOCKET_TIMEOUT_MS = integer(
    "controller.socket.timeout.ms", 30_000, "How long a channel between controller and broker waits for an answer.", effect=INERT
)

BROKER_HEARTBEAT_INTERVAL_MS = integer(
    "broker.heartbeat.interval.ms",
    2000,
    "How often a broker tells the controller that it is alive.",
)

BROKER_SESSION_TIMEOUT_MS = integer(
    "broker.session.timeout.ms",
    9000,
    "A broker whose heartbeats stay away for this long is fenced and loses its leaderships.",
)

INITIAL_BROKER_REGISTRATION_TIMEOUT_MS = integer(
    "initial.broker.registration.timeout.ms",
    60_000,
    "A broker that could not register with the controller for this long gives up its start.",
    effect=INERT,
)

CONTROLLED_SHUTDOWN_ENABLE = boolean(
    "controlled.shutdown.enable", True, "Before it stops, a broker hands its leaderships to other replicas.", effect=INERT
)

SERVER_MAX_STARTUP_TIME_MS = long(
    "server.max.startup.time.ms",
    LONG_MAX,
    "A node that is not serving after this long ends itself.",
    effect=INERT,
    minimum=0,
    internal=True,
)

EARLY_START_LISTENERS = optional_listing(
    "early.start.listeners",
    "Listeners that accept connections before the authorizer has finished loading.",
    importance=HIGH,
    effect=INERT,
    validator=Elements(is_null_allowed=True),
)

METADATA_LOG_DIR = optional_string(
    "metadata.log.dir", "The directory of the metadata log; when it is absent, the first log directory.", importance=HIGH
)

METADATA_LOG_SEGMENT_BYTES = integer(
    "metadata.log.segment.bytes",
    1_073_741_824,
    "A segment of the metadata log is closed when it has this size.",
    importance=HIGH,
    minimum=8_388_608,
)

METADATA_LOG_SEGMENT_MS = long(
    "metadata.log.segment.ms", 604_800_000, "A segment of the metadata log is closed when it is this old.", importance=HIGH
)

METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS = long(
    "metadata.log.max.record.bytes.between.snapshots",
    20_971_520,
    "A new metadata snapshot is written when this many bytes of records came after the last one.",
    importance=HIGH,
    minimum=1,
)

METADATA_LOG_MAX_SNAPSHOT_INTERVAL_MS = long(
    "metadata.log.max.snapshot.interval.ms",
    3_600_000,
    "A new metadata snapshot is written when the last is this old and records came since; 0 turns this off.",
    importance=HIGH,
    minimum=0,
)

METADATA_MAX_IDLE_INTERVAL_MS = integer(
    "metadata.max.idle.interval.ms",
    500,
    "How often an idle controller writes a record without content, so that followers see progress; 0 turns this off.",
    importance=LOW,
    minimum=0,
)

METADATA_MAX_RETENTION_BYTES = long(
    "metadata.max.retention.bytes",
    104_857_600,
    "Old metadata snapshots and the log before them are deleted above this size.",
    importance=HIGH,
)

METADATA_MAX_RETENTION_MS = long(
    "metadata.max.retention.ms", 604_800_000, "Metadata snapshots and the log before them are deleted at this age.", importance=HIGH
)

INTERNAL_METADATA_LOG_SEGMENT_BYTES = optional_integer(
    "internal.metadata.log.segment.bytes",
    "A smaller segment size of the metadata log than is allowed, for tests.",
    importance=LOW,
    effect=INERT,
    internal=True,
)

INTERNAL_METADATA_DELETE_DELAY_MILLIS = long(
    "internal.metadata.delete.delay.millis",
    60_000,
    "How long a deleted file of the metadata log stays on disk.",
    importance=LOW,
    effect=INERT,
    internal=True,
)

INTERNAL_METADATA_MAX_BATCH_SIZE_IN_BYTES = integer(
    "internal.metadata.max.batch.size.in.bytes",
    8_388_608,
    "The most bytes of metadata records in one batch.",
    importance=LOW,
    effect=INERT,
    internal=True,
)

AUTO_CREATE_TOPICS_ENABLE = boolean(
    "auto.create.topics.enable", True, "A topic that a client asks for and that does not exist is created.", importance=HIGH
)

DELETE_TOPIC_ENABLE = boolean("delete.topic.enable", True, "Topics can be deleted.", importance=HIGH)

AUTO_LEADER_REBALANCE_ENABLE = boolean(
    "auto.leader.rebalance.enable",
    True,
    "The controller moves leadership back to the preferred replicas from time to time.",
    importance=HIGH,
    effect=INERT,
)

LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS = long(
    "leader.imbalance.check.interval.seconds",
    300,
    "How often the controller looks for partitions that are not led by their preferred replica.",
    importance=HIGH,
    effect=INERT,
    minimum=1,
)

UNCLEAN_LEADER_ELECTION_ENABLE = boolean(
    "unclean.leader.election.enable",
    False,
    "A replica that is not in sync may become leader when no other is left, at the price of losing acknowledged records.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
)

UNCLEAN_LEADER_ELECTION_INTERVAL_MS = long(
    "unclean.leader.election.interval.ms",
    300_000,
    "How often the controller looks for partitions that only an unclean election can revive.",
    effect=INERT,
    minimum=1,
    internal=True,
)

NUM_PARTITIONS = integer("num.partitions", 1, "How many partitions a topic gets that is created without a number.", minimum=1)

DEFAULT_REPLICATION_FACTOR = integer(
    "default.replication.factor",
    1,
    "How many replicas a topic gets that is created without a number.",
)

CREATE_TOPIC_POLICY_CLASS_NAME = class_name(
    "create.topic.policy.class.name", None, "A Java class that decides whether a topic may be created.", importance=LOW, effect=REFUSED
)

ALTER_CONFIG_POLICY_CLASS_NAME = class_name(
    "alter.config.policy.class.name", None, "A Java class that decides whether a setting may be changed.", importance=LOW, effect=REFUSED
)

CONFIG_PROVIDERS = listing(
    "config.providers",
    (),
    "Names of Java classes that fetch values of settings from outside.",
    importance=LOW,
    scope=CLUSTER_WIDE,
    effect=REFUSED,
)

UNSTABLE_API_VERSIONS_ENABLE = boolean(
    "unstable.api.versions.enable",
    False,
    "Versions of APIs that Kafka has not released yet are offered.",
    importance=HIGH,
    effect=INERT,
    internal=True,
)

UNSTABLE_FEATURE_VERSIONS_ENABLE = boolean(
    "unstable.feature.versions.enable",
    False,
    "Feature levels that Kafka has not released yet are allowed.",
    importance=HIGH,
    effect=INERT,
    internal=True,
)

REQUEST_TIMEOUT_MS = integer(
    "request.timeout.ms",
    30_000,
    "How long a broker waits for the answer to a request it sends or parks for others.",
    importance=HIGH,
    effect=INERT,
)

BACKGROUND_THREADS = integer(
    "background.threads",
    10,
    "Threads for tasks in the background of a Java broker; this node runs them on its event loop and one pool.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=1,
)

NUM_IO_THREADS = integer(
    "num.io.threads",
    8,
    "Threads that carry out requests in a Java broker; this node has one event loop.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=1,
)
