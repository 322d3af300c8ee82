"""Broker settings, one of eight modules: transactions.

Timeouts, expiry, and the internal topic that keeps their state.
"""

from __future__ import annotations

from odradek.config.declaration import HIGH, LOW, boolean, integer, short

TRANSACTIONAL_ID_EXPIRATION_MS = integer(
    "transactional.id.expiration.ms",
    604_800_000,
    "A transactional id that was not used for this long is forgotten.",
    importance=HIGH,
    minimum=1,
)

TRANSACTION_MAX_TIMEOUT_MS = integer(
    "transaction.max.timeout.ms",
    900_000,
    "The longest transaction timeout a producer may ask for.",
    importance=HIGH,
    minimum=1,
)

TRANSACTION_ABORT_TIMED_OUT_TRANSACTION_CLEANUP_INTERVAL_MS = integer(
    "transaction.abort.timed.out.transaction.cleanup.interval.ms",
    10_000,
    "How often transactions that ran out of time are looked for.",
    importance=LOW,
    minimum=1,
)

TRANSACTION_REMOVE_EXPIRED_TRANSACTION_CLEANUP_INTERVAL_MS = integer(
    "transaction.remove.expired.transaction.cleanup.interval.ms",
    3_600_000,
    "How often transactional ids to forget are looked for.",
    importance=LOW,
    minimum=1,
)

TRANSACTION_STATE_LOG_NUM_PARTITIONS = integer(
    "transaction.state.log.num.partitions", 50, "How many partitions the topic of transaction state has.", importance=HIGH, minimum=1
)

TRANSACTION_STATE_LOG_REPLICATION_FACTOR = short(
    "transaction.state.log.replication.factor", 3, "How many replicas the topic of transaction state has.", importance=HIGH, minimum=1
)

TRANSACTION_STATE_LOG_MIN_ISR = integer(
    "transaction.state.log.min.isr", 2, "The min.insync.replicas of the topic of transaction state.", importance=HIGH, minimum=1
)

TRANSACTION_STATE_LOG_SEGMENT_BYTES = integer(
    "transaction.state.log.segment.bytes", 104_857_600, "The segment size of the topic of transaction state.", importance=HIGH, minimum=1
)

TRANSACTION_STATE_LOG_LOAD_BUFFER_SIZE = integer(
    "transaction.state.log.load.buffer.size",
    5_242_880,
    "How many bytes are read at once when a coordinator loads its transactions.",
    importance=HIGH,
    minimum=1,
)

TRANSACTION_TWO_PHASE_COMMIT_ENABLE = boolean(
    "transaction.two.phase.commit.enable",
    False,
    "Producers may keep a transaction prepared for longer than any timeout.",
    importance=LOW,
)

ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MS = integer(
    "add.partitions.to.txn.retry.backoff.ms",
    20,
    "The first pause before the broker asks again whether a partition belongs to a transaction.",
    importance=HIGH,
    minimum=1,
)

ADD_PARTITIONS_TO_TXN_RETRY_BACKOFF_MAX_MS = integer(
    "add.partitions.to.txn.retry.backoff.max.ms",
    100,
    "The longest time the broker keeps asking whether a partition belongs to a transaction.",
    importance=HIGH,
    minimum=0,
)
