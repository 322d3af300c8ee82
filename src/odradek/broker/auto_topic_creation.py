"""Topics that are made because somebody asked for them: by a client's Metadata request, or by a coordinator for its own state.

The controller decides as it does for CreateTopics. Internal topics get the numbers of their coordinator's settings
(`AutoTopicCreationManager`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.config.broker_group_settings import (
    OFFSETS_TOPIC_NUM_PARTITIONS,
    OFFSETS_TOPIC_REPLICATION_FACTOR,
    OFFSETS_TOPIC_SEGMENT_BYTES,
    SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR,
    SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS,
    SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR,
    SHARE_COORDINATOR_STATE_TOPIC_SEGMENT_BYTES,
)
from odradek.config.broker_node_settings import DEFAULT_REPLICATION_FACTOR, NUM_PARTITIONS
from odradek.config.broker_transaction_settings import (
    TRANSACTION_STATE_LOG_MIN_ISR,
    TRANSACTION_STATE_LOG_NUM_PARTITIONS,
    TRANSACTION_STATE_LOG_REPLICATION_FACTOR,
    TRANSACTION_STATE_LOG_SEGMENT_BYTES,
)
from odradek.config.settings import Settings
from odradek.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext

USE_DEFAULT = -1


async def create_topics(node: Node, names: Sequence[str], context: RequestContext) -> dict[str, ErrorCode]:
    """Have `names`, all of them legal, made; how Metadata answers for those that could not be."""
    request = CreateTopicsRequest(topics=[automatic_topic(node.settings, name) for name in dict.fromkeys(names)])
    try:
        response = cast(CreateTopicsResponse, await node.controller.request(request, context))
    except RequestRefused:
        return {}
    return {topic.name: _metadata_error(ErrorCode(topic.error_code)) for topic in response.topics if topic.error_code != ErrorCode.NONE}


def automatic_topic(settings: Settings, name: str) -> CreatableTopic:
    """The topic `name` as it is made when nobody says more."""
    if name == "__consumer_offsets":
        configs = {
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": str(settings[OFFSETS_TOPIC_SEGMENT_BYTES]),
        }
        return _topic(name, settings[OFFSETS_TOPIC_NUM_PARTITIONS], settings[OFFSETS_TOPIC_REPLICATION_FACTOR], configs)
    if name == "__transaction_state":
        configs = {
            "unclean.leader.election.enable": "false",
            "compression.type": "uncompressed",
            "cleanup.policy": "compact",
            "min.insync.replicas": str(settings[TRANSACTION_STATE_LOG_MIN_ISR]),
            "segment.bytes": str(settings[TRANSACTION_STATE_LOG_SEGMENT_BYTES]),
        }
        return _topic(name, settings[TRANSACTION_STATE_LOG_NUM_PARTITIONS], settings[TRANSACTION_STATE_LOG_REPLICATION_FACTOR], configs)
    if name == "__share_group_state":
        configs = {
            "cleanup.policy": "delete",
            "compression.type": "producer",
            "min.insync.replicas": str(settings[SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR]),
            "segment.bytes": str(settings[SHARE_COORDINATOR_STATE_TOPIC_SEGMENT_BYTES]),
            "retention.ms": "-1",
        }
        partitions = settings[SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS]
        return _topic(name, partitions, settings[SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR], configs)
    partitions = settings[NUM_PARTITIONS] if settings.is_given(NUM_PARTITIONS) else USE_DEFAULT
    factor = settings[DEFAULT_REPLICATION_FACTOR] if settings.is_given(DEFAULT_REPLICATION_FACTOR) else USE_DEFAULT
    return _topic(name, partitions, factor, {})


def _topic(name: str, partition_count: int, replication_factor: int, configs: dict[str, str]) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=partition_count,
        replication_factor=replication_factor,
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in configs.items()],
    )


def _metadata_error(code: ErrorCode) -> ErrorCode:
    # Who made the topic first does not matter to the one who asks; what else went wrong is said in words a Metadata client knows.
    if code is ErrorCode.INVALID_TOPIC_EXCEPTION:
        return code
    return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
