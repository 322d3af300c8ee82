"""A node that has nothing but settings: the handlers of the config APIs run against it, with a controller that decides at once.

What the controller decides is replayed into the image and published to the dynamic configuration, as a real node does after the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

from odradek.base.identifiers import Uuid
from odradek.broker.dynamic_configuration import DynamicConfiguration
from odradek.broker.handlers import alter_configs, describe_configs, incremental_alter_configs, list_config_resources
from odradek.broker.node import Node
from odradek.broker.request import RequestContext
from odradek.config.broker_settings_file import load_broker_settings
from odradek.config.resource_type import ResourceType
from odradek.controller.config_rules import ConfigRules
from odradek.controller.configs import decide_alter_configs, decide_incremental_alter_configs
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.internal_records.metadata import (
    BrokerEndpoint,
    ConfigRecord,
    FeatureLevelRecord,
    RegisterBrokerRecord,
    TopicRecord,
    UnfenceBrokerRecord,
)
from odradek.protocol.messages import alter_configs as legacy
from odradek.protocol.messages.alter_configs import AlterConfigsRequest
from odradek.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResult,
)
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
)
from odradek.protocol.messages.list_config_resources import ListConfigResourcesRequest, ListConfigResourcesResponse

NODE_ID = 1
MINIMAL_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listeners": "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:10092",
    "controller.listener.names": "CONTROLLER",
    "controller.quorum.voters": "1@127.0.0.1:10092",
    "log.dirs": "/data",
}


def context(api_version: int) -> RequestContext:
    """An envelope of which only the version matters."""
    return RequestContext(
        api_key=32,
        api_version=api_version,
        correlation_id=1,
        client_id=None,
        listener_name="PLAINTEXT",
        client_host="127.0.0.1",
        client_port=50_000,
        dialled_host="127.0.0.1",
        dialled_port=9092,
        connection_id=1,
    )


class DecidingController:
    """Decides changes of settings on the node's own image."""

    def __init__(self, node: ConfigNode) -> None:
        self._node = node

    async def request(self, message: object, context: RequestContext) -> object:
        rules = ConfigRules(self._node.configuration.static, NODE_ID)
        if isinstance(message, IncrementalAlterConfigsRequest):
            incremental = decide_incremental_alter_configs(self._node.image, message, rules)
            self._node.replay(*incremental.records)
            return incremental.response
        assert isinstance(message, AlterConfigsRequest)
        replacing = decide_alter_configs(self._node.image, message, rules)
        self._node.replay(*replacing.records)
        return replacing.response


class ConfigNode:
    """See the module. `properties` are put over a minimal server.properties."""

    def __init__(self, properties: Mapping[str, str] | None = None) -> None:
        self.node_id = NODE_ID
        self.configuration = DynamicConfiguration(load_broker_settings({**MINIMAL_PROPERTIES, **(properties or {})}), NODE_ID)
        self.image: MetadataImage = EMPTY_IMAGE
        self.controller = DecidingController(self)
        self.replay(
            RegisterBrokerRecord(broker_id=NODE_ID, end_points=[BrokerEndpoint(name="PLAINTEXT", host="h", port=9092)], fenced=True),
            UnfenceBrokerRecord(id=NODE_ID),
            # What a controller of 4.3 writes for a new cluster: eligible leader replicas, and the number they are judged by.
            FeatureLevelRecord(name="metadata.version", feature_level=30),
            FeatureLevelRecord(name="eligible.leader.replicas.version", feature_level=1),
            ConfigRecord(resource_type=ResourceType.BROKER, resource_name="", name="min.insync.replicas", value="1"),
        )

    @property
    def as_node(self) -> Node:
        """For functions that are typed for the real one."""
        return cast(Node, self)

    def endpoint_for(self, broker: object, context: RequestContext) -> tuple[str, int] | None:
        return ("h", 9092)

    def replay(self, *records: MetadataRecord) -> None:
        """Publish an image with `records` on top of the last one."""
        if not records:
            return
        delta = MetadataDelta(self.image)
        for record in records:
            delta.replay(record)
        self.image = delta.apply(self.image.offset + len(records), 1)
        self.configuration.on_metadata_update(delta, self.image)

    def create_topic(self, name: str, **overrides: str) -> None:
        """A topic; `_` in the names of overrides stands for `.`."""
        topic_id = Uuid(name.encode().ljust(16, b"\x00")[:16])
        self.replay(
            TopicRecord(name=name, topic_id=topic_id),
            *(
                ConfigRecord(resource_type=ResourceType.TOPIC, resource_name=name, name=key.replace("_", "."), value=value)
                for key, value in overrides.items()
            ),
        )

    def describe(
        self, resource_type: int, name: str, *keys: str, synonyms: bool = True, documentation: bool = False
    ) -> DescribeConfigsResult:
        """The answer of DescribeConfigs for one resource."""
        request = DescribeConfigsRequest(
            resources=[DescribeConfigsResource(resource_type, name, list(keys) or None)],
            include_synonyms=synonyms,
            include_documentation=documentation,
        )
        return describe_configs.handle(self.as_node, request, context(4)).results[0]

    def entry(self, resource_type: int, name: str, key: str) -> DescribeConfigsResourceResult:
        """One setting of one resource."""
        (entry,) = self.describe(resource_type, name, key).configs
        return entry

    def alter_all(self, *resources: AlterConfigsResource, validate_only: bool = False) -> list[AlterConfigsResourceResponse]:
        """The answers of IncrementalAlterConfigs."""
        request = IncrementalAlterConfigsRequest(resources=list(resources), validate_only=validate_only)
        return asyncio.run(incremental_alter_configs.handle(self.as_node, request, context(1))).responses

    def alter(
        self, resource_type: int, name: str, *changes: tuple[str, int, str | None], validate_only: bool = False
    ) -> tuple[int, str | None]:
        """Code and message of IncrementalAlterConfigs for one resource; each change is a name, an operation and a value."""
        resource = AlterConfigsResource(resource_type, name, [AlterableConfig(*change) for change in changes])
        (response,) = self.alter_all(resource, validate_only=validate_only)
        return response.error_code, response.error_message

    def replace(self, resource_type: int, name: str, **values: str | None) -> tuple[int, str | None]:
        """Code and message of AlterConfigs for one resource; `_` in names stands for `.`."""
        configs = [legacy.AlterableConfig(key.replace("_", "."), value) for key, value in values.items()]
        request = AlterConfigsRequest(resources=[legacy.AlterConfigsResource(resource_type, name, configs)])
        (response,) = asyncio.run(alter_configs.handle(self.as_node, request, context(2))).responses
        return response.error_code, response.error_message

    def list_resources(self, *resource_types: int, api_version: int = 1) -> ListConfigResourcesResponse:
        """The answer of ListConfigResources."""
        request = ListConfigResourcesRequest(resource_types=list(resource_types))
        return list_config_resources.handle(self.as_node, request, context(api_version))
