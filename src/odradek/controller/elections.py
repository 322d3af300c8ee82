"""ElectLeaders: an operator moves leadership back to the preferred replicas, or takes a leader that may lack records (KIP-460)."""

from __future__ import annotations

from collections.abc import Sequence

from odradek.base.decision import Decision
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.controller.leadership import Leadership
from odradek.controller.partition_change import Election
from odradek.controller.refusal import Refusal
from odradek.metadata.image import MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.internal_records.metadata import PartitionChangeRecord
from odradek.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult

ELECTION_BY_CODE = {0: Election.PREFERRED, 1: Election.UNCLEAN}


def decide_elect_leaders(
    image: MetadataImage, leadership: Leadership, request: ElectLeadersRequest
) -> Decision[MetadataRecord, ElectLeadersResponse]:
    """One change for every partition that can get another leader. Asked for all, those that need none are not spoken of.

    Raises:
        RequestRefused: INVALID_REQUEST, there is no such kind of election.
    """
    election = ELECTION_BY_CODE.get(request.election_type)
    if election is None:
        raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Unknown election type {request.election_type}")
    if request.topic_partitions is None:
        asked: Sequence[tuple[str, Sequence[int]]] = [(topic.name, list(topic.partitions)) for topic in image.topics.by_id.values()]
    else:
        asked = [(topic.topic, topic.partitions) for topic in request.topic_partitions]
    records: list[MetadataRecord] = []
    response = ElectLeadersResponse()
    for name, indexes in asked:
        result = ReplicaElectionResult(topic=name)
        response.replica_election_results.append(result)
        for index in indexes:
            outcome = _elect(image, leadership, name, index, election)
            if isinstance(outcome, PartitionChangeRecord):
                records.append(outcome)
                result.partition_result.append(PartitionResult(partition_id=index, error_message=None))
            elif request.topic_partitions is not None or outcome.code is not ErrorCode.ELECTION_NOT_NEEDED:
                result.partition_result.append(PartitionResult(partition_id=index, error_code=outcome.code, error_message=outcome.message))
    return Decision(records=records, response=response, is_atomic=False)


def _elect(image: MetadataImage, leadership: Leadership, name: str, index: int, election: Election) -> PartitionChangeRecord | Refusal:
    topic = image.topics.by_name.get(name)
    if topic is None:
        return Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such topic as {name}")
    registration = topic.partitions.get(index)
    if registration is None:
        return Refusal(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such partition as {name}-{index}")
    is_content = registration.has_preferred_leader if election is Election.PREFERRED else registration.has_leader
    if is_content:
        return Refusal(ErrorCode.ELECTION_NOT_NEEDED, "Leader election not needed for topic partition.")
    record = leadership.elected(topic, index, election)
    if record is not None:
        return record
    if election is Election.PREFERRED:
        return Refusal(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "The preferred leader was not available.")
    return Refusal(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, "Eligible topic partition leaders are not available.")
