"""What a topic may be called.

Names end up in directory names and in metric names. The second makes `.` and `_` the same character, so two topics that differ only there
are refused (`org.apache.kafka.common.internals.Topic`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from odradek.metadata.topics import TopicsDelta

NAME_LENGTH_MAX = 249
GROUP_METADATA_TOPIC = "__consumer_offsets"
TRANSACTION_STATE_TOPIC = "__transaction_state"
INTERNAL_TOPICS = frozenset({GROUP_METADATA_TOPIC, TRANSACTION_STATE_TOPIC, "__share_group_state"})
_LEGAL_NAME = re.compile(r"[a-zA-Z0-9._-]+", re.ASCII)


def topic_name_complaint(name: str) -> str | None:
    """What is wrong with `name`, in the words clients know; None when nothing is."""
    if not name:
        return "Topic name is invalid: the empty string is not allowed"
    if name in (".", ".."):
        return f"Topic name is invalid: '{name}' is not allowed"
    if len(name) > NAME_LENGTH_MAX:
        return f"Topic name is invalid: the length of '{name}' is longer than the max allowed length {NAME_LENGTH_MAX}"
    if _LEGAL_NAME.fullmatch(name) is None:
        return f"Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    return None


def is_internal_topic(name: str) -> bool:
    """Whether the cluster keeps its own state in the topic."""
    return name in INTERNAL_TOPICS


class TopicNameCollisions:
    """Existing names by their form with every `.` as `_`; names with neither character cannot collide and are not kept."""

    __slots__ = ("_names_by_form",)

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names_by_form: dict[str, set[str]] = {}
        for name in names:
            self._add(name)

    def colliding_with(self, name: str) -> str | None:
        """An existing topic, perhaps `name` itself, that cannot stand beside `name`."""
        if "." not in name and "_" not in name:
            return None
        names = self._names_by_form.get(_form(name))
        return min(names) if names else None

    def follow(self, delta: TopicsDelta) -> None:
        """Take in what a committed change of the topics did."""
        for deleted in delta.deleted_topics.values():
            names = self._names_by_form.get(_form(deleted.name))
            if names is not None:
                names.discard(deleted.name)
                if not names:
                    del self._names_by_form[_form(deleted.name)]
        for changed in delta.changed_topics.values():
            if changed.before is None:
                self._add(changed.name)

    def _add(self, name: str) -> None:
        if "." in name or "_" in name:
            self._names_by_form.setdefault(_form(name), set()).add(name)


def _form(name: str) -> str:
    return name.replace(".", "_")
