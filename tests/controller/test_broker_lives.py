"""Brokers as the controller sees them: registration, fencing, leaving, coming back, and what that does to leadership (KIP-631, KIP-966)."""

from __future__ import annotations

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.identifiers import ZERO_UUID
from odradek.metadata.partition_registration import NO_LEADER, RECOVERING, PartitionRegistration
from odradek.protocol.messages import controller_registration
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from odradek.protocol.messages.controller_registration import ControllerRegistrationRequest
from odradek.protocol.messages.create_topics import CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest
from odradek.protocol.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse
from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest
from tests.controller.a_cluster import Cluster, directory_of, registration

SESSION_MS = 9_000


def cluster_with_partition(*replicas: int) -> Cluster:
    cluster = Cluster(*sorted(replicas))
    cluster.decide(
        CreateTopicsRequest(
            topics=[
                CreatableTopic(
                    name="orders",
                    num_partitions=-1,
                    replication_factor=-1,
                    assignments=[CreatableReplicaAssignment(partition_index=0, broker_ids=list(replicas))],
                )
            ]
        )
    )
    return cluster


def partition(cluster: Cluster) -> PartitionRegistration:
    return cluster.image.topics.by_name["orders"].partitions[0]


def keep_alive(cluster: Cluster, *broker_ids: int) -> None:
    for broker_id in broker_ids:
        cluster.heartbeat(broker_id)


def refusal_of(cluster: Cluster, **changes: object) -> ErrorCode:
    request = registration(2)
    for name, value in changes.items():
        setattr(request, name, value)
    with pytest.raises(RequestRefused) as refused:
        cluster.decide(request)
    return refused.value.code


def test_new_broker_is_fenced_and_its_epoch_is_the_offset_of_its_registration() -> None:
    cluster = Cluster()
    offset = cluster.next_offset

    epoch = cluster.register(1)

    assert epoch == offset
    assert cluster.image.cluster.brokers[1].is_fenced


def test_broker_is_unfenced_only_when_it_has_read_its_own_registration() -> None:
    cluster = Cluster()
    epoch = cluster.register(1)

    early, _ = cluster.decide(BrokerHeartbeatRequest(broker_id=1, broker_epoch=epoch, current_metadata_offset=epoch - 1))
    late, _ = cluster.decide(BrokerHeartbeatRequest(broker_id=1, broker_epoch=epoch, current_metadata_offset=epoch))

    assert isinstance(early, BrokerHeartbeatResponse)
    assert isinstance(late, BrokerHeartbeatResponse)
    assert (early.is_caught_up, early.is_fenced) == (False, True)
    assert (late.is_caught_up, late.is_fenced) == (True, False)
    assert cluster.image.cluster.brokers[1].is_active


def test_same_incarnation_that_registers_again_keeps_its_epoch_and_stays_in_service() -> None:
    cluster = Cluster()
    epoch = cluster.serve(1)

    assert cluster.register(1) == epoch
    assert not cluster.image.cluster.brokers[1].is_fenced


def test_second_incarnation_waits_for_the_session_of_the_first() -> None:
    cluster = Cluster(2)

    assert refusal_of(cluster, incarnation_id=b"\x02" * 16) is ErrorCode.DUPLICATE_BROKER_REGISTRATION
    cluster.let_time_pass(SESSION_MS)

    assert cluster.register(2, incarnation=2) > 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cluster_id": "another"}, ErrorCode.INCONSISTENT_CLUSTER_ID),
        ({"is_migrating_zk_broker": True}, ErrorCode.BROKER_ID_NOT_REGISTERED),
        ({"log_dirs": []}, ErrorCode.INVALID_REGISTRATION),
        ({"log_dirs": [ZERO_UUID]}, ErrorCode.INVALID_REGISTRATION),
        ({"log_dirs": [directory_of(2), directory_of(2)]}, ErrorCode.INVALID_REGISTRATION),
        ({"log_dirs": [directory_of(1)]}, ErrorCode.INVALID_REGISTRATION),
        ({"features": []}, ErrorCode.INVALID_REGISTRATION),
        ({"features": registration(2).features[:1]}, ErrorCode.UNSUPPORTED_VERSION),
    ],
)
def test_registration_is_refused(changes: dict[str, object], code: ErrorCode) -> None:
    assert refusal_of(Cluster(1), **changes) is code


def test_silent_broker_is_fenced_and_its_leadership_moves() -> None:
    cluster = cluster_with_partition(1, 2)

    cluster.let_time_pass(SESSION_MS - 1)
    keep_alive(cluster, 2)
    cluster.let_time_pass(1)

    assert cluster.image.cluster.brokers[1].is_fenced
    assert (partition(cluster).leader, partition(cluster).isr, partition(cluster).leader_epoch) == (2, (2,), 1)


def test_leaving_broker_gives_its_leaderships_away_and_is_then_let_go() -> None:
    cluster = cluster_with_partition(1, 2)

    assert not cluster.heartbeat(1, want_shut_down=True).should_shut_down
    keep_alive(cluster, 2)

    assert cluster.heartbeat(1, want_shut_down=True).should_shut_down
    assert partition(cluster).leader == 2
    assert cluster.image.cluster.brokers[1].is_fenced


def test_last_broker_that_leaves_stays_eligible_and_leads_again_when_it_is_back() -> None:
    """KIP-966: the in-sync set may become empty, because who was in it last is remembered as eligible."""
    cluster = cluster_with_partition(1)
    cluster.heartbeat(1, want_shut_down=True)
    left = partition(cluster)

    assert (left.leader, left.isr, left.eligible_leader_replicas, left.last_known_elr) == (NO_LEADER, (), (1,), (1,))
    assert cluster.heartbeat(1, want_shut_down=True).should_shut_down
    cluster.serve(1, incarnation=2, previous_broker_epoch=cluster.image.cluster.brokers[1].epoch)

    back = partition(cluster)
    assert (back.leader, back.isr, back.eligible_leader_replicas, back.last_known_elr) == (1, (1,), (), ())
    assert back.leader_epoch == left.leader_epoch + 1


def test_broker_that_crashed_leads_again_only_as_the_last_known_leader_and_recovers() -> None:
    """After an unclean stop its log may lack its tail: it is not eligible, but nobody else has ever led."""
    cluster = cluster_with_partition(1)
    cluster.let_time_pass(SESSION_MS)
    cluster.serve(1, incarnation=2)

    back = partition(cluster)
    assert (back.leader, back.isr, back.leader_recovery_state) == (1, (1,), RECOVERING)


def test_heartbeat_of_an_earlier_life_is_refused() -> None:
    cluster = Cluster()
    epoch = cluster.serve(1)

    with pytest.raises(RequestRefused) as refused:
        cluster.decide(BrokerHeartbeatRequest(broker_id=1, broker_epoch=epoch - 1))

    assert refused.value.code is ErrorCode.STALE_BROKER_EPOCH


def test_preferred_election_brings_leadership_back() -> None:
    cluster = cluster_with_partition(1, 2)
    cluster.heartbeat(1, want_shut_down=True)
    keep_alive(cluster, 2)
    cluster.heartbeat(1, want_shut_down=True)
    cluster.serve(1, incarnation=2, previous_broker_epoch=cluster.image.cluster.brokers[1].epoch)

    response, _ = cluster.decide(ElectLeadersRequest(election_type=0, topic_partitions=None))

    assert isinstance(response, ElectLeadersResponse)
    # Broker 1 is no longer in sync, so it cannot lead yet.
    (result,) = response.replica_election_results[0].partition_result
    assert result.error_code == ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE
    assert partition(cluster).leader == 2


def test_unregistered_broker_is_forgotten() -> None:
    cluster = Cluster(1, 2)

    cluster.decide(UnregisterBrokerRequest(broker_id=2))

    assert set(cluster.image.cluster.brokers) == {1}
    with pytest.raises(RequestRefused):
        cluster.decide(UnregisterBrokerRequest(broker_id=2))


def test_controller_that_introduces_itself_is_in_the_image() -> None:
    """KIP-919: clients learn from it where controllers listen."""
    cluster = Cluster()
    listener = controller_registration.Listener(name="CONTROLLER", host="there", port=9093)
    cluster.decide(ControllerRegistrationRequest(controller_id=100, incarnation_id=directory_of(100), listeners=[listener]))

    registered = cluster.image.cluster.controllers[100]

    assert [(end.name, end.host, end.port) for end in registered.listeners.values()] == [("CONTROLLER", "there", 9093)]


def test_controller_cannot_introduce_itself_to_an_older_cluster() -> None:
    cluster = Cluster(metadata_version=14)

    with pytest.raises(RequestRefused) as refused:
        cluster.decide(ControllerRegistrationRequest(controller_id=100, incarnation_id=directory_of(100)))

    assert refused.value.code == ErrorCode.UNSUPPORTED_VERSION
