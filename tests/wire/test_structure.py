"""What generated classes share."""

from __future__ import annotations

import pytest

from odradek.protocol.messages.fetch import FetchRequest, FetchTopic, PartitionData
from odradek.protocol.messages.share_fetch import FetchTopic as ShareFetchTopic
from odradek.wire.structure import fields_of


def test_structures_are_equal_when_class_and_fields_are() -> None:
    assert FetchTopic("a") == FetchTopic(topic="a")
    assert FetchTopic("a") != FetchTopic("b")
    assert FetchTopic() != ShareFetchTopic()


def test_structures_are_mutable_and_have_no_hash() -> None:
    with pytest.raises(TypeError):
        hash(FetchTopic())


def test_defaults_that_can_change_are_not_shared() -> None:
    first, second = FetchRequest(), FetchRequest()
    first.topics.append(FetchTopic())
    assert second.topics == []
    assert PartitionData().current_leader is not PartitionData().current_leader


def test_structure_has_no_other_attributes_than_its_fields() -> None:
    with pytest.raises(AttributeError):
        FetchTopic().partition = []  # type: ignore[attr-defined]


def test_structure_prints_and_lists_its_fields_in_order() -> None:
    topic = FetchTopic("a")
    assert list(fields_of(topic)) == ["topic", "topic_id", "partitions"]
    assert repr(topic) == f"FetchTopic(topic='a', topic_id={bytes(16)!r}, partitions=[])"
