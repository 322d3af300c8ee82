"""Assignors give every partition to exactly one subscriber, evenly, and move no more than that takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as some

from odradek.base.identifiers import Uuid
from odradek.coordinator.group.assignors.assignor import AssignedMember, Assignor, Partitions
from odradek.coordinator.group.assignors.range_assignor import assign_ranges
from odradek.coordinator.group.assignors.uniform_assignor import assign_uniformly

TOPICS = [Uuid(bytes([number]) * 16) for number in range(1, 5)]


def member(name: str, topics: Sequence[Uuid], before: Partitions | None = None, instance_id: str | None = None) -> AssignedMember:
    return AssignedMember(name, instance_id, frozenset(topics), before or {})


def pairs(partitions: Partitions) -> set[tuple[Uuid, int]]:
    return {(topic, index) for topic, indexes in partitions.items() for index in indexes}


def check_owned_once(members: Sequence[AssignedMember], counts: Mapping[Uuid, int], assigned: Mapping[str, Partitions]) -> None:
    subscribed = {topic for it in members for topic in it.topics}
    everything = [pair for it in members for pair in sorted(pairs(assigned[it.member_id]))]
    assert len(everything) == len(set(everything))
    assert set(everything) == {(topic, index) for topic in subscribed for index in range(counts[topic])}
    for it in members:
        assert assigned[it.member_id].keys() <= it.topics


def rejoined(members: Sequence[AssignedMember], assigned: Mapping[str, Partitions]) -> list[AssignedMember]:
    """The members with what they were given."""
    return [AssignedMember(it.member_id, it.instance_id, it.topics, assigned[it.member_id]) for it in members]


@some.composite
def groups(draw: some.DrawFn, *, has_one_subscription: bool = False) -> tuple[list[AssignedMember], dict[Uuid, int]]:
    counts = {topic: draw(some.integers(1, 12)) for topic in TOPICS}
    names = draw(some.lists(some.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True))
    shared = draw(some.sets(some.sampled_from(TOPICS), min_size=1))
    free = {(topic, index) for topic, count in counts.items() for index in range(count)}
    members = []
    for name in names:
        topics: set[Uuid] = shared if has_one_subscription else draw(some.sets(some.sampled_from(TOPICS), min_size=1))
        had: set[tuple[Uuid, int]] = set()
        has_history: bool = draw(some.booleans())
        if free and has_history:
            had = draw(some.sets(some.sampled_from(sorted(free))))
        free -= had
        before: dict[Uuid, frozenset[int]] = {}
        for topic, index in had:
            before[topic] = before.get(topic, frozenset()) | {index}
        members.append(member(name, sorted(topics), before, draw(some.sampled_from([None, f"instance-{name}"]))))
    return members, counts


@pytest.mark.parametrize("assignor", [assign_ranges, assign_uniformly])
@given(group=groups())
def test_every_partition_has_one_owner_that_subscribes_to_it(
    assignor: Assignor, group: tuple[list[AssignedMember], dict[Uuid, int]]
) -> None:
    members, counts = group

    assigned = assignor(members, counts)

    check_owned_once(members, counts, assigned)
    assert assignor(list(reversed(members)), counts) == assigned


@pytest.mark.parametrize("assignor", [assign_ranges, assign_uniformly])
@given(group=groups())
def test_nothing_moves_when_nothing_has_changed(assignor: Assignor, group: tuple[list[AssignedMember], dict[Uuid, int]]) -> None:
    members, counts = group
    assigned = assignor(members, counts)

    assert assignor(rejoined(members, assigned), counts) == assigned


@given(group=groups(has_one_subscription=True))
def test_uniform_quotas_differ_by_one_at_most_and_move_no_more_than_they_must(group: tuple[list[AssignedMember], dict[Uuid, int]]) -> None:
    members, counts = group
    assigned = assign_uniformly(members, counts)

    sizes = sorted(len(pairs(assigned[it.member_id])) for it in members)
    assert sizes[-1] - sizes[0] <= 1
    share, extra = divmod(sum(counts[topic] for topic in members[0].topics), len(members))
    held = sorted((len({pair for pair in pairs(it.before) if pair[0] in it.topics}) for it in members), reverse=True)
    # The most that can stay: of each member its share, and one more of those who have it, as long as there are extra ones.
    keepable = sum(min(size, share + (1 if number < extra else 0)) for number, size in enumerate(held))
    kept = sum(len(pairs(assigned[it.member_id]) & pairs(it.before)) for it in members)
    assert kept == keepable


@given(group=groups())
def test_uniform_subscribers_of_a_topic_cannot_be_made_more_equal_by_moving_one_of_its_partitions(
    group: tuple[list[AssignedMember], dict[Uuid, int]],
) -> None:
    members, counts = group
    assigned = assign_uniformly(members, counts)

    size = {it.member_id: len(pairs(assigned[it.member_id])) for it in members}
    for topic in TOPICS:
        subscribers = [it.member_id for it in members if topic in it.topics]
        for owner in subscribers:
            if topic in assigned[owner]:
                assert size[owner] - min(size[other] for other in subscribers) <= 1


def test_new_member_takes_from_those_who_have_most() -> None:
    (topic,) = TOPICS[:1]
    before = {"a": {topic: frozenset({0, 1, 2})}, "b": {topic: frozenset({3, 4, 5})}}
    members = [member("a", [topic], before["a"]), member("b", [topic], before["b"]), member("c", [topic])]

    assigned = assign_uniformly(members, {topic: 6})

    assert assigned["a"] == {topic: frozenset({0, 1})}
    assert assigned["b"] == {topic: frozenset({3, 4})}
    assert assigned["c"] == {topic: frozenset({2, 5})}


def test_ranges_of_equal_topics_meet_in_one_member_and_static_members_come_first() -> None:
    one, two = TOPICS[:2]
    members = [member("a", [one, two]), member("z", [one, two], instance_id="i1")]

    assigned = assign_ranges(members, {one: 5, two: 5})

    assert assigned["z"] == {one: frozenset({0, 1, 2}), two: frozenset({0, 1, 2})}
    assert assigned["a"] == {one: frozenset({3, 4}), two: frozenset({3, 4})}


def test_more_members_than_partitions_leave_some_without() -> None:
    (topic,) = TOPICS[:1]
    members = [member(name, [topic]) for name in "abc"]

    assert [len(pairs(it)) for it in assign_uniformly(members, {topic: 2}).values()] == [1, 1, 0]
    assert assign_ranges(members, {topic: 2})["c"] == {}
