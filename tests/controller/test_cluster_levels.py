"""What a new cluster starts with, features that go up and down, producer ids, placement."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import Uuid
from odradek.controller.placement import PlacementRefused, UsableBroker, place_replicas
from odradek.metadata.feature_levels import METADATA_VERSION
from odradek.protocol.internal_records.metadata import BeginTransactionRecord, TopicRecord
from odradek.protocol.messages.allocate_producer_ids import AllocateProducerIdsRequest, AllocateProducerIdsResponse
from odradek.protocol.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse
from tests.controller.a_cluster import Cluster

GROUP = "group.version"


def update(cluster: Cluster, feature: str, level: int, upgrade_type: int = 1) -> tuple[ErrorCode, str | None]:
    response, _ = cluster.decide(
        UpdateFeaturesRequest(feature_updates=[FeatureUpdateKey(feature=feature, max_version_level=level, upgrade_type=upgrade_type)])
    )
    assert isinstance(response, UpdateFeaturesResponse)
    return ErrorCode(response.error_code), response.error_message


def test_new_cluster_has_the_levels_of_the_release_and_a_cluster_wide_min_insync_replicas() -> None:
    """As a 4.3.1 controller bootstraps an empty log, record by record."""
    cluster = Cluster()

    assert cluster.image.finalized_levels() == {
        "metadata.version": 30,
        "eligible.leader.replicas.version": 1,
        "group.version": 1,
        "share.version": 1,
        "streams.version": 1,
        "transaction.version": 2,
        "kraft.version": 1,
    }
    assert cluster.image.configs.of_cluster() == {"min.insync.replicas": "1"}
    assert cluster.next_offset == 9


def test_second_activation_writes_nothing() -> None:
    cluster = Cluster()

    assert cluster.controller.activate([], 0) == []


def test_transaction_that_a_former_controller_left_open_is_aborted() -> None:
    cluster = Cluster()
    cluster.write([BeginTransactionRecord(name="half"), TopicRecord(name="never", topic_id=Uuid(b"\x05" * 16))])

    records = cluster.controller.activate([], 0)
    cluster.write(records)

    assert [record.NAME for record in records] == ["AbortTransactionRecord"]
    assert cluster.image.topics.by_name == {}


def test_feature_goes_down_only_when_that_is_said() -> None:
    cluster = Cluster(1)

    assert update(cluster, GROUP, 0) == (
        ErrorCode.INVALID_UPDATE_VERSION,
        "The update failed for all features since the following feature had an error: Invalid update version 0 for feature group.version. "
        "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.",
    )
    assert update(cluster, GROUP, 0, upgrade_type=2) == (ErrorCode.NONE, None)
    assert cluster.image.features.level(GROUP) == 0


@pytest.mark.parametrize(
    ("feature", "level", "sentence"),
    [
        ("no.such.version", 1, "Local controller 100 does not support this feature."),
        (GROUP, 2, "Local controller 100 only supports versions 0-1"),
        (METADATA_VERSION, 31, "Local controller 100 only supports versions 7-30"),
    ],
)
def test_level_that_nobody_supports_is_refused(feature: str, level: int, sentence: str) -> None:
    code, message = update(Cluster(1), feature, level)

    assert code is ErrorCode.INVALID_UPDATE_VERSION
    assert message is not None
    assert message.endswith(f"Invalid update version {level} for feature {feature}. {sentence}")


def test_metadata_version_does_not_go_back_over_a_change_of_format() -> None:
    code, message = update(Cluster(1), METADATA_VERSION, 29, upgrade_type=2)

    assert code is ErrorCode.INVALID_UPDATE_VERSION
    assert message is not None
    assert message.endswith(
        "Unsupported metadata.version downgrade from 30 to 29. "
        "Refusing to perform the requested downgrade because it might delete metadata information."
    )


def test_metadata_version_goes_back_where_the_format_is_the_same() -> None:
    cluster = Cluster(1, metadata_version=26)

    assert update(cluster, METADATA_VERSION, 25, upgrade_type=2) == (ErrorCode.NONE, None)
    assert cluster.image.features.metadata_version == 25


def test_producer_id_blocks_follow_each_other() -> None:
    cluster = Cluster()
    request = AllocateProducerIdsRequest(broker_id=1, broker_epoch=cluster.serve(1))

    starts = []
    for _ in range(3):
        response, _ = cluster.decide(request)
        assert isinstance(response, AllocateProducerIdsResponse)
        starts.append((response.producer_id_start, response.producer_id_len))

    assert starts == [(0, 1000), (1000, 1000), (2000, 1000)]


def test_producer_ids_are_refused_to_an_unknown_broker() -> None:
    with pytest.raises(RequestRefused) as refused:
        Cluster().decide(AllocateProducerIdsRequest(broker_id=1, broker_epoch=3))

    assert refused.value.code is ErrorCode.BROKER_ID_NOT_REGISTERED


brokers_in_racks = st.dictionaries(st.integers(0, 20), st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=12)


@given(brokers_in_racks, st.integers(1, 40), st.integers(1, 12), st.integers())
def test_replicas_are_distinct_spread_over_racks_and_even(
    rack_by_broker: dict[int, str | None], partition_count: int, replication_factor: int, seed: int
) -> None:
    brokers = [UsableBroker(broker_id, rack, is_fenced=False) for broker_id, rack in rack_by_broker.items()]
    if replication_factor > len(brokers):
        with pytest.raises(PlacementRefused):
            place_replicas(partition_count, replication_factor, brokers, random.Random(seed))
        return

    placed = place_replicas(partition_count, replication_factor, brokers, random.Random(seed))

    racks_count = len(set(rack_by_broker.values()))
    for replicas in placed:
        assert len(set(replicas)) == replication_factor
        assert set(replicas) <= rack_by_broker.keys()
        if racks_count >= replication_factor:
            assert len({rack_by_broker[broker_id] for broker_id in replicas}) == replication_factor
    leaders_by_rack = Counter(rack_by_broker[replicas[0]] for replicas in placed)
    assert len(leaders_by_rack) == min(racks_count, partition_count) or partition_count > racks_count


@given(st.sets(st.integers(0, 9), min_size=1), st.sets(st.integers(10, 19), min_size=1), st.integers())
def test_fenced_broker_never_leads(in_service: set[int], fenced: set[int], seed: int) -> None:
    brokers = [UsableBroker(broker_id, None, broker_id in fenced) for broker_id in in_service | fenced]

    placed = place_replicas(10, len(in_service), brokers, random.Random(seed))

    assert all(replicas[0] in in_service for replicas in placed)
    assert all(set(replicas) == in_service for replicas in placed)
