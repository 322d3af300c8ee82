"""Records on top of one image: what will be the next image, and what changed between the two.

`replay` is a table from the class of a record to the part of the delta that understands it. An unknown record is fatal on purpose: a node
that skipped what it does not know would answer differently from its neighbours. Transactions of records are not known here; who reads the
log replays only what has been ended (`metadata.transactions`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from odradek.base.errors import Misuse
from odradek.metadata.acls import AclsDelta
from odradek.metadata.client_quotas import ClientQuotasDelta
from odradek.metadata.cluster import ClusterDelta
from odradek.metadata.configs import ConfigsDelta
from odradek.metadata.delegation_tokens import DelegationTokensDelta
from odradek.metadata.features import FeaturesDelta
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage
from odradek.metadata.producer_ids import ProducerIdsDelta
from odradek.metadata.record_codec import MetadataRecord
from odradek.metadata.scram import ScramDelta
from odradek.metadata.topics import TopicsDelta
from odradek.protocol.internal_records.metadata import RemoveTopicRecord


class MetadataDelta:
    """Gathers records on top of `before`. Its parts answer what changed: `topics.changed_topics`, `configs`, `cluster.changed_brokers`."""

    __slots__ = (
        "_replay_by_name",
        "acls",
        "before",
        "client_quotas",
        "cluster",
        "configs",
        "delegation_tokens",
        "features",
        "producer_ids",
        "scram",
        "topics",
    )

    def __init__(self, before: MetadataImage) -> None:
        self.before = before
        self.features = FeaturesDelta(before.features)
        self.cluster = ClusterDelta(before.cluster)
        self.topics = TopicsDelta(before.topics)
        self.configs = ConfigsDelta(before.configs)
        self.client_quotas = ClientQuotasDelta(before.client_quotas)
        self.producer_ids = ProducerIdsDelta(before.producer_ids)
        self.acls = AclsDelta(before.acls)
        self.scram = ScramDelta(before.scram)
        self.delegation_tokens = DelegationTokensDelta(before.delegation_tokens)
        self._replay_by_name: dict[str, Callable[..., object]] = {
            "RegisterBrokerRecord": self.cluster.replay_register_broker,
            "UnregisterBrokerRecord": self.cluster.replay_unregister_broker,
            "FenceBrokerRecord": self.cluster.replay_fence_broker,
            "UnfenceBrokerRecord": self.cluster.replay_unfence_broker,
            "BrokerRegistrationChangeRecord": self.cluster.replay_broker_registration_change,
            "RegisterControllerRecord": self.cluster.replay_register_controller,
            "FeatureLevelRecord": self.features.replay_feature_level,
            "TopicRecord": self.topics.replay_topic,
            "PartitionRecord": self.topics.replay_partition,
            "PartitionChangeRecord": self.topics.replay_partition_change,
            "RemoveTopicRecord": self._replay_remove_topic,
            "ClearElrRecord": self.topics.replay_clear_elr,
            "ConfigRecord": self.configs.replay_config,
            "ClientQuotaRecord": self.client_quotas.replay_client_quota,
            "ProducerIdsRecord": self.producer_ids.replay_producer_ids,
            "AccessControlEntryRecord": self.acls.replay_access_control_entry,
            "RemoveAccessControlEntryRecord": self.acls.replay_remove_access_control_entry,
            "UserScramCredentialRecord": self.scram.replay_user_scram_credential,
            "RemoveUserScramCredentialRecord": self.scram.replay_remove_user_scram_credential,
            "DelegationTokenRecord": self.delegation_tokens.replay_delegation_token,
            "RemoveDelegationTokenRecord": self.delegation_tokens.replay_remove_delegation_token,
            "NoOpRecord": _ignore,
            # ZooKeeper's days are over, but a log that was migrated still holds this one.
            "ZkMigrationStateRecord": _ignore,
        }

    @classmethod
    def of_everything(cls, image: MetadataImage) -> MetadataDelta:
        """The delta from nothing to `image`: for who has heard of nothing yet."""
        delta = cls(EMPTY_IMAGE)
        # Partitions are many, and their registrations are what their records would come to.
        delta.topics.add_everything(image.topics)
        for record in image.records_beside_topics():
            delta.replay(record)
        return delta

    def replay(self, record: MetadataRecord) -> None:
        """Take one record in.

        Raises:
            Misuse: the record speaks of something that does not exist, or is of a kind this release does not know.
        """
        replay = self._replay_by_name.get(record.NAME)
        if replay is None:
            raise Misuse(f"{record.NAME} has no place in an image")
        replay(record)

    def apply(self, offset: int, epoch: int, append_time_ms: int = -1) -> MetadataImage:
        """The image after this delta, as of the record at `offset` written in raft epoch `epoch`."""
        return replace(
            self.before,
            offset=offset,
            epoch=epoch,
            last_append_time_ms=append_time_ms,
            features=self.features.apply(),
            cluster=self.cluster.apply(),
            topics=self.topics.apply(),
            configs=self.configs.apply(),
            client_quotas=self.client_quotas.apply(),
            producer_ids=self.producer_ids.apply(),
            acls=self.acls.apply(),
            scram=self.scram.apply(),
            delegation_tokens=self.delegation_tokens.apply(),
        )

    def _replay_remove_topic(self, record: RemoveTopicRecord) -> None:
        self.configs.remove_topic(self.topics.replay_remove_topic(record))


def _ignore(record: MetadataRecord) -> None:
    pass
