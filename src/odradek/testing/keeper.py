"""The administrator of a simulation: creates and deletes topics, deletes records, changes settings, and looks whether all are there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopic,
)
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek.protocol.messages.metadata import MetadataRequest, MetadataResponse
from odradek.testing.client import NoAnswer
from odradek.testing.history import BrokenPromise, PartitionHistory, TopicHistory
from odradek.testing.scene import RETRIABLE, UNKNOWN, Scene, back_off

CREATE_TOPICS_VERSION = 7
DELETE_TOPICS_VERSION = 6
DELETE_RECORDS_VERSION = 2
ALTER_CONFIGS_VERSION = 1
METADATA_VERSION = 12
TOPIC_RESOURCE = 2
SET = 0
PARTITIONS_MAX = 3
FLUSH_MESSAGES = "flush.messages"
RETENTION_MS = "retention.ms"
RETENTION_BYTES = "retention.bytes"
TIMEOUT_MS = 4_000
# What a topic may be created with, and changed to while it is used.
CHOICES: dict[str, tuple[str, ...]] = {
    FLUSH_MESSAGES: ("1", "1", "3", "9223372036854775807"),
    "flush.ms": ("9223372036854775807", "1500"),
    "segment.ms": ("604800000", "2000", "700"),
    "internal.segment.bytes": ("9000", "60000"),
    RETENTION_MS: ("604800000", "15000"),
    "segment.index.bytes": ("10485760", "96"),
    "index.interval.bytes": ("4096", "1"),
}
CHANGEABLE = (FLUSH_MESSAGES, "flush.ms", "segment.ms", "index.interval.bytes")


class Keeper:
    """Sees to the topics of one node. `on_topic` is told of every topic that was made."""

    def __init__(self, scene: Scene, name: str, on_topic: Callable[[TopicHistory], None]) -> None:
        self._scene = scene
        self.name = name
        self._on_topic = on_topic
        self._dice = scene.dice_for(name)
        self._client = scene.client(name)
        self._made_count = 0

    async def run(self) -> None:
        """Do one thing after the other until the scene is over."""
        things: tuple[Callable[[], Awaitable[None]], ...] = (
            self._delete_records,
            self._delete_records,
            self._change_settings,
            self._look_at_topics,
            self._replace_topic,
        )
        while not self._scene.is_over:
            await asyncio.sleep(self._dice.randint(100, 2500) / 1000)
            try:
                await self._dice.choice(things)()
            except NoAnswer as silence:
                self._scene.note(self.name, "got no answer", {"reason": silence})
                await back_off(self._dice)
        self._client.close()

    async def create_topic(self, former_name: str | None = None) -> None:
        """Make a topic, asking until it is there. `former_name` is that of a topic which was deleted and whose name it takes over."""
        dice = self._dice
        self._made_count += 1
        is_name_shared = former_name is not None or dice.random() < 0.5
        name = former_name or f"topic-{self._made_count}"
        configs = {key: dice.choice(values) for key, values in CHOICES.items() if dice.random() < 0.5}
        asked = CreatableTopic(
            name=name,
            num_partitions=dice.randint(1, PARTITIONS_MAX),
            replication_factor=1,
            configs=[CreatableTopicConfig(key, value) for key, value in configs.items()],
        )
        topic_id: Uuid | None = None
        while topic_id is None:
            try:
                response = await self._client.request(
                    CreateTopicsRequest(topics=[asked], timeout_ms=TIMEOUT_MS), CreateTopicsResponse, CREATE_TOPICS_VERSION
                )
            except NoAnswer:
                if self._scene.is_over:
                    return
                await back_off(dice)
                continue
            answer = response.topics[0]
            code = ErrorCode(answer.error_code)
            self._scene.note(self.name, f"create {name}", {"error": code.name, **configs})
            if code is ErrorCode.NONE:
                topic_id = answer.topic_id
            elif code is ErrorCode.TOPIC_ALREADY_EXISTS:
                # An earlier attempt was carried out and its answer lost.
                topic_id = (await self._topic_ids()).get(name)
            elif code in RETRIABLE or code is ErrorCode.INVALID_REPLICATION_FACTOR:
                # The one node that there is may be about to leave: then nobody is there to hold a replica.
                await back_off(dice)
            else:
                raise BrokenPromise("no nonsense", f"creating {name} was answered {code.name}: {answer.error_message}")
        partitions = [PartitionHistory(name, topic_id, index) for index in range(asked.num_partitions)]
        for partition in partitions:
            partition.may_inherit_start = former_name is not None
            if RETENTION_MS in configs:
                partition.retention_ms_min = int(configs[RETENTION_MS])
        topic = TopicHistory(name, topic_id, partitions, configs, 0 if configs.get(FLUSH_MESSAGES) == "1" else None)
        topic.is_name_shared = is_name_shared
        self._scene.topics.append(topic)
        self._on_topic(topic)

    async def _replace_topic(self) -> None:
        """Delete a topic and make another in its place."""
        living = self._scene.living_topics()
        if len(living) < 2:
            return
        topic = self._dice.choice(living)
        topic.is_delete_asked = True
        while not topic.is_deleted and not self._scene.is_over:
            request = DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=topic.topic_id)], timeout_ms=TIMEOUT_MS)
            try:
                response = await self._client.request(request, DeleteTopicsResponse, DELETE_TOPICS_VERSION)
            except NoAnswer:
                await back_off(self._dice)
                continue
            code = ErrorCode(response.responses[0].error_code)
            self._scene.note(self.name, f"delete {topic.name}", {"error": code.name})
            if code is ErrorCode.NONE or code in UNKNOWN:
                topic.is_deleted = True
            elif code in RETRIABLE:
                await back_off(self._dice)
            else:
                raise BrokenPromise("no nonsense", f"deleting {topic.name} was answered {code.name}")
        self._scene.count("topics deleted")
        if not self._scene.is_over:
            await self.create_topic(topic.name if topic.is_name_shared else None)

    async def _delete_records(self) -> None:
        """Move the log start of a partition to somewhere that is visible."""
        living = self._scene.living_topics()
        topic = self._dice.choice(living)
        partition = self._dice.choice(topic.partitions)
        if partition.visible_end <= partition.log_start:
            return
        offset = self._dice.randint(partition.log_start, partition.visible_end)
        if self._dice.random() < 0.2:
            offset = partition.visible_end
        asked = partition.moment()
        partition.delete_asked = max(partition.delete_asked, offset)
        part = DeleteRecordsPartition(partition.index, offset)
        request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(topic.name, [part])], timeout_ms=TIMEOUT_MS)
        response = await self._client.request(request, DeleteRecordsResponse, DELETE_RECORDS_VERSION)
        answer = response.topics[0].partitions[0]
        code = ErrorCode(answer.error_code)
        self._scene.note(self.name, f"delete records of {partition} before {offset}", {"error": code.name, "low": answer.low_watermark})
        if code is ErrorCode.NONE:
            self._scene.judge.start_told(partition, asked, answer.low_watermark, self._scene.now_ms)
            self._scene.count("records deleted")
        elif code in UNKNOWN:
            self._scene.check_unknown(topic, code)
        elif code is ErrorCode.OFFSET_OUT_OF_RANGE:
            self._scene.judge.out_of_range(partition, asked, offset, self._scene.now_ms)
        elif code not in RETRIABLE:
            raise BrokenPromise("no nonsense", f"deleting records of {partition} was answered {code.name}")

    async def _change_settings(self) -> None:
        """Give a topic another value for one of its settings."""
        topic = self._dice.choice(self._scene.living_topics())
        key = self._dice.choice(CHANGEABLE)
        value = self._dice.choice(CHOICES[key])
        if key == FLUSH_MESSAGES:
            topic.flushed_since = None
        changed = AlterConfigsResource(TOPIC_RESOURCE, topic.name, [AlterableConfig(key, SET, value)])
        response = await self._client.request(
            IncrementalAlterConfigsRequest(resources=[changed]), IncrementalAlterConfigsResponse, ALTER_CONFIGS_VERSION
        )
        code = ErrorCode(response.responses[0].error_code)
        self._scene.note(self.name, f"set {key}={value} of {topic.name}", {"error": code.name})
        if code is ErrorCode.NONE:
            topic.changes_count += 1
            if key == FLUSH_MESSAGES and value == "1":
                topic.flushed_since = topic.changes_count
        elif code in UNKNOWN:
            self._scene.check_unknown(topic, code)
        elif code not in RETRIABLE:
            raise BrokenPromise("no nonsense", f"setting {key} of {topic.name} was answered {code.name}")

    async def _look_at_topics(self) -> None:
        await self.check_topics()

    async def check_topics(self) -> None:
        """Every topic that was created is there, and none that was deleted.

        Raises:
            BrokenPromise: not so.
        """
        before = [(topic, topic.is_deleted) for topic in self._scene.topics]
        ids = await self._topic_ids()
        self._scene.note(self.name, "sees topics", {"names": ",".join(sorted(ids))})
        found = set(ids.values())
        for topic, was_deleted in before:
            if was_deleted and topic.topic_id in found:
                raise BrokenPromise("topics kept", f"{topic.name} was deleted and is there again")
            if not topic.is_delete_asked and topic.topic_id not in found:
                raise BrokenPromise("topics kept", f"{topic.name} was created and is not there")

    async def _topic_ids(self) -> dict[str, Uuid]:
        response = await self._client.request(MetadataRequest(topics=None), MetadataResponse, METADATA_VERSION)
        return {topic.name or "": topic.topic_id for topic in response.topics}
