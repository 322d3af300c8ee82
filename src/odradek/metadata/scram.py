"""SCRAM credentials by mechanism and user. Passwords are never here, only what RFC 5802 lets a server keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from odradek.protocol.internal_records.metadata import RemoveUserScramCredentialRecord, UserScramCredentialRecord


class ScramKey(NamedTuple):
    """`mechanism` is 1 for SCRAM-SHA-256 and 2 for SCRAM-SHA-512."""

    mechanism: int
    user: str


@dataclass(frozen=True, slots=True)
class ScramCredential:
    """What proves a password without being it."""

    salt: bytes
    stored_key: bytes
    server_key: bytes
    iterations: int


@dataclass(frozen=True, slots=True)
class ScramImage:
    """Every credential."""

    credentials: Mapping[ScramKey, ScramCredential] = field(default_factory=dict)

    def records(self) -> Iterator[UserScramCredentialRecord]:
        """The records that make this image out of nothing."""
        for key, credential in self.credentials.items():
            yield UserScramCredentialRecord(
                name=key.user,
                mechanism=key.mechanism,
                salt=credential.salt,
                stored_key=credential.stored_key,
                server_key=credential.server_key,
                iterations=credential.iterations,
            )


NO_SCRAM = ScramImage()


class ScramDelta:
    """Records on top of one `ScramImage`."""

    __slots__ = ("_credentials", "before")

    def __init__(self, before: ScramImage) -> None:
        self.before = before
        self._credentials: dict[ScramKey, ScramCredential] | None = None

    def replay_user_scram_credential(self, record: UserScramCredentialRecord) -> None:
        self._writable()[ScramKey(record.mechanism, record.name)] = ScramCredential(
            salt=record.salt, stored_key=record.stored_key, server_key=record.server_key, iterations=record.iterations
        )

    def replay_remove_user_scram_credential(self, record: RemoveUserScramCredentialRecord) -> None:
        self._writable().pop(ScramKey(record.mechanism, record.name), None)

    def apply(self) -> ScramImage:
        """The image after this delta; the very same object when nothing changed."""
        return self.before if self._credentials is None else ScramImage(dict(self._credentials))

    def _writable(self) -> dict[ScramKey, ScramCredential]:
        if self._credentials is None:
            self._credentials = dict(self.before.credentials)
        return self._credentials
