"""Which bytes answer a fetch: each partition is looked at in the order of the request, within the limits of the request.

Nothing is read here: a result holds a range of a file. The first partition that has anything gives at least one batch, however
large; after that `max_bytes` of the request and of the partition hold (KIP-74). What is visible depends on who asks: a follower
sees the log end, a consumer the high watermark, and one that reads committed records the last stable offset, together with the
transactions it has to skip.

An error belongs to one partition and leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from odradek.base.error_codes import NO_ERROR, ErrorCode
from odradek.base.errors import StorageFailure
from odradek.base.identifiers import Uuid
from odradek.broker.partition import Partition
from odradek.broker.partitions import PartitionRegistry
from odradek.metadata.image import MetadataImage
from odradek.net.output import FileRange
from odradek.storage.errors import OffsetOutOfRange
from odradek.storage.segment import LogSlice

PartitionKey = tuple[str | bytes, int]
AbortedTransactions = list[tuple[int, int]]

READ_UNCOMMITTED: Final = 0
READ_COMMITTED: Final = 1
UNKNOWN_OFFSET: Final = -1


@final
class PartitionFetch:
    """What a client wants of one partition, and in a session also what it was told last."""

    __slots__ = (
        "bytes_max",
        "current_leader_epoch",
        "index",
        "key",
        "last_fetched_epoch",
        "offset",
        "sent_high_watermark",
        "sent_log_start_offset",
        "topic",
        "topic_id",
    )

    def __init__(
        self,
        topic: str,
        topic_id: Uuid,
        index: int,
        offset: int,
        bytes_max: int,
        current_leader_epoch: int = -1,
        last_fetched_epoch: int = -1,
    ) -> None:
        self.topic = topic
        self.topic_id = topic_id
        self.index = index
        # By id where the request has ids, else by name: a session uses one of the two for all its life.
        self.key: PartitionKey = (topic, index) if topic else (topic_id, index)
        self.offset = offset
        self.bytes_max = bytes_max
        self.current_leader_epoch = current_leader_epoch
        self.last_fetched_epoch = last_fetched_epoch
        self.sent_high_watermark = UNKNOWN_OFFSET
        self.sent_log_start_offset = UNKNOWN_OFFSET

    def take_over(self, newer: PartitionFetch) -> None:
        """The client names the partition again: its wishes replace the old ones, what it was told stays."""
        self.offset = newer.offset
        self.bytes_max = newer.bytes_max
        self.current_leader_epoch = newer.current_leader_epoch
        self.last_fetched_epoch = newer.last_fetched_epoch

    def is_news(self, result: PartitionResult) -> bool:
        """Whether `result` has anything the client was not told before; remembers it as told."""
        is_news = result.size > 0 or result.error != 0 or result.diverging_epoch >= 0
        if self.sent_high_watermark != result.high_watermark:
            self.sent_high_watermark = result.high_watermark
            is_news = True
        if self.sent_log_start_offset != result.log_start_offset:
            self.sent_log_start_offset = result.log_start_offset
            is_news = True
        if result.error != 0:
            # When the error goes away there has to be an answer that says so.
            self.sent_high_watermark = UNKNOWN_OFFSET
        return is_news


@final
class PartitionResult:
    """What is answered about one partition. `aborted` is null on the wire where it is None, which is not the same as none."""

    __slots__ = (
        "aborted",
        "cold",
        "current_leader_epoch",
        "current_leader_id",
        "diverging_end_offset",
        "diverging_epoch",
        "error",
        "fetch",
        "high_watermark",
        "last_stable_offset",
        "log_start_offset",
        "partition",
        "records",
        "size",
    )

    def __init__(self, fetch: PartitionFetch, partition: Partition | None, error: int) -> None:
        self.fetch = fetch
        self.partition = partition
        self.error = error
        self.high_watermark = UNKNOWN_OFFSET
        self.last_stable_offset = UNKNOWN_OFFSET
        self.log_start_offset = UNKNOWN_OFFSET
        self.aborted: AbortedTransactions | None = None
        self.records: FileRange | None = None
        # What of the records has to be read ahead before they are sent.
        self.cold: LogSlice | None = None
        self.size = 0
        self.diverging_epoch = -1
        self.diverging_end_offset = UNKNOWN_OFFSET
        self.current_leader_id = -1
        self.current_leader_epoch = -1


@final
class FetchParameters:
    """What holds for all partitions of one request."""

    __slots__ = ("bytes_max", "bytes_min", "is_leader_required", "isolation_level", "replica_id", "wait_max_ms")

    def __init__(
        self, *, replica_id: int, wait_max_ms: int, bytes_min: int, bytes_max: int, isolation_level: int, is_leader_required: bool
    ) -> None:
        self.replica_id = replica_id
        self.wait_max_ms = wait_max_ms
        self.bytes_min = bytes_min
        self.bytes_max = bytes_max
        self.isolation_level = isolation_level
        self.is_leader_required = is_leader_required


def find(
    fetches: Sequence[PartitionFetch], partitions: PartitionRegistry, image: MetadataImage
) -> tuple[list[PartitionFetch], list[PartitionResult]]:
    """Sort out what the cluster does not know: (fetches to read, results for partitions that do not exist).

    What does not exist is answered, but does not end the wait for the rest.
    """
    known = []
    unknown = []
    for fetch in fetches:
        if locate(fetch, partitions) is not None:
            known.append(fetch)
            continue
        topics = image.topics
        topic = topics.by_name.get(fetch.topic) if fetch.topic else topics.by_id.get(fetch.topic_id)
        if topic is not None and fetch.index in topic.partitions:
            known.append(fetch)
            continue
        is_id_unknown = topic is None and not fetch.topic
        result = PartitionResult(fetch, None, ErrorCode.UNKNOWN_TOPIC_ID if is_id_unknown else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        result.aborted = []
        unknown.append(result)
    return known, unknown


def locate(fetch: PartitionFetch, partitions: PartitionRegistry) -> Partition | None:
    """The partition on this node."""
    if fetch.topic:
        return partitions.get(fetch.topic, fetch.index)
    return partitions.by_id(fetch.topic_id, fetch.index)


def read_all(
    fetches: Sequence[PartitionFetch], parameters: FetchParameters, partitions: PartitionRegistry, image: MetadataImage
) -> list[PartitionResult]:
    """Look at every partition in turn, within the limits of the request."""
    bytes_left = parameters.bytes_max
    at_least_one = True
    results = []
    for fetch in fetches:
        partition = locate(fetch, partitions)
        if partition is None:
            topic = fetch.topic or _name_of(fetch.topic_id, image)
            result = PartitionResult(fetch, None, partitions.why_absent(topic, fetch.index, image))
        else:
            bytes_max = fetch.bytes_max
            result = read_one(partition, fetch, parameters, bytes_max if bytes_max < bytes_left else bytes_left, at_least_one)
            if result.size > 0:
                at_least_one = False
                bytes_left -= result.size
                if bytes_left < 0:
                    bytes_left = 0
        results.append(result)
    return results


def read_one(
    partition: Partition, fetch: PartitionFetch, parameters: FetchParameters, bytes_max: int, at_least_one: bool
) -> PartitionResult:
    """Look at one partition: an error, nothing, or a range of its log."""
    error = partition.refusal(fetch.current_leader_epoch, is_leader_required=parameters.is_leader_required)
    if error == NO_ERROR and parameters.replica_id >= 0:
        error = _follower_refusal(partition, fetch, parameters.replica_id)
    result = PartitionResult(fetch, partition, error)
    if error != NO_ERROR:
        return result
    log = partition.log
    offset = fetch.offset
    log_start_offset = log.log_start_offset
    if fetch.last_fetched_epoch >= 0 and not _agrees_on_epoch(partition, fetch, result):
        return result
    if offset < log_start_offset or offset > log.log_end_offset:
        result.error = ErrorCode.OFFSET_OUT_OF_RANGE
        return result
    high_watermark = log.high_watermark
    result.high_watermark = high_watermark
    result.last_stable_offset = log.last_stable_offset
    result.log_start_offset = log_start_offset
    if parameters.replica_id >= 0:
        upper_bound = log.log_end_offset
    elif parameters.isolation_level == READ_COMMITTED:
        upper_bound = result.last_stable_offset
        result.aborted = []
    else:
        upper_bound = high_watermark
    if offset >= upper_bound or (bytes_max <= 0 and not at_least_one):
        return result
    try:
        found = log.read(offset, bytes_max, upper_bound=upper_bound, at_least_one=at_least_one)
    except OffsetOutOfRange:
        return PartitionResult(fetch, partition, ErrorCode.OFFSET_OUT_OF_RANGE)
    except StorageFailure:
        return PartitionResult(fetch, partition, ErrorCode.KAFKA_STORAGE_ERROR)
    if found.size > 0:
        result.size = found.size
        result.records = FileRange(found.file, found.position, found.size)
        # What was never waited for on its way to the disk is in memory: who follows the end of a log is not asked.
        if offset < log.recovery_point and found.is_cold():
            result.cold = found
        if result.aborted is not None:
            result.aborted = [(it.producer_id, it.first_offset) for it in log.aborted_transactions(offset, found.next_offset)]
    return result


def _follower_refusal(partition: Partition, fetch: PartitionFetch, replica_id: int) -> ErrorCode:
    registration = partition.registration
    if registration is not None and replica_id in registration.replicas:
        return NO_ERROR
    # The epoch is right and the replica is none of ours: the news of a reassignment has reached it first.
    return ErrorCode.UNKNOWN_LEADER_EPOCH if fetch.current_leader_epoch >= 0 else ErrorCode.NOT_LEADER_OR_FOLLOWER


def _agrees_on_epoch(partition: Partition, fetch: PartitionFetch, result: PartitionResult) -> bool:
    """Whether the log of the client can be a prefix of ours; else `result` says where it parts (KIP-595)."""
    epoch, end_offset = partition.end_of_epoch(fetch.last_fetched_epoch)
    if epoch < 0 or end_offset < 0 or fetch.offset < partition.log.log_start_offset:
        result.error = ErrorCode.OFFSET_OUT_OF_RANGE
        return False
    if epoch < fetch.last_fetched_epoch or end_offset < fetch.offset:
        log = partition.log
        result.diverging_epoch = epoch
        result.diverging_end_offset = end_offset
        result.high_watermark = log.high_watermark
        result.last_stable_offset = log.last_stable_offset
        result.log_start_offset = log.log_start_offset
        return False
    return True


def _name_of(topic_id: Uuid, image: MetadataImage) -> str:
    topic = image.topics.by_id.get(topic_id)
    return "" if topic is None else topic.name
