"""DeleteTopics, by name or by id (`ControllerApis#deleteTopics`). One record removes a topic with its partitions and its configs."""

from __future__ import annotations

from collections import Counter

from odradek.base.decision import Decision
from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import ZERO_UUID, Uuid
from odradek.metadata.image import MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.internal_records.metadata import RemoveTopicRecord
from odradek.protocol.messages.delete_topics import DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse

# The first version whose clients know TOPIC_DELETION_DISABLED.
KNOWS_DELETION_DISABLED = 3


def decide_delete_topics(
    image: MetadataImage, request: DeleteTopicsRequest, *, is_enabled: bool, api_version: int
) -> Decision[MetadataRecord, DeleteTopicsResponse]:
    """One removal for every topic that exists and was named once.

    Raises:
        RequestRefused: `delete.topic.enable` is off.
    """
    if not is_enabled:
        if api_version < KNOWS_DELETION_DISABLED:
            raise RequestRefused(ErrorCode.INVALID_REQUEST, "This version does not support topic deletion.")
        raise RequestRefused(ErrorCode.TOPIC_DELETION_DISABLED)
    deletion = _Deletion(image)
    deletion.take(request)
    return Decision(records=deletion.records, response=DeleteTopicsResponse(responses=deletion.results))


class _Deletion:
    """Gathers results and removals of one request."""

    __slots__ = ("_image", "_name_by_id", "records", "results")

    def __init__(self, image: MetadataImage) -> None:
        self._image = image
        self._name_by_id: dict[Uuid, str] = {}
        self.records: list[MetadataRecord] = []
        self.results: list[DeletableTopicResult] = []

    def take(self, request: DeleteTopicsRequest) -> None:
        names = Counter(request.topic_names)
        ids: Counter[Uuid] = Counter()
        for topic in request.topics:
            if topic.name is None and topic.topic_id == ZERO_UUID:
                self._refuse(None, ZERO_UUID, ErrorCode.INVALID_REQUEST, "Neither topic name nor id were specified.")
            elif topic.name is None:
                ids[topic.topic_id] += 1
            elif topic.topic_id == ZERO_UUID:
                names[topic.name] += 1
            else:
                self._refuse(topic.name, topic.topic_id, ErrorCode.INVALID_REQUEST, "You may not specify both topic name and topic id.")
        for topic_id, count in ids.items():
            self._take_id(topic_id, count)
        for name, count in names.items():
            self._take_name(name, count)
        for topic_id, name in self._name_by_id.items():
            self.records.append(RemoveTopicRecord(topic_id=topic_id))
            self.results.append(DeletableTopicResult(name=name, topic_id=topic_id))

    def _take_id(self, topic_id: Uuid, count: int) -> None:
        topic = self._image.topics.by_id.get(topic_id)
        if count > 1:
            self._refuse(None, topic_id, ErrorCode.INVALID_REQUEST, "Duplicate topic id.")
        elif topic is None:
            self._refuse(None, topic_id, ErrorCode.UNKNOWN_TOPIC_ID, "This server does not host this topic ID.")
        else:
            self._name_by_id[topic_id] = topic.name

    def _take_name(self, name: str, count: int) -> None:
        topic = self._image.topics.by_name.get(name)
        if count > 1:
            self._refuse(name, ZERO_UUID, ErrorCode.INVALID_REQUEST, "Duplicate topic name.")
        elif topic is None:
            message = "This server does not host this topic-partition."
            self._refuse(name, ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
        elif self._name_by_id.pop(topic.id, None) is not None:
            message = "The provided topic name maps to an ID that was already supplied."
            self._refuse(name, topic.id, ErrorCode.INVALID_REQUEST, message)
        else:
            self._name_by_id[topic.id] = name

    def _refuse(self, name: str | None, topic_id: Uuid, code: ErrorCode, message: str) -> None:
        self.results.append(DeletableTopicResult(name=name, topic_id=topic_id, error_code=code, error_message=message))
