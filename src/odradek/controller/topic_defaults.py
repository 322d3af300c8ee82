"""What a topic gets when nobody says otherwise, resolved from the topic, the cluster-wide and the static settings in this order."""

from __future__ import annotations

from dataclasses import dataclass

from odradek.metadata.image import MetadataImage

TOPIC_RESOURCE = 2
BROKER_RESOURCE = 4
CLUSTER_WIDE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDefaults:
    """The static settings of the controller that topics fall back to."""

    partition_count: int = 1
    replication_factor: int = 1
    static_min_insync_replicas: int = 1
    static_unclean_leader_election_enable: bool = False

    def min_insync_replicas(self, image: MetadataImage, topic: str) -> int:
        """How many replicas must be in sync before a record is acknowledged."""
        value = _resolved(image, topic, "min.insync.replicas")
        return self.static_min_insync_replicas if value is None else int(value)

    def is_unclean_election_enabled(self, image: MetadataImage, topic: str) -> bool:
        """Whether a replica that is not complete may lead when no other is left."""
        value = _resolved(image, topic, "unclean.leader.election.enable")
        return self.static_unclean_leader_election_enable if value is None else value.lower() == "true"


def _resolved(image: MetadataImage, topic: str, name: str) -> str | None:
    value = image.configs.of(TOPIC_RESOURCE, topic).get(name)
    return image.configs.of(BROKER_RESOURCE, CLUSTER_WIDE).get(name) if value is None else value
