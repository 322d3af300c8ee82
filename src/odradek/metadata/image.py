"""The metadata of the cluster as of one offset of `__cluster_metadata`: a value that nobody changes and everybody may keep.

A handler reads one image from beginning to end of its answer and so never sees half of a change. The next image is made by a
`MetadataDelta`; parts that did not change are shared between the two. `records()` writes the image in the order in which Kafka writes
its snapshots, features first, because their level decides the versions of all that follows (`MetadataImage.java`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from odradek.metadata.acls import NO_ACLS, AclsImage
from odradek.metadata.client_quotas import NO_CLIENT_QUOTAS, ClientQuotasImage
from odradek.metadata.cluster import NO_NODES, ClusterImage
from odradek.metadata.configs import NO_CONFIGS, ConfigsImage
from odradek.metadata.delegation_tokens import NO_DELEGATION_TOKENS, DelegationTokensImage
from odradek.metadata.feature_levels import KRAFT_VERSION
from odradek.metadata.features import NO_FEATURES, FeaturesImage
from odradek.metadata.producer_ids import NO_PRODUCER_IDS, ProducerIdsImage
from odradek.metadata.record_codec import MetadataRecord
from odradek.metadata.scram import NO_SCRAM, ScramImage
from odradek.metadata.topics import NO_TOPICS, TopicsImage


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataImage:
    """`offset` is the last record inside, `epoch` the raft epoch it was written in; both -1 when nothing was read yet."""

    offset: int = -1
    epoch: int = -1
    last_append_time_ms: int = -1
    # The level of the quorum's own protocol. It stands in control records and not in the image's; it is here for those who tell clients.
    kraft_version: int = 0
    features: FeaturesImage = NO_FEATURES
    cluster: ClusterImage = NO_NODES
    topics: TopicsImage = NO_TOPICS
    configs: ConfigsImage = NO_CONFIGS
    client_quotas: ClientQuotasImage = NO_CLIENT_QUOTAS
    producer_ids: ProducerIdsImage = NO_PRODUCER_IDS
    acls: AclsImage = NO_ACLS
    scram: ScramImage = NO_SCRAM
    delegation_tokens: DelegationTokensImage = NO_DELEGATION_TOKENS

    def finalized_levels(self) -> dict[str, int]:
        """The level of every finalized feature, `kraft.version` among them."""
        levels = self.features.levels()
        if self.kraft_version > 0:
            levels[KRAFT_VERSION] = self.kraft_version
        return levels

    def records_beside_topics(self) -> Iterator[MetadataRecord]:
        """As `records`, without those of topics and partitions."""
        return replace(self, topics=NO_TOPICS).records()

    def records(self) -> Iterator[MetadataRecord]:
        """The records that make this image out of nothing, in the order of a snapshot."""
        yield from self.features.records()
        yield from self.cluster.records()
        yield from self.topics.records()
        yield from self.configs.records()
        yield from self.client_quotas.records()
        yield from self.producer_ids.records()
        yield from self.acls.records()
        yield from self.scram.records()
        yield from self.delegation_tokens.records()


EMPTY_IMAGE = MetadataImage()
