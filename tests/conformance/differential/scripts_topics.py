"""Creating, describing, growing and deleting topics: what is accepted and how each refusal is told."""

from odradek.base.identifiers import ZERO_UUID
from odradek.protocol.messages.create_partitions import CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic
from odradek.protocol.messages.create_topics import CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from odradek.protocol.messages.describe_topic_partitions import DescribeTopicPartitionsRequest, TopicRequest
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.conformance.differential.scripts import OTHER_ID, make_topic, script, topic_id_of
from tests.conformance.differential.wire import Exchange


def _wanted(
    name: str,
    *,
    partitions: int = 1,
    replicas: int = 1,
    assignments: dict[int, list[int]] | None = None,
    configs: dict[str, str | None] | None = None,
) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replicas,
        assignments=[CreatableReplicaAssignment(partition_index=index, broker_ids=ids) for index, ids in (assignments or {}).items()],
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in (configs or {}).items()],
    )


def _create(*topics: CreatableTopic, validate_only: bool = False) -> CreateTopicsRequest:
    return CreateTopicsRequest(topics=list(topics), timeout_ms=10_000, validate_only=validate_only)


@script
def create_topics_answers_alike_in_every_version(exchange: Exchange) -> None:
    for version in range(2, 8):
        exchange.ask("CreateTopics", _create(_wanted(f"{exchange.topic}-{version}", configs={"retention.ms": "1234567"})), version)


@script
def create_topics_refuses_names(exchange: Exchange) -> None:
    for name in ("", ".", "..", "a b", "a/b", "ä", "x" * 249 + "y"):
        exchange.ask(f"CreateTopics {name[:20]!r}", _create(_wanted(name)), 7)
    make_topic(exchange, ".a_b")
    exchange.ask("CreateTopics colliding", _create(_wanted(exchange.topic + "_a.b")), 7)
    exchange.ask("CreateTopics existing", _create(_wanted(exchange.topic + ".a_b")), 7)
    exchange.ask("CreateTopics internal", _create(_wanted("__cluster_metadata")), 7)


@script
def create_topics_refuses_counts(exchange: Exchange) -> None:
    for partitions, replicas in ((0, 1), (-2, 1), (1, 0), (1, -2), (1, 2), (-1, -1), (1, 32767)):
        wanted = _wanted(f"{exchange.topic}-{partitions}-{replicas}", partitions=partitions, replicas=replicas)
        exchange.ask(f"CreateTopics of {partitions} by {replicas}", _create(wanted, validate_only=True), 7)


@script
def create_topics_takes_assignments(exchange: Exchange) -> None:
    cases: dict[str, dict[int, list[int]]] = {
        "one": {0: [1]},
        "two": {0: [1], 1: [1]},
        "gap": {0: [1], 2: [1]},
        "not from zero": {1: [1]},
        "empty": {0: []},
        "twice": {0: [1, 1]},
        "unknown broker": {0: [7]},
        "negative broker": {0: [-1]},
        "unequal": {0: [1], 1: [1, 2]},
    }
    for name, assignments in cases.items():
        told = _wanted(f"{exchange.topic}-{name.replace(' ', '-')}", partitions=-1, replicas=-1, assignments=assignments)
        exchange.ask(f"CreateTopics assigned {name}", _create(told), 7)
    both = _wanted(f"{exchange.topic}-both", partitions=1, replicas=1, assignments={0: [1]})
    exchange.ask("CreateTopics with counts and assignments", _create(both), 7)


@script
def create_topics_refuses_settings(exchange: Exchange) -> None:
    cases: dict[str, dict[str, str | None]] = {
        "unknown": {"no.such.setting": "1"},
        "not a number": {"retention.ms": "soon"},
        "out of range": {"segment.bytes": "1"},
        "not in the list": {"compression.type": "brotli"},
        "null": {"retention.ms": None},
        "empty name": {"": "1"},
        "cleanup both": {"cleanup.policy": "compact,delete"},
        "cleanup nothing": {"cleanup.policy": ""},
        "cleanup unknown": {"cleanup.policy": "archive"},
        "in-sync below one": {"min.insync.replicas": "0"},
        "codec level": {"compression.type": "gzip", "compression.gzip.level": "10"},
        "remote storage": {"remote.storage.enable": "true"},
        "local over total": {"retention.ms": "1000", "local.retention.ms": "2000"},
        "boolean": {"unclean.leader.election.enable": "perhaps"},
        "class name": {"leader.replication.throttled.replicas": "x"},
    }
    for name, configs in cases.items():
        exchange.ask(f"CreateTopics {name}", _create(_wanted(f"{exchange.topic}-{name.replace(' ', '-')}", configs=configs)), 4)


@script
def create_topics_judges_each_topic_of_a_request(exchange: Exchange) -> None:
    twice = exchange.topic + "-twice"
    exchange.ask("CreateTopics twice", _create(_wanted(twice), _wanted(twice), _wanted(exchange.topic + "-good")), 4)
    exchange.ask("CreateTopics none", _create(), 4)
    exchange.ask("CreateTopics validated", _create(_wanted(exchange.topic + "-dry", partitions=3), validate_only=True), 4)
    exchange.ask("Metadata of validated", _metadata(exchange.topic + "-dry"), 4)


@script
def metadata_is_told_in_every_version(exchange: Exchange) -> None:
    name = make_topic(exchange, partition_count=2)
    exchange.ask_each("Metadata", _metadata(name), range(1, 14))
    exchange.ask_each("Metadata of unknown", _metadata(name + "-not"), range(1, 14))
    exchange.ask_each("Metadata of bad name", _metadata("a b"), range(1, 14))
    exchange.ask_each("Metadata of none", MetadataRequest(topics=[], allow_auto_topic_creation=False), range(4, 14))


@script
def metadata_is_asked_by_id(exchange: Exchange) -> None:
    name = make_topic(exchange)
    known = MetadataRequestTopic(topic_id=topic_id_of(exchange, name), name=None)
    for version in (10, 11, 12, 13):
        exchange.ask("Metadata by id", MetadataRequest(topics=[known], allow_auto_topic_creation=False), version)
    exchange.ask("Metadata by unknown id", MetadataRequest(topics=[MetadataRequestTopic(topic_id=OTHER_ID, name=None)]), 12)


@script
def metadata_tells_authorized_operations_when_asked(exchange: Exchange) -> None:
    name = make_topic(exchange)
    request = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)
    request.include_topic_authorized_operations = True
    exchange.ask_each("Metadata with operations", request, range(8, 14))
    request.include_cluster_authorized_operations = True
    exchange.ask_each("Metadata with operations of the cluster", request, range(8, 11))


def _metadata(name: str) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=True)


@script
def topic_partitions_are_described_in_pages(exchange: Exchange) -> None:
    name = make_topic(exchange, partition_count=3)
    request = DescribeTopicPartitionsRequest(topics=[TopicRequest(name=name), TopicRequest(name=name + "-not")], response_partition_limit=2)
    exchange.ask("DescribeTopicPartitions", request, 0)
    request.response_partition_limit = 2000
    exchange.ask("DescribeTopicPartitions", request, 0)
    request.response_partition_limit = 0
    exchange.ask("DescribeTopicPartitions of none at a time", request, 0)


@script
def partitions_are_added_or_refused(exchange: Exchange) -> None:
    name = make_topic(exchange, partition_count=2)

    def grown(count: int, assignments: list[list[int]] | None = None, topic: str = name) -> CreatePartitionsRequest:
        told = None if assignments is None else [CreatePartitionsAssignment(broker_ids=ids) for ids in assignments]
        return CreatePartitionsRequest(topics=[CreatePartitionsTopic(name=topic, count=count, assignments=told)], timeout_ms=10_000)

    for count in (2, 1, 0, -1):
        exchange.ask(f"CreatePartitions to {count}", grown(count), 3)
    exchange.ask("CreatePartitions of unknown", grown(3, topic=name + "-not"), 3)
    exchange.ask("CreatePartitions with too few assignments", grown(4, [[1]]), 3)
    exchange.ask("CreatePartitions with too many assignments", grown(3, [[1], [1]]), 3)
    exchange.ask("CreatePartitions on an unknown broker", grown(3, [[9]]), 3)
    exchange.ask("CreatePartitions on no broker", grown(3, [[]]), 3)
    exchange.ask("CreatePartitions on one broker twice", grown(3, [[1, 1]]), 3)
    for version, count in ((0, 3), (1, 4), (2, 5), (3, 6)):
        exchange.ask("CreatePartitions", grown(count), version)
    twice = CreatePartitionsTopic(name=name, count=9, assignments=None)
    exchange.ask("CreatePartitions twice in one", CreatePartitionsRequest(topics=[twice, twice], timeout_ms=10_000), 3)


@script
def topics_are_deleted_or_refused(exchange: Exchange) -> None:
    for version in range(1, 6):
        name = make_topic(exchange, f"-{version}")
        exchange.ask("DeleteTopics", DeleteTopicsRequest(topic_names=[name], timeout_ms=10_000), version)
        exchange.ask("DeleteTopics unknown", DeleteTopicsRequest(topic_names=[name], timeout_ms=10_000), version)
    name = make_topic(exchange, "-id")
    by_id = DeleteTopicState(name=None, topic_id=topic_id_of(exchange, name))
    exchange.ask("DeleteTopics by name and id", _delete(DeleteTopicState(name=name, topic_id=by_id.topic_id)), 6)
    exchange.ask("DeleteTopics by neither", _delete(DeleteTopicState(name=None, topic_id=ZERO_UUID)), 6)
    exchange.ask("DeleteTopics by unknown id", _delete(DeleteTopicState(name=None, topic_id=OTHER_ID)), 6)
    exchange.ask("DeleteTopics by bad name", _delete(DeleteTopicState(name="a b")), 6)
    exchange.ask("DeleteTopics by id twice", _delete(by_id, by_id), 6)
    exchange.ask("DeleteTopics by id", _delete(by_id), 6)


def _delete(*topics: DeleteTopicState) -> DeleteTopicsRequest:
    return DeleteTopicsRequest(topics=list(topics), timeout_ms=10_000)
