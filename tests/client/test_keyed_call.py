"""Where each key of a call stands, and what error codes mean for it."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.client.core.keyed_call import AT_COORDINATOR, Answered, Findings, Outcomes, Progress, Verdict, in_parts
from odradek.client.core.lookups import CoordinatorKind, CoordinatorLookup, each_broker
from odradek.client.core.offset_calls import AT_LEADER
from odradek.client.errors import Refused


def progress_of(*keys: str) -> Progress[str, int]:
    return Progress(keys, CoordinatorLookup(CoordinatorKind.GROUP))


def test_keys_are_looked_up_then_asked_about_then_done() -> None:
    progress = progress_of("a", "b", "c")
    assert progress.unfound() == ["a", "b", "c"]
    assert progress.by_node() == {}

    progress.take_findings(Findings(node_by_key={"a": 1, "b": 2}))
    assert progress.unfound() == ["c"]
    assert progress.by_node() == {1: ["a"], 2: ["b"]}

    progress.take_answer(Answered(done={"a": 7}))
    progress.take_answer(Answered(moved={"b"}, pending={"b": ErrorCode.NOT_COORDINATOR}))
    assert progress.unfound() == ["b", "c"]
    assert progress.last_code == ErrorCode.NOT_COORDINATOR

    progress.take_findings(Findings(refused={"b": Refused(30), "c": Refused(30)}))
    assert progress.is_finished
    assert progress.outcomes.done == {"a": 7}
    assert set(progress.outcomes.refused) == {"b", "c"}


def test_key_that_an_answer_does_not_settle_is_asked_about_again_at_the_same_broker() -> None:
    progress = progress_of("a")
    progress.take_findings(Findings(node_by_key={"a": 1}))

    progress.take_answer(Answered(pending={"a": ErrorCode.COORDINATOR_LOAD_IN_PROGRESS}))

    assert progress.by_node() == {1: ["a"]}


def test_key_whose_connection_broke_is_looked_up_again_unless_its_broker_follows_from_it() -> None:
    progress = progress_of("a")
    progress.take_findings(Findings(node_by_key={"a": 1}))
    progress.lose(["a"])
    assert progress.unfound() == ["a"]

    brokers: Progress[int, str] = Progress([5], each_broker())
    brokers.lose([5])
    assert brokers.by_node() == {5: [5]}


def test_answers_about_keys_that_nobody_asked_about_are_not_taken_in() -> None:
    progress = progress_of("a")

    progress.take_findings(Findings(node_by_key={"x": 1}, refused={"y": Refused(30)}))
    progress.take_answer(Answered(done={"z": 1}, moved={"w"}))

    assert progress.unfound() == ["a"]
    assert progress.outcomes == Outcomes()


@pytest.mark.parametrize(
    ("code", "at_coordinator", "at_leader"),
    [
        (ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, Verdict.AGAIN, Verdict.AGAIN),
        (ErrorCode.COORDINATOR_NOT_AVAILABLE, Verdict.ELSEWHERE, Verdict.AGAIN),
        (ErrorCode.NOT_COORDINATOR, Verdict.ELSEWHERE, Verdict.AGAIN),
        (ErrorCode.NOT_LEADER_OR_FOLLOWER, Verdict.REFUSED, Verdict.ELSEWHERE),
        (ErrorCode.LEADER_NOT_AVAILABLE, Verdict.REFUSED, Verdict.ELSEWHERE),
        (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, Verdict.REFUSED, Verdict.ELSEWHERE),
        (ErrorCode.GROUP_ID_NOT_FOUND, Verdict.REFUSED, Verdict.REFUSED),
        (ErrorCode.GROUP_AUTHORIZATION_FAILED, Verdict.REFUSED, Verdict.REFUSED),
    ],
)
def test_codes_mean_another_try_where_kafkas_client_tries_again(code: ErrorCode, at_coordinator: Verdict, at_leader: Verdict) -> None:
    assert AT_COORDINATOR.of(code) is at_coordinator
    assert AT_LEADER.of(code) is at_leader


def test_code_that_a_rule_adds_is_tried_again_and_nothing_else_changes() -> None:
    rule = AT_COORDINATOR.also_again(ErrorCode.CONCURRENT_TRANSACTIONS)

    assert rule.of(ErrorCode.CONCURRENT_TRANSACTIONS) is Verdict.AGAIN
    assert rule.of(ErrorCode.NOT_COORDINATOR) is Verdict.ELSEWHERE
    assert AT_COORDINATOR.of(ErrorCode.CONCURRENT_TRANSACTIONS) is Verdict.REFUSED


def test_outcomes_raise_the_first_refusal_where_only_the_whole_counts() -> None:
    outcomes: Outcomes[str, int] = Outcomes({"a": 1}, {"b": Refused(69), "c": Refused(30)})

    for whole in (outcomes.all, outcomes.single):
        with pytest.raises(Refused) as caught:
            whole()
        assert caught.value.name == "GROUP_ID_NOT_FOUND"


def test_parts_are_at_most_so_large_and_keep_the_order() -> None:
    assert list(in_parts(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(in_parts([], 2)) == []
