"""`odradek group ...` against a whole node: what is shown in tables and in JSON, what is refused, and exit codes.

The node has a topic `orders` (offsets 0 to 5, 4 and 0 in three partitions), a group of each protocol with a member, and one without.
"""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from odradek.cli.problems import ExitCode
from tests.cli.conftest import Shell
from tests.support.cluster_work import ClusterWork, member_name

HOUR_MS = 3_600_000


@pytest.fixture(scope="module", autouse=True)
def groups(work: ClusterWork) -> None:
    work.create_topic("orders", 3)
    now_ms = time.time_ns() // 1_000_000
    work.write("orders", 0, 2, timestamp_ms=now_ms - 2 * HOUR_MS)
    work.write("orders", 0, 3, timestamp_ms=now_ms)
    work.write("orders", 1, 4)
    work.create_topic("gone", 1)
    work.commit("idle", "orders", {0: 2, 1: 4})
    work.commit("classic", "orders", {0: 1})
    work.join_classic("classic", "orders", [0, 1])
    work.join_consumer("modern", ["orders"], member_name(1))
    work.join_consumer("shared", ["orders"], member_name(2))


# list


def test_list_has_a_row_for_each_group(shell: Shell) -> None:
    told = shell("group", "list")

    assert told.code == ExitCode.DONE
    assert told.table[0] == ["group", "type", "protocol", "state", "coordinator"]
    rows = {row[0]: row[1:4] for row in told.table[1:]}
    assert rows["idle"] == ["Classic", "-", "Empty"]
    assert rows["classic"] == ["Classic", "consumer", "Stable"]
    assert rows["modern"] == ["Consumer", "consumer", "Stable"]
    assert told.table[1][4:] == [f"127.0.0.1:{shell.port}", "(broker", "1)"]


def test_list_tells_members_and_lag_when_asked(shell: Shell) -> None:
    rows = {row["group"]: row for row in shell("group", "list", "--lag", "-o", "json").rows}

    assert rows["idle"] == {
        "group": "idle",
        "type": "Classic",
        "protocol": None,
        "state": "Empty",
        "coordinator": f"127.0.0.1:{shell.port}",
        "coordinator_id": 1,
        "members": 0,
        "lag": 3,
    }
    assert (rows["classic"]["members"], rows["classic"]["lag"]) == (1, 4)
    # Nothing is committed: nobody knows where it would begin.
    assert (rows["modern"]["members"], rows["modern"]["lag"]) == (1, None)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--state", "empty"], {"idle"}),
        (["--type", "CONSUMER"], {"modern", "shared"}),
        (["--type", "classic", "--state", "Stable,Empty"], {"idle", "classic"}),
        (["--state", "Dead"], set()),
    ],
)
def test_list_is_filtered_by_state_and_type(shell: Shell, filters: list[str], expected: set[str]) -> None:
    assert {row["group"] for row in shell("group", "list", "-o", "json", *filters).rows} == expected


def test_list_refuses_a_state_that_does_not_exist(shell: Shell) -> None:
    told = shell("group", "list", "--state", "Wondering")

    assert told.code == ExitCode.WRONG_USAGE
    assert "none of Stable, Empty" in told.err


# describe


def test_describe_tells_of_a_group_without_members(shell: Shell) -> None:
    told = shell("group", "describe", "idle")

    assert told.code == ExitCode.DONE
    assert told.out.splitlines() == [
        "group idle",
        f"state Empty   type Classic   members 0   lag 3   coordinator 127.0.0.1:{shell.port} (broker 1)",
        "topic   partition  current_offset  log_end_offset  lag  member  client_id  host",
        "orders          0               2               5    3       -          -     -",
        "orders          1               4               4    0       -          -     -",
    ]


def test_describe_tells_who_reads_what_in_a_classic_group(shell: Shell) -> None:
    (group,) = shell("group", "describe", "classic", "-o", "json").rows

    assert (group["type"], group["state"], group["assignor"], group["epoch"], group["lag"]) == ("Classic", "Stable", "range", None, 4)
    partitions = group["partitions"]
    assert isinstance(partitions, list)
    assert [(row["partition"], row["current_offset"], row["log_end_offset"], row["lag"], row["client_id"]) for row in partitions] == [
        (0, 1, 5, 4, "wire-client"),
        (1, None, 4, None, "wire-client"),
    ]
    assert all(row["member"].startswith("wire-client-") and row["host"] == "/127.0.0.1" for row in partitions)


def test_describe_tells_epochs_and_assignor_of_a_group_of_kip_848(shell: Shell) -> None:
    told = shell("group", "describe", "modern")

    assert "assignor uniform   epoch 2   assignment epoch 2   members 1" in told.out
    assert [row[:2] + row[5:6] for row in told.table[3:]] == [["orders", str(index), member_name(1)] for index in range(3)]


def test_describe_shows_several_groups_and_those_that_are_not_there_on_stderr(shell: Shell) -> None:
    told = shell("group", "describe", "modern", "nobody", "idle", "-o", "json")

    assert told.code == ExitCode.PARTLY_DONE
    assert [row["group"] for row in told.rows] == ["modern", "idle"]
    assert told.err == (
        'error: group "nobody" cannot be described: Group nobody not found. [GROUP_ID_NOT_FOUND 69]\n'
        "  help: `odradek group list` shows what there is\n"
    )


def test_describe_of_nothing_but_an_unknown_group_has_failed(shell: Shell) -> None:
    told = shell("group", "describe", "nobody")

    assert (told.code, told.out) == (ExitCode.REFUSED, "")
    assert "GROUP_ID_NOT_FOUND 69" in told.err


def test_describe_of_all_groups_or_of_none_is_asked_for_by_name(shell: Shell) -> None:
    assert {row["group"] for row in shell("group", "describe", "--all-groups", "-o", "json").rows} >= {"idle", "classic", "modern"}
    assert shell("group", "describe").code == ExitCode.WRONG_USAGE
    assert shell("group", "describe", "idle", "--all-groups").code == ExitCode.WRONG_USAGE


# members


def test_members_tell_assignment_and_target_and_subscription(shell: Shell) -> None:
    (row,) = shell("group", "members", "modern", "-o", "json").rows

    whole = [{"topic": "orders", "partitions": [0, 1, 2]}]
    assert row == {
        "group": "modern",
        "member": member_name(1),
        "instance": None,
        "client_id": "wire-client",
        "host": "/127.0.0.1",
        "rack": None,
        "protocol": "consumer",
        "epoch": 2,
        "assignment_epoch": 2,
        "partitions": 3,
        "assignment": whole,
        "target_assignment": whole,
        "subscription": ["orders"],
        "subscription_regex": None,
    }


def test_members_of_a_classic_group_have_no_epochs_to_show(shell: Shell) -> None:
    told = shell("group", "members", "classic")

    assert told.table[0] == ["group", "member", "client_id", "host", "partitions", "assignment", "subscription"]
    (row,) = told.table[1:]
    assert (row[0], row[2:]) == ("classic", ["wire-client", "/127.0.0.1", "2", "orders:0,1", "orders"])


# reset-offsets


def committed(shell: Shell, group: str) -> dict[tuple[object, object], object]:
    (described,) = shell("group", "describe", group, "-o", "json").rows
    partitions = described["partitions"]
    assert isinstance(partitions, list)
    return {(row["topic"], row["partition"]): row["current_offset"] for row in partitions}


@pytest.mark.parametrize(
    ("target", "expected", "warned"),
    [
        (["--to-earliest"], {0: 0, 1: 0}, 0),
        (["--to-latest"], {0: 5, 1: 4}, 0),
        (["--to-current"], {0: 2, 1: 1}, 0),
        (["--to-offset", "3"], {0: 3, 1: 3}, 0),
        (["--to-offset", "99"], {0: 5, 1: 4}, 2),
        (["--shift-by", "1"], {0: 3, 1: 2}, 0),
        (["--shift-by", "-2"], {0: 0, 1: 0}, 1),
        (["--by-duration", "1h"], {0: 2, 1: 0}, 0),
        (["--by-duration", "PT3H"], {0: 0, 1: 0}, 0),
        (["--to-datetime", "2001-01-01T00:00:00Z"], {0: 0, 1: 0}, 0),
        (["--to-datetime", "2999-01-01T00:00:00"], {0: 5, 1: 4}, 2),
    ],
)
def test_reset_sets_a_group_to_where_it_is_wanted(
    shell: Shell, work: ClusterWork, target: list[str], expected: dict[int, int], warned: int
) -> None:
    work.commit("moved", "orders", {0: 2, 1: 1})

    previewed = shell("group", "reset-offsets", "moved", "--all-topics", *target, "--dry-run")
    assert previewed.code == ExitCode.DONE
    assert committed(shell, "moved") == {("orders", 0): 2, ("orders", 1): 1}

    told = shell("group", "reset-offsets", "moved", "--all-topics", *target, "--yes")
    assert told.code == ExitCode.DONE
    assert told.out == previewed.out
    assert told.table == [
        ["group", "topic", "partition", "current_offset", "new_offset"],
        *[["moved", "orders", str(index), str({0: 2, 1: 1}[index]), str(offset)] for index, offset in expected.items()],
    ]
    assert told.err.count("warning: ") == warned
    assert committed(shell, "moved") == {("orders", index): offset for index, offset in expected.items()}


def test_reset_brings_a_group_into_being_for_the_partitions_that_are_named(shell: Shell) -> None:
    told = shell("group", "reset-offsets", "born", "--topic", "orders:1,0", "--to-latest", "--yes", "-o", "json")

    assert told.code == ExitCode.DONE
    assert told.rows == [
        {"group": "born", "topic": "orders", "partition": 0, "current_offset": None, "new_offset": 5},
        {"group": "born", "topic": "orders", "partition": 1, "current_offset": None, "new_offset": 4},
    ]
    assert committed(shell, "born") == {("orders", 0): 5, ("orders", 1): 4}


def test_plan_in_a_file_is_what_csv_output_prints(shell: Shell, tmp_path: Path) -> None:
    printed = shell("group", "reset-offsets", "planned", "--topic", "orders:0,1", "--to-offset", "1", "--dry-run", "-o", "csv")
    assert printed.out == "planned,orders,0,1\nplanned,orders,1,1\n"
    plan = tmp_path / "plan.csv"
    plan.write_text(printed.out)

    assert shell("group", "reset-offsets", "planned", "--from-file", str(plan), "--yes").code == ExitCode.DONE
    assert committed(shell, "planned") == {("orders", 0): 1, ("orders", 1): 1}

    plan.write_text("orders,1,3\n")
    assert shell("group", "reset-offsets", "planned", "--from-file", str(plan), "--yes").code == ExitCode.DONE
    assert committed(shell, "planned") == {("orders", 0): 1, ("orders", 1): 3}


@pytest.mark.parametrize("line", ["orders,0", "orders,zero,1", "orders,0,-1", "a,orders,0,1,2", ",0,1"])
def test_line_of_a_plan_that_is_none_is_named(shell: Shell, tmp_path: Path, line: str) -> None:
    plan = tmp_path / "plan.csv"
    plan.write_text(f"orders,0,1\n{line}\n")

    told = shell("group", "reset-offsets", "idle", "--from-file", str(plan), "--yes")

    assert told.code == ExitCode.WRONG_USAGE
    assert "line 2" in told.err


def test_reset_of_a_group_with_members_is_refused_and_others_go_on(shell: Shell, work: ClusterWork) -> None:
    work.commit("moved", "orders", {0: 2})

    told = shell("group", "reset-offsets", "classic", "modern", "moved", "--topic", "orders:0", "--to-earliest", "--yes")

    assert told.code == ExitCode.PARTLY_DONE
    assert told.table[1:] == [["moved", "orders", "0", "2", "0"]]
    assert 'group "classic" is not reset: it is Stable, and its members would commit over it [NON_EMPTY_GROUP 68]' in told.err
    assert 'group "modern" is not reset' in told.err
    assert committed(shell, "classic")[("orders", 0)] == 1


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["idle", "--topic", "nowhere", "--to-latest"], ExitCode.REFUSED, "UNKNOWN_TOPIC_OR_PARTITION 3"),
        (["idle", "--topic", "orders:7", "--to-latest"], ExitCode.REFUSED, "there is no partition orders-7"),
        (["nobody", "--all-topics", "--to-latest"], ExitCode.REFUSED, "it has committed nothing"),
        (["born-never", "--topic", "orders", "--shift-by", "1"], ExitCode.REFUSED, "nothing is committed for orders-0"),
        (["idle", "--to-latest"], ExitCode.WRONG_USAGE, "which partitions?"),
        (["idle", "--topic", "orders"], ExitCode.WRONG_USAGE, "one of the arguments"),
        (["idle", "--topic", "orders", "--to-latest", "--to-earliest"], ExitCode.WRONG_USAGE, "not allowed with"),
        (["idle", "--topic", "orders:x", "--to-latest"], ExitCode.WRONG_USAGE, "is not TOPIC"),
        (["idle", "--all-topics", "--to-offset", "x"], ExitCode.WRONG_USAGE, "--to-offset: 'x' is not a number"),
        (["idle", "--all-topics", "--shift-by", "1.5"], ExitCode.WRONG_USAGE, "--shift-by: '1.5' is not a number"),
        (["idle", "--all-topics", "--by-duration", "soon"], ExitCode.WRONG_USAGE, "no span of time"),
        (["idle", "--all-topics", "--to-datetime", "noon"], ExitCode.WRONG_USAGE, "no date and time"),
        (["idle", "--all-topics", "--from-file", "plan.csv"], ExitCode.WRONG_USAGE, "--from-file says which partitions"),
        (["idle", "--from-file", "no-such-plan.csv"], ExitCode.REFUSED, "no-such-plan.csv cannot be read"),
        (["--topic", "orders", "--to-latest"], ExitCode.WRONG_USAGE, "name a group"),
    ],
)
def test_reset_that_cannot_be_says_why(shell: Shell, words: list[str], code: ExitCode, complaint: str) -> None:
    told = shell("group", "reset-offsets", *words, "--yes")

    assert (told.code, told.out) == (code, "")
    assert complaint in told.err


# delete, delete-offsets


def test_delete_forgets_the_groups_that_nobody_is_in(shell: Shell, work: ClusterWork) -> None:
    work.commit("old", "orders", {0: 1})

    previewed = shell("group", "delete", "old", "classic", "nobody", "--dry-run", "-o", "json")
    assert previewed.rows == [{"group": "old", "result": "would be deleted"}]
    told = shell("group", "delete", "old", "classic", "nobody", "--yes", "-o", "json")

    assert previewed.code == told.code == ExitCode.PARTLY_DONE
    assert told.rows == [{"group": "old", "result": "deleted"}]
    for err in (previewed.err, told.err):
        assert "NON_EMPTY_GROUP 68" in err
        assert "GROUP_ID_NOT_FOUND 69" in err
    assert "old" not in {row["group"] for row in shell("group", "list", "-o", "json").rows}


def test_delete_of_a_group_with_members_alone_has_failed(shell: Shell) -> None:
    told = shell("group", "delete", "modern", "--yes")

    assert (told.code, told.out) == (ExitCode.REFUSED, "")
    assert 'group "modern" is not deleted: The group still has members. [NON_EMPTY_GROUP 68]' in told.err


def test_delete_offsets_forgets_what_was_committed_for_a_partition(shell: Shell, work: ClusterWork) -> None:
    work.commit("forgetful", "orders", {0: 1, 1: 2})

    previewed = shell("group", "delete-offsets", "forgetful", "--topic", "orders:0", "--dry-run")
    assert committed(shell, "forgetful") == {("orders", 0): 1, ("orders", 1): 2}
    told = shell("group", "delete-offsets", "forgetful", "--topic", "orders:0", "--yes")

    assert told.code == ExitCode.DONE
    assert told.out == previewed.out
    assert told.table == [["group", "topic", "partition", "current_offset"], ["forgetful", "orders", "0", "1"]]
    assert committed(shell, "forgetful") == {("orders", 1): 2}


def test_delete_offsets_that_members_read_is_refused(shell: Shell) -> None:
    told = shell("group", "delete-offsets", "classic", "--topic", "orders", "--yes")

    assert (told.code, told.out) == (ExitCode.REFUSED, "")
    assert told.err.count("GROUP_SUBSCRIBED_TO_TOPIC 86") == 3


def test_delete_offsets_of_an_unknown_group_is_refused(shell: Shell) -> None:
    told = shell("group", "delete-offsets", "nobody", "--topic", "orders:0", "--yes")

    assert told.code == ExitCode.REFUSED
    assert 'no offset of group "nobody" is deleted: The group does not exist. [GROUP_ID_NOT_FOUND 69]' in told.err


# Being asked


class Terminal(io.StringIO):
    """Standard input with somebody at it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("words", [["delete", "idle"], ["reset-offsets", "idle", "--all-topics", "--to-latest"]])
def test_change_is_not_made_where_nobody_can_be_asked(shell: Shell, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))

    told = shell("group", *words)

    assert (told.code, told.out) == (ExitCode.WRONG_USAGE, "")
    assert "--yes" in told.err
    assert committed(shell, "idle") == {("orders", 0): 2, ("orders", 1): 4}


@pytest.mark.parametrize(("answer", "code", "offset"), [("n\n", ExitCode.REFUSED, 2), ("", ExitCode.REFUSED, 2), ("y\n", ExitCode.DONE, 0)])
def test_change_is_made_when_somebody_at_a_terminal_says_yes(
    shell: Shell, work: ClusterWork, monkeypatch: pytest.MonkeyPatch, answer: str, code: ExitCode, offset: int
) -> None:
    work.commit("moved", "orders", {0: 2})
    monkeypatch.setattr("sys.stdin", Terminal(answer))

    told = shell("group", "reset-offsets", "moved", "--topic", "orders:0", "--to-earliest")

    assert told.code == code
    assert "Commit these offsets? [y/N]" in told.err
    assert ["moved", "orders", "0", "2", "0"] in told.table
    assert committed(shell, "moved")[("orders", 0)] == offset


# A topic that is gone


def test_lag_is_unknown_where_the_topic_is_gone(shell: Shell, work: ClusterWork) -> None:
    """The coordinator forgets the offsets of a deleted topic; a member's assignment may name it for a while."""
    work.write("gone", 0, 3)
    work.join_classic("left-behind", "gone", [0])
    work.delete_topic("gone")

    (group,) = shell("group", "describe", "left-behind", "-o", "json").rows

    assert group["lag"] is None
    partitions = group["partitions"]
    assert isinstance(partitions, list)
    assert [(row["topic"], row["current_offset"], row["log_end_offset"], row["lag"]) for row in partitions] == [("gone", None, None, None)]
