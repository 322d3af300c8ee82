"""Apache Kafka's own command line tools against a node: what an operator sees must be the same."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.conformance.clients.client import Client, Message
from tests.conformance.nodes import Node
from tests.support.reference_kafka import ToolOutcome, missing_reason, run_tool
from tests.support.tool_server import ToolServer

RunTool = Callable[[str, Sequence[str]], ToolOutcome]

_LETTERS = [Message(key=None, value=letter.encode()) for letter in "abcdefgh"]


@pytest.fixture
def server(java: Callable[[], ToolServer], absent: Callable[[str], None]) -> ToolServer:
    reason = missing_reason()
    if reason:
        absent(reason)
    return java()


@pytest.fixture
def tool(node: Node, server: ToolServer) -> RunTool:
    """Runs a tool by class name against the node; a tool that fails fails the scenario with what it said."""

    def run(class_name: str, arguments: Sequence[str]) -> ToolOutcome:
        outcome = server.run(class_name, ["--bootstrap-server", node.bootstrap, *arguments])
        assert outcome.exit_code == 0, outcome.text + outcome.errors
        return outcome

    return run


def test_broker_api_versions_lists_every_api(tool: RunTool, target: str) -> None:
    told = tool("org.apache.kafka.tools.BrokerApiVersionsCommand", []).text

    apis = dict(re.findall(r"^\s(\w+)\((\d+)\): .*usable", told, re.MULTILINE))
    assert re.search(r"Produce\(0\): 0 to 13 \[usable: 13\]", told)
    assert re.search(r"Fetch\(1\): 4 to 18 \[usable: 18\]", told)
    assert {"Metadata", "CreateTopics", "ListOffsets", "DescribeConfigs", "InitProducerId"} <= apis.keys()


def test_get_offsets_tells_first_last_and_moments(tool: RunTool, steward: Client, made_topic: str) -> None:
    steward.write(made_topic, 0, _LETTERS)

    ends = [
        tool("org.apache.kafka.tools.GetOffsetShell", ["--topic", made_topic, "--time", time]).text.strip()
        for time in ("earliest", "latest", "-3")
    ]

    assert ends[:2] == [f"{made_topic}:0:0", f"{made_topic}:0:8"]
    assert re.fullmatch(rf"{re.escape(made_topic)}:0:\d", ends[2])


def test_log_dirs_tells_the_size_of_a_partition(tool: RunTool, steward: Client, made_topic: str, node: Node) -> None:
    steward.write(made_topic, 0, _LETTERS)

    told = tool("org.apache.kafka.tools.LogDirsCommand", ["--describe", "--topic-list", made_topic]).text

    brokers = json.loads(told.splitlines()[-1])["brokers"]
    (directory,) = brokers[0]["logDirs"]
    assert Path(directory["logDir"]) == node.data_directory
    (partition,) = directory["partitions"]
    assert partition["partition"] == f"{made_topic}-0"
    log_size_bytes = (node.data_directory / f"{made_topic}-0" / "00000000000000000000.log").stat().st_size
    assert partition["size"] == log_size_bytes > 0
    assert (partition["offsetLag"], partition["isFuture"]) == (0, False)


def test_metadata_quorum_tells_its_leader_and_replicas(tool: RunTool) -> None:
    status = tool("org.apache.kafka.tools.MetadataQuorumCommand", ["describe", "--status"]).text
    replication = tool("org.apache.kafka.tools.MetadataQuorumCommand", ["describe", "--replication"]).text

    told = dict(re.findall(r"^(\w+):\s+(.*)$", status, re.MULTILINE))
    assert told["LeaderId"] == "1"
    assert re.fullmatch(r"\[?\{.*\"id\": 1.*\}\]?|\[1\]", told["CurrentVoters"])
    assert int(told["HighWatermark"]) > 0
    assert told["MaxFollowerLag"] == "0"
    assert re.search(r"^1\s+\S+\s+\d+\s+0\s+.*Leader", replication, re.MULTILINE)


def test_performance_producer_sends_all(tool: RunTool, steward: Client, made_topic: str) -> None:
    arguments = ["--topic", made_topic, "--num-records", "20000", "--record-size", "100", "--throughput", "-1"]

    told = tool("org.apache.kafka.tools.ProducerPerformance", arguments).text

    assert re.search(r"^20000 records sent", told, re.MULTILINE)
    assert steward.offsets(made_topic, 0) == (0, 20000)


def test_verifiable_producer_gets_every_acknowledgement(
    node: Node, absent: Callable[[str], None], steward: Client, made_topic: str
) -> None:
    reason = missing_reason()
    if reason:
        absent(reason)
    # It tells its end when its JVM ends, so it has one of its own.
    arguments = ["--bootstrap-server", node.bootstrap, "--topic", made_topic, "--max-messages", "100"]
    outcome = run_tool("org.apache.kafka.tools.VerifiableProducer", arguments)
    assert outcome.exit_code == 0, outcome.text + outcome.errors
    told = outcome.text

    events = [json.loads(line) for line in told.splitlines()]
    assert [event["value"] for event in events if event["name"] == "producer_send_success"] == [str(number) for number in range(100)]
    assert steward.offsets(made_topic, 0) == (0, 100)


def test_delete_records_moves_the_beginning(tool: RunTool, steward: Client, made_topic: str, tmp_path: Path) -> None:
    steward.write(made_topic, 0, _LETTERS)
    wanted = tmp_path / "offsets.json"
    wanted.write_text(json.dumps({"version": 1, "partitions": [{"topic": made_topic, "partition": 0, "offset": 3}]}))

    told = tool("org.apache.kafka.tools.DeleteRecordsCommand", ["--offset-json-file", str(wanted)]).text

    assert f"partition: {made_topic}-0\tlow_watermark: 3" in told
    assert steward.offsets(made_topic, 0) == (3, 8)


def test_features_are_finalized_at_the_levels_of_this_release(tool: RunTool) -> None:
    told = tool("org.apache.kafka.tools.FeatureCommand", ["describe"]).text

    levels = dict(re.findall(r"^Feature: (\S+)\s.*FinalizedVersionLevel: (\S+)", told, re.MULTILINE))
    assert levels["metadata.version"] == "4.3-IV0"
    assert levels["kraft.version"] == "1"


def test_cluster_tool_tells_the_identity_that_is_on_disk(node: Node, server: ToolServer) -> None:
    told = server.run("org.apache.kafka.tools.ClusterTool", ["cluster-id", "--bootstrap-server", node.bootstrap]).text

    on_disk = re.search(r"^cluster\.id=(\S+)$", (node.data_directory / "meta.properties").read_text(), re.MULTILINE)
    assert on_disk is not None
    assert on_disk.group(1) in told
