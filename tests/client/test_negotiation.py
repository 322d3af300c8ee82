"""Which version is spoken: the greatest common one, within what the caller needs."""

from __future__ import annotations

import pytest

from odradek.client.core.negotiation import BrokerVersions, version_to_ask_again
from odradek.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse
from odradek.protocol.messages.offset_fetch import OffsetFetchRequest


@pytest.mark.parametrize(
    ("announced", "bounds", "expected"),
    [
        ((0, 99), {}, OffsetFetchRequest.VERSION_MAX),
        ((0, 7), {}, 7),
        ((0, 99), {"version_max": 9}, 9),
        ((0, 7), {"version_min": 8}, None),
        ((90, 99), {}, None),
        ((0, 0), {}, None),
    ],
)
def test_greatest_common_version_is_taken(announced: tuple[int, int], bounds: dict[str, int], expected: int | None) -> None:
    versions = BrokerVersions([ApiVersion(OffsetFetchRequest.API_KEY, *announced)])

    assert versions.greatest_common(OffsetFetchRequest, **bounds) == expected


def test_api_that_is_not_announced_has_no_version() -> None:
    assert BrokerVersions([]).greatest_common(OffsetFetchRequest) is None


@pytest.mark.parametrize(("announced", "expected"), [([ApiVersion(18, 0, 2)], 2), ([ApiVersion(18, 0, 9)], 4), ([], 0)])
def test_versions_are_asked_again_in_one_that_the_broker_knows(announced: list[ApiVersion], expected: int) -> None:
    """KIP-511: a broker answers an unknown version in version 0, with what it knows."""
    assert version_to_ask_again(ApiVersionsResponse(error_code=35, api_keys=announced)) == expected
