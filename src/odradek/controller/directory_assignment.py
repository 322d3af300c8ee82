"""AssignReplicasToDirs: a broker with several log directories says in which of them its replicas lie (KIP-858).

Where a broker has one directory the controller knows by itself. Where it has several, the broker chooses when it makes the log, and tells:
only then can the controller know whom the failure of a directory concerns (`ReplicationControlManager#handleAssignReplicasToDirs`).
"""

from __future__ import annotations

from odradek.base.decision import Decision
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import Uuid
from odradek.controller.brokers import checked_broker
from odradek.controller.leadership import Leadership
from odradek.metadata.cluster import BrokerRegistration
from odradek.metadata.feature_levels import DIRECTORY_IDS_SINCE
from odradek.metadata.image import MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.messages.assign_replicas_to_dirs import (
    AssignReplicasToDirsRequest,
    AssignReplicasToDirsRequestDirectoryData,
    AssignReplicasToDirsResponse,
    AssignReplicasToDirsResponseDirectoryData,
    AssignReplicasToDirsResponsePartitionData,
    AssignReplicasToDirsResponseTopicData,
)


def decide_assign_replicas_to_dirs(
    image: MetadataImage, leadership: Leadership, request: AssignReplicasToDirsRequest
) -> Decision[MetadataRecord, AssignReplicasToDirsResponse]:
    """A change for every partition that lies elsewhere than was known; each is answered by itself.

    Raises:
        RequestRefused: the broker is unknown or speaks from an earlier life, or the cluster is too old for directory ids.
    """
    if image.features.metadata_version_or_minimum < DIRECTORY_IDS_SINCE:
        raise RequestRefused(ErrorCode.UNSUPPORTED_VERSION, "Directory assignment is not supported yet.")
    broker = checked_broker(image, request.broker_id, request.broker_epoch)
    records: list[MetadataRecord] = []
    response = AssignReplicasToDirsResponse()
    for directory in request.directories:
        response.directories.append(_assign(image, leadership, broker, directory, records))
    return Decision(records=records, response=response)


def _assign(
    image: MetadataImage,
    leadership: Leadership,
    broker: BrokerRegistration,
    directory: AssignReplicasToDirsRequestDirectoryData,
    records: list[MetadataRecord],
) -> AssignReplicasToDirsResponseDirectoryData:
    answer = AssignReplicasToDirsResponseDirectoryData(id=directory.id)
    is_offline = not broker.has_online_directory(directory.id)
    lost: set[tuple[Uuid, int]] = set()
    for topic in directory.topics:
        topic_answer = AssignReplicasToDirsResponseTopicData(topic_id=topic.topic_id)
        for partition in topic.partitions:
            index = partition.partition_index
            code = _refusal(image, broker.node_id, topic.topic_id, index)
            topic_answer.partitions.append(AssignReplicasToDirsResponsePartitionData(partition_index=index, error_code=code))
            if code != ErrorCode.NONE:
                continue
            change = leadership.assigned(image.topics.by_id[topic.topic_id], index, broker.node_id, directory.id)
            if change is not None:
                records.append(change)
            if is_offline:
                lost.add((topic.topic_id, index))
        answer.topics.append(topic_answer)
    if lost:
        # It has failed meanwhile, and the replicas in it with it.
        records.extend(leadership.on_replicas_lost(broker.node_id, lost))
    return answer


def _refusal(image: MetadataImage, broker_id: int, topic_id: Uuid, index: int) -> ErrorCode:
    topic = image.topics.by_id.get(topic_id)
    if topic is None:
        return ErrorCode.UNKNOWN_TOPIC_ID
    registration = topic.partitions.get(index)
    if registration is None:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return ErrorCode.NONE if broker_id in registration.replicas else ErrorCode.NOT_LEADER_OR_FOLLOWER
