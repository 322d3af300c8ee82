"""Stored settings in the metadata image: what was replayed is what is there, and a snapshot holds all of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from odradek.config.resource_type import ResourceType
from odradek.metadata.configs import NO_CONFIGS, ConfigResource, ConfigsDelta, ConfigsImage
from odradek.protocol.internal_records.metadata import ConfigRecord

RECORDS = st.builds(
    ConfigRecord,
    resource_type=st.sampled_from([2, 4, 16, 32, 99]),
    resource_name=st.sampled_from(["", "1", "orders"]),
    name=st.sampled_from(["retention.ms", "cleanup.policy", "unknown"]),
    value=st.one_of(st.none(), st.text(max_size=3)),
)


def replayed(*records: ConfigRecord, before: ConfigsImage = NO_CONFIGS) -> ConfigsImage:
    delta = ConfigsDelta(before)
    for record in records:
        delta.replay_config(record)
    return delta.apply()


def set_topic(name: str, setting: str, value: str | None) -> ConfigRecord:
    return ConfigRecord(resource_type=ResourceType.TOPIC, resource_name=name, name=setting, value=value)


def test_record_sets_a_value_and_a_null_removes_it() -> None:
    image = replayed(set_topic("a", "retention.ms", "1"), set_topic("a", "segment.ms", "2"), set_topic("a", "retention.ms", None))

    assert image.of_topic("a") == {"segment.ms": "2"}
    assert image.of_topic("b") == {}


def test_resource_without_settings_is_not_in_the_image() -> None:
    image = replayed(set_topic("a", "retention.ms", "1"), set_topic("a", "retention.ms", None))

    assert image == NO_CONFIGS
    assert image.names(ResourceType.TOPIC) == []


def test_deleted_topic_takes_its_settings_with_it() -> None:
    before = replayed(set_topic("a", "retention.ms", "1"), set_topic("b", "retention.ms", "1"))
    delta = ConfigsDelta(before)

    delta.remove_topic("a")

    assert delta.apply().names(ResourceType.TOPIC) == ["b"]


def test_delta_tells_of_a_resource_whose_value_stayed_the_same() -> None:
    delta = ConfigsDelta(replayed(set_topic("a", "retention.ms", "1")))

    delta.replay_config(set_topic("a", "retention.ms", "1"))

    assert delta.is_changed(ResourceType.TOPIC, "a")
    assert delta.changed == {ConfigResource(ResourceType.TOPIC, "a"): {"retention.ms": "1"}}
    assert delta.changed_topics == ["a"]


def test_image_without_changes_is_the_same_object() -> None:
    before = replayed(set_topic("a", "retention.ms", "1"))

    assert ConfigsDelta(before).apply() is before


@given(st.lists(RECORDS, max_size=30), st.lists(RECORDS, max_size=10))
def test_records_of_an_image_make_the_same_image(first: list[ConfigRecord], second: list[ConfigRecord]) -> None:
    image = replayed(*second, before=replayed(*first))

    assert replayed(*image.records()) == image
    assert image == replayed(*first, *second)
