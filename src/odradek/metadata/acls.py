"""Access control entries by id. The rules of matching belong to `security`; here they are only kept, through logs and snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from odradek.base.identifiers import Uuid
from odradek.protocol.internal_records.metadata import AccessControlEntryRecord, RemoveAccessControlEntryRecord


@dataclass(frozen=True, slots=True)
class AccessControlEntry:
    """One entry; the small integers are Kafka's codes of resource type, pattern type, operation and permission."""

    id: Uuid
    resource_type: int
    resource_name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission_type: int


@dataclass(frozen=True, slots=True)
class AclsImage:
    """Every entry by id."""

    entries: Mapping[Uuid, AccessControlEntry] = field(default_factory=dict)

    def records(self) -> Iterator[AccessControlEntryRecord]:
        """The records that make this image out of nothing."""
        for entry in self.entries.values():
            yield AccessControlEntryRecord(
                id=entry.id,
                resource_type=entry.resource_type,
                resource_name=entry.resource_name,
                pattern_type=entry.pattern_type,
                principal=entry.principal,
                host=entry.host,
                operation=entry.operation,
                permission_type=entry.permission_type,
            )


NO_ACLS = AclsImage()


class AclsDelta:
    """Records on top of one `AclsImage`."""

    __slots__ = ("_entries", "before")

    def __init__(self, before: AclsImage) -> None:
        self.before = before
        self._entries: dict[Uuid, AccessControlEntry] | None = None

    def replay_access_control_entry(self, record: AccessControlEntryRecord) -> None:
        self._writable()[record.id] = AccessControlEntry(
            id=record.id,
            resource_type=record.resource_type,
            resource_name=record.resource_name,
            pattern_type=record.pattern_type,
            principal=record.principal,
            host=record.host,
            operation=record.operation,
            permission_type=record.permission_type,
        )

    def replay_remove_access_control_entry(self, record: RemoveAccessControlEntryRecord) -> None:
        self._writable().pop(record.id, None)

    def apply(self) -> AclsImage:
        """The image after this delta; the very same object when nothing changed."""
        return self.before if self._entries is None else AclsImage(dict(self._entries))

    def _writable(self) -> dict[Uuid, AccessControlEntry]:
        if self._entries is None:
            self._entries = dict(self.before.entries)
        return self._entries
