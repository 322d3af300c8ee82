"""`range`: of each topic, every member gets one run of neighbouring partitions, in the order of the members (`RangeAssignor.java`).

Topics with equally many partitions and the same subscribers are cut alike, so that partition 3 of one and partition 3 of the other
meet in one member, which is what joins need. Static members come first, in the order of their instance ids, and keep their runs
through restarts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odradek.base.identifiers import Uuid
from odradek.coordinator.group.assignors.assignor import AssignedMember, Partitions


def assign_ranges(members: Sequence[AssignedMember], partition_counts: Mapping[Uuid, int]) -> dict[str, Partitions]:
    """What each member is to have."""
    ordered = sorted(members, key=_order)
    assigned: dict[str, dict[Uuid, frozenset[int]]] = {member.member_id: {} for member in ordered}
    for topic in sorted({topic for member in ordered for topic in member.topics}):
        subscribers = [member for member in ordered if topic in member.topics]
        share, extra = divmod(partition_counts[topic], len(subscribers))
        start = 0
        for number, member in enumerate(subscribers):
            end = start + share + (1 if number < extra else 0)
            if start < end:
                assigned[member.member_id][topic] = frozenset(range(start, end))
            start = end
    return dict(assigned)


def _order(member: AssignedMember) -> tuple[bool, str]:
    return (member.instance_id is None, member.instance_id if member.instance_id is not None else member.member_id)
