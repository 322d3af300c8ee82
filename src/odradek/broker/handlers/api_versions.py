"""ApiVersions: which APIs this node serves, and what the cluster has agreed on (KIP-511, KIP-584).

The table is that of a 4.3 node to the letter, because clients draw conclusions from ranges (librdkafka turns features off). The telemetry
APIs are served but not announced, as in Kafka without a receiver for metrics.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from odradek.base.error_codes import ErrorCode
from odradek.broker.controller_listeners import is_for_controller
from odradek.metadata.feature_levels import SUPPORTED_FEATURES
from odradek.protocol.apis import API_BY_KEY, API_VERSIONS_KEY, ApiEntry
from odradek.protocol.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext

UNANNOUNCED_KEYS = frozenset({71, 72})
NAMES_SOFTWARE_SINCE = 3
# Before this version clients took a feature with level 0 for a mistake (KIP-1022).
KNOWS_LEVEL_ZERO_SINCE = 4
_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?", re.ASCII)


def handle(node: Node, request: ApiVersionsRequest, context: RequestContext) -> ApiVersionsResponse:
    """All that is served on the listener the client came in on."""
    if context.api_version >= NAMES_SOFTWARE_SINCE and not _names_software(request):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    return ApiVersionsResponse(
        api_keys=announced_versions(for_controller=is_for_controller(node, context)),
        supported_features=[
            SupportedFeatureKey(name=name, min_version=levels.minimum, max_version=levels.maximum)
            for name, levels in SUPPORTED_FEATURES.items()
            if levels.minimum > 0 or context.api_version >= KNOWS_LEVEL_ZERO_SINCE
        ],
        finalized_features_epoch=node.image.offset,
        finalized_features=[
            FinalizedFeatureKey(name=name, max_version_level=level, min_version_level=level)
            for name, level in node.image.finalized_levels().items()
        ],
    )


def unsupported_version_response() -> ApiVersionsResponse:
    """The answer, in version 0, to a version that is not served: it names the versions of this API that are."""
    return ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[_announced(API_BY_KEY[API_VERSIONS_KEY])])


def announced_versions(*, for_controller: bool) -> list[ApiVersion]:
    """The table of one kind of listener, by key."""
    return [
        _announced(entry)
        for entry in API_BY_KEY.values()
        if (entry.is_on_controller if for_controller else entry.is_on_broker) and entry.key not in UNANNOUNCED_KEYS
    ]


def _announced(entry: ApiEntry) -> ApiVersion:
    return ApiVersion(api_key=entry.key, min_version=entry.advertised_min, max_version=entry.version_max)


def _names_software(request: ApiVersionsRequest) -> bool:
    return bool(_SOFTWARE.fullmatch(request.client_software_name) and _SOFTWARE.fullmatch(request.client_software_version))
