"""The collection of scripts: each is a function that holds one conversation with a node.

A script starts from nothing but a name for its topics, and may use any versions. Its name is its function's, and stands in the recorded
transcripts.
"""

from collections.abc import Callable, Sequence
from typing import Final

from odradek.base.error_codes import ErrorCode
from odradek.base.identifiers import Uuid
from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from tests.conformance.differential.wire import Exchange
from tests.conformance.nodes import COORDINATING_CLOSELY

Script = Callable[[Exchange], None]

SCRIPTS: Final[dict[str, Script]] = {}

# The flavour of node that a script wants; most are content with the plain one.
FLAVOUR_BY_SCRIPT: Final[dict[str, str]] = {}

# An identifier that no topic and no client has.
OTHER_ID: Final = Uuid(bytes(range(16)))

# A moment that is neither near now nor so far that a time based rule of the default settings looks at it.
MOMENT_MS: Final = 1_700_000_000_000


def script(function: Script) -> Script:
    """Register a script under its function's name."""
    assert function.__name__ not in SCRIPTS, f"two scripts are called {function.__name__}"
    SCRIPTS[function.__name__] = function
    return function


def coordinated_script(function: Script) -> Script:
    """Register a script about groups or transactions, for a node whose coordinators are quick and whose groups are small."""
    FLAVOUR_BY_SCRIPT[function.__name__] = COORDINATING_CLOSELY
    return script(function)


def make_topic(exchange: Exchange, suffix: str = "", *, partition_count: int = 1, **settings: str) -> str:
    """A topic that every later question of the script finds."""
    name = exchange.topic + suffix
    configs = [CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in settings.items()]
    wanted = CreatableTopic(name=name, num_partitions=partition_count, replication_factor=1, configs=configs)
    exchange.quietly(CreateTopicsRequest(topics=[wanted], timeout_ms=10_000), 7)
    ask = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)
    while True:
        # Kafka answers CreateTopics before its own broker has seen the topic; each turn is a whole request.
        answer = exchange.quietly(ask, 9)
        assert isinstance(answer, MetadataResponse)
        topic = answer.topics[0]
        if topic.error_code == 0 and len(topic.partitions) == partition_count and all(one.error_code == 0 for one in topic.partitions):
            break
    _await_leaders(exchange, name, partition_count)
    return name


def settle(exchange: Exchange) -> None:
    """Wait until the node sees every change that it accepted.

    The metadata log is one line of changes, so a later topic that is seen proves the rest.
    """
    exchange.settled_count += 1
    make_topic(exchange, f"-settled-{exchange.settled_count}")


def _await_leaders(exchange: Exchange, name: str, partition_count: int) -> None:
    """The metadata names a leader a moment before the leader knows of itself."""
    partitions = [ListOffsetsPartition(partition_index=index, timestamp=-1) for index in range(partition_count)]
    ask = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=partitions)])
    while True:
        answer = exchange.quietly(ask, 7)
        assert isinstance(answer, ListOffsetsResponse)
        if all(one.error_code == 0 for one in answer.topics[0].partitions):
            return


def topic_id_of(exchange: Exchange, name: str) -> Uuid:
    answer = exchange.quietly(MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=False), 12)
    assert isinstance(answer, MetadataResponse)
    return answer.topics[0].topic_id


def new_producer(exchange: Exchange) -> int:
    """An identity for a producer.

    The first one of a node's life may have to be asked for again, while the node reserves a block of them.
    """
    while True:
        answer = exchange.quietly(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=-1), 4)
        assert isinstance(answer, InitProducerIdResponse)
        if answer.error_code != ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            return answer.producer_id


def batch(*values: str, timestamp_ms: int = MOMENT_MS) -> bytes:
    """A plain batch with one record for each value, a second apart."""
    return encode_batch([Record(timestamp=timestamp_ms + 1000 * index, value=value.encode()) for index, value in enumerate(values)])


def produce(
    topic: str, records: bytes | None, *, partition: int = 0, acks: int = -1, transactional_id: str | None = None
) -> ProduceRequest:
    data = [TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=partition, records=records)])]
    return ProduceRequest(transactional_id=transactional_id, acks=acks, timeout_ms=5000, topic_data=data)


def fill(exchange: Exchange, topic: str, batches: Sequence[bytes], *, partition: int = 0) -> None:
    """Append each batch to a topic that has a leader."""
    for one in batches:
        exchange.quietly(produce(topic, one, partition=partition), 9)
