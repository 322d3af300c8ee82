"""One script against one node: several connections, their answers in one transcript, and what was written into the partitions meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.coordinator.group.subscription_hash import subscription_hash
from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE
from odradek.protocol.internal_records.metadata import PartitionRecord, TopicRecord
from odradek.protocol.message import Message
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from odradek.protocol.messages.describe_transactions import DescribeTransactionsRequest, DescribeTransactionsResponse
from odradek.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.protocol.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse
from odradek.records.batch import BatchHeader, decode_records, iterate_batches
from tests.conformance.coordination.notation import GROUP_TOPIC, TRANSACTION_TOPIC, CoordinatorNotation
from tests.conformance.differential.scripts import new_producer
from tests.conformance.differential.wire import Exchange

Script = Callable[["Story"], None]

SCRIPTS: Final[dict[str, Script]] = {}
WAIT_SECONDS_MAX: Final = 30
POLL_SECONDS: Final = 0.02
FETCH_BYTES: Final = 1 << 20
GROUP, TRANSACTION = 0, 1


def script(function: Script) -> Script:
    """Register a script under its function's name."""
    assert function.__name__ not in SCRIPTS, f"two scripts are called {function.__name__}"
    SCRIPTS[function.__name__] = function
    return function


class Connection(Exchange):
    """One client of the story. A request that waits for others is sent with `begin`, and its answer told by `finish`."""

    def begin(self, request: Message, version: int) -> None:
        self.ask_later("", request, version)

    def finish(self, label: str) -> Message:
        return self.hear(label)


class Story:
    """`name` begins the names of everything that the script makes: groups, transactional ids and topics."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self._bootstrap = bootstrap
        self.name = name
        self._stack = ExitStack()
        self._topics: dict[str, tuple[Uuid, int]] = {}
        self.transcript: list[str] = []
        self.notation = CoordinatorNotation(self._hash_of)
        self._watched: dict[str, int] = {}
        self.client = self.connect()
        self._await_coordinators()
        new_producer(self.client)
        for topic in (GROUP_TOPIC, TRANSACTION_TOPIC):
            self._watched[topic] = self._end_of(topic)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def connect(self) -> Connection:
        """Another client."""
        connection = Connection(self._bootstrap, self.name)
        connection.notation = self.notation
        connection.transcript = self.transcript
        self._stack.enter_context(connection)
        return connection

    def make_topic(self, suffix: str, partition_count: int = 1) -> str:
        """A topic that the coordinators know of."""
        name = f"{self.name}.{suffix}"
        self._create_topic(name, partition_count)
        self._watched[name] = 0
        # Kafka tells its coordinators last, when clients and leaders know already; of a later topic it tells nobody before that.
        later = f"later-than-{name}"
        self._create_topic(later, 1)
        del self._topics[later]
        return name

    def _create_topic(self, name: str, partition_count: int) -> None:
        wanted = CreatableTopic(name=name, num_partitions=partition_count, replication_factor=1)
        self.client.quietly(CreateTopicsRequest(topics=[wanted], timeout_ms=10_000), 7)
        self.wait_for(lambda: self._is_served(name, partition_count), f"the topic {name}")

    def know_topic(self, name: str, partition_count: int) -> None:
        """A topic that another story has made."""
        self.wait_for(lambda: self._is_served(name, partition_count), f"the topic {name}")

    def topic_id(self, name: str) -> Uuid:
        return self._topics[name][0]

    def wait_for(self, is_there: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while not is_there():
            assert time.monotonic() < deadline, f"{what} does not come"
            time.sleep(POLL_SECONDS)

    def wait_for_records(self, topic: str, count: int, what: str) -> None:
        """Wait until so many records of this story stand in partition 0 of a topic."""
        self.wait_for(lambda: self.record_count(topic) >= count, what)

    def wait_for_record(self, beginning: str, count: int) -> None:
        """Wait until so many records whose line begins so stand in the log of groups."""

        def is_there() -> bool:
            lines = (line for batch in self._batches(GROUP_TOPIC) for line in self.notation.batch(GROUP_TOPIC, *batch))
            return sum(line.strip().startswith(beginning) for line in lines) >= count

        self.wait_for(is_there, f"a record {beginning}")

    def delete_topic(self, name: str) -> None:
        """Delete a topic, and wait until the coordinators know that it is gone."""
        self.client.quietly(DeleteTopicsRequest(topics=[DeleteTopicState(name=name)], timeout_ms=10_000), 6)
        del self._watched[name]
        del self._topics[name]
        # The metadata log is one line of changes, so a later topic that is seen proves the rest.
        self.make_topic("known-after-a-deletion")

    def wait_for_transaction(self, transactional_id: str) -> None:
        """Wait until the last transaction of an id is over, with all its markers."""
        self.wait_for(lambda: self._state_of(transactional_id).startswith("Complete"), f"the end of the transaction of {transactional_id}")

    def _state_of(self, transactional_id: str) -> str:
        answer = self.client.quietly(DescribeTransactionsRequest(transactional_ids=[transactional_id]), 0)
        assert isinstance(answer, DescribeTransactionsResponse)
        return answer.transaction_states[0].transaction_state

    def record_count(self, topic: str) -> int:
        return sum(int(header.record_count) for _, _, header in self._batches(topic))

    def told(self) -> str:
        """The transcript, with the logs behind it."""
        lines = list(self.transcript)
        for topic in self._watched:
            lines.append(f"log of {topic}")
            for data, position, header in self._batches(topic):
                lines += self.notation.batch(topic, data, position, header)
        return "\n".join(lines) + "\n"

    # What is in the logs

    def _batches(self, topic: str) -> Iterable[tuple[bytes, int, BatchHeader]]:
        """The batches of this story; what other scripts and the node's own clients write at the same time is none of it."""
        offset = self._watched[topic]
        while True:
            data = self._fetched(topic, offset)
            if not data:
                return
            for position, header in iterate_batches(data):
                if header.base_offset >= self._watched[topic] and self._is_mine(topic, data, position, header):
                    yield data, position, header
                offset = int(header.last_offset()) + 1

    def _is_mine(self, topic: str, data: bytes, position: int, header: BatchHeader) -> bool:
        if topic not in (GROUP_TOPIC, TRANSACTION_TOPIC):
            return True
        if header.is_control():
            return self.notation.is_known_producer(int(header.producer_id))
        # A key is a type and the name of a group or a transactional id.
        prefix = self.name.encode()
        return any((record.key or b"")[2 + 2 :].startswith(prefix) for record in decode_records(data, position))

    def _fetched(self, topic: str, offset: int) -> bytes:
        partition = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=FETCH_BYTES)
        request = FetchRequest(max_wait_ms=0, min_bytes=0, max_bytes=FETCH_BYTES, topics=[FetchTopic(topic=topic, partitions=[partition])])
        answer = self.client.quietly(request, 11)
        assert isinstance(answer, FetchResponse)
        fetched = answer.responses[0].partitions[0]
        assert fetched.error_code == 0, f"{topic} at {offset}: {fetched.error_code}"
        return bytes(fetched.records or b"")

    def _end_of(self, topic: str) -> int:
        asked = [ListOffsetsTopic(name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)])]
        answer = self.client.quietly(ListOffsetsRequest(replica_id=-1, topics=asked), 7)
        assert isinstance(answer, ListOffsetsResponse)
        return answer.topics[0].partitions[0].offset

    # What there is

    def _await_coordinators(self) -> None:
        for key_type in (GROUP, TRANSACTION):
            self.wait_for(lambda key_type=key_type: self._has_coordinator(key_type), "a coordinator")  # type: ignore[misc]
        for topic in (GROUP_TOPIC, TRANSACTION_TOPIC):
            self.wait_for(lambda topic=topic: self._is_served(topic, 1), topic)  # type: ignore[misc]
            del self._topics[topic]

    def _has_coordinator(self, key_type: int) -> bool:
        """Whether there is one, and it has loaded."""
        answer = self.client.quietly(FindCoordinatorRequest(key_type=key_type, coordinator_keys=[self.name]), 4)
        assert isinstance(answer, FindCoordinatorResponse)
        if answer.coordinators[0].error_code:
            return False
        if key_type == GROUP:
            fetched = self.client.quietly(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=self.name, topics=None)]), 8)
            assert isinstance(fetched, OffsetFetchResponse)
            return fetched.groups[0].error_code == ErrorCode.NONE
        described = self.client.quietly(DescribeTransactionsRequest(transactional_ids=[self.name]), 0)
        assert isinstance(described, DescribeTransactionsResponse)
        return described.transaction_states[0].error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND

    def _is_served(self, name: str, partition_count: int) -> bool:
        answer = self.client.quietly(MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=False), 12)
        assert isinstance(answer, MetadataResponse)
        topic = answer.topics[0]
        if topic.error_code or len(topic.partitions) != partition_count or any(one.error_code for one in topic.partitions):
            return False
        asked = [ListOffsetsPartition(partition_index=index, timestamp=-1) for index in range(partition_count)]
        listed = self.client.quietly(ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=asked)]), 7)
        assert isinstance(listed, ListOffsetsResponse)
        if any(one.error_code for one in listed.topics[0].partitions):
            return False
        self._topics[name] = (topic.topic_id, partition_count)
        self.notation.know_topic(topic.topic_id, name)
        return True

    def _hash_of(self, names: Sequence[str]) -> int:
        delta = MetadataDelta(EMPTY_IMAGE)
        for name, (topic_id, partition_count) in self._topics.items():
            delta.replay(TopicRecord(name=name, topic_id=topic_id))
            for index in range(partition_count):
                delta.replay(PartitionRecord(partition_id=index, topic_id=topic_id, replicas=[1], isr=[1], leader=1))
        return subscription_hash(names, delta.apply(1, 1))
