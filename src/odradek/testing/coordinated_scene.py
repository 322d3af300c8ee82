"""What the actors of a simulation with coordinators share: topics that grow, the history of transactions, who owns what in each group.

`insist` is how they all ask: again, until there is an answer that says something, as Kafka's clients do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.protocol.message import Message
from odradek.testing.client import NoAnswer, SimulatedClient
from odradek.testing.group_ledger import GroupLedger
from odradek.testing.history import BrokenPromise
from odradek.testing.scene import RETRIABLE, Scene, back_off
from odradek.testing.transaction_history import TransactionHistory

# What a client of a coordinator asks again after, be it that its node has only just come up.
TRY_AGAIN = RETRIABLE | {
    ErrorCode.NOT_COORDINATOR,
    ErrorCode.CONCURRENT_TRANSACTIONS,
    ErrorCode.NOT_ENOUGH_REPLICAS,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ErrorCode.UNSTABLE_OFFSET_COMMIT,
    # A partition that was only just made.
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
}
INSIST_MS_MAX = 60_000

ResponseType = TypeVar("ResponseType", bound=Message)


class GaveUp(Exception):
    """Nobody has answered for so long that a client would have stopped asking; what became of the last request nobody knows."""


class Refused(Exception):
    """The answer is an error that the asker has to deal with."""

    def __init__(self, code: ErrorCode) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(slots=True)
class GrowingTopic:
    """A topic by name and id; `partitions_count` is how many its clients know of."""

    name: str
    topic_id: Uuid
    partitions_count: int


@dataclass(slots=True)
class CoordinatedScene(Scene):
    """One run with transactions and groups."""

    growing: dict[str, GrowingTopic] = field(default_factory=dict)
    transactions: TransactionHistory = field(default_factory=TransactionHistory)
    ledgers: dict[str, GroupLedger] = field(default_factory=dict)
    # Of each transactional id when which session has asked to be its producer, in virtual milliseconds.
    takeovers: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    # Members leave and readers stop.
    is_done: bool = False

    async def insist(
        self,
        who: str,
        what: str,
        client: SimulatedClient,
        dice: random.Random,
        request: Message,
        response_type: type[ResponseType],
        version: int,
        code_of: Callable[[ResponseType], int],
        *,
        refusals: Collection[ErrorCode] = (),
        insist_ms_max: int = INSIST_MS_MAX,
        on_attempt: Callable[[], None] = lambda: None,
    ) -> ResponseType:
        """Ask until the answer is good.

        Raises:
            Refused: it is one of `refusals`.
            GaveUp: there was none for `insist_ms_max`.
            BrokenPromise: it is an error that makes no sense here.
        """
        give_up_ms = self.now_ms + insist_ms_max
        while True:
            on_attempt()
            try:
                response = await client.request(request, response_type, version)
            except NoAnswer as silence:
                self.note(who, f"{what} got no answer", {"reason": silence})
            else:
                code = ErrorCode(code_of(response))
                self.note(who, what, {"error": code.name})
                if code is ErrorCode.NONE:
                    return response
                if code in refusals:
                    raise Refused(code)
                if code not in TRY_AGAIN:
                    raise BrokenPromise("no nonsense", f"{who} was answered {code.name} to {what}")
            if self.now_ms >= give_up_ms:
                raise GaveUp(what)
            await back_off(dice)
