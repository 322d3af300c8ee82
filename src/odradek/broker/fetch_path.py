"""Fetch, from the frame to the pieces of its answer; it is answered now, or parked until there is enough to answer.

The way: the request is decoded, its session says which partitions to look at (`fetch_sessions`), each is looked at within the
limits (`fetch_plan`), and if that is less than `min_bytes` and nobody has an error, the request waits in the purgatory under each
of its partitions. A partition that grows is looked at alone; only when the sum is enough, everything is looked at again, and the
answer is written (`fetch_response`). Reading committed and uncommitted, by name and by id, for consumers and for followers: one
path (`KafkaApis.handleFetchRequest`, `DelayedFetch`).

Records that are not in memory are read ahead first (`cold_reads`). Only an answer that can be given at once looks: a fetch that had
to wait is about the end of a log, which was just written.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Final, final

from odradek.base.error_codes import NO_ERROR, ErrorCode
from odradek.base.identifiers import ZERO_UUID
from odradek.broker.cold_reads import Warming
from odradek.broker.fetch_plan import (
    FetchParameters,
    PartitionFetch,
    PartitionResult,
    find,
    locate,
    read_all,
    read_one,
)
from odradek.broker.fetch_request import read_fetch
from odradek.broker.fetch_response import NODE_ENDPOINTS_VERSION_MIN, TOPIC_ID_VERSION_MIN, NodeEndpoint, ResponseWriter
from odradek.broker.fetch_sessions import FetchContext
from odradek.broker.leader_hints import leader_hint
from odradek.broker.node import Node
from odradek.broker.partition import Partition
from odradek.broker.purgatory import Parking
from odradek.broker.request import RequestContext
from odradek.config.broker import FETCH_MAX_BYTES
from odradek.net.output import FileRange

Reply = Callable[[list[bytes | FileRange]], None]

# From this version on a consumer may be sent to a follower, and so a follower answers it (KIP-392).
FOLLOWER_FETCH_VERSION_MIN: Final = 11
# Before version 6 no client knew KAFKA_STORAGE_ERROR; what makes it look for another leader is said instead.
STORAGE_ERROR_VERSION_MIN: Final = 6
BYTES_ALL: Final = 2**31 - 1


@final
class ParkedFetch:
    """A fetch that waits. `cancel` when its connection is gone."""

    __slots__ = ("_answer", "_fetches", "_is_over", "_parameters", "_parking", "_size", "_size_by_partition")

    def __init__(
        self,
        answer: Callable[[], None],
        parameters: FetchParameters,
        fetches: dict[Partition, PartitionFetch],
        size_by_partition: dict[Partition, int],
    ) -> None:
        self._answer = answer
        self._parameters = parameters
        self._fetches = fetches
        self._size_by_partition = size_by_partition
        self._size = sum(size_by_partition.values())
        self._parking: Parking | None = None
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether the answer was given."""
        return self._is_over

    def park(self, node: Node) -> None:
        """Begin to wait; may answer at once when too many wait already."""
        deadline_ms = node.clock.monotonic_ms() + self._parameters.wait_max_ms
        self._parking = node.purgatory.park(self, self._fetches, deadline_ms)

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        if not self._is_over and self._parking is not None:
            self._is_over = True
            self._parking.cancel()

    def try_complete(self, key: Hashable) -> bool:
        """`key`, one of the partitions, has changed: count what it has now."""
        assert isinstance(key, Partition)
        result = read_one(key, self._fetches[key], self._parameters, BYTES_ALL, True)
        if result.error == 0 and result.diverging_epoch < 0:
            size = min(result.size, self._fetches[key].bytes_max)
            self._size += size - self._size_by_partition.get(key, 0)
            self._size_by_partition[key] = size
            if self._size < self._parameters.bytes_min:
                return False
        self._is_over = True
        self._answer()
        return True

    def expire(self) -> None:
        """Answer with what there is."""
        self._is_over = True
        self._answer()


def handle_fetch(node: Node, context: RequestContext, frame: bytes, body_position: int, reply: Reply) -> ParkedFetch | Warming | None:
    """Answer the request in `frame` through `reply`, called once, now or later; returns what waits, if it does.

    Raises:
        ProtocolViolation: the frame is no fetch request of its version.
    """
    version = context.api_version
    request = read_fetch(frame, body_position, len(frame), version)
    replica_id = request.replica_id
    session = node.fetch_sessions.begin(
        request.session_id,
        request.session_epoch,
        request.fetches,
        request.forgotten,
        is_follower=replica_id >= 0,
        uses_topic_ids=version >= TOPIC_ID_VERSION_MIN,
    )
    image = node.image
    known, unknown = find(session.fetches(), node.partitions, image)
    bytes_max = min(request.bytes_max, node.settings[FETCH_MAX_BYTES])
    parameters = FetchParameters(
        replica_id=replica_id,
        wait_max_ms=request.wait_max_ms,
        bytes_min=min(request.bytes_min, bytes_max),
        bytes_max=bytes_max,
        isolation_level=request.isolation_level,
        is_leader_required=replica_id >= 0 or version < FOLLOWER_FETCH_VERSION_MIN,
    )
    results = read_all(known, parameters, node.partitions, image)
    if not results or parameters.wait_max_ms <= 0 or _is_enough(results, parameters.bytes_min):
        cold = [result.cold for result in results if result.cold is not None]
        if cold:
            return node.cold_reads.warm(cold, lambda: reply(_response(node, context, session, [*results, *unknown])))
        reply(_response(node, context, session, [*results, *unknown]))
        return None

    def answer() -> None:
        final_results = read_all(known, parameters, node.partitions, node.image)
        reply(_response(node, context, session, [*final_results, *unknown]))

    waiting: dict[Partition, PartitionFetch] = {}
    size_by_partition: dict[Partition, int] = {}
    for fetch, result in zip(known, results, strict=True):
        partition = locate(fetch, node.partitions)
        assert partition is not None
        waiting[partition] = fetch
        size_by_partition[partition] = result.size
    parked = ParkedFetch(answer, parameters, waiting, size_by_partition)
    parked.park(node)
    return None if parked.is_over else parked


def _is_enough(results: Sequence[PartitionResult], bytes_min: int) -> bool:
    """Whether to answer now: there is enough, or something the client has to know at once."""
    size = 0
    for result in results:
        if result.error != 0 or result.diverging_epoch >= 0:
            return True
        size += result.size
    return size >= bytes_min


def _response(node: Node, context: RequestContext, session: FetchContext, results: list[PartitionResult]) -> list[bytes | FileRange]:
    error, session_id, selected = session.select(results)
    version = context.api_version
    endpoints: dict[int, NodeEndpoint] = {}
    for result in selected:
        if result.error == NO_ERROR:
            continue
        if result.error == ErrorCode.KAFKA_STORAGE_ERROR and version < STORAGE_ERROR_VERSION_MIN:
            result.error = ErrorCode.NOT_LEADER_OR_FOLLOWER
        if version >= NODE_ENDPOINTS_VERSION_MIN and result.error in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH):
            _name_leader(node, context, result, endpoints)
    return ResponseWriter(version).write(context.correlation_id, error, session_id, selected, list(endpoints.values()))


def _name_leader(node: Node, context: RequestContext, result: PartitionResult, endpoints: dict[int, NodeEndpoint]) -> None:
    """Tell a client that came to the wrong node where to go, so that it need not ask for metadata (KIP-951)."""
    image = node.image
    fetch = result.fetch
    topic = image.topics.by_id.get(fetch.topic_id) if fetch.topic_id != ZERO_UUID else image.topics.by_name.get(fetch.topic)
    registration = None if topic is None else topic.partitions.get(fetch.index)
    if registration is None:
        return
    hint = leader_hint(node, context, registration)
    result.current_leader_id = hint.leader_id
    result.current_leader_epoch = hint.leader_epoch
    if hint.endpoint is not None:
        endpoints[hint.leader_id] = NodeEndpoint(hint.leader_id, hint.endpoint.host, hint.endpoint.port, hint.endpoint.rack)
