"""Holds a history of transactional clients to what Kafka promises them, in the manner of Jepsen's Kafka workload.

    history = TransactionHistory()                      # or any clock that all recorders share: TransactionHistory(time.monotonic_ns)
    asked_at = history.moment()
    ... InitProducerId ...
    history.add(ProducerBegan(asked_at=asked_at, at=history.moment(), transactional_id="copier", session="copier/1"))
    history.add(TransactionBegan(at=history.moment(), transaction="copier/1/1", session="copier/1"))
    history.add(Sent(at=history.moment(), transaction="copier/1/1", topic="orders", partition=0, value="copier/1/1/a"))
    ... Produce ...
    history.add(Acknowledged(at=history.moment(), value="copier/1/1/a", offset=17))
    history.add(EndAsked(at=history.moment(), transaction="copier/1/1", is_commit=True))
    ... EndTxn ...
    history.add(EndTold(at=history.moment(), transaction="copier/1/1", is_commit=True))
    assert not history.anomalies(), history.told()

The operations are in `transaction_operations`, as is their form as lines of JSON (`to_line`, `from_line`), by which processes record
apart; `find_anomalies` takes operations from anywhere, in any order. Nothing here knows of a simulator, a client library or a node.

How to record, so that what is found is found for certain:

- What is about to be done is recorded before the request leaves (`Sent`, `OffsetSent`, `EndAsked`), what was told after the answer came.
  An error or silence is not recorded: the outcome is unknown, and is taken to be what readers saw, for the whole transaction at once.
- Every record's value is its own. A session is one instance of a producer, a transaction one name, across the whole history. A session that
  calls InitProducerId again records `ProducerBegan` again.
- A reader's `Polled` says from which position to which it went; what lies between and was not given to it was, for this reader, not there.
  An empty poll that moved on past markers and aborted records counts as well. A read of whole partitions is a poll like any other.
- In the end, when the clients have been quiet for longer than the longest transaction timeout and its sweep: each partition is polled from
  its start to its end with both isolations, each group's offsets are fetched, and `EndsTold` is recorded for each partition. Without
  `EndsTold` nothing can be said about what nobody read, or about transactions that hang.

What is found, `AnomalyKind` says in its words. Write cycles (G0) between transactions that overlap are no anomaly in Kafka, which does not
isolate writers from one another; where one was acknowledged before the other was sent, they have to be in that order in their partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

from odradek.testing.transaction_anomalies import Anomaly, AnomalyKind
from odradek.testing.transaction_checks import CHECKS
from odradek.testing.transaction_knowledge import learn
from odradek.testing.transaction_operations import Operation

__all__ = ["Anomaly", "AnomalyKind", "TransactionHistory", "find_anomalies"]


def find_anomalies(operations: Iterable[Operation]) -> list[Anomaly]:
    """Everything in a history that Kafka promises not to do, each thing once.

    Raises:
        ValueError: it is no history: a value was sent twice, or something refers to what never was.
    """
    known = learn(operations)
    return list(dict.fromkeys(anomaly for check in CHECKS for anomaly in check(known)))


class TransactionHistory:
    """The operations of one run. `moment` gives times by `clock`, by default by counting."""

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        self.operations: list[Operation] = []
        self.moment: Callable[[], int] = count().__next__ if clock is None else clock

    def add(self, operation: Operation) -> None:
        """Record one operation."""
        self.operations.append(operation)

    def anomalies(self) -> list[Anomaly]:
        """As `find_anomalies`."""
        return find_anomalies(self.operations)

    def told(self) -> str:
        """The anomalies, one a line."""
        return "\n".join(str(anomaly) for anomaly in self.anomalies())
