"""Whether a transaction may be ended as its producer wishes: EndTxn in the old protocol and in the new one
(`TransactionCoordinator.endTransaction`).

The old one takes a repeated request for what it is by the state alone. In the new one every end brings another epoch, so a repeated
request says an epoch that has passed, and the same epoch again is the next transaction's end, be it an empty one.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from odradek.base.error_codes import ErrorCode
from odradek.coordinator.transaction.transaction import COMPLETED, EPOCH_MAX, ONGOING, PREPARED, Transaction, TransactionState


class Verdict(Enum):
    """What is done with a wish to end."""

    END = "end"
    # It has been ended so already: the answer is given again.
    REPEAT = "repeat"


_COMPLETED_AS: Final = {True: TransactionState.COMPLETE_COMMIT, False: TransactionState.COMPLETE_ABORT}


def judge_old(transaction: Transaction, producer_id: int, epoch: int, *, is_commit: bool) -> Verdict | ErrorCode:
    """For a producer below transaction version 2."""
    if transaction.producer_id != producer_id:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    if transaction.epoch != epoch:
        return ErrorCode.PRODUCER_FENCED
    if transaction.state in PREPARED:
        return ErrorCode.CONCURRENT_TRANSACTIONS
    if transaction.state is ONGOING:
        return Verdict.END
    return Verdict.REPEAT if transaction.state is _COMPLETED_AS[is_commit] else ErrorCode.INVALID_TXN_STATE


def judge_new(transaction: Transaction, producer_id: int, epoch: int, *, is_commit: bool) -> Verdict | ErrorCode:
    """For a producer of transaction version 2.

    While the partitions are told of the last end nothing is judged: the producer has its answer and the next epoch already, and may end
    its next transaction at once.
    """
    state = transaction.state
    if state in PREPARED:
        return ErrorCode.CONCURRENT_TRANSACTIONS
    has_overflowed = transaction.previous_producer_id == producer_id and epoch == EPOCH_MAX - 1 and transaction.epoch == 0
    is_repeated = transaction.epoch == epoch + 1 or has_overflowed
    if transaction.producer_id != producer_id and not has_overflowed:
        return ErrorCode.INVALID_PRODUCER_ID_MAPPING
    is_current = transaction.epoch == epoch
    if not is_current and not (state in COMPLETED and is_repeated):
        return ErrorCode.PRODUCER_FENCED
    if state is ONGOING:
        return Verdict.END
    if state in COMPLETED and is_repeated:
        return Verdict.REPEAT if state is _COMPLETED_AS[is_commit] else ErrorCode.INVALID_TXN_STATE
    # Nothing has been written: an abort of nothing still brings another epoch, a commit of nothing is a mistake.
    return ErrorCode.INVALID_TXN_STATE if is_commit else Verdict.END
