"""Our API table against what Apache Kafka 4.3.1 answered to ApiVersions, recorded once from a node formatted with `--standalone`."""

from __future__ import annotations

from odradek.protocol import apis
from odradek.protocol.apis import ApiEntry
from odradek.protocol.features import SUPPORTED_FEATURES, finalized_levels, supported_features

# Key, lowest, highest version, as broker and controller listener answered them.
BROKER_4_3_1 = """
0:0-13 1:4-18 2:1-11 3:0-13 8:2-10 9:1-10 10:0-6 11:0-9 12:0-4 13:0-5 14:0-5 15:0-6 16:0-5 17:0-1 18:0-4 19:2-7 20:1-6 21:0-2 22:0-5
23:2-4 24:0-5 25:0-4 26:0-5 27:1-2 28:0-5 29:1-3 30:1-3 31:1-3 32:1-4 33:0-2 34:1-2 35:1-5 36:0-2 37:0-3 38:1-3 39:1-2 40:1-2 41:1-3
42:0-2 43:0-2 44:0-1 45:0-1 46:0-0 47:0-0 48:0-1 49:0-1 50:0-0 51:0-0 55:0-2 57:0-2 60:0-2 61:0-0 64:0-0 65:0-0 66:0-2 68:0-1 69:0-1
74:0-1 75:0-0 76:1-1 77:1-1 78:1-2 79:1-2 80:0-1 81:0-0 83:0-0 84:0-0 85:0-1 86:0-0 87:0-1 88:0-0 89:0-0 90:0-1 91:0-0 92:0-0
"""
CONTROLLER_4_3_1 = """
1:4-18 17:0-1 18:0-4 19:2-7 20:1-6 29:1-3 30:1-3 31:1-3 32:1-4 33:0-2 36:0-2 37:0-3 38:1-3 39:1-2 40:1-2 41:1-3 43:0-2 44:0-1 45:0-1
46:0-0 49:0-1 50:0-0 51:0-0 52:0-2 53:0-1 54:0-1 55:0-2 56:2-3 57:0-2 58:0-0 59:0-1 60:0-2 62:0-4 63:0-2 64:0-0 67:0-0 70:0-0 73:0-0
80:0-1 81:0-0 82:0-0
"""
SUPPORTED_4_3_1 = [
    ("group.version", 0, 1),
    ("kraft.version", 0, 1),
    ("metadata.version", 7, 30),
    ("share.version", 0, 1),
    ("streams.version", 0, 1),
    ("transaction.version", 0, 2),
    ("eligible.leader.replicas.version", 0, 1),
]
FINALIZED_4_3_1 = [
    ("group.version", 1),
    ("kraft.version", 1),
    ("share.version", 1),
    ("metadata.version", 30),
    ("streams.version", 1),
    ("transaction.version", 2),
    ("eligible.leader.replicas.version", 1),
]


def as_recorded(entries: list[ApiEntry]) -> list[str]:
    return [f"{entry.key}:{entry.advertised_min}-{entry.version_max}" for entry in entries]


def test_broker_advertises_what_apache_kafka_advertises() -> None:
    assert as_recorded(apis.advertised_on_broker()) == BROKER_4_3_1.split()


def test_controller_advertises_what_apache_kafka_advertises() -> None:
    assert as_recorded(apis.advertised_on_controller()) == CONTROLLER_4_3_1.split()


def test_produce_is_advertised_from_zero_and_served_from_three() -> None:
    """KAFKA-18659."""
    produce = apis.API_BY_KEY[0]
    assert (produce.advertised_min, produce.version_min, produce.serves(2), produce.serves(3)) == (0, 3, False, True)


def test_unstable_version_has_messages_but_is_not_served() -> None:
    """InitProducerId 6 belongs to two-phase commit (KIP-939), which 4.3 does not switch on."""
    assert apis.API_BY_KEY[22].version_max == 5
    assert apis.request_type(22).VERSION_MAX == 6


def test_supported_features_stand_in_kafkas_order() -> None:
    assert [(feature.name, feature.level_min, feature.level_max) for feature in supported_features(4)] == SUPPORTED_4_3_1
    assert len(SUPPORTED_FEATURES) == len(SUPPORTED_4_3_1)


def test_supported_features_that_begin_at_zero_are_kept_from_old_clients() -> None:
    """KAFKA-17492."""
    assert [feature.name for feature in supported_features(3)] == ["metadata.version"]


def test_finalized_features_stand_in_kafkas_order_without_level_zero() -> None:
    levels = dict(sorted(FINALIZED_4_3_1))
    assert finalized_levels(levels) == FINALIZED_4_3_1
    assert finalized_levels(levels | {"kraft.version": 0}) == [entry for entry in FINALIZED_4_3_1 if entry[0] != "kraft.version"]


def test_every_api_has_its_messages() -> None:
    for key, entry in apis.API_BY_KEY.items():
        request, response = apis.request_type(key), apis.response_type(key)
        assert request.API_KEY == response.API_KEY == key
        assert request.VERSION_MIN == response.VERSION_MIN == entry.version_min
        assert request.FLEXIBLE_VERSION_MIN == response.FLEXIBLE_VERSION_MIN == entry.flexible_version_min
