"""`odradek transaction ...` against a whole node.

It has a transaction of `copier` that is open in orders-0, and one in orders-1 that hangs: its producer is known to no coordinator, as
after a record that came late, when the partition did not look whether there was a transaction (KIP-890).
"""

from __future__ import annotations

import time

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.cli.problems import ExitCode
from tests.cli.conftest import Shell
from tests.support.cluster_work import ClusterWork

HANGING_PRODUCER = (4711, 3)
HOUR_MS = 3_600_000


@pytest.fixture(scope="module", autouse=True)
def transactions(work: ClusterWork) -> None:
    work.create_topic("orders", 3)
    copier = work.begin("copier")
    work.add_partitions("copier", copier, "orders", [0])
    assert work.write_in_transaction("copier", copier, "orders", 0) == ErrorCode.NONE
    done = work.begin("done")
    work.add_partitions("done", done, "orders", [2])
    assert work.write_in_transaction("done", done, "orders", 2) == ErrorCode.NONE
    work.end("done", done, is_commit=True)
    hour_ago_ms = time.time_ns() // 1_000_000 - HOUR_MS
    work.write("orders", 1, 2)
    assert work.write_in_transaction("nobody", HANGING_PRODUCER, "orders", 1, timestamp_ms=hour_ago_ms) == ErrorCode.NONE


# list


def test_list_has_a_row_for_each_transactional_id(shell: Shell) -> None:
    told = shell("transaction", "list")

    assert told.code == ExitCode.DONE
    assert told.table[0] == ["transactional_id", "coordinator_id", "producer_id", "state"]
    assert [[row[0], row[1], row[3]] for row in told.table[1:] if row[0] == "copier"] == [["copier", "1", "Ongoing"]]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--state", "Ongoing"], {"copier"}),
        (["--state", "ongoing,Dead"], {"copier"}),
        (["--transactional-id-pattern", "do.*"], {"done"}),
        (["--producer-id", "999999"], set()),
        (["--running-longer-than", "1h"], set()),
        (["--duration-filter", "0s", "--state", "Ongoing"], {"copier"}),
    ],
)
def test_list_is_filtered(shell: Shell, filters: list[str], expected: set[str]) -> None:
    assert {row["transactional_id"] for row in shell("transaction", "list", "-o", "json", *filters).rows} == expected


def test_list_refuses_what_no_coordinator_knows(shell: Shell) -> None:
    assert shell("transaction", "list", "--state", "Wondering").code == ExitCode.WRONG_USAGE
    told = shell("transaction", "list", "--transactional-id-pattern", "(")
    assert told.code == ExitCode.REFUSED
    assert "INVALID_REGULAR_EXPRESSION 128" in told.err


# describe


def test_describe_tells_what_waits_for_the_end(shell: Shell) -> None:
    (row,) = shell("transaction", "describe", "copier", "-o", "json").rows

    assert (row["transactional_id"], row["coordinator_id"], row["state"], row["timeout_ms"]) == ("copier", 1, "Ongoing", 60_000)
    assert row["partitions"] == [{"topic": "orders", "partitions": [0]}]
    assert isinstance(row["duration_ms"], int)
    assert 0 <= row["duration_ms"] < HOUR_MS
    assert str(row["start_time"]).endswith("Z")


def test_describe_of_an_unknown_id_is_refused_and_others_are_shown(shell: Shell) -> None:
    told = shell("transaction", "describe", "nobody", "copier")

    assert told.code == ExitCode.PARTLY_DONE
    assert [row[0] for row in told.table] == ["transactional_id", "copier"]
    assert (
        'transactional id "nobody" cannot be described: The transactional id does not exist. [TRANSACTIONAL_ID_NOT_FOUND 105]' in told.err
    )


# describe-producers


def test_producers_of_a_partition_are_told_with_where_their_transactions_begin(shell: Shell) -> None:
    (row,) = shell("transaction", "describe-producers", "--topic", "orders", "--partition", "1", "-o", "json").rows

    assert {name: value for name, value in row.items() if name != "last_time"} == {
        "producer_id": HANGING_PRODUCER[0],
        "producer_epoch": HANGING_PRODUCER[1],
        "coordinator_epoch": None,
        "last_sequence": 0,
        "transaction_start_offset": 2,
    }


def test_producers_are_asked_of_the_broker_that_is_named(shell: Shell) -> None:
    words = ["transaction", "describe-producers", "--topic", "orders", "--partition", "1"]

    assert len(shell(*words, "--broker-id", "1").table) == 2


@pytest.mark.parametrize(("topic", "partition"), [("nowhere", "0"), ("orders", "9")])
def test_producers_of_what_does_not_exist_are_refused(shell: Shell, topic: str, partition: str) -> None:
    told = shell("transaction", "describe-producers", "--topic", topic, "--partition", partition)

    assert told.code == ExitCode.REFUSED
    assert f"the producers of {topic}-{partition} cannot be described" in told.err
    assert "UNKNOWN_TOPIC_OR_PARTITION 3" in told.err


# find-hanging, abort


def test_hanging_transactions_are_those_that_no_coordinator_knows_of(shell: Shell) -> None:
    told = shell("transaction", "find-hanging", "--topic", "orders", "-o", "json")

    (row,) = told.rows
    assert (row["topic"], row["partition"], row["producer_id"], row["transaction_start_offset"]) == ("orders", 1, HANGING_PRODUCER[0], 2)
    assert isinstance(row["duration_ms"], int)
    assert row["duration_ms"] >= HOUR_MS


def test_open_transaction_of_a_coordinator_does_not_hang_however_long_it_takes(shell: Shell) -> None:
    told = shell("transaction", "find-hanging", "--topic", "orders", "--partition", "0", "--max-transaction-timeout", "0s")

    assert (told.code, len(told.table)) == (ExitCode.DONE, 1)


def test_search_by_broker_looks_at_all_that_it_holds(shell: Shell) -> None:
    assert len(shell("transaction", "find-hanging", "--broker-id", "1", "-o", "json").rows) == 1
    assert shell("transaction", "find-hanging", "--broker-id", "1", "--max-transaction-timeout", "2h", "-o", "json").rows == []


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        ([], ExitCode.WRONG_USAGE, "where to look?"),
        (["--broker-id", "1", "--partition", "0"], ExitCode.WRONG_USAGE, "--partition needs --topic"),
        (["--topic", "nowhere"], ExitCode.REFUSED, "UNKNOWN_TOPIC_OR_PARTITION 3"),
        (["--topic", "orders", "--partition", "9"], ExitCode.REFUSED, "there is no partition orders-9"),
    ],
)
def test_search_that_cannot_be_says_why(shell: Shell, words: list[str], code: ExitCode, complaint: str) -> None:
    told = shell("transaction", "find-hanging", *words)

    assert told.code == code
    assert complaint in told.err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--producer-id", "1"],
        ["--start-offset", "1", "--producer-id", "1"],
        ["--producer-id", "1", "--producer-epoch", "0"],
        ["--start-offset", "1", "--coordinator-epoch", "0"],
    ],
)
def test_abort_needs_to_know_which_transaction(shell: Shell, words: list[str]) -> None:
    told = shell("transaction", "abort", "--topic", "orders", "--partition", "1", "--yes", *words)

    assert told.code == ExitCode.WRONG_USAGE
    assert "which transaction?" in told.err


def test_abort_of_what_is_not_open_is_refused(shell: Shell) -> None:
    told = shell("transaction", "abort", "--topic", "orders", "--partition", "1", "--start-offset", "1", "--yes")

    assert told.code == ExitCode.REFUSED
    assert "no transaction that is open in orders-1 begins at offset 1" in told.err


def test_abort_with_an_epoch_of_old_is_refused(shell: Shell) -> None:
    producer = ["--producer-id", str(HANGING_PRODUCER[0]), "--producer-epoch", "1", "--coordinator-epoch", "0"]

    told = shell("transaction", "abort", "--topic", "orders", "--partition", "1", "--yes", *producer)

    assert told.code == ExitCode.REFUSED
    assert "INVALID_PRODUCER_EPOCH 47" in told.err


@pytest.mark.parametrize("by_producer", [False, True])
def test_abort_ends_a_hanging_transaction(shell: Shell, work: ClusterWork, by_producer: bool) -> None:
    topic = f"hung-{by_producer}".lower()
    work.create_topic(topic, 1)
    hour_ago_ms = time.time_ns() // 1_000_000 - HOUR_MS
    assert work.write_in_transaction("nobody", HANGING_PRODUCER, topic, 0, timestamp_ms=hour_ago_ms) == ErrorCode.NONE
    which = ["--start-offset", "0"]
    if by_producer:
        # As describe-producers tells it: a coordinator's epoch of -1.
        which = ["--producer-id", "4711", "--producer-epoch", "3", "--coordinator-epoch=-1"]
    words = ["transaction", "abort", "--topic", topic, "--partition", "0", *which]

    previewed = shell(*words, "--dry-run", "-o", "json")
    assert [row["result"] for row in previewed.rows] == ["would be aborted"]
    assert len(shell("transaction", "find-hanging", "--topic", topic, "-o", "json").rows) == 1
    told = shell(*words, "--yes", "-o", "json")

    assert told.code == ExitCode.DONE
    assert told.rows == [
        {"topic": topic, "partition": 0, "producer_id": 4711, "producer_epoch": 3, "coordinator_epoch": 0, "result": "aborted"}
    ]
    assert shell("transaction", "find-hanging", "--topic", topic, "-o", "json").rows == []


# force-terminate


@pytest.mark.parametrize(
    "words",
    [["force-terminate", "{}"], ["force-terminate", "--transactional-id", "{}"], ["forceTerminateTransaction", "--transactionalId", "{}"]],
)
def test_terminated_id_has_no_transaction_and_another_epoch(shell: Shell, work: ClusterWork, words: list[str]) -> None:
    name = "-".join(words[:2]).replace("{}", "plain")
    producer = work.begin(name)
    work.add_partitions(name, producer, "orders", [2])
    command = ["transaction", *(word.format(name) for word in words)]

    previewed = shell(*command, "--dry-run", "-o", "json")
    told = shell(*command, "--yes", "-o", "json")

    assert [(row["state"], row["result"]) for row in previewed.rows] == [("Ongoing", "would be terminated")]
    (row,) = told.rows
    assert (row["transactional_id"], row["state"], row["result"]) == (name, "Ongoing", "terminated")
    assert isinstance(row["producer_epoch"], int)
    assert row["producer_epoch"] > producer[1]
    (after,) = shell("transaction", "describe", name, "-o", "json").rows
    assert (after["state"], after["partitions"]) == ("Empty", [])


def test_id_that_does_not_exist_is_not_made_by_terminating_it(shell: Shell) -> None:
    told = shell("transaction", "force-terminate", "mistyped", "--yes")

    assert told.code == ExitCode.REFUSED
    assert "TRANSACTIONAL_ID_NOT_FOUND 105" in told.err
    assert shell("transaction", "force-terminate", "--yes").code == ExitCode.WRONG_USAGE
    assert shell("transaction", "force-terminate", "a", "--transactional-id", "b", "--yes").code == ExitCode.WRONG_USAGE
