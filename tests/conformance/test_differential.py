"""The same conversations with Apache Kafka and with Odradek, frame by frame.

`differential/transcripts/` holds what Apache Kafka 4.3.1 answered, one file a script in the notation of differential/outcome.py;
`--record-reference` refreshes them. So the comparison needs no Java, and where Java is, Kafka is held to its own record.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.differential import (
    scripts_apart,
    scripts_classic_groups,
    scripts_classic_refusals,
    scripts_consumer_groups,
    scripts_frames,
    scripts_group_tools,
    scripts_null_names,
    scripts_offsets,
    scripts_others,
    scripts_produce,
    scripts_promises,
    scripts_reading,
    scripts_settings,
    scripts_topics,
    scripts_transaction_refusals,
    scripts_transactions,
)
from tests.conformance.differential.scripts import FLAVOUR_BY_SCRIPT, SCRIPTS
from tests.conformance.differential.wire import Exchange
from tests.conformance.nodes import APACHE_KAFKA, PLAIN, Node

_TRANSCRIPTS: Final = Path(__file__).with_name("differential") / "transcripts"

# Importing a collection registers its scripts.
COLLECTIONS: Final = (
    scripts_classic_groups,
    scripts_classic_refusals,
    scripts_null_names,
    scripts_offsets,
    scripts_group_tools,
    scripts_consumer_groups,
    scripts_transactions,
    scripts_transaction_refusals,
    scripts_frames,
    scripts_topics,
    scripts_produce,
    scripts_promises,
    scripts_reading,
    scripts_settings,
    scripts_others,
    scripts_apart,
)


@pytest.mark.parametrize("script_name", list(SCRIPTS))
def test_conversation_is_the_one_that_kafka_holds(
    start_node: Callable[[str], Node], target: str, record_reference: bool, script_name: str
) -> None:
    node = start_node(FLAVOUR_BY_SCRIPT.get(script_name, PLAIN))
    with Exchange(node.bootstrap, script_name) as exchange:
        SCRIPTS[script_name](exchange)

    told = "\n".join(exchange.transcript) + "\n"
    file = _TRANSCRIPTS / f"{script_name}.txt"
    if record_reference and target == APACHE_KAFKA:
        _TRANSCRIPTS.mkdir(exist_ok=True)
        file.write_text(told)
    assert told == file.read_text()
