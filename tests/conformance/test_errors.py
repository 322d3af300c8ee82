"""What is refused, and with which error: the one that Apache Kafka gives to the same client.

The expected errors are in expected_errors.txt, one line a client and case, in the client's own words; `--record-reference` writes down what
Apache Kafka answers. A case that a client does not refuse at all is written as `accepted`, because that too has to be the same.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.clients.client import Ability, AtOffset, Beginning, Client, Message, Refused
from tests.conformance.clients.registry import JUDGES
from tests.conformance.corpus import TOO_BIG_MESSAGE
from tests.conformance.eventually import eventually

_EXPECTED_FILE: Final = Path(__file__).with_name("expected_errors.txt")
_HEAD: Final = (
    "# client case: the error as Apache Kafka 4.3.1 gives it to this client. `pytest tests/conformance --record-reference` refreshes it.\n"
)
_ONE: Final = [Message(key=None, value=b"one")]


class Case:
    """One refusal: what the client must be able to do for it, and the deed."""

    def __init__(self, deed: Callable[[Client, str], object], *needs: Ability) -> None:
        self.deed = deed
        self.needs = frozenset(needs)


def _create(
    name_suffix: str = "-new", *, partition_count: int = 1, replication_factor: int = 1, **settings: str
) -> Callable[[Client, str], None]:
    told = {name.replace("_", "."): value for name, value in settings.items()}

    def create(client: Client, topic: str) -> None:
        client.create_topic(topic + name_suffix, partition_count=partition_count, replication_factor=replication_factor, settings=told)

    return create


_MANAGE: Final = Ability.MANAGE_TOPICS
_SETTINGS: Final = Ability.TOPIC_SETTINGS

# Every deed gets the name of a topic that exists, has one partition, and holds one message.
CASES: Final[Mapping[str, Case]] = {
    "create-duplicate": Case(_create(""), _MANAGE),
    "create-name-with-space": Case(_create(" x"), _MANAGE),
    "create-name-too-long": Case(_create("x" * 250), _MANAGE),
    "create-replication-factor-too-large": Case(_create(replication_factor=2), _MANAGE),
    "create-no-partitions": Case(_create(partition_count=0), _MANAGE),
    "create-bad-setting-value": Case(_create(retention_ms="soon"), _MANAGE),
    "create-setting-out-of-range": Case(_create(segment_bytes="1"), _MANAGE),
    "create-unknown-setting": Case(_create(no_such_setting="1"), _MANAGE),
    "alter-bad-setting-value": Case(lambda client, topic: client.alter_topic_setting(topic, "max.message.bytes", "many"), _SETTINGS),
    "alter-unknown-setting": Case(lambda client, topic: client.alter_topic_setting(topic, "no.such.setting", "1"), _SETTINGS),
    "alter-setting-of-unknown-topic": Case(
        lambda client, topic: client.alter_topic_setting(topic + "-not", "retention.ms", "1"), _SETTINGS
    ),
    "grow-to-fewer": Case(lambda client, topic: client.grow_topic(topic, 1), Ability.GROW_TOPICS),
    "grow-unknown-topic": Case(lambda client, topic: client.grow_topic(topic + "-not", 3), Ability.GROW_TOPICS),
    "delete-unknown-topic": Case(lambda client, topic: client.delete_topic(topic + "-not"), _MANAGE),
    "describe-unknown-topic": Case(lambda client, topic: client.describe_topic(topic + "-not")),
    "delete-records-beyond-end": Case(lambda client, topic: client.delete_records(topic, 0, 50), Ability.DELETE_RECORDS),
    "write-too-large": Case(lambda client, topic: client.write(topic, 0, [TOO_BIG_MESSAGE]), Ability.WRITE_BINARY),
    "write-unknown-topic": Case(lambda client, topic: client.write(topic + "-not", 0, _ONE)),
    "write-no-such-partition": Case(lambda client, topic: client.write(topic, 7, _ONE), Ability.CHOOSE_ACKS),
    "read-out-of-range": Case(lambda client, topic: client.read(topic, 0, AtOffset(1000), 1)),
    "read-unknown-topic": Case(lambda client, topic: client.read(topic + "-not", 0, Beginning(), 1)),
    "read-no-such-partition": Case(lambda client, topic: client.read(topic, 7, Beginning(), 1)),
    "offsets-of-no-such-partition": Case(lambda client, topic: client.offsets(topic, 7)),
}

# These pairs wait for ever, or stay in the client and ask the node nothing.
_LEFT_OUT: Final = frozenset(
    {
        ("java-tools", "write-no-such-partition"),
        ("java-tools", "read-unknown-topic"),
        ("java-tools", "read-no-such-partition"),
        ("librdkafka", "read-unknown-topic"),
        ("librdkafka", "read-no-such-partition"),
        ("kafka-python", "read-unknown-topic"),
        ("kafka-python", "read-no-such-partition"),
        ("kafka-python", "offsets-of-no-such-partition"),
        ("kafka-python", "write-unknown-topic"),
        ("aiokafka", "read-unknown-topic"),
        ("aiokafka", "read-no-such-partition"),
        ("aiokafka", "offsets-of-no-such-partition"),
        ("aiokafka", "write-unknown-topic"),
        ("franz-go", "read-unknown-topic"),
        ("franz-go", "read-no-such-partition"),
    }
)


@pytest.mark.parametrize(
    ("judge", "case"),
    [
        (judge.name, name)
        for judge in JUDGES.values()
        for name, case in CASES.items()
        if case.needs <= judge.abilities and (judge.name, name) not in _LEFT_OUT
    ],
)
def test_refusal_is_the_one_that_kafka_gives(
    client: Client, steward: Client, made_topic: str, judge: str, case: str, target: str, record_reference: bool
) -> None:
    steward.write(made_topic, 0, _ONE)

    try:
        CASES[case].deed(client, made_topic)
        outcome = "accepted"
    except Refused as refusal:
        outcome = refusal.error.replace(made_topic, "TOPIC")

    if record_reference and target == "apache-kafka":
        _record(f"{judge} {case}", outcome)
    assert outcome == _expected().get(f"{judge} {case}")


@pytest.mark.parametrize("judge", [judge.name for judge in JUDGES.values()])
def test_null_key_is_refused_on_a_compacted_topic(
    client: Client, steward: Client, topic: str, judge: str, target: str, record_reference: bool
) -> None:
    """A compacted topic without keys could keep nothing apart."""
    steward.create_topic(topic, partition_count=1, settings={"cleanup.policy": "compact"})
    eventually(lambda: topic in steward.topic_names(), True)

    try:
        client.write(topic, 0, _ONE)
        outcome = "accepted"
    except Refused as refusal:
        outcome = refusal.error

    if record_reference and target == "apache-kafka":
        _record(f"{judge} write-null-key-to-compacted", outcome)
    assert outcome == _expected().get(f"{judge} write-null-key-to-compacted")


def _expected() -> dict[str, str]:
    if not _EXPECTED_FILE.exists():
        return {}
    lines = [line for line in _EXPECTED_FILE.read_text().splitlines() if not line.startswith("#")]
    return {name: outcome for name, _, outcome in (line.partition(": ") for line in lines)}


def _record(name: str, outcome: str) -> None:
    known = _expected() | {name: outcome}
    _EXPECTED_FILE.write_text(_HEAD + "".join(f"{name}: {known[name]}\n" for name in sorted(known)))
