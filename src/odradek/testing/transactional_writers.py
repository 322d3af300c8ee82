"""Writers in transactions: sessions of a transactional id one after the other, or two at a time, of which one is a zombie."""

from __future__ import annotations

import asyncio

from odradek.testing.coordinated_scene import CoordinatedScene, GaveUp, Refused
from odradek.testing.scene import back_off
from odradek.testing.transactional_session import Fenced, TransactionalSession, TransactionProtocol

TIMEOUTS_MS = (2_500, 6_000, 15_000)
RECORDS_MAX = 4
SENDS_MAX = 4
SESSION_TRANSACTIONS_MAX = 12


class TransactionalWriter:
    """Writes to `topics` until the scene is over; what a session leaves open is aborted by its successor, or by time."""

    def __init__(self, scene: CoordinatedScene, name: str, transactional_id: str, topics: tuple[str, ...]) -> None:
        self.name = name
        self._scene = scene
        self._transactional_id = transactional_id
        self._topics = topics
        self._dice = scene.dice_for(name)
        self._sessions_count = 0

    async def run(self) -> None:
        scene, dice = self._scene, self._dice
        pace_ms = dice.choice((20, 150, 600))
        while not scene.is_over:
            self._sessions_count += 1
            session = TransactionalSession(
                scene,
                f"{self.name}/{self._sessions_count}",
                self._transactional_id,
                dice.choice(list(TransactionProtocol)),
                dice.choice(TIMEOUTS_MS),
            )
            try:
                await session.begin()
                for _ in range(dice.randint(1, SESSION_TRANSACTIONS_MAX)):
                    if not await self._transact(session) or scene.is_over:
                        break
                    await asyncio.sleep(dice.randint(0, pace_ms) / 1000)
            except Fenced:
                scene.note(session.name, "is fenced")
                scene.count("producers fenced")
            except GaveUp as reason:
                scene.note(session.name, "gives up", {"what": reason})
            session.close()
            await back_off(dice)

    async def _transact(self, session: TransactionalSession) -> bool:
        """One transaction; False if the session ends without ending it."""
        scene, dice = self._scene, self._dice
        transaction, number = session.start(), 0
        fate = dice.random()
        try:
            for _ in range(dice.randint(1, SENDS_MAX)):
                topic = scene.growing[dice.choice(self._topics)]
                values = [f"{transaction}/{number + index}" for index in range(dice.randint(1, RECORDS_MAX))]
                number += len(values)
                await session.send((topic.name, dice.randrange(topic.partitions_count)), values)
                await asyncio.sleep(dice.choice((0, 0, 0.05, 0.4)))
        except Refused as refused:
            scene.note(session.name, "has to abort", {"reason": refused.code.name})
            await session.end(is_commit=False)
            return True
        if fate < 0.04 or (scene.is_over and fate < 0.7):
            # In the end nobody comes after it: only time can abort that.
            scene.note(session.name, "vanishes with an open transaction")
            scene.count("transactions left open")
            return False
        if fate < 0.1:
            # Longer than most timeouts, and than a successor of its name needs to come.
            await asyncio.sleep(dice.randint(1_000, 8_000) / 1000)
        await session.end(is_commit=dice.random() < 0.8)
        return True
