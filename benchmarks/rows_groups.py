"""Consumer groups: how long 50 members take to share 200 partitions, from nothing and when one of them leaves, in both protocols.

Most of these times are waiting that clients and coordinators agree on (`group.initial.rebalance.delay.ms`, the intervals of heartbeats);
both brokers have the same, so a ratio of one says that nothing comes on top, and the processor time says what it costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks import topics
from benchmarks.comparison import less
from benchmarks.group_frames import await_group_coordinator
from benchmarks.odradek_install import NotMeasurable
from benchmarks.own_load import told_by
from benchmarks.row import FRAME_DRIVER, Row
from benchmarks.session import Session

MEMBERS: Final = 50
PARTITIONS: Final = 200
GROUP_SECONDS_MAX: Final = 300


def _shared(session: Session, protocol: str) -> Mapping[str, float]:
    broker = session.broker()
    if broker.process_id is None:
        raise NotMeasurable(f"the process behind {broker.address} is not on this machine")
    topic = session.fresh_name(f"shared-{protocol}")
    topics.create_topic(broker, topic, PARTITIONS)
    await_group_coordinator(broker, topic)
    arguments = [broker.address, topic, PARTITIONS, MEMBERS, protocol, broker.process_id]
    processor = session.effort.load_processor
    told = told_by("benchmarks.group_load", *arguments, seconds_max=GROUP_SECONDS_MAX, processor=processor)
    topics.delete_topics(broker, [topic])
    return {
        "from nothing": told["cold_s"],
        "one leaves": told["leave_s"],
        "CPU from nothing": told["cold_cpu_s"],
        "CPU of one leaving": told["leave_cpu_s"],
    }


def _row(protocol: str, title: str) -> Row:
    return Row(
        name=f"group-{protocol}",
        title=f"{MEMBERS} consumers share {PARTITIONS} partitions, {title}",
        load=f"{FRAME_DRIVER}: {MEMBERS} connections with the times of real clients, no records",
        metrics=(
            less("from nothing", "s", 1.0),
            less("one leaves", "s", 1.0),
            less("CPU from nothing", "s"),
            less("CPU of one leaving", "s"),
        ),
        measure=lambda session: _shared(session, protocol),
    )


ROWS: Final = (_row("classic", "classic protocol (cooperative)"), _row("consumer", "protocol of KIP-848"))
