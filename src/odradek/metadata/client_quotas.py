"""Client quotas: limits by user, client id or address, each as a number under a key (KIP-546).

An entity is a set of (type, name) pairs; a name of None is the default entity of that type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from odradek.protocol.internal_records.metadata import ClientQuotaRecord, EntityData


class QuotaEntityPart(NamedTuple):
    """One half of an entity: `entity_type` is `user`, `client-id` or `ip`."""

    entity_type: str
    entity_name: str | None


QuotaEntity = frozenset[QuotaEntityPart]


@dataclass(frozen=True, slots=True)
class ClientQuotasImage:
    """Values by key, by entity."""

    quotas: Mapping[QuotaEntity, Mapping[str, float]] = field(default_factory=dict)

    def records(self) -> Iterator[ClientQuotaRecord]:
        """The records that make this image out of nothing."""
        for entity, values in self.quotas.items():
            parts = [EntityData(entity_type=part.entity_type, entity_name=part.entity_name) for part in sorted(entity, key=_type_of)]
            for key, value in values.items():
                yield ClientQuotaRecord(entity=parts, key=key, value=value, remove=False)


NO_CLIENT_QUOTAS = ClientQuotasImage()


class ClientQuotasDelta:
    """Records on top of one `ClientQuotasImage`."""

    __slots__ = ("_changed", "before")

    def __init__(self, before: ClientQuotasImage) -> None:
        self.before = before
        self._changed: dict[QuotaEntity, dict[str, float]] = {}

    @property
    def changed_entities(self) -> frozenset[QuotaEntity]:
        """Entities with a value that was set or removed."""
        return frozenset(self._changed)

    def replay_client_quota(self, record: ClientQuotaRecord) -> None:
        entity = frozenset(QuotaEntityPart(part.entity_type, part.entity_name) for part in record.entity)
        values = self._changed.get(entity)
        if values is None:
            values = self._changed[entity] = dict(self.before.quotas.get(entity, {}))
        if record.remove:
            values.pop(record.key, None)
        else:
            values[record.key] = record.value

    def apply(self) -> ClientQuotasImage:
        """The image after this delta; the very same object when nothing changed."""
        if not self._changed:
            return self.before
        quotas: dict[QuotaEntity, Mapping[str, float]] = dict(self.before.quotas)
        for entity, values in self._changed.items():
            if values:
                quotas[entity] = dict(values)
            else:
                quotas.pop(entity, None)
        return ClientQuotasImage(quotas)


def _type_of(part: QuotaEntityPart) -> str:
    return part.entity_type
