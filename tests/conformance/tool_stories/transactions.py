"""The tool for transactions: those that are open, ended or unknown, one that hangs, and the ways to end them by force."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Producer

from odradek.base.error_codes import ErrorCode
from odradek.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from odradek.protocol.messages.produce import ProduceResponse
from odradek.records.builder import encode_batch
from odradek.records.record import Record
from tests.conformance.differential.scripts import MOMENT_MS, produce
from tests.conformance.differential.wire import Exchange
from tests.conformance.eventually import eventually
from tests.conformance.tool_stories.story import Story, story
from tests.conformance.tool_stories.transcript import ToolTranscript

TRANSACTIONS: Final = "transactions"
OPERATION_S: Final = 30.0
VERIFICATION: Final = "transaction.partition.verification.enable"
# Errors of an id whose coordinator is being found, or whose block of producer ids is.
_NOT_YET: Final = frozenset({ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR})


def _begun(story: Story, topic: str, suffix: str) -> Producer:
    """A producer with an open transaction that has written to both partitions."""
    producer = Producer(
        {"bootstrap.servers": story.tools.bootstrap, "transactional.id": f"{story.tools.name}-{suffix}", "transaction.timeout.ms": 50_000}
    )
    producer.init_transactions(OPERATION_S)
    producer.begin_transaction()
    for partition in (0, 1):
        producer.produce(topic, b"v", partition=partition)
    producer.flush(OPERATION_S)
    return producer


@story
def transactions_open_and_ended(story: Story) -> None:
    topic, tools = story.make_topic(2), story.tools
    open_id = f"{tools.name}-open"
    _begun(story, topic, "committed").commit_transaction(OPERATION_S)
    _begun(story, topic, "aborted").abort_transaction(OPERATION_S)
    # Nobody has to hold it: what a producer leaves open stays open.
    _begun(story, topic, "open")

    tools.run_for_own(TRANSACTIONS, "list", until=r"(?s)(-(committed|aborted)\s+1\s+\d+\s+Complete.*){2}")
    tools.run_for_own(TRANSACTIONS, "list", "--transactional-id-pattern", ".*-(open|aborted)")
    tools.run(TRANSACTIONS, "list", "--transactional-id-pattern", ".*-(open")
    tools.run_for_own(TRANSACTIONS, "list", "--duration-filter", "3600000")
    tools.run_for_own(TRANSACTIONS, "list", "--duration-filter", "1")
    for suffix in ("open", "committed", "aborted", "unknown"):
        tools.run(TRANSACTIONS, "describe", "--transactional-id", f"{tools.name}-{suffix}")
    tools.run(TRANSACTIONS, "describe-producers", "--topic", topic, "--partition", "0")
    tools.run(TRANSACTIONS, "describe-producers", "--topic", topic, "--partition", "1", "--broker-id", "1")
    tools.run(TRANSACTIONS, "find-hanging", "--topic", topic)
    tools.run(TRANSACTIONS, "find-hanging", "--topic", topic, "--max-transaction-timeout", "0")
    tools.run(TRANSACTIONS, "find-hanging")
    tools.run(TRANSACTIONS, "abort", "--topic", topic, "--partition", "0", "--start-offset", "99")
    tools.run(TRANSACTIONS, "forceTerminateTransaction", "--transactionalId", open_id)
    tools.run(TRANSACTIONS, "describe", "--transactional-id", open_id, until="Empty")
    tools.run(TRANSACTIONS, "forceTerminateTransaction", "--transactionalId", f"{tools.name}-unknown")
    tools.run(TRANSACTIONS, "describe", "--transactional-id", f"{tools.name}-unknown")


@contextmanager
def _unverified(tools: ToolTranscript) -> Iterator[None]:
    """The node writes what is not known to be in a transaction."""
    change = ("--alter", "--entity-type", "brokers", "--entity-default")
    tools.quietly("configs", *change, "--add-config", f"{VERIFICATION}=false")
    try:
        yield
    finally:
        tools.quietly("configs", *change, "--delete-config", VERIFICATION)


def _hang(story: Story, topic: str) -> None:
    """Write in a transaction that its coordinator has not heard of, a long time ago."""
    with Exchange(story.tools.bootstrap, story.tools.name) as exchange:
        asked = InitProducerIdRequest(transactional_id=story.tools.name, transaction_timeout_ms=60_000)

        def identity() -> InitProducerIdResponse:
            answer = exchange.quietly(asked, 4)
            assert isinstance(answer, InitProducerIdResponse)
            return answer

        eventually(lambda: identity().error_code in _NOT_YET, False)
        producer = identity()
        records = [Record(timestamp=MOMENT_MS, value=b"left behind")]
        data = encode_batch(
            records, producer_id=producer.producer_id, producer_epoch=producer.producer_epoch, base_sequence=0, is_transactional=True
        )

        def code() -> int:
            answer = exchange.quietly(produce(topic, data, transactional_id=story.tools.name), 9)
            assert isinstance(answer, ProduceResponse)
            return answer.responses[0].partition_responses[0].error_code

        # The node takes the changed setting over a moment later.
        eventually(code, int(ErrorCode.NONE))


@story
def transaction_that_hangs(story: Story) -> None:
    topic, tools = story.make_topic(2), story.tools
    with _unverified(tools):
        _hang(story, topic)
    tools.run(TRANSACTIONS, "find-hanging", "--topic", topic)
    tools.run(TRANSACTIONS, "find-hanging", "--topic", topic, "--partition", "1")
    tools.run_for_own(TRANSACTIONS, "find-hanging", "--broker-id", "1")
    tools.run(TRANSACTIONS, "describe-producers", "--topic", topic, "--partition", "0")
    tools.run(TRANSACTIONS, "abort", "--topic", topic, "--partition", "0", "--start-offset", "0")
    tools.run(TRANSACTIONS, "find-hanging", "--topic", topic)
    tools.run(TRANSACTIONS, "describe-producers", "--topic", topic, "--partition", "0")
    tools.run(
        "console-consumer",
        *("--topic", topic, "--partition", "0", "--offset", "earliest", "--isolation-level", "read_committed", "--timeout-ms", "1000"),
    )
