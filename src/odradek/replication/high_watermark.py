"""The high watermark: the offset below which every replica that counts holds every record.

It is the smallest log end offset over the replicas in sync (the larger of two sets while a change of the set is pending), never
goes back, and does not move at all while fewer replicas are in sync than the topic asks for: what `acks=1` wrote in that time
stays invisible until the set has recovered (`Partition.scala`, since 4.0 whatever the feature levels). A node that is alone in
sync follows its own log end; the rule is the same one.
"""

from __future__ import annotations

from collections.abc import Iterable


def next_high_watermark(current: int, log_end_offsets_in_sync: Iterable[int], *, in_sync_count: int, replicas_min_in_sync: int) -> int:
    """The high watermark after a log end moved.

    `log_end_offsets_in_sync` has the leader's own and those of every follower that counts; `replicas_min_in_sync` is effective,
    that is, not more than there are replicas.
    """
    if in_sync_count < replicas_min_in_sync:
        return current
    lowest: int | None = None
    for log_end_offset in log_end_offsets_in_sync:
        if lowest is None or log_end_offset < lowest:
            lowest = log_end_offset
    return current if lowest is None else max(current, lowest)


def effective_min_in_sync(replicas_min_in_sync: int, replicas_count: int) -> int:
    """How many replicas have to be in sync. A topic with one replica cannot ask for two."""
    return min(replicas_min_in_sync, replicas_count)
