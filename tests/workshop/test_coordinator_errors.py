"""No error of the group and transaction coordinators goes without a case that names who is told it.

Two lists are held against the tables of refusals: the errors that Kafka documents for each API (`DOCUMENTED`), and those that our own
sources name. A new error in either makes this fail until a case is there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.protocol.apis import API_BY_KEY
from tests.broker.handlers import test_coordinator_refusals
from tests.coordinator.group import test_consumer_refusals, test_group_refusals, test_offset_refusals
from tests.coordinator.transaction import test_transaction_refusals

PROJECT: Final = Path(__file__).resolve().parents[2]
CASES: Final = [
    case
    for module in (
        test_group_refusals,
        test_consumer_refusals,
        test_offset_refusals,
        test_transaction_refusals,
        test_coordinator_refusals,
    )
    for case in module.CASES
]
_UNAVAILABLE: Final = ("COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS", "NOT_COORDINATOR")

# By API, what the comments of Kafka's `*Response` classes and schemas say, and what its coordinators answer beyond that. Errors of
# authorization are left out: without an authorizer nobody is told them, as in Kafka.
DOCUMENTED: Final[dict[str, str]] = {
    "JoinGroup": "INCONSISTENT_GROUP_PROTOCOL UNKNOWN_MEMBER_ID INVALID_SESSION_TIMEOUT INVALID_GROUP_ID MEMBER_ID_REQUIRED "
    "GROUP_MAX_SIZE_REACHED FENCED_INSTANCE_ID REBALANCE_IN_PROGRESS UNKNOWN_SERVER_ERROR",
    "SyncGroup": "ILLEGAL_GENERATION UNKNOWN_MEMBER_ID REBALANCE_IN_PROGRESS INVALID_GROUP_ID FENCED_INSTANCE_ID "
    "INCONSISTENT_GROUP_PROTOCOL",
    "Heartbeat": "ILLEGAL_GENERATION UNKNOWN_MEMBER_ID REBALANCE_IN_PROGRESS INVALID_GROUP_ID FENCED_INSTANCE_ID",
    "LeaveGroup": "UNKNOWN_MEMBER_ID FENCED_INSTANCE_ID INVALID_GROUP_ID",
    "OffsetCommit": "UNKNOWN_MEMBER_ID ILLEGAL_GENERATION FENCED_INSTANCE_ID REBALANCE_IN_PROGRESS OFFSET_METADATA_TOO_LARGE "
    "GROUP_ID_NOT_FOUND STALE_MEMBER_EPOCH UNKNOWN_TOPIC_OR_PARTITION UNKNOWN_TOPIC_ID UNSUPPORTED_VERSION",
    "OffsetFetch": "UNKNOWN_MEMBER_ID STALE_MEMBER_EPOCH UNSTABLE_OFFSET_COMMIT UNKNOWN_TOPIC_ID",
    "OffsetDelete": "INVALID_GROUP_ID GROUP_ID_NOT_FOUND NON_EMPTY_GROUP GROUP_SUBSCRIBED_TO_TOPIC UNKNOWN_TOPIC_OR_PARTITION",
    "DescribeGroups": "GROUP_ID_NOT_FOUND",
    "ListGroups": "",
    "DeleteGroups": "GROUP_ID_NOT_FOUND NON_EMPTY_GROUP",
    "ConsumerGroupHeartbeat": "INVALID_REQUEST UNKNOWN_MEMBER_ID FENCED_MEMBER_EPOCH UNRELEASED_INSTANCE_ID FENCED_INSTANCE_ID "
    "UNSUPPORTED_ASSIGNOR INVALID_REGULAR_EXPRESSION GROUP_MAX_SIZE_REACHED GROUP_ID_NOT_FOUND",
    "ConsumerGroupDescribe": "GROUP_ID_NOT_FOUND INVALID_GROUP_ID",
    "InitProducerId": "INVALID_REQUEST PRODUCER_FENCED INVALID_PRODUCER_EPOCH INVALID_TRANSACTION_TIMEOUT CONCURRENT_TRANSACTIONS",
    "AddPartitionsToTxn": "INVALID_REQUEST INVALID_PRODUCER_ID_MAPPING PRODUCER_FENCED INVALID_PRODUCER_EPOCH CONCURRENT_TRANSACTIONS "
    "TRANSACTION_ABORTABLE UNKNOWN_TOPIC_OR_PARTITION",
    "AddOffsetsToTxn": "PRODUCER_FENCED INVALID_PRODUCER_EPOCH",
    "TxnOffsetCommit": "UNKNOWN_MEMBER_ID ILLEGAL_GENERATION INVALID_GROUP_ID OFFSET_METADATA_TOO_LARGE INVALID_PRODUCER_EPOCH "
    "INVALID_TXN_STATE TRANSACTION_ABORTABLE UNKNOWN_TOPIC_OR_PARTITION",
    "EndTxn": "INVALID_REQUEST INVALID_PRODUCER_ID_MAPPING PRODUCER_FENCED INVALID_PRODUCER_EPOCH INVALID_TXN_STATE "
    "CONCURRENT_TRANSACTIONS",
    "ListTransactions": "INVALID_REGULAR_EXPRESSION",
    "DescribeTransactions": "INVALID_REQUEST TRANSACTIONAL_ID_NOT_FOUND",
}
_TAKEN_FOR_GOOD: Final = ("Heartbeat", "COORDINATOR_LOAD_IN_PROGRESS")
# Answers of one API that does not ask a coordinator, and of those who look for one.
OTHERS: Final[dict[str, str]] = {
    "FindCoordinator": "INVALID_REQUEST COORDINATOR_NOT_AVAILABLE",
    "WriteTxnMarkers": "UNKNOWN_TOPIC_OR_PARTITION INVALID_PRODUCER_EPOCH",
    "DescribeProducers": "UNKNOWN_TOPIC_OR_PARTITION INVALID_TOPIC_EXCEPTION",
}
SOURCES: Final = (
    *sorted((PROJECT / "src/odradek/coordinator").rglob("*.py")),
    *(
        PROJECT / "src/odradek/broker/handlers" / f"{entry.module}.py"
        for entry in API_BY_KEY.values()
        if entry.name in (*DOCUMENTED, *OTHERS)
    ),
)
# Errors that our sources name and that no request of a coordinator is answered with by itself, each with the test that shows it.
SHOWN_ELSEWHERE: Final = {
    "OPERATION_NOT_ATTEMPTED": (
        "tests/broker/handlers/test_coordinator_refusals.py",
        "test_partition_that_exists_is_not_attempted_where_another_does_not",
    ),
}


@pytest.mark.parametrize("api", [*DOCUMENTED, *OTHERS])
def test_every_documented_error_is_told_to_somebody(api: str) -> None:
    documented = set((DOCUMENTED | OTHERS)[api].split()) | (set(_UNAVAILABLE) if api in DOCUMENTED else set())
    if api == _TAKEN_FOR_GOOD[0]:
        documented.discard(_TAKEN_FOR_GOOD[1])

    assert documented <= {code.name for code in ErrorCode}, "an error that does not exist"
    assert documented - {case.code.name for case in CASES if case.api == api} == set()


def test_every_error_that_the_sources_name_is_told_to_somebody() -> None:
    named = {name for path in SOURCES for name in re.findall(r"ErrorCode\.([A-Z_]+)", path.read_text(encoding="utf-8"))} - {"NONE"}
    assert len(named) > 30, "the sources are not where they were"

    assert named - {case.code.name for case in CASES} - set(SHOWN_ELSEWHERE) == set()


def test_errors_that_are_shown_elsewhere_are_shown_there() -> None:
    for path, test in SHOWN_ELSEWHERE.values():
        assert f"def {test}(" in (PROJECT / path).read_text(encoding="utf-8")


def test_cases_are_of_apis_that_there_are() -> None:
    assert {case.api for case in CASES} <= {entry.name for entry in API_BY_KEY.values()}
    assert {case.api for case in CASES} == set(DOCUMENTED) | set(OTHERS)


def test_every_api_is_spoken_in_the_conversations_with_kafka() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "tests/conformance/differential").glob("*.py"))

    assert [api for api in (*DOCUMENTED, *OTHERS) if f"{api}Request" not in scripts] == []
