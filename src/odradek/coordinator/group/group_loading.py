"""What a shard of groups has to know only while it is loaded: its commits are gathered beside all other records, and come in at the end.

In the log commits stand among records that put groups and take them away, and the end of the loading must not depend on that they were
replayed apart. Of two commits of one partition the later one counts, wherever it comes from. A record that puts a group puts it whole,
and one that takes it away takes it whole. So what remains to be known is where a group was taken away last: only a commit behind that
makes a group of a name that nobody ever joined by, and the first one says since when.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, final

from odradek.coordinator.group.classic_group import ClassicGroup
from odradek.coordinator.group.group import Group, Groups
from odradek.coordinator.group.offsets import OffsetStore
from odradek.coordinator.group.plain_commits import CommittedPlace, PlainCommits
from odradek.coordinator.group.records import offset_tombstone

BEFORE_ALL: Final = -1
# How many groups with their topics, and how many commits of them, are brought in at a time.
PLACES_OF_A_PART_MAX: Final = 200
COMMITS_OF_A_PART_MAX: Final = 20_000


class _Made(NamedTuple):
    """A group that came into being with a commit, at that place in the log."""

    record_offset: int
    group: Group


@final
class GroupLoading:
    """The commits of a shard that is being loaded, and what has been replayed that concerns them."""

    def __init__(self) -> None:
        self.commits: Final = PlainCommits()
        self._made_by_commit: dict[str, _Made] = {}
        self._removed_at: dict[str, int] = {}
        self._forgotten: dict[CommittedPlace, list[int]] = {}

    def note_made(self, group: Group, record_offset: int) -> None:
        """A commit that was not gathered has made this group."""
        self._made_by_commit[group.group_id] = _Made(record_offset, group)

    def note_removed(self, group_id: str, record_offset: int) -> None:
        """Whatever group there was of this name is no more."""
        self._removed_at[group_id] = record_offset

    def note_forgotten(self, group_id: str, topic: str, partition: int, record_offset: int) -> None:
        """What was committed of a partition before this place in the log is no more.

        That concerns a gathered commit only where another key than its own has said so, as those of very old releases do.
        """
        place = self.commits.place_of(offset_tombstone(group_id, topic, partition).encoded_key())
        if place is not None:
            committed = place.by_partition.get(partition)
            if committed is not None and committed.record_offset < record_offset:
                self._forgotten.setdefault(place, []).append(partition)

    def finish(self, groups: Groups, offsets: OffsetStore) -> Iterator[int]:
        """All else has been replayed: bring the commits in, a part at a time; how many there were in it."""
        places_count = commits_count = 0
        for place in self.commits.places:
            places_count += 1
            commits_count += len(place.by_partition)
            self._make_group(place, groups)
            for partition in self._forgotten.get(place, ()):
                place.by_partition.pop(partition, None)
            offsets.adopt(place.group_id, place.topic, place.by_partition)
            if places_count == PLACES_OF_A_PART_MAX or commits_count >= COMMITS_OF_A_PART_MAX:
                yield commits_count
                places_count = commits_count = 0
        yield commits_count

    def _make_group(self, place: CommittedPlace, groups: Groups) -> None:
        group_id = place.group_id
        group, made = groups.get(group_id), self._made_by_commit.get(group_id)
        if group is not None and (made is None or made.group is not group):
            return
        first = place.earliest_behind(self._removed_at.get(group_id, BEFORE_ALL))
        if first is None or (group is not None and made is not None and made.record_offset < first.record_offset):
            return
        group = ClassicGroup(group_id, first.commit_timestamp_ms)
        groups.put(group)
        self.note_made(group, first.record_offset)
