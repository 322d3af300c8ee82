"""Encoded topics are the bytes that encoding anew would give, for as long as nothing they show has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from odradek.base.identifiers import Uuid
from odradek.broker import encoded_topics
from odradek.broker.encoded_topics import EncodedTopics, View
from odradek.metadata.cluster import ClusterImage
from odradek.metadata.topics import TopicImage
from odradek.protocol.messages.metadata import MetadataResponse, MetadataResponseTopic

VIEW = View("PLAINTEXT", 13, False)
CLUSTER = ClusterImage()


class Kitchen:
    """Builds topics and counts how often it had to."""

    def __init__(self) -> None:
        self.built: list[str] = []

    def build(self, topic: TopicImage) -> MetadataResponseTopic:
        self.built.append(topic.name)
        return MetadataResponseTopic(name=topic.name, topic_id=topic.id)


def topic_named(name: str) -> TopicImage:
    return TopicImage(name, Uuid(name.encode().ljust(16, b"-")), {})


def encoded(topic: MetadataResponseTopic, version: int) -> bytes:
    out = bytearray()
    MetadataResponse(topics=[topic]).encode(out, version)
    return bytes(out)


@pytest.mark.parametrize("version", range(14))
def test_the_bytes_are_those_of_the_topic_itself(version: int) -> None:
    kitchen, topics, topic = Kitchen(), EncodedTopics(), topic_named("orders")
    for _ in range(2):
        known = topics.topic(View("PLAINTEXT", version, False), topic, CLUSTER, kitchen.build)
        assert encoded(known, version) == encoded(MetadataResponseTopic(name="orders", topic_id=topic.id), version)
    assert kitchen.built == ["orders"]


def test_each_view_has_bytes_of_its_own() -> None:
    kitchen, topics, topic = Kitchen(), EncodedTopics(), topic_named("orders")
    views = [VIEW, View("INTERNAL", 13, False), View("PLAINTEXT", 12, False), View("PLAINTEXT", 13, True)]
    for view in [*views, *views]:
        topics.topic(view, topic, CLUSTER, kitchen.build)
    assert len(kitchen.built) == len(views)


def test_a_changed_topic_is_made_anew_and_another_one_is_not() -> None:
    kitchen, topics = Kitchen(), EncodedTopics()
    orders, other = topic_named("orders"), topic_named("other")
    for topic in (orders, other, replace(orders), other):
        topics.topic(VIEW, topic, CLUSTER, kitchen.build)
    assert kitchen.built == ["orders", "other", "orders"]


def test_changed_brokers_make_everything_anew() -> None:
    kitchen, topics, topic = Kitchen(), EncodedTopics(), topic_named("orders")
    topics.topic(VIEW, topic, CLUSTER, kitchen.build)
    topics.topic(VIEW, topic, ClusterImage(), kitchen.build)
    assert kitchen.built == ["orders", "orders"]


def test_what_is_kept_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    kitchen, topics = Kitchen(), EncodedTopics()
    size = len(encoded(MetadataResponseTopic(name="topic-00", topic_id=topic_named("topic-00").id), 13))
    monkeypatch.setattr(encoded_topics, "ENCODED_TOPICS_BYTES", 3 * size)
    for index in range(50):
        topics.topic(VIEW, topic_named(f"topic-{index:02}"), CLUSTER, kitchen.build)
    assert topics.bytes_kept <= 3 * size
    kitchen.built.clear()
    topics.topic(VIEW, topic_named("topic-00"), CLUSTER, kitchen.build)
    assert kitchen.built == ["topic-00"]


def test_a_topic_larger_than_the_limit_is_answered_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kitchen, topics, topic = Kitchen(), EncodedTopics(), topic_named("orders")
    monkeypatch.setattr(encoded_topics, "ENCODED_TOPICS_BYTES", 3)
    known = topics.topic(VIEW, topic, CLUSTER, kitchen.build)
    assert encoded(known, 13) == encoded(MetadataResponseTopic(name="orders", topic_id=topic.id), 13)
    assert topics.bytes_kept == 0
