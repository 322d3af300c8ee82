"""Where a topic's setting comes from when the topic has none: the broker settings behind it, the one that wins first.

Some have another unit; then the broker's text is multiplied. DescribeConfigs names the first only, because its own synonyms say the
rest (`ServerTopicConfigSynonyms`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from odradek.config import broker_log_settings as broker_log
from odradek.config import broker_node_settings as broker_node
from odradek.config import topic_settings as topic
from odradek.config.setting import Setting

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS


class BrokerSynonym(NamedTuple):
    """A broker setting behind a topic setting; `factor` makes the topic's unit out of the broker's."""

    setting: Setting[object]
    factor: int = 1

    def convert(self, text: str) -> str:
        """The broker's text in the topic's unit."""
        return text if self.factor == 1 else str(int(text) * self.factor)


_TABLE: tuple[tuple[Setting[object], tuple[BrokerSynonym, ...]], ...] = (
    (topic.CLEANUP_POLICY, (BrokerSynonym(broker_log.LOG_CLEANUP_POLICY),)),
    (topic.COMPRESSION_GZIP_LEVEL, (BrokerSynonym(broker_log.COMPRESSION_GZIP_LEVEL),)),
    (topic.COMPRESSION_LZ4_LEVEL, (BrokerSynonym(broker_log.COMPRESSION_LZ4_LEVEL),)),
    (topic.COMPRESSION_TYPE, (BrokerSynonym(broker_log.COMPRESSION_TYPE),)),
    (topic.COMPRESSION_ZSTD_LEVEL, (BrokerSynonym(broker_log.COMPRESSION_ZSTD_LEVEL),)),
    (topic.DELETE_RETENTION_MS, (BrokerSynonym(broker_log.LOG_CLEANER_DELETE_RETENTION_MS),)),
    (topic.FILE_DELETE_DELAY_MS, (BrokerSynonym(broker_log.LOG_SEGMENT_DELETE_DELAY_MS),)),
    (topic.FLUSH_MESSAGES, (BrokerSynonym(broker_log.LOG_FLUSH_INTERVAL_MESSAGES),)),
    (topic.FLUSH_MS, (BrokerSynonym(broker_log.LOG_FLUSH_INTERVAL_MS), BrokerSynonym(broker_log.LOG_FLUSH_SCHEDULER_INTERVAL_MS))),
    (topic.INDEX_INTERVAL_BYTES, (BrokerSynonym(broker_log.LOG_INDEX_INTERVAL_BYTES),)),
    (topic.LOCAL_RETENTION_BYTES, (BrokerSynonym(broker_log.LOG_LOCAL_RETENTION_BYTES),)),
    (topic.LOCAL_RETENTION_MS, (BrokerSynonym(broker_log.LOG_LOCAL_RETENTION_MS),)),
    (topic.MAX_COMPACTION_LAG_MS, (BrokerSynonym(broker_log.LOG_CLEANER_MAX_COMPACTION_LAG_MS),)),
    (topic.MAX_MESSAGE_BYTES, (BrokerSynonym(broker_log.MESSAGE_MAX_BYTES),)),
    (topic.MESSAGE_TIMESTAMP_AFTER_MAX_MS, (BrokerSynonym(broker_log.LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS),)),
    (topic.MESSAGE_TIMESTAMP_BEFORE_MAX_MS, (BrokerSynonym(broker_log.LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS),)),
    (topic.MESSAGE_TIMESTAMP_TYPE, (BrokerSynonym(broker_log.LOG_MESSAGE_TIMESTAMP_TYPE),)),
    (topic.MIN_CLEANABLE_DIRTY_RATIO, (BrokerSynonym(broker_log.LOG_CLEANER_MIN_CLEANABLE_RATIO),)),
    (topic.MIN_COMPACTION_LAG_MS, (BrokerSynonym(broker_log.LOG_CLEANER_MIN_COMPACTION_LAG_MS),)),
    (topic.MIN_INSYNC_REPLICAS, (BrokerSynonym(broker_log.MIN_INSYNC_REPLICAS),)),
    (topic.PREALLOCATE, (BrokerSynonym(broker_log.LOG_PREALLOCATE),)),
    (topic.RETENTION_BYTES, (BrokerSynonym(broker_log.LOG_RETENTION_BYTES),)),
    (
        topic.RETENTION_MS,
        (
            BrokerSynonym(broker_log.LOG_RETENTION_MS),
            BrokerSynonym(broker_log.LOG_RETENTION_MINUTES, _MINUTE_MS),
            BrokerSynonym(broker_log.LOG_RETENTION_HOURS, _HOUR_MS),
        ),
    ),
    (topic.SEGMENT_BYTES, (BrokerSynonym(broker_log.LOG_SEGMENT_BYTES),)),
    (topic.SEGMENT_INDEX_BYTES, (BrokerSynonym(broker_log.LOG_INDEX_SIZE_MAX_BYTES),)),
    (topic.SEGMENT_JITTER_MS, (BrokerSynonym(broker_log.LOG_ROLL_JITTER_MS), BrokerSynonym(broker_log.LOG_ROLL_JITTER_HOURS, _HOUR_MS))),
    (topic.SEGMENT_MS, (BrokerSynonym(broker_log.LOG_ROLL_MS), BrokerSynonym(broker_log.LOG_ROLL_HOURS, _HOUR_MS))),
    (topic.UNCLEAN_LEADER_ELECTION_ENABLE, (BrokerSynonym(broker_node.UNCLEAN_LEADER_ELECTION_ENABLE),)),
)

TOPIC_SYNONYMS: Mapping[str, tuple[BrokerSynonym, ...]] = {setting.name: synonyms for setting, synonyms in _TABLE}
