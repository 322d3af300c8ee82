"""Log levels as clients see and change them (KIP-412)."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from odradek.base.errors import RequestRefused
from odradek.broker.log_levels import change_levels, levels
from odradek.config.resource_type import AlterOperation, ConfigSource, ResourceType
from odradek.protocol.messages.incremental_alter_configs import AlterableConfig
from tests.config.config_node import ConfigNode

SET, DELETE = AlterOperation.SET, AlterOperation.DELETE
LOGGER = "odradek.broker.example"


@pytest.fixture(autouse=True)
def _levels_as_before() -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in ("odradek", LOGGER)}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


def test_level_that_is_set_acts_and_one_that_is_deleted_is_the_parents() -> None:
    logging.getLogger("odradek").setLevel(logging.WARNING)

    change_levels(1, "1", [AlterableConfig(LOGGER, SET, "DEBUG")], is_validation=False)
    assert logging.getLogger(LOGGER).getEffectiveLevel() == logging.DEBUG
    assert levels()[LOGGER] == "DEBUG"

    change_levels(1, "1", [AlterableConfig(LOGGER, DELETE, None)], is_validation=False)
    assert levels()[LOGGER] == levels()["root"] == "WARN"


def test_root_is_above_all_loggers_of_the_node() -> None:
    change_levels(1, "1", [AlterableConfig("root", SET, "ERROR")], is_validation=False)

    assert logging.getLogger("odradek").level == logging.ERROR
    assert "odradek" not in levels()


def test_nothing_is_changed_when_one_change_is_wrong_or_only_asked_about() -> None:
    logging.getLogger(LOGGER).setLevel(logging.INFO)
    changes = [AlterableConfig(LOGGER, SET, "DEBUG"), AlterableConfig(LOGGER, SET, "LOUD")]

    with pytest.raises(RequestRefused):
        change_levels(1, "1", changes, is_validation=False)
    change_levels(1, "1", changes[:1], is_validation=True)

    assert logging.getLogger(LOGGER).level == logging.INFO


def test_levels_are_described_as_settings_and_never_stored() -> None:
    node = ConfigNode()

    assert node.alter(ResourceType.BROKER_LOGGER, "1", (LOGGER, SET, "TRACE")) == (0, None)

    entry = node.entry(ResourceType.BROKER_LOGGER, "1", LOGGER)
    assert (entry.value, entry.config_source, entry.read_only) == ("TRACE", ConfigSource.DYNAMIC_BROKER_LOGGER, False)
    assert node.image.configs.names(ResourceType.BROKER_LOGGER) == []
