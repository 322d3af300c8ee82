"""One setting: its name in Kafka, its type, its default, which values it may have, and what changing it does here.

A `Setting` is a row of a table and the typed key into `Settings` at once: `settings[LOG_SEGMENT_BYTES]` is an `int` for the type
checker. The tables (`broker`, `topic`, `group`, `client_metrics`) are the only place where a name or a default is written; parsing,
validation, DescribeConfigs and the reference page all come from them.

`effect` says what this version does with a value that is not the default: it ACTS, it is INERT (accepted, and the operator is told
at the start that it changes nothing yet), or it is REFUSED, because leaving it without effect would be dangerous.

Leaves to others: which source of a value wins (`settings`, `broker.dynamic_configuration`), and how a row looks on the wire
(`describe`).
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Generic, TypeVar, final

from odradek.base.errors import SettingError
from odradek.config.validators import Elements, Validator
from odradek.config.value_text import SettingType, format_value, parse_value

T = TypeVar("T", covariant=True)


class Importance(IntEnum):
    """How likely it is that an operator has to think about a setting."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


class DynamicScope(Enum):
    """Whether a broker setting can change while the node runs, and for whom."""

    READ_ONLY = "read-only"
    PER_BROKER = "per-broker"
    CLUSTER_WIDE = "cluster-wide"


class Effect(Enum):
    """What this version does with a value that differs from the default."""

    ACTS = "acts"
    INERT = "inert"
    REFUSED = "refused"


@final
class Setting(Generic[T]):
    """A row of a settings table. `default` is a parsed value; None means that Kafka has no value unless one is given.

    Written out instead of a dataclass: four hundred rows are made at every start.
    """

    __slots__ = ("default", "doc", "effect", "importance", "is_internal", "is_required", "name", "scope", "type", "validator")

    def __init__(
        self,
        name: str,
        type_: SettingType,
        default: T,
        doc: str,
        importance: Importance,
        scope: DynamicScope,
        effect: Effect,
        validator: Validator | None,
        is_internal: bool,
        is_required: bool,
    ) -> None:
        self.name = name
        self.type = type_
        self.default = default
        self.doc = doc
        self.importance = importance
        self.scope = scope
        self.effect = effect
        self.validator = validator
        self.is_internal = is_internal
        self.is_required = is_required

    def __repr__(self) -> str:
        return f"Setting({self.name})"

    @property
    def acts(self) -> bool:
        """Whether changing the value changes what this version does."""
        return self.effect is Effect.ACTS

    @property
    def is_sensitive(self) -> bool:
        """Whether the value is a secret that no answer may contain."""
        return self.type is SettingType.PASSWORD

    @property
    def is_dynamic(self) -> bool:
        """Whether the value can change while the node runs."""
        return self.scope is not DynamicScope.READ_ONLY

    @property
    def allowed(self) -> str:
        """The values that are allowed, as an operator reads them; empty when the type says it all."""
        return str(self.validator) if self.validator is not None else ""

    @property
    def default_text(self) -> str | None:
        """The default as it would be written in a file, or None when there is none."""
        return None if self.is_required else format_value(self.type, self.default)

    def parse(self, text: str) -> T:
        """The value that `text` spells.

        Raises:
            SettingError: the text is not of the setting's type, or the value is not allowed.
        """
        value = parse_value(self.name, self.type, text)
        if isinstance(value, tuple) and isinstance(self.validator, Elements):
            # Kafka drops duplicates of a list before it validates it (`ConfigDef.parseValue`).
            value = tuple(dict.fromkeys(value))
        self.check(value)
        # The type of a row and its T are tied together by the constructors in `declaration`, which are the only makers of rows.
        return value  # type: ignore[return-value]

    def check(self, value: object) -> None:
        """Refuse a parsed value that is not allowed.

        Raises:
            SettingError: the sentence that says what is allowed.
        """
        if self.validator is None:
            return
        complaint = self.validator.complaint(self.name, value)
        if complaint is not None:
            raise SettingError(complaint)

    def format(self, value: object) -> str | None:
        """A parsed value as text, in the spelling a Java node gives it."""
        return format_value(self.type, value)
