"""Which version of an API a client speaks with one broker: the greatest that both know (KIP-35)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from odradek.protocol.message import Message
from odradek.protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse


@final
class BrokerVersions:
    """What one broker has announced."""

    __slots__ = ("_range_by_key",)

    def __init__(self, announced: Iterable[ApiVersion]) -> None:
        self._range_by_key = {api.api_key: (api.min_version, api.max_version) for api in announced}

    def greatest_common(self, request_type: type[Message], *, version_min: int = 0, version_max: int | None = None) -> int | None:
        """The version to use, within the bounds that a caller needs; None where there is none in common."""
        announced = self._range_by_key.get(request_type.API_KEY)
        if announced is None:
            return None
        least = max(announced[0], request_type.VERSION_MIN, version_min)
        greatest = min(announced[1], request_type.VERSION_MAX if version_max is None else version_max)
        return greatest if least <= greatest else None


def version_to_ask_again(response: ApiVersionsResponse) -> int:
    """In which version ApiVersions is asked of a broker that does not know ours and has said, in version 0, what it does know (KIP-511)."""
    known = BrokerVersions(response.api_keys).greatest_common(ApiVersionsRequest)
    return 0 if known is None else known
