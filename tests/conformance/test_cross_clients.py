"""What one client writes, every other reads: in each codec, to the byte."""

from collections.abc import Callable

import pytest

from tests.conformance.clients.client import Beginning, Client, Codec, Writing
from tests.conformance.clients.registry import JUDGES
from tests.conformance.corpus import TEXT_MESSAGES, contents
from tests.conformance.nodes import Node


@pytest.fixture(scope="session")
def written() -> dict[tuple[str, str], str]:
    """The topic that a writer filled on a target; every reader reads the same one."""
    return {}


@pytest.mark.parametrize("reader", list(JUDGES))
@pytest.mark.parametrize("writer", list(JUDGES))
def test_messages_of_one_client_are_read_by_another(
    node: Node,
    target: str,
    steward: Client,
    connect: Callable[[str, Node], Client],
    written: dict[tuple[str, str], str],
    writer: str,
    reader: str,
) -> None:
    if (target, writer) not in written:
        topic = f"written-by-{writer}"
        steward.create_topic(topic, partition_count=1)
        client = connect(writer, node)
        for codec in Codec:
            client.write(topic, 0, TEXT_MESSAGES, Writing(codec=codec))
        written[target, writer] = topic

    read = connect(reader, node).read(written[target, writer], 0, Beginning(), len(Codec) * len(TEXT_MESSAGES))

    assert contents(read) == contents([*TEXT_MESSAGES] * len(Codec))
