"""Broker settings, one of eight modules: tiered storage.

Copying closed segments to a remote store and reading them back (KIP-405).
"""

from __future__ import annotations

from odradek.config.bounds import LONG_MAX
from odradek.config.declaration import CLUSTER_WIDE, INERT, LOW, REFUSED, boolean, double, integer, long, optional_string, string
from odradek.config.validators import NonEmptyText

REMOTE_LOG_STORAGE_SYSTEM_ENABLE = boolean(
    "remote.log.storage.system.enable", False, "Closed segments are copied to a remote store.", effect=REFUSED
)

REMOTE_LOG_STORAGE_MANAGER_CLASS_NAME = optional_string(
    "remote.log.storage.manager.class.name", "The Java class that speaks to the remote store.", effect=INERT, validator=NonEmptyText()
)

REMOTE_LOG_STORAGE_MANAGER_CLASS_PATH = optional_string(
    "remote.log.storage.manager.class.path", "Where that class is loaded from.", effect=INERT
)

REMOTE_LOG_STORAGE_MANAGER_IMPL_PREFIX = string(
    "remote.log.storage.manager.impl.prefix",
    "rsm.config.",
    "Settings that begin like this are handed to that class.",
    effect=INERT,
    validator=NonEmptyText(),
)

REMOTE_LOG_METADATA_MANAGER_CLASS_NAME = string(
    "remote.log.metadata.manager.class.name",
    "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
    "The Java class that remembers what was copied.",
    effect=INERT,
    validator=NonEmptyText(),
)

REMOTE_LOG_METADATA_MANAGER_CLASS_PATH = optional_string(
    "remote.log.metadata.manager.class.path", "Where that class is loaded from.", effect=INERT
)

REMOTE_LOG_METADATA_MANAGER_IMPL_PREFIX = string(
    "remote.log.metadata.manager.impl.prefix",
    "rlmm.config.",
    "Settings that begin like this are handed to that class.",
    effect=INERT,
    validator=NonEmptyText(),
)

REMOTE_LOG_METADATA_MANAGER_LISTENER_NAME = optional_string(
    "remote.log.metadata.manager.listener.name",
    "The listener over which that class reaches the cluster.",
    effect=INERT,
    validator=NonEmptyText(),
)

REMOTE_LOG_METADATA_CUSTOM_METADATA_MAX_BYTES = integer(
    "remote.log.metadata.custom.metadata.max.bytes",
    128,
    "The most bytes a remote store may add to what is remembered of a segment.",
    importance=LOW,
    effect=INERT,
    minimum=0,
)

REMOTE_LOG_INDEX_FILE_CACHE_TOTAL_SIZE_BYTES = long(
    "remote.log.index.file.cache.total.size.bytes",
    1_073_741_824,
    "How many bytes of remote indexes are kept on the local disk.",
    importance=LOW,
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=1,
)

REMOTE_LOG_INDEX_FILE_CACHE_TTL_MS = long(
    "remote.log.index.file.cache.ttl.ms",
    900_000,
    "How long a remote index stays on the local disk after its last use; -1 is no limit.",
    importance=LOW,
    effect=INERT,
    minimum=-1,
    internal=True,
)

REMOTE_LOG_MANAGER_THREAD_POOL_SIZE = integer(
    "remote.log.manager.thread.pool.size", 2, "Threads that schedule copying to the remote store.", effect=INERT, minimum=1
)

REMOTE_LOG_MANAGER_COPIER_THREAD_POOL_SIZE = integer(
    "remote.log.manager.copier.thread.pool.size", 10, "How many segments are copied at once.", scope=CLUSTER_WIDE, effect=INERT, minimum=1
)

REMOTE_LOG_MANAGER_EXPIRATION_THREAD_POOL_SIZE = integer(
    "remote.log.manager.expiration.thread.pool.size",
    10,
    "How many partitions delete remote segments at once.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=1,
)

REMOTE_LOG_MANAGER_FOLLOWER_THREAD_POOL_SIZE = integer(
    "remote.log.manager.follower.thread.pool.size",
    2,
    "How many followers catch up with remote state at once.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=1,
)

REMOTE_LOG_MANAGER_TASK_INTERVAL_MS = long(
    "remote.log.manager.task.interval.ms",
    30_000,
    "How often each partition looks for segments to copy or delete.",
    importance=LOW,
    effect=INERT,
    minimum=1,
)

REMOTE_LOG_MANAGER_TASK_RETRY_BACKOFF_MS = long(
    "remote.log.manager.task.retry.backoff.ms",
    500,
    "The first pause after such a task failed.",
    importance=LOW,
    effect=INERT,
    minimum=1,
    internal=True,
)

REMOTE_LOG_MANAGER_TASK_RETRY_BACKOFF_MAX_MS = long(
    "remote.log.manager.task.retry.backoff.max.ms",
    30_000,
    "The longest pause after such a task failed.",
    importance=LOW,
    effect=INERT,
    minimum=1,
    internal=True,
)

REMOTE_LOG_MANAGER_TASK_RETRY_JITTER = double(
    "remote.log.manager.task.retry.jitter",
    0.2,
    "The random part of that pause.",
    importance=LOW,
    effect=INERT,
    minimum=0,
    maximum=0.5,
    internal=True,
)

REMOTE_LOG_MANAGER_COPY_MAX_BYTES_PER_SECOND = long(
    "remote.log.manager.copy.max.bytes.per.second",
    LONG_MAX,
    "How many bytes are copied to the remote store in a second.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=1,
)

REMOTE_LOG_MANAGER_COPY_QUOTA_WINDOW_NUM = integer(
    "remote.log.manager.copy.quota.window.num", 11, "How many windows the quota on copying remembers.", effect=INERT, minimum=1
)

REMOTE_LOG_MANAGER_COPY_QUOTA_WINDOW_SIZE_SECONDS = integer(
    "remote.log.manager.copy.quota.window.size.seconds", 1, "How long one window of the quota on copying is.", effect=INERT, minimum=1
)

REMOTE_LOG_MANAGER_FETCH_MAX_BYTES_PER_SECOND = long(
    "remote.log.manager.fetch.max.bytes.per.second",
    LONG_MAX,
    "How many bytes are read from the remote store in a second.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=1,
)

REMOTE_LOG_MANAGER_FETCH_QUOTA_WINDOW_NUM = integer(
    "remote.log.manager.fetch.quota.window.num", 11, "How many windows the quota on reading remembers.", effect=INERT, minimum=1
)

REMOTE_LOG_MANAGER_FETCH_QUOTA_WINDOW_SIZE_SECONDS = integer(
    "remote.log.manager.fetch.quota.window.size.seconds", 1, "How long one window of the quota on reading is.", effect=INERT, minimum=1
)

REMOTE_LOG_READER_THREADS = integer(
    "remote.log.reader.threads", 10, "How many remote reads run at once.", scope=CLUSTER_WIDE, effect=INERT, minimum=1
)

REMOTE_LOG_READER_MAX_PENDING_TASKS = integer(
    "remote.log.reader.max.pending.tasks", 100, "How many remote reads may wait; more are refused.", effect=INERT, minimum=1
)

REMOTE_FETCH_MAX_WAIT_MS = integer(
    "remote.fetch.max.wait.ms", 500, "How long a fetch waits for a remote read.", scope=CLUSTER_WIDE, effect=INERT, minimum=1
)

REMOTE_LIST_OFFSETS_REQUEST_TIMEOUT_MS = long(
    "remote.list.offsets.request.timeout.ms",
    30_000,
    "How long ListOffsets waits for a remote lookup.",
    scope=CLUSTER_WIDE,
    effect=INERT,
    minimum=1,
)
