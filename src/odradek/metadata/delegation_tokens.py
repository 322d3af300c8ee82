"""Delegation tokens by id (KIP-48, KIP-900). The secret that signs them is a setting and never part of the metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from odradek.protocol.internal_records.metadata import DelegationTokenRecord, RemoveDelegationTokenRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationToken:
    """One token. Principals are texts such as `User:alice`; times are milliseconds since 1970."""

    token_id: str
    owner: str
    requester: str
    renewers: tuple[str, ...]
    issue_timestamp_ms: int
    max_timestamp_ms: int
    expiration_timestamp_ms: int


@dataclass(frozen=True, slots=True)
class DelegationTokensImage:
    """Every token by id."""

    tokens: Mapping[str, DelegationToken] = field(default_factory=dict)

    def records(self) -> Iterator[DelegationTokenRecord]:
        """The records that make this image out of nothing."""
        for token in self.tokens.values():
            yield DelegationTokenRecord(
                owner=token.owner,
                requester=token.requester,
                renewers=list(token.renewers),
                issue_timestamp=token.issue_timestamp_ms,
                max_timestamp=token.max_timestamp_ms,
                expiration_timestamp=token.expiration_timestamp_ms,
                token_id=token.token_id,
            )


NO_DELEGATION_TOKENS = DelegationTokensImage()


class DelegationTokensDelta:
    """Records on top of one `DelegationTokensImage`."""

    __slots__ = ("_tokens", "before")

    def __init__(self, before: DelegationTokensImage) -> None:
        self.before = before
        self._tokens: dict[str, DelegationToken] | None = None

    def replay_delegation_token(self, record: DelegationTokenRecord) -> None:
        self._writable()[record.token_id] = DelegationToken(
            token_id=record.token_id,
            owner=record.owner,
            requester=record.requester,
            renewers=tuple(record.renewers),
            issue_timestamp_ms=record.issue_timestamp,
            max_timestamp_ms=record.max_timestamp,
            expiration_timestamp_ms=record.expiration_timestamp,
        )

    def replay_remove_delegation_token(self, record: RemoveDelegationTokenRecord) -> None:
        self._writable().pop(record.token_id, None)

    def apply(self) -> DelegationTokensImage:
        """The image after this delta; the very same object when nothing changed."""
        return self.before if self._tokens is None else DelegationTokensImage(dict(self._tokens))

    def _writable(self) -> dict[str, DelegationToken]:
        if self._tokens is None:
            self._tokens = dict(self.before.tokens)
        return self._tokens
