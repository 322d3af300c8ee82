"""Headers: the fast forms against the schema's, and the versions that keys and versions imply."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.base.errors import ProtocolViolation
from odradek.protocol.apis import API_BY_KEY, api_of, request_header_version, response_header_version
from odradek.protocol.headers import (
    RequestHeader,
    decode_request_header,
    decode_response_header,
    encode_request_header,
    encode_response_header,
)
from odradek.protocol.internal_records import header as generated
from odradek.protocol.message import encode_message

int16 = st.integers(-(2**15), 2**15 - 1)
int32 = st.integers(-(2**31), 2**31 - 1)
headers = st.builds(RequestHeader, st.sampled_from(sorted(API_BY_KEY)), st.integers(0, 20), int32, st.none() | st.text(max_size=9))


@given(headers)
def test_request_header_has_the_bytes_of_the_schema_and_reads_back(header: RequestHeader) -> None:
    out = bytearray(b"frame")
    encode_request_header(out, header)

    by_schema = generated.RequestHeader(header.api_key, header.api_version, header.correlation_id, header.client_id)
    assert out[5:] == encode_message(by_schema, request_header_version(header.api_key, header.api_version))
    assert decode_request_header(bytes(out), 5) == (header, len(out))


@given(int16, int16, int32)
def test_request_header_of_unknown_api_is_read_for_its_refusal(key: int, version: int, correlation_id: int) -> None:
    out = bytearray()
    encode_request_header(out, RequestHeader(key, version, correlation_id, "someone"))

    assert decode_request_header(bytes(out), 0)[0].correlation_id == correlation_id


@given(headers)
def test_request_header_refuses_every_prefix_of_itself(header: RequestHeader) -> None:
    out = bytearray()
    encode_request_header(out, header)
    for size in range(len(out)):
        with pytest.raises(ProtocolViolation):
            decode_request_header(bytes(out[:size]), 0)


@given(st.binary(max_size=40))
def test_request_header_has_one_error_for_any_bytes(data: bytes) -> None:
    try:
        _, position = decode_request_header(data, 0)
    except ProtocolViolation:
        return
    assert position <= len(data)


@given(int32, st.sampled_from([0, 1]))
def test_response_header_has_the_bytes_of_the_schema_and_reads_back(correlation_id: int, header_version: int) -> None:
    out = bytearray()
    encode_response_header(out, correlation_id, header_version)

    assert out == encode_message(generated.ResponseHeader(correlation_id), header_version)
    assert decode_response_header(bytes(out), 0, header_version) == (correlation_id, len(out))


def test_request_header_skips_tags_that_it_does_not_know() -> None:
    """KIP-482: an unknown tag belongs to someone newer."""
    out = bytearray()
    encode_request_header(out, RequestHeader(18, 3, 1, None))
    assert out.pop() == 0
    out += b"\x01\x07\x02xx"

    assert decode_request_header(bytes(out), 0) == (RequestHeader(18, 3, 1, None), len(out))


def test_header_versions_follow_flexibility_except_for_api_versions() -> None:
    """KIP-511: the client cannot know yet which header version the broker would use."""
    assert [request_header_version(18, version) for version in (2, 3)] == [1, 2]
    assert [response_header_version(18, version) for version in (2, 3)] == [0, 0]
    assert [response_header_version(3, version) for version in (8, 9)] == [0, 1]
    assert [request_header_version(47, version) for version in (0, 9)] == [1, 1]


def test_unknown_api_is_a_violation() -> None:
    with pytest.raises(ProtocolViolation):
        api_of(4)


def test_importing_the_api_table_loads_no_message() -> None:
    """A node that serves five APIs should not pay for ninety."""
    program = "import sys, odradek.protocol.headers; print([name for name in sys.modules if name.startswith('odradek.protocol.messages')])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert shown.stdout == "[]\n"
