"""Broker settings, one of eight modules: connections.

Where the node listens, what it tells clients to dial, and the limits on sockets, requests, connections and quotas.
"""

from __future__ import annotations

from odradek.config.bounds import INT_MAX
from odradek.config.declaration import (
    CLUSTER_WIDE,
    HIGH,
    INERT,
    LOW,
    PER_BROKER,
    REFUSED,
    class_name,
    integer,
    listing,
    long,
    optional_listing,
    optional_string,
    string,
)
from odradek.config.validators import Elements, OneOf

LISTENERS = listing(
    "listeners",
    ("PLAINTEXT://:9092",),
    "The addresses the node listens on, each as NAME://host:port; an empty host is every interface, port 0 is any free one.",
    importance=HIGH,
    scope=PER_BROKER,
    validator=Elements(is_empty_allowed=False),
)

ADVERTISED_LISTENERS = optional_listing(
    "advertised.listeners",
    "The addresses clients are told to dial; a listener that is left out is advertised at the address the client dialled.",
    importance=HIGH,
)

LISTENER_SECURITY_PROTOCOL_MAP = string(
    "listener.security.protocol.map",
    "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
    "Which security protocol each listener name stands for.",
    importance=LOW,
    scope=PER_BROKER,
)

INTER_BROKER_LISTENER_NAME = optional_string(
    "inter.broker.listener.name",
    "The listener over which brokers speak to each other.",
)

SECURITY_INTER_BROKER_PROTOCOL = string(
    "security.inter.broker.protocol",
    "PLAINTEXT",
    "The security protocol between brokers, when no listener is named for it.",
    validator=OneOf(("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")),
)

SOCKET_SEND_BUFFER_BYTES = integer(
    "socket.send.buffer.bytes",
    102_400,
    "The send buffer the operating system gives each connection; -1 leaves it to the system.",
    importance=HIGH,
)

SOCKET_RECEIVE_BUFFER_BYTES = integer(
    "socket.receive.buffer.bytes",
    102_400,
    "The receive buffer the operating system gives each connection; -1 leaves it to the system.",
    importance=HIGH,
)

SOCKET_REQUEST_MAX_BYTES = integer(
    "socket.request.max.bytes",
    104_857_600,
    "The largest request; a connection that announces a larger one is closed.",
    importance=HIGH,
    minimum=1,
)

SOCKET_LISTEN_BACKLOG_SIZE = integer("socket.listen.backlog.size", 50, "How many connections may wait to be accepted.", minimum=1)

SOCKET_CONNECTION_SETUP_TIMEOUT_MS = long(
    "socket.connection.setup.timeout.ms",
    10_000,
    "How long a connection of this node to another may take to be set up, at first.",
    effect=INERT,
)

SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS = long(
    "socket.connection.setup.timeout.max.ms",
    30_000,
    "The longest that setting up a connection may take after it has failed again and again.",
    effect=INERT,
)

NUM_NETWORK_THREADS = integer(
    "num.network.threads",
    3,
    "Threads that read and write sockets in a Java broker; this node has one event loop.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=1,
)

QUEUED_MAX_REQUESTS = integer(
    "queued.max.requests",
    500,
    "How many requests may wait for a thread in a Java broker; this node carries a request out as soon as it is read.",
    importance=HIGH,
    effect=INERT,
    minimum=1,
)

QUEUED_MAX_REQUEST_BYTES = long(
    "queued.max.request.bytes", -1, "How many bytes of requests may be in work at once before no more are read; -1 is no limit."
)

MAX_CONNECTIONS = integer("max.connections", INT_MAX, "How many connections the node holds at once.", scope=CLUSTER_WIDE, minimum=0)

MAX_CONNECTIONS_PER_IP = integer(
    "max.connections.per.ip", INT_MAX, "How many connections one address may hold at once.", scope=CLUSTER_WIDE, minimum=0
)

MAX_CONNECTIONS_PER_IP_OVERRIDES = string(
    "max.connections.per.ip.overrides", "", "Other limits for single addresses, each as address:count.", scope=CLUSTER_WIDE
)

MAX_CONNECTION_CREATION_RATE = integer(
    "max.connection.creation.rate", INT_MAX, "How many connections are accepted in a second.", scope=CLUSTER_WIDE, minimum=0
)

CONNECTIONS_MAX_IDLE_MS = long(
    "connections.max.idle.ms",
    600_000,
    "A connection on which nothing happened for this long is closed.",
)

CONNECTIONS_MAX_REAUTH_MS = long(
    "connections.max.reauth.ms", 0, "A SASL client authenticates again before this long has passed, or is disconnected.", effect=INERT
)

CONNECTION_FAILED_AUTHENTICATION_DELAY_MS = integer(
    "connection.failed.authentication.delay.ms",
    100,
    "How long the answer to a failed authentication is held back.",
    importance=LOW,
    effect=INERT,
    minimum=0,
)

MAX_REQUEST_PARTITION_SIZE_LIMIT = integer(
    "max.request.partition.size.limit", 2000, "The most partitions one request may ask to have described.", minimum=1
)

FETCH_MAX_BYTES = integer(
    "fetch.max.bytes", 57_671_680, "The most bytes one fetch of a consumer returns, apart from a first batch that is larger.", minimum=1024
)

MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS = integer(
    "max.incremental.fetch.session.cache.slots", 1000, "How many incremental fetch sessions the node remembers.", minimum=0
)

FETCH_PURGATORY_PURGE_INTERVAL_REQUESTS = integer(
    "fetch.purgatory.purge.interval.requests", 1000, "After how many parked fetches the ones already answered are swept out.", effect=INERT
)

PRODUCER_PURGATORY_PURGE_INTERVAL_REQUESTS = integer(
    "producer.purgatory.purge.interval.requests",
    1000,
    "After how many parked produce requests the ones already answered are swept out.",
    effect=INERT,
)

DELETE_RECORDS_PURGATORY_PURGE_INTERVAL_REQUESTS = integer(
    "delete.records.purgatory.purge.interval.requests",
    1,
    "After how many parked DeleteRecords requests the ones already answered are swept out.",
    effect=INERT,
)

SHARE_FETCH_PURGATORY_PURGE_INTERVAL_REQUESTS = integer(
    "share.fetch.purgatory.purge.interval.requests",
    1000,
    "After how many parked share fetches the ones already answered are swept out.",
    effect=INERT,
)

QUOTA_WINDOW_NUM = integer("quota.window.num", 11, "How many windows a client quota remembers.", importance=LOW, effect=INERT, minimum=1)

QUOTA_WINDOW_SIZE_SECONDS = integer(
    "quota.window.size.seconds", 1, "How long one window of a client quota is.", importance=LOW, effect=INERT, minimum=1
)

REPLICATION_QUOTA_WINDOW_NUM = integer(
    "replication.quota.window.num", 11, "How many windows a replication quota remembers.", importance=LOW, effect=INERT, minimum=1
)

REPLICATION_QUOTA_WINDOW_SIZE_SECONDS = integer(
    "replication.quota.window.size.seconds", 1, "How long one window of a replication quota is.", importance=LOW, effect=INERT, minimum=1
)

ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_NUM = integer(
    "alter.log.dirs.replication.quota.window.num",
    11,
    "How many windows the quota on moves between directories remembers.",
    importance=LOW,
    effect=INERT,
    minimum=1,
)

ALTER_LOG_DIRS_REPLICATION_QUOTA_WINDOW_SIZE_SECONDS = integer(
    "alter.log.dirs.replication.quota.window.size.seconds",
    1,
    "How long one window of the quota on moves between directories is.",
    importance=LOW,
    effect=INERT,
    minimum=1,
)

CONTROLLER_QUOTA_WINDOW_NUM = integer(
    "controller.quota.window.num",
    11,
    "How many windows the quota on changes of metadata remembers.",
    importance=LOW,
    effect=INERT,
    minimum=1,
)

CONTROLLER_QUOTA_WINDOW_SIZE_SECONDS = integer(
    "controller.quota.window.size.seconds",
    1,
    "How long one window of the quota on changes of metadata is.",
    importance=LOW,
    effect=INERT,
    minimum=1,
)

CLIENT_QUOTA_CALLBACK_CLASS = class_name(
    "client.quota.callback.class", None, "A Java class that decides which quota a client has.", importance=LOW, effect=REFUSED
)

METRIC_REPORTERS = listing(
    "metric.reporters",
    ("org.apache.kafka.common.metrics.JmxReporter",),
    "Java classes that publish metrics.",
    importance=LOW,
    scope=CLUSTER_WIDE,
    effect=INERT,
)

METRICS_NUM_SAMPLES = integer("metrics.num.samples", 2, "How many samples a metric remembers.", importance=LOW, effect=INERT, minimum=1)

METRICS_SAMPLE_WINDOW_MS = long(
    "metrics.sample.window.ms", 30_000, "How long one sample of a metric is.", importance=LOW, effect=INERT, minimum=1
)

METRICS_RECORDING_LEVEL = string(
    "metrics.recording.level", "INFO", "Up to which level of detail metrics are measured.", importance=LOW, effect=INERT
)

KAFKA_METRICS_REPORTERS = listing(
    "kafka.metrics.reporters", (), "Java classes that publish the older kind of metrics.", importance=LOW, effect=INERT
)

KAFKA_METRICS_POLLING_INTERVAL_SECS = integer(
    "kafka.metrics.polling.interval.secs",
    10,
    "How often the reporters of the older kind of metrics look.",
    importance=LOW,
    effect=INERT,
    minimum=1,
)

TELEMETRY_MAX_BYTES = integer(
    "telemetry.max.bytes", 1_048_576, "The largest batch of metrics a client may push.", importance=LOW, effect=INERT, minimum=1
)
