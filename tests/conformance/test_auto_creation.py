"""Writing to a topic that is not there, where the node may make it: `auto.create.topics.enable`, with three partitions by default."""

from collections.abc import Callable

import pytest

from tests.conformance.clients.client import Beginning, Client, Message
from tests.conformance.clients.registry import STEWARD
from tests.conformance.corpus import contents
from tests.conformance.eventually import eventually
from tests.conformance.nodes import AUTO_CREATING, Node


# kafkajs and franz-go are told by their programmes here not to make topics.
@pytest.mark.parametrize("judge", ["librdkafka", "kafka-python", "aiokafka", "kcat", "java-tools"])
def test_topic_is_made_by_writing_to_it(
    start_node: Callable[[str], Node], connect: Callable[[str, Node], Client], judge: str, topic: str
) -> None:
    node = start_node(AUTO_CREATING)
    client, steward = connect(judge, node), connect(STEWARD, node)
    messages = [Message(key=b"k", value=b"first")]

    client.write(topic, 0, messages)

    eventually(lambda: steward.describe_topic(topic).partition_count, 3)
    # The console producer chooses the partition by the key.
    partition = next(index for index in range(3) if steward.offsets(topic, index)[1] > 0)
    assert contents(steward.read(topic, partition, Beginning(), 1)) == contents(messages)
