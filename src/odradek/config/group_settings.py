"""Group settings: what can be set for each group, and otherwise comes from the broker (`odradek.config.group`)."""

from __future__ import annotations

from odradek.config.declaration import INERT, boolean, integer, string
from odradek.config.offset_reset import OffsetResetStrategy
from odradek.config.validators import OneOf

CONSUMER_ASSIGNMENT_INTERVAL_MS = integer(
    "consumer.assignment.interval.ms", 1000, "The shortest time between two assignments of this consumer group.", effect=INERT, minimum=0
)

CONSUMER_HEARTBEAT_INTERVAL_MS = integer(
    "consumer.heartbeat.interval.ms", 5000, "How often the members of this consumer group send a heartbeat.", effect=INERT, minimum=1
)

CONSUMER_SESSION_TIMEOUT_MS = integer(
    "consumer.session.timeout.ms",
    45_000,
    "A member of this consumer group that is silent for this long is removed.",
    effect=INERT,
    minimum=1,
)

SHARE_ASSIGNMENT_INTERVAL_MS = integer(
    "share.assignment.interval.ms", 1000, "The shortest time between two assignments of this share group.", effect=INERT, minimum=0
)

SHARE_AUTO_OFFSET_RESET = string(
    "share.auto.offset.reset",
    "latest",
    "Where this share group begins: earliest, latest, or by_duration:PnDTnHnMn.nS before now.",
    effect=INERT,
    validator=OffsetResetStrategy(),
)

SHARE_DELIVERY_COUNT_LIMIT = integer(
    "share.delivery.count.limit",
    5,
    "How often a record is delivered to this share group before it counts as undeliverable.",
    effect=INERT,
    minimum=2,
)

SHARE_HEARTBEAT_INTERVAL_MS = integer(
    "share.heartbeat.interval.ms", 5000, "How often the members of this share group send a heartbeat.", effect=INERT, minimum=1
)

SHARE_ISOLATION_LEVEL = string(
    "share.isolation.level",
    "read_uncommitted",
    "Whether this share group is given records of transactions that are open or were aborted.",
    effect=INERT,
    validator=OneOf(("read_committed", "read_uncommitted")),
)

SHARE_PARTITION_MAX_RECORD_LOCKS = integer(
    "share.partition.max.record.locks",
    2000,
    "How many records of one partition this share group may hold at once.",
    effect=INERT,
    minimum=100,
)

SHARE_RECORD_LOCK_DURATION_MS = integer(
    "share.record.lock.duration.ms",
    30_000,
    "How long a consumer of this share group holds a record before it goes to another.",
    effect=INERT,
    minimum=1000,
)

SHARE_RENEW_ACKNOWLEDGE_ENABLE = boolean(
    "share.renew.acknowledge.enable", True, "Whether a consumer of this share group may hold a record for longer by asking.", effect=INERT
)

SHARE_SESSION_TIMEOUT_MS = integer(
    "share.session.timeout.ms", 45_000, "A member of this share group that is silent for this long is removed.", effect=INERT, minimum=1
)

STREAMS_ASSIGNMENT_INTERVAL_MS = integer(
    "streams.assignment.interval.ms", 1000, "The shortest time between two assignments of this streams group.", effect=INERT, minimum=0
)

STREAMS_HEARTBEAT_INTERVAL_MS = integer(
    "streams.heartbeat.interval.ms", 5000, "How often the members of this streams group send a heartbeat.", effect=INERT, minimum=1
)

STREAMS_INITIAL_REBALANCE_DELAY_MS = integer(
    "streams.initial.rebalance.delay.ms",
    3000,
    "How long this streams group waits for more members before its first assignment.",
    effect=INERT,
    minimum=0,
)

STREAMS_NUM_STANDBY_REPLICAS = integer(
    "streams.num.standby.replicas", 0, "How many standby copies of each task's state this streams group keeps.", effect=INERT, minimum=0
)

STREAMS_SESSION_TIMEOUT_MS = integer(
    "streams.session.timeout.ms", 45_000, "A member of this streams group that is silent for this long is removed.", effect=INERT, minimum=1
)
