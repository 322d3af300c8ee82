"""The nodes that a session of judging runs against, each started when the first scenario needs it.

A node is known by its target and its flavour: most scenarios share the plain flavour, where naming a topic does not create it, so that an
unknown one is refused. A node that died is started again on its data, so that one crash fails one scenario and not every later one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from tests.support.odradek_node import OdradekNode
from tests.support.reference_kafka import ReferenceNode

ODRADEK: Final = "odradek"
APACHE_KAFKA: Final = "apache-kafka"
TARGETS: Final = (ODRADEK, APACHE_KAFKA)

PLAIN: Final = "plain"
AUTO_CREATING: Final = "auto-creating"
HOUSEKEEPING: Final = "housekeeping"
# Groups find themselves at once and hear of changes within half a second; their topics and those of transactions are small.
COORDINATING: Final = "coordinating"
# As before, with groups of three members at most, sessions that may end soon, assignments that are made at once and late transactions
# that are noticed at once: for conversations about a single group or producer.
COORDINATING_CLOSELY: Final = "coordinating-closely"
_COORDINATING_SETTINGS: Final = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.consumer.min.heartbeat.interval.ms": "500",
    "group.consumer.heartbeat.interval.ms": "500",
    "offsets.topic.num.partitions": "3",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "3",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
}
# Everything that coordinators do by the clock comes soon, and each of their topics is one partition.
COORDINATOR_LOGS: Final = "coordinator-logs"
EXPIRING_COORDINATOR_LOGS: Final = "expiring-coordinator-logs"
COORDINATOR_LOGS_SETTINGS: Final[Mapping[str, str]] = {
    # Records of a story may be years old by their time stamps, and half a minute after its start a node deletes what is too old.
    "log.retention.ms": "-1",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "100",
    "group.consumer.session.timeout.ms": "50000",
    "group.consumer.min.session.timeout.ms": "400",
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.min.assignment.interval.ms": "0",
    "group.consumer.assignment.interval.ms": "0",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "200",
    "log.cleaner.enable": "false",
}
_SETTINGS_BY_FLAVOUR: Final[Mapping[str, Mapping[str, str]]] = {
    PLAIN: {"auto.create.topics.enable": "false"},
    AUTO_CREATING: {"auto.create.topics.enable": "true", "num.partitions": "3"},
    HOUSEKEEPING: {"log.initial.task.delay.ms": "0", "log.retention.check.interval.ms": "300"},
    COORDINATING: _COORDINATING_SETTINGS,
    COORDINATING_CLOSELY: {
        **_COORDINATING_SETTINGS,
        "group.min.session.timeout.ms": "500",
        "group.max.size": "3",
        "group.consumer.max.size": "3",
        "group.consumer.assignment.interval.ms": "0",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "100",
    },
    COORDINATOR_LOGS: COORDINATOR_LOGS_SETTINGS,
    EXPIRING_COORDINATOR_LOGS: {
        **COORDINATOR_LOGS_SETTINGS,
        "offsets.retention.check.interval.ms": "300",
        "transactional.id.expiration.ms": "1500",
        "transaction.remove.expired.transaction.cleanup.interval.ms": "300",
    },
}

# An internal setting of Apache Kafka: there a group is assigned in another thread, and a heartbeat or two later, if it is not set so.
_SETTINGS_OF_APACHE_KAFKA: Final[Mapping[str, Mapping[str, str]]] = {
    COORDINATING_CLOSELY: {"group.consumer.assignor.offload.enable": "false"},
}


class Node(Protocol):
    data_directory: Path

    @property
    def bootstrap(self) -> str: ...

    @property
    def is_running(self) -> bool: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Nodes:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._nodes: dict[tuple[str, str], Node] = {}

    def running(self, target: str, flavour: str = PLAIN) -> Node:
        """Raises OdradekFailure or ReferenceFailure when the node does not start."""
        node = self._nodes.get((target, flavour))
        if node is None:
            settings = dict(_SETTINGS_BY_FLAVOUR[flavour])
            if target == APACHE_KAFKA:
                settings.update(_SETTINGS_OF_APACHE_KAFKA.get(flavour, {}))
            node = make_node(target, self._directory / f"{target}-{flavour}", settings)
            node.start()
            self._nodes[target, flavour] = node
        elif not node.is_running:
            node.start()
        return node

    def stop_all(self) -> None:
        for node in self._nodes.values():
            node.stop()


def make_node(target: str, directory: Path, settings: Mapping[str, str]) -> Node:
    return OdradekNode(directory, settings) if target == ODRADEK else ReferenceNode(directory, settings)
