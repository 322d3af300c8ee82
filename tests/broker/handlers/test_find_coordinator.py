"""Kinds of keys that FindCoordinator knows. Groups are in tests/broker/test_groups.py, transactions in test_transactions.py."""

from __future__ import annotations

import pytest

from odradek.broker.handlers import find_coordinator
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from tests.broker.small_node import SmallNode


def find(version: int, key_type: int, *keys: str) -> FindCoordinatorResponse:
    node = SmallNode()
    request = FindCoordinatorRequest(key_type=key_type)
    if version >= 4:
        request.coordinator_keys = list(keys)
    else:
        (request.key,) = keys
    response = find_coordinator.handle(node.as_node, request, node.context(10, version))
    assert isinstance(response, FindCoordinatorResponse)
    out = bytearray()
    response.encode(out, version)
    return FindCoordinatorResponse.decode(bytes(out), 0, version)[0]


@pytest.mark.parametrize(("version", "key_type", "error"), [(5, 2, 42), (6, 2, 15), (6, 3, 42), (3, 9, 42)])
def test_kind_of_key_must_exist_in_the_version(version: int, key_type: int, error: int) -> None:
    response = find(version, key_type, "group:topic:0")

    assert {response.error_code, *(it.error_code for it in response.coordinators)} - {0} == {error}
