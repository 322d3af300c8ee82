"""Every message in every version survives encoding and decoding, and no damage to its bytes has any other outcome than one error."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odradek.base.errors import Misuse, ProtocolViolation
from odradek.protocol.message import decode_message, encode_message
from tests.protocol.catalogue import CATALOGUE, messages

WITHOUT_DEADLINE = settings(
    max_examples=6, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
NAMES = sorted(CATALOGUE)
NAMES_AND_VERSIONS = [pytest.param(name, version, id=f"{name}-{version}") for name in NAMES for version in CATALOGUE[name].versions]


@pytest.mark.parametrize(("name", "version"), NAMES_AND_VERSIONS)
def test_message_decodes_to_itself_in_each_version(name: str, version: int) -> None:
    message_type = CATALOGUE[name].type

    @WITHOUT_DEADLINE
    @given(messages(name, version))
    def round_trip(message: object) -> None:
        assert isinstance(message, message_type)
        encoded = encode_message(message, version)
        assert decode_message(message_type, encoded, version) == message
        # What stands in front of a message in its frame is not looked at.
        assert message_type.decode(b"\xff\xff" + encoded, 2, version) == (message, len(encoded) + 2)

    round_trip()


@pytest.mark.parametrize("name", NAMES)
def test_message_refuses_every_prefix_of_itself(name: str) -> None:
    message_type = CATALOGUE[name].type
    version = message_type.VERSION_MAX

    @settings(WITHOUT_DEADLINE, max_examples=3)
    @given(messages(name, version))
    def cut_everywhere(message: object) -> None:
        assert isinstance(message, message_type)
        encoded = encode_message(message, version)
        for size in range(len(encoded)):
            with pytest.raises(ProtocolViolation):
                message_type.decode(encoded[:size], 0, version)

    cut_everywhere()


@pytest.mark.parametrize("name", NAMES)
def test_message_refuses_bytes_behind_itself(name: str) -> None:
    message_type = CATALOGUE[name].type
    encoded = encode_message(message_type(), message_type.VERSION_MAX)

    with pytest.raises(ProtocolViolation, match="follow"):
        decode_message(message_type, encoded + b"\x00", message_type.VERSION_MAX)


@pytest.mark.parametrize("name", NAMES)
def test_message_survives_any_damage_to_its_bytes(name: str) -> None:
    message_type = CATALOGUE[name].type

    @settings(WITHOUT_DEADLINE, max_examples=12)
    @given(st.data())
    def damage(data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(CATALOGUE[name].versions))
        encoded = bytearray(encode_message(data.draw(messages(name, version)), version))
        for _ in range(data.draw(st.integers(1, 4))):
            if encoded:
                encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
        try:
            decoded, position = message_type.decode(bytes(encoded), 0, version)
        except ProtocolViolation:
            return
        assert position <= len(encoded)
        encode_message(decoded, version)

    damage()


@pytest.mark.parametrize("name", NAMES)
def test_message_refuses_versions_outside_its_range(name: str) -> None:
    message_type = CATALOGUE[name].type
    for version in (message_type.VERSION_MIN - 1, message_type.VERSION_MAX + 1):
        with pytest.raises(ProtocolViolation):
            message_type.decode(bytes(64), 0, version)
        with pytest.raises(Misuse):
            message_type().encode(bytearray(), version)
