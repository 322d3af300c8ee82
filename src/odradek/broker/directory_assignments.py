"""Tells the controller in which log directories the replicas of this node lie (KIP-858, `AssignmentsManager.java`).

A node with several directories chooses where a new log goes. What it chose is noted here when it differs from what the metadata says, and
told in one request for all that was noted meanwhile. What was not accepted is told again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import cast

from odradek.base.errors import RequestRefused
from odradek.base.identifiers import Uuid
from odradek.broker.broker_lifecycle import ControllerDoor
from odradek.protocol.messages.assign_replicas_to_dirs import (
    AssignReplicasToDirsRequest,
    AssignReplicasToDirsRequestDirectoryData,
    AssignReplicasToDirsRequestPartitionData,
    AssignReplicasToDirsRequestTopicData,
    AssignReplicasToDirsResponse,
)

log = logging.getLogger("odradek.broker.directory_assignments")

# As many as Kafka puts into a request, which keeps one from being the whole work of a controller for long.
PARTITIONS_PER_REQUEST_MAX = 2_250
RETRY_S = 1.0

# Topic id and index of a partition.
Replica = tuple[Uuid, int]


class DirectoryAssignments:
    """What is still to be told. `broker_epoch` gives the epoch of this broker's registration."""

    def __init__(self, controller: ControllerDoor, broker_id: int, broker_epoch: Callable[[], int]) -> None:
        self._controller = controller
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._waiting: dict[Replica, Uuid] = {}
        self._work = asyncio.Event()

    def note(self, topic_id: Uuid, index: int, directory_id: Uuid) -> None:
        """The replica lies in `directory_id`, which the metadata does not know."""
        self._waiting[topic_id, index] = directory_id
        self._work.set()

    async def run(self) -> None:
        """Tell the controller until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._waiting:
                told = dict(list(self._waiting.items())[:PARTITIONS_PER_REQUEST_MAX])
                if await self._tell(told):
                    # What was noted anew while the request was under way is told anew.
                    self._waiting = {replica: where for replica, where in self._waiting.items() if told.get(replica) != where}
                else:
                    await asyncio.sleep(RETRY_S)

    async def _tell(self, told: Mapping[Replica, Uuid]) -> bool:
        request = AssignReplicasToDirsRequest(broker_id=self._broker_id, broker_epoch=self._broker_epoch(), directories=_by_directory(told))
        try:
            response = cast(AssignReplicasToDirsResponse, await self._controller.decide(request, AssignReplicasToDirsRequest.VERSION_MAX))
        except RequestRefused as refusal:
            log.warning("assignment of replicas to directories was refused", extra={"reason": str(refusal)})
            return False
        for directory in response.directories:
            for topic in directory.topics:
                for partition in topic.partitions:
                    if partition.error_code:
                        # The topic was deleted meanwhile, or moved away: there is nothing left to tell.
                        log.debug("assignment of a replica was refused", extra={"index": partition.partition_index})
        return True


def _by_directory(told: Mapping[Replica, Uuid]) -> list[AssignReplicasToDirsRequestDirectoryData]:
    indexes: dict[Uuid, dict[Uuid, list[int]]] = defaultdict(lambda: defaultdict(list))
    for (topic_id, index), directory_id in told.items():
        indexes[directory_id][topic_id].append(index)
    return [
        AssignReplicasToDirsRequestDirectoryData(
            id=directory_id,
            topics=[
                AssignReplicasToDirsRequestTopicData(
                    topic_id=topic_id,
                    partitions=[AssignReplicasToDirsRequestPartitionData(partition_index=index) for index in sorted(of_topic)],
                )
                for topic_id, of_topic in topics.items()
            ],
        )
        for directory_id, topics in indexes.items()
    ]
