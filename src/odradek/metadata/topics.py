"""Topics and their partitions, as of one offset of the metadata log.

`TopicsImage` is a value that everybody may keep; `TopicsDelta` gathers records on top of one and makes the next. The delta also answers
what changed, which is what the partition registry asks: topics that are new or altered (by id), and topics that are gone. A topic that
was deleted and created again under its name inside one delta is in both, under its two ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from odradek.base.errors import Misuse
from odradek.base.identifiers import Uuid, uuid_to_text
from odradek.metadata.partition_registration import PartitionRegistration
from odradek.protocol.internal_records.metadata import (
    ClearElrRecord,
    PartitionChangeRecord,
    PartitionRecord,
    RemoveTopicRecord,
    TopicRecord,
)


@dataclass(frozen=True, slots=True)
class TopicImage:
    """One topic. Partition indexes are 0 to `len(partitions) - 1`."""

    name: str
    id: Uuid
    partitions: Mapping[int, PartitionRegistration]


@dataclass(frozen=True, slots=True)
class TopicsImage:
    """Every topic, under its name and under its id."""

    by_name: Mapping[str, TopicImage] = field(default_factory=dict)
    by_id: Mapping[Uuid, TopicImage] = field(default_factory=dict)

    def partition(self, topic: str, partition_index: int) -> PartitionRegistration | None:
        """The registration of one partition; None when the topic or the partition does not exist."""
        image = self.by_name.get(topic)
        return None if image is None else image.partitions.get(partition_index)

    def records(self) -> Iterator[TopicRecord | PartitionRecord]:
        """The records that make this image out of nothing: each topic followed by its partitions."""
        for topic in self.by_id.values():
            yield TopicRecord(name=topic.name, topic_id=topic.id)
            for partition_index, registration in topic.partitions.items():
                yield registration.to_record(topic.id, partition_index)


NO_TOPICS = TopicsImage()


class TopicDelta:
    """What happened to one topic: `before` is None for a new one; `changed_partitions` holds new and altered registrations."""

    __slots__ = ("before", "changed_partitions", "id", "name")

    def __init__(self, name: str, topic_id: Uuid, before: TopicImage | None) -> None:
        self.name = name
        self.id = topic_id
        self.before = before
        self.changed_partitions: dict[int, PartitionRegistration] = {}

    def partition(self, partition_index: int) -> PartitionRegistration | None:
        """The registration as of now, changed or not."""
        changed = self.changed_partitions.get(partition_index)
        if changed is None and self.before is not None:
            return self.before.partitions.get(partition_index)
        return changed

    def registration_before(self, partition_index: int) -> PartitionRegistration | None:
        """The registration before this delta; None for a partition that is new."""
        return None if self.before is None else self.before.partitions.get(partition_index)

    def replay_partition(self, record: PartitionRecord) -> None:
        self.changed_partitions[record.partition_id] = PartitionRegistration.from_record(record)

    def replay_partition_change(self, record: PartitionChangeRecord) -> None:
        registration = self.partition(record.partition_id)
        if registration is None:
            raise Misuse(f"the metadata log changes partition {record.partition_id} of topic {self.name}, which it never created")
        self.changed_partitions[record.partition_id] = registration.changed_by(record)

    def replay_clear_elr(self) -> None:
        indexes = set(self.changed_partitions) | set(self.before.partitions if self.before is not None else ())
        for partition_index in sorted(indexes):
            registration = self.partition(partition_index)
            assert registration is not None
            cleared = registration.without_eligible_leaders()
            if cleared is not registration:
                self.changed_partitions[partition_index] = cleared

    def apply(self) -> TopicImage:
        """The topic after this delta."""
        partitions = dict(self.before.partitions) if self.before is not None else {}
        partitions.update(self.changed_partitions)
        return TopicImage(self.name, self.id, partitions)


class TopicsDelta:
    """Records on top of one `TopicsImage`."""

    __slots__ = ("_changed", "_deleted", "_id_by_new_name", "before")

    def __init__(self, before: TopicsImage) -> None:
        self.before = before
        self._changed: dict[Uuid, TopicDelta] = {}
        self._deleted: dict[Uuid, TopicImage] = {}
        self._id_by_new_name: dict[str, Uuid] = {}

    @property
    def changed_topics(self) -> Mapping[Uuid, TopicDelta]:
        """New and altered topics that still exist."""
        return self._changed

    @property
    def deleted_topics(self) -> Mapping[Uuid, TopicImage]:
        """Topics of the image before that are gone."""
        return self._deleted

    def add_everything(self, image: TopicsImage) -> None:
        """As if the records of `image` had been replayed: every topic in it is new."""
        for topic in image.by_id.values():
            delta = self._changed[topic.id] = TopicDelta(topic.name, topic.id, None)
            delta.changed_partitions = dict(topic.partitions)
            self._id_by_new_name[topic.name] = topic.id

    def replay_topic(self, record: TopicRecord) -> None:
        self._changed[record.topic_id] = TopicDelta(record.name, record.topic_id, None)
        self._id_by_new_name[record.name] = record.topic_id

    def replay_partition(self, record: PartitionRecord) -> None:
        self._topic(record.topic_id).replay_partition(record)

    def replay_partition_change(self, record: PartitionChangeRecord) -> None:
        self._topic(record.topic_id).replay_partition_change(record)

    def replay_clear_elr(self, record: ClearElrRecord) -> None:
        if record.topic_name:
            topic_id = self._id_of(record.topic_name)
            if topic_id is None:
                raise Misuse(f"the metadata log clears the eligible leaders of topic {record.topic_name}, which it never created")
            self._topic(topic_id).replay_clear_elr()
            return
        for topic_id in [*self.before.by_id, *self._changed]:
            if topic_id not in self._deleted:
                self._topic(topic_id).replay_clear_elr()

    def replay_remove_topic(self, record: RemoveTopicRecord) -> str:
        """Forget the topic; returns the name it had, because its configs go with it."""
        created_here = self._changed.pop(record.topic_id, None)
        existing = self.before.by_id.get(record.topic_id)
        if existing is not None:
            self._deleted[existing.id] = existing
            return existing.name
        if created_here is None:
            raise Misuse(f"the metadata log removes topic {uuid_to_text(record.topic_id)}, which it never created")
        if self._id_by_new_name.get(created_here.name) == created_here.id:
            del self._id_by_new_name[created_here.name]
        return created_here.name

    def apply(self) -> TopicsImage:
        """The image after this delta; the very same object when nothing changed."""
        if not self._changed and not self._deleted:
            return self.before
        by_name = dict(self.before.by_name)
        by_id = dict(self.before.by_id)
        for topic in self._deleted.values():
            del by_name[topic.name]
            del by_id[topic.id]
        for delta in self._changed.values():
            image = delta.apply()
            by_name[image.name] = image
            by_id[image.id] = image
        return TopicsImage(by_name, by_id)

    def _id_of(self, name: str) -> Uuid | None:
        if name in self._id_by_new_name:
            return self._id_by_new_name[name]
        topic = self.before.by_name.get(name)
        return None if topic is None or topic.id in self._deleted else topic.id

    def _topic(self, topic_id: Uuid) -> TopicDelta:
        delta = self._changed.get(topic_id)
        if delta is None:
            before = self.before.by_id.get(topic_id)
            if before is None or topic_id in self._deleted:
                raise Misuse(f"the metadata log speaks of topic {uuid_to_text(topic_id)}, which it never created")
            delta = self._changed[topic_id] = TopicDelta(before.name, topic_id, before)
        return delta
