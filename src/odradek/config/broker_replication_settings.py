"""Broker settings, one of eight modules: replication.

Fetching from leaders, leaving the in-sync set, and the checkpoints of high watermarks.
"""

from __future__ import annotations

from odradek.config.declaration import CLUSTER_WIDE, HIGH, INERT, REFUSED, boolean, integer, long, optional_integer, optional_string

NUM_REPLICA_FETCHERS = integer(
    "num.replica.fetchers",
    1,
    "How many connections a broker fetches over from each leader.",
    importance=HIGH,
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=1,
)

NUM_REPLICA_ALTER_LOG_DIRS_THREADS = optional_integer(
    "num.replica.alter.log.dirs.threads",
    "How many moves between log directories run at once; when it is absent, one for each directory.",
    importance=HIGH,
    effect=INERT,
)

REPLICA_FETCH_BACKOFF_MS = integer(
    "replica.fetch.backoff.ms", 1000, "How long a follower waits after a fetch of a partition failed.", effect=INERT, minimum=0
)

REPLICA_FETCH_MAX_BYTES = integer(
    "replica.fetch.max.bytes",
    1_048_576,
    "The most bytes of one partition a follower fetches at once, apart from a first batch that is larger.",
    effect=INERT,
    minimum=0,
)

REPLICA_FETCH_MIN_BYTES = integer(
    "replica.fetch.min.bytes", 1, "How many bytes a follower's fetch waits for.", importance=HIGH, effect=INERT
)

REPLICA_FETCH_RESPONSE_MAX_BYTES = integer(
    "replica.fetch.response.max.bytes",
    10_485_760,
    "The most bytes a follower fetches at once, apart from a first batch that is larger.",
    effect=INERT,
    minimum=0,
)

REPLICA_FETCH_WAIT_MAX_MS = integer(
    "replica.fetch.wait.max.ms", 500, "How long a follower's fetch waits for bytes.", importance=HIGH, effect=INERT
)

REPLICA_HIGH_WATERMARK_CHECKPOINT_INTERVAL_MS = long(
    "replica.high.watermark.checkpoint.interval.ms",
    5000,
    "How often the high watermark of each partition is written down.",
    importance=HIGH,
)

REPLICA_LAG_TIME_MAX_MS = long(
    "replica.lag.time.max.ms",
    30_000,
    "A follower that has not caught up with its leader for this long leaves the in-sync set.",
    importance=HIGH,
    effect=INERT,
)

REPLICA_SELECTOR_CLASS = optional_string(
    "replica.selector.class", "A Java class that picks the replica a consumer reads from.", effect=REFUSED
)

REPLICA_SOCKET_RECEIVE_BUFFER_BYTES = integer(
    "replica.socket.receive.buffer.bytes",
    65_536,
    "The receive buffer of a follower's connection to its leader.",
    importance=HIGH,
    effect=INERT,
)

REPLICA_SOCKET_TIMEOUT_MS = integer(
    "replica.socket.timeout.ms", 30_000, "How long a follower waits for the answer to a fetch.", importance=HIGH, effect=INERT
)

FOLLOWER_FETCH_LAST_TIERED_OFFSET_ENABLE = boolean(
    "follower.fetch.last.tiered.offset.enable",
    False,
    "A new follower begins where the remote copy of the log ends.",
    scope=CLUSTER_WIDE,
    effect=INERT,
)
