"""Hypothesis strategies for histories of metadata records that a controller could have written."""

from __future__ import annotations

from hypothesis import strategies as st

from odradek.base.identifiers import Uuid
from odradek.metadata.record_codec import MetadataRecord
from odradek.protocol.internal_records import metadata as records

NAMES = st.sampled_from(["orders", "a.b", "a_b", "x" * 249, "__consumer_offsets"])
UUIDS = st.integers(100, 110).map(lambda number: Uuid(number.to_bytes(16, "big")))
BROKER_IDS = st.integers(0, 4)
TEXTS = st.text(max_size=8)
OFFSETS = st.integers(0, 2**40)


def _broker(broker_id: int, epoch: int) -> st.SearchStrategy[MetadataRecord]:
    return st.builds(
        records.RegisterBrokerRecord,
        broker_id=st.just(broker_id),
        incarnation_id=UUIDS,
        broker_epoch=st.just(epoch),
        end_points=st.lists(
            st.builds(records.BrokerEndpoint, name=TEXTS, host=TEXTS, port=st.integers(0, 65_535), security_protocol=st.integers(0, 3)),
            max_size=2,
            unique_by=lambda endpoint: endpoint.name,
        ),
        features=st.lists(
            st.builds(records.BrokerFeature, name=TEXTS, min_supported_version=st.integers(0, 3), max_supported_version=st.integers(3, 9)),
            max_size=2,
            unique_by=lambda feature: feature.name,
        ),
        rack=st.none() | TEXTS,
        fenced=st.booleans(),
        in_controlled_shutdown=st.booleans(),
        log_dirs=st.lists(UUIDS, max_size=3, unique=True),
        cordoned_log_dirs=st.none() | st.lists(UUIDS, max_size=2, unique=True),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[MetadataRecord]:
    """Records in an order in which each makes sense after those before it."""
    history: list[MetadataRecord] = [records.FeatureLevelRecord(name="metadata.version", feature_level=30)]
    topics: dict[str, tuple[Uuid, int]] = {}
    brokers: dict[int, int] = {}
    next_id = 1000
    for step in range(draw(st.integers(0, 25))):
        kind = draw(st.integers(0, 13))
        if kind == 0:
            broker_id = draw(BROKER_IDS)
            brokers[broker_id] = step
            history.append(draw(_broker(broker_id, step)))
        elif kind == 1 and brokers:
            broker_id = draw(st.sampled_from(sorted(brokers)))
            history.append(
                records.BrokerRegistrationChangeRecord(
                    broker_id=broker_id,
                    broker_epoch=brokers[broker_id],
                    fenced=draw(st.integers(-1, 1)),
                    in_controlled_shutdown=draw(st.integers(0, 1)),
                    log_dirs=draw(st.lists(UUIDS, max_size=2, unique=True)),
                )
            )
        elif kind == 2 and brokers:
            broker_id = draw(st.sampled_from(sorted(brokers)))
            history.append(records.UnregisterBrokerRecord(broker_id=broker_id, broker_epoch=brokers.pop(broker_id)))
        elif kind == 3:
            name = draw(NAMES)
            if name not in topics:
                next_id += 1
                topics[name] = (Uuid(next_id.to_bytes(16, "big")), 0)
                history.append(records.TopicRecord(name=name, topic_id=topics[name][0]))
        elif kind == 4 and topics:
            name = draw(st.sampled_from(sorted(topics)))
            topic_id, count = topics[name]
            replicas = draw(st.lists(BROKER_IDS, min_size=1, max_size=3, unique=True))
            topics[name] = (topic_id, count + 1)
            history.append(
                records.PartitionRecord(
                    partition_id=count,
                    topic_id=topic_id,
                    replicas=replicas,
                    isr=replicas[:1],
                    leader=replicas[0],
                    leader_epoch=0,
                    partition_epoch=0,
                    directories=draw(st.lists(UUIDS, min_size=len(replicas), max_size=len(replicas))),
                    eligible_leader_replicas=draw(st.none() | st.lists(BROKER_IDS, max_size=2, unique=True)),
                )
            )
        elif kind == 5 and any(count for _, count in topics.values()):
            name = draw(st.sampled_from(sorted(name for name, (_, count) in topics.items() if count)))
            topic_id, count = topics[name]
            history.append(
                records.PartitionChangeRecord(
                    partition_id=draw(st.integers(0, count - 1)),
                    topic_id=topic_id,
                    isr=draw(st.none() | st.lists(BROKER_IDS, max_size=3, unique=True)),
                    leader=draw(st.sampled_from([-2, -1, 0, 1])),
                    eligible_leader_replicas=draw(st.none() | st.lists(BROKER_IDS, max_size=3, unique=True)),
                    last_known_elr=draw(st.none() | st.lists(BROKER_IDS, max_size=1)),
                    leader_recovery_state=draw(st.sampled_from([-1, 0, 1])),
                )
            )
        elif kind == 6 and topics:
            name = draw(st.sampled_from(sorted(topics)))
            history.append(records.RemoveTopicRecord(topic_id=topics.pop(name)[0]))
        elif kind == 7:
            history.append(
                draw(
                    st.builds(
                        records.ConfigRecord,
                        resource_type=st.sampled_from([2, 4, 16, 32]),
                        resource_name=NAMES,
                        name=TEXTS,
                        value=st.none() | TEXTS,
                    )
                )
            )
        elif kind == 8:
            parts = st.builds(records.EntityData, entity_type=st.sampled_from(["user", "client-id"]), entity_name=st.none() | TEXTS)
            history.append(
                draw(
                    st.builds(
                        records.ClientQuotaRecord,
                        entity=st.lists(parts, min_size=1, max_size=2, unique_by=lambda part: part.entity_type),
                        key=TEXTS,
                        value=st.floats(0, 1e9),
                        remove=st.booleans(),
                    )
                )
            )
        elif kind == 9:
            history.append(records.ProducerIdsRecord(broker_id=1, broker_epoch=1, next_producer_id=step * 1000))
        elif kind == 10:
            history.append(
                draw(
                    st.builds(records.AccessControlEntryRecord, id=UUIDS, resource_name=TEXTS, principal=TEXTS, host=TEXTS)
                    | st.builds(records.RemoveAccessControlEntryRecord, id=UUIDS)
                )
            )
        elif kind == 11:
            history.append(
                draw(
                    st.builds(records.UserScramCredentialRecord, name=TEXTS, mechanism=st.integers(1, 2), salt=st.binary(max_size=4))
                    | st.builds(records.RemoveUserScramCredentialRecord, name=TEXTS, mechanism=st.integers(1, 2))
                )
            )
        elif kind == 12:
            history.append(
                draw(
                    st.builds(records.DelegationTokenRecord, owner=TEXTS, renewers=st.lists(TEXTS, max_size=2), token_id=TEXTS)
                    | st.builds(records.RemoveDelegationTokenRecord, token_id=TEXTS)
                )
            )
        else:
            history.append(records.ClearElrRecord(topic_name=""))
    return history
