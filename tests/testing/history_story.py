"""Transactional histories told by hand, in few words: one partition "orders-0" unless another is named, one step after the other."""

from __future__ import annotations

from odradek.testing.transaction_history import AnomalyKind, TransactionHistory
from odradek.testing.transaction_operations import (
    Acknowledged,
    EndAsked,
    EndsTold,
    EndTold,
    Isolation,
    OffsetAcknowledged,
    OffsetFetched,
    OffsetSent,
    Polled,
    ProducerBegan,
    Sent,
    TransactionBegan,
)

GROUP = "readers"


class HistoryStory:
    """Each method records what a client would, at the next moment."""

    def __init__(self) -> None:
        self.history = TransactionHistory()
        self.now = self.history.moment

    def start(self, session: str, transactional_id: str = "writer", *, asked_at: int | None = None) -> None:
        asked_at = self.now() if asked_at is None else asked_at
        self.history.add(ProducerBegan(asked_at=asked_at, at=self.now(), transactional_id=transactional_id, session=session))

    def begin(self, transaction: str, session: str = "s1") -> None:
        self.history.add(TransactionBegan(at=self.now(), transaction=transaction, session=session))

    def send(self, transaction: str, value: str, offset: int | None = None, *, partition: int = 0) -> None:
        """A record; `offset` is where it was acknowledged, None if that nobody knows."""
        self.history.add(Sent(at=self.now(), transaction=transaction, topic="orders", partition=partition, value=value))
        if offset is not None:
            self.acknowledge(value, offset)

    def acknowledge(self, value: str, offset: int) -> None:
        self.history.add(Acknowledged(at=self.now(), value=value, offset=offset))

    def send_offset(self, transaction: str | None, offset: int, *, name: str = "", is_acknowledged: bool = True) -> None:
        commit = name or f"{transaction}@{offset}"
        self.history.add(
            OffsetSent(at=self.now(), commit=commit, transaction=transaction, group=GROUP, topic="orders", partition=0, offset=offset)
        )
        if is_acknowledged:
            self.history.add(OffsetAcknowledged(at=self.now(), commit=commit))

    def end(self, transaction: str, *, is_commit: bool = True, is_told: bool = True) -> None:
        self.history.add(EndAsked(at=self.now(), transaction=transaction, is_commit=is_commit))
        if is_told:
            self.history.add(EndTold(at=self.now(), transaction=transaction, is_commit=is_commit))

    def poll(
        self,
        position: int,
        next_position: int,
        *records: tuple[int, str],
        partition: int = 0,
        isolation: Isolation = Isolation.READ_COMMITTED,
        transaction: str | None = None,
    ) -> None:
        self.history.add(
            Polled(
                asked_at=self.now(),
                at=self.now(),
                reader="reader",
                isolation=isolation,
                topic="orders",
                partition=partition,
                position=position,
                next_position=next_position,
                records=records,
                transaction=transaction,
            )
        )

    def look(self, position: int, next_position: int, *records: tuple[int, str], partition: int = 0) -> None:
        """A poll of what is not committed as well."""
        self.poll(position, next_position, *records, partition=partition, isolation=Isolation.READ_UNCOMMITTED)

    def fetch_offset(self, offset: int) -> None:
        self.history.add(OffsetFetched(asked_at=self.now(), at=self.now(), group=GROUP, topic="orders", partition=0, offset=offset))

    def ends(self, high_watermark: int, *, stable: int | None = None, start: int = 0, partition: int = 0) -> None:
        stable = high_watermark if stable is None else stable
        self.history.add(
            EndsTold(
                at=self.now(),
                topic="orders",
                partition=partition,
                log_start_offset=start,
                last_stable_offset=stable,
                high_watermark=high_watermark,
            )
        )

    def kinds(self) -> set[AnomalyKind]:
        return {anomaly.kind for anomaly in self.history.anomalies()}
