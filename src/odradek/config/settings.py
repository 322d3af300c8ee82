"""The values of a table's settings, under typed keys: `settings[LOG_SEGMENT_BYTES]` is an `int`.

A `Settings` is immutable. What is not given has its default; what is given was parsed and validated once, when the value was made. The
text of every given value is kept as well, because DescribeConfigs answers with the text and not with its meaning.

Listeners may have settings of their own (`listener.name.<name in lower case>.<setting>`): `of_listener` looks there first.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from odradek.config.setting import Setting

T = TypeVar("T")

LISTENER_PREFIX = "listener.name."


class Settings:
    """Typed values of one table."""

    __slots__ = ("_given", "_values")

    def __init__(self, values: Mapping[str, object] | None = None, given: Mapping[str, str] | None = None) -> None:
        """`values` are parsed values by name; `given` is the text of each value that did not come from the table's default."""
        self._values = dict(values or {})
        self._given = MappingProxyType(dict(given or {}))

    @classmethod
    def of(cls, table: Mapping[str, Setting[object]], given: Mapping[str, str]) -> Settings:
        """Parse `given`, which holds only names of the table or names under a prefix that others read.

        Raises:
            SettingError: a value is not allowed.
        """
        values = {name: table[name].parse(text) for name, text in given.items() if name in table}
        return cls(values, given)

    def __getitem__(self, setting: Setting[T]) -> T:
        # A value enters this mapping only through the same setting's `parse`, so it has the setting's type.
        return self._values.get(setting.name, setting.default)  # type: ignore[return-value]

    @property
    def given(self) -> Mapping[str, str]:
        """The text of every value that is not a default, by name."""
        return self._given

    def is_given(self, setting: Setting[object]) -> bool:
        """Whether the value was given, even if it equals the default."""
        return setting.name in self._given

    def of_listener(self, listener_name: str, setting: Setting[T]) -> T:
        """The listener's own value of `setting`, or the node's when it has none.

        Raises:
            SettingError: the listener's value is not allowed.
        """
        own = self._given.get(f"{LISTENER_PREFIX}{listener_name.lower()}.{setting.name}")
        return self[setting] if own is None else setting.parse(own)

    def with_given(self, table: Mapping[str, Setting[object]], given: Mapping[str, str]) -> Settings:
        """These settings with further values on top.

        Raises:
            SettingError: a value is not allowed.
        """
        return Settings.of(table, {**self._given, **given})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self._given == other._given and self._values == other._values

    def __hash__(self) -> int:
        return hash(frozenset(self._given.items()))

    def __repr__(self) -> str:
        return f"Settings({', '.join(sorted(self._given))})"
