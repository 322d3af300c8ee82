"""What drives groups and their commits: shares that are fair, partitions that never belong to two, frames that say what they should."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.group_frames import OFFSET_COMMIT_VERSION, commit_error_positions, commit_frames
from benchmarks.group_load import Ownership, UnexpectedAnswer, cooperatively_assigned
from odradek.protocol.headers import decode_request_header
from odradek.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from tests.benchmarks.test_request_frames import error_code_at


def test_who_has_nothing_yet_gets_fair_shares_of_everything() -> None:
    assigned = cooperatively_assigned({f"member-{number}": frozenset() for number in range(3)}, 8)

    assert sorted(len(partitions) for partitions in assigned.values()) == [2, 3, 3]
    assert sorted(index for partitions in assigned.values() for index in partitions) == list(range(8))


def test_what_somebody_left_is_shared_out_and_nobody_loses_anything() -> None:
    owned = {"a": frozenset({0, 1}), "b": frozenset({2, 3}), "c": frozenset({4})}

    assigned = cooperatively_assigned(owned, 8)

    assert all(owned[member_id] <= set(partitions) for member_id, partitions in assigned.items())
    assert sorted(len(partitions) for partitions in assigned.values()) == [2, 3, 3]


def test_what_has_to_change_hands_is_nobody_s_until_it_was_given_up() -> None:
    """The cooperative rule (KIP-429): a partition that is taken from one member is not assigned to another in the same generation."""
    first = cooperatively_assigned({"a": frozenset(range(4)), "b": frozenset()}, 4)
    second = cooperatively_assigned({member_id: frozenset(partitions) for member_id, partitions in first.items()}, 4)

    assert first == {"a": [0, 1], "b": []}
    assert second == {"a": [0, 1], "b": [2, 3]}


def test_a_group_is_stable_when_its_members_share_everything_fairly() -> None:
    async def story() -> list[bool]:
        ownership = Ownership(5)
        stable = asyncio.create_task(ownership.stable(2))
        told = []
        for member, partitions in ((0, [0, 1, 2, 3, 4]), (0, [0]), (1, [1, 2, 3, 4]), (1, [3, 4]), (0, [0, 1, 2])):
            ownership.set(member, partitions)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            told.append(stable.done())
        return told

    assert asyncio.run(story()) == [False, False, False, False, True]


def test_a_partition_of_two_members_ends_the_measurement() -> None:
    ownership = Ownership(4)
    ownership.set(0, [0, 1])

    with pytest.raises(UnexpectedAnswer, match="partition 1 belongs to two members"):
        ownership.set(1, [1, 2])


def test_every_group_commits_for_itself() -> None:
    frames = commit_frames(["a", "b"], "topic", 7)

    for group, frame in zip(("a", "b"), frames, strict=True):
        header, position = decode_request_header(frame, 4)
        assert (header.api_key, header.api_version) == (OffsetCommitRequest.API_KEY, OFFSET_COMMIT_VERSION)
        request, end = OffsetCommitRequest.decode(frame, position, OFFSET_COMMIT_VERSION)
        assert end == len(frame)
        assert (request.group_id, request.generation_id_or_member_epoch, request.member_id) == (group, -1, "")
        assert [(it.name, [(at.partition_index, at.committed_offset) for at in it.partitions]) for it in request.topics] == [
            ("topic", [(0, 7)])
        ]


def test_the_error_of_a_commit_is_looked_for_where_it_is() -> None:
    refused = OffsetCommitResponse(topics=[OffsetCommitResponseTopic("topic", partitions=[OffsetCommitResponsePartition(0, 25)])])

    assert [error_code_at(refused, OFFSET_COMMIT_VERSION, position) for position in commit_error_positions("topic")] == [25]
