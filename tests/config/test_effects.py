"""A setting that is said to act is read by something; one that nothing reads is said to be inert, so that the operator is told.

Reading means that the constant's name stands in the source outside the tables. Settings that topics inherit are read through
`topic_log_configuration`, so that the topic's row and the broker's have to say the same.
"""

from __future__ import annotations

import re
from pathlib import Path

import odradek
from odradek.config.broker import BROKER_SETTINGS
from odradek.config.precedence import SYNONYMS
from odradek.config.setting import Effect
from odradek.config.topic import TOPIC_SETTINGS
from odradek.config.topic_synonyms import TOPIC_SYNONYMS

SOURCE = Path(odradek.__file__).parent
# Modules that name settings without acting on them: the tables, and the rules between settings.
NAMING_ONLY = {"broker_contradictions.py", "broker_dynamic.py", "broker_settings_file.py", "topic_synonyms.py"}
# What stands for a decision of the operator that the node checks at its start and then has no more use for.
DECLARATIONS = {"broker.id", "controller.quorum.voters", "controller.quorum.bootstrap.servers", "process.roles"}


def words_of_the_source() -> set[str]:
    words: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if path.name not in NAMING_ONLY and not path.name.endswith("_settings.py") and "protocol" not in path.parts:
            words |= set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", path.read_text()))
    return words


def behind_topics() -> dict[str, str]:
    """Broker settings that topics inherit, with the topic's setting."""
    return {synonym.setting.name: topic for topic, synonyms in TOPIC_SYNONYMS.items() for synonym in synonyms}


def test_setting_that_acts_is_read_by_something() -> None:
    words = words_of_the_source()
    inherited = behind_topics()

    unread = [
        name
        for name, setting in BROKER_SETTINGS.items()
        if setting.acts and name not in inherited and name not in DECLARATIONS and name.upper().replace(".", "_") not in words
    ]

    assert unread == []


def test_setting_that_nothing_acts_on_is_read_by_nothing() -> None:
    words = words_of_the_source()
    inherited = behind_topics()
    of_several_names = {name for names in SYNONYMS for name in names}

    read = [
        name
        for name, setting in BROKER_SETTINGS.items()
        if setting.effect is Effect.INERT
        and name not in inherited
        and name not in of_several_names
        and not name.startswith(("group.", "log.cleaner."))
        and name.upper().replace(".", "_") in words
    ]

    assert read == []


def test_broker_setting_acts_exactly_when_the_topic_setting_that_inherits_it_does() -> None:
    differing = {
        broker: topic for broker, topic in behind_topics().items() if BROKER_SETTINGS[broker].acts is not TOPIC_SETTINGS[topic].acts
    }

    assert differing == {}
