"""Cordoned log directories (KIP-1066): what is in them stays and is served, and nothing new comes."""

from __future__ import annotations

from odradek.base.error_codes import ErrorCode
from odradek.config.resource_type import ResourceType
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from tests.broker.sick_node import SickNode, tell
from tests.broker.test_failed_directory import TWO, partitions_by_directory

CORDONED = "cordoned.log.dirs"
SET, DELETE = 0, 1


async def cordon(node: SickNode, value: str | None) -> int:
    """Set what is cordoned on the broker, None for nothing; the error code."""
    change = AlterableConfig(name=CORDONED, config_operation=DELETE if value is None else SET, value=value)
    resource = AlterConfigsResource(resource_type=ResourceType.BROKER, resource_name="1", configs=[change])
    response = await node.ask(IncrementalAlterConfigsRequest(resources=[resource]), IncrementalAlterConfigsResponse, 1)
    return response.responses[0].error_code


async def cordoned(node: SickNode) -> dict[str, bool]:
    return {path: result.is_cordoned for path, result in (await node.directories()).items()}


def test_new_partitions_avoid_a_cordoned_directory_and_old_ones_are_served() -> None:
    async def story(node: SickNode) -> None:
        await node.create("before", partitions=4)
        assert await cordon(node, "/other") == 0
        assert await cordoned(node) == {"/data": False, "/other": True}
        await node.create("after", partitions=4)
        assert await partitions_by_directory(node, "after") == {"/data": [0, 1, 2, 3], "/other": []}
        assert [len(indexes) for indexes in (await partitions_by_directory(node, "before")).values()] == [2, 2]
        for index in range(4):
            assert await node.produce("before", b"x", index=index) == (0, 0)

        assert await cordon(node, None) == 0
        assert await cordoned(node) == {"/data": False, "/other": False}
        await node.create("last", partitions=4)
        assert (await partitions_by_directory(node, "last"))["/other"] == [0, 1, 2, 3]

    tell(story, log_dirs=TWO)


def test_topic_is_refused_when_every_directory_is_cordoned_and_taken_as_soon_as_one_is_not() -> None:
    async def story(node: SickNode) -> None:
        assert await cordon(node, "*") == 0
        assert await cordoned(node) == {"/data": True, "/other": True}

        async def is_refused() -> bool:
            return await node.create("refused") == ErrorCode.INVALID_REPLICATION_FACTOR

        await node.until(is_refused)
        topic = CreatableTopic(name="refused", num_partitions=1, replication_factor=1)
        response = await node.ask(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7)
        assert response.topics[0].error_message == (
            "Unable to replicate the partition 1 time(s): All brokers are currently fenced, or have all their log directories cordoned."
        )
        assert await cordon(node, "/data") == 0

        async def is_taken() -> bool:
            return await node.create("taken") == 0

        await node.until(is_taken)
        assert (await partitions_by_directory(node, "taken"))["/other"] == [0]

    tell(story, log_dirs=TWO)


def test_cordon_holds_from_the_start_and_a_directory_that_is_none_is_refused() -> None:
    async def story(node: SickNode) -> None:
        assert await cordoned(node) == {"/data": True, "/other": False}
        await node.create("orders", partitions=3)
        assert (await partitions_by_directory(node, "orders"))["/other"] == [0, 1, 2]
        assert await cordon(node, "/elsewhere") == ErrorCode.INVALID_REQUEST
        assert await cordoned(node) == {"/data": True, "/other": False}
        await node.node.stop()
        await node.restart()
        assert await cordoned(node) == {"/data": True, "/other": False}

    tell(story, log_dirs=TWO, cordoned_log_dirs="/data")
