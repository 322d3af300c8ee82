"""The settings tables against the facts of Apache Kafka 4.3.1, row by row, in both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from odradek.config.broker import BROKER_SETTINGS
from odradek.config.client_metrics import CLIENT_METRICS_SETTINGS
from odradek.config.group import GROUP_SETTINGS
from odradek.config.setting import DynamicScope, Effect, Setting
from odradek.config.topic import TOPIC_SETTINGS

TABLES: Mapping[str, Mapping[str, Setting[object]]] = {
    "broker": BROKER_SETTINGS,
    "topic": TOPIC_SETTINGS,
    "group": GROUP_SETTINGS,
    "client-metrics": CLIENT_METRICS_SETTINGS,
}


def facts() -> list[list[str]]:
    lines = (Path(__file__).parent / "kafka_settings.tsv").read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def row_of(table: str, setting: Setting[object]) -> list[str]:
    """A row in the notation of the facts."""
    default = "!" if setting.is_required else "-" if setting.default is None else f"={setting.default_text}"
    is_dynamic = table == "broker" and setting.scope is not DynamicScope.READ_ONLY
    return [
        table,
        setting.name,
        setting.type.name,
        default,
        setting.importance.name,
        setting.scope.value if is_dynamic else "-",
        "internal" if setting.is_internal else "-",
        setting.allowed or "-",
    ]


def test_every_row_says_what_kafka_says_and_none_is_missing_or_invented() -> None:
    ours = [row_of(table, setting) for table, rows in TABLES.items() for setting in rows.values()]

    assert sorted(ours) == sorted(facts())


@pytest.mark.parametrize("table", TABLES)
def test_tables_are_in_alphabetical_order(table: str) -> None:
    assert list(TABLES[table]) == sorted(TABLES[table])


@pytest.mark.parametrize("setting", [setting for rows in TABLES.values() for setting in rows.values()], ids=lambda setting: setting.name)
def test_default_of_a_setting_is_allowed_and_survives_being_written_and_read(setting: Setting[object]) -> None:
    text = setting.default_text
    if text is None:
        return

    assert setting.parse(text) == setting.default


@pytest.mark.parametrize("setting", [setting for rows in TABLES.values() for setting in rows.values()], ids=lambda setting: setting.name)
def test_setting_is_described_by_one_short_sentence(setting: Setting[object]) -> None:
    assert re.fullmatch(r"[A-Z].{10,180}\.", setting.doc), setting.doc


def test_settings_that_guard_something_are_refused_rather_than_ignored() -> None:
    refused = {name for name, setting in BROKER_SETTINGS.items() if setting.effect is Effect.REFUSED}

    assert {"authorizer.class.name", "config.providers", "client.quota.callback.class", "remote.log.storage.system.enable"} <= refused


def test_secrets_are_known_by_their_type() -> None:
    assert BROKER_SETTINGS["ssl.key.password"].is_sensitive
    assert not BROKER_SETTINGS["ssl.keystore.location"].is_sensitive
