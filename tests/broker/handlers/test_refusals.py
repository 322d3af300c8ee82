"""Every API of the broker can refuse every version of its request, and says so where a client of that version looks."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import Misuse
from odradek.broker.handlers import refusals
from odradek.broker.request import RequestContext
from odradek.protocol import apis
from odradek.protocol.message import Message
from odradek.wire.structure import Structure, fields_of

# Produce and Fetch never become objects on their way; DescribeLogDirs has no error before version 3, it answers with no directories.
OTHERWISE_REFUSED = {(0, version) for version in range(14)} | {(1, version) for version in range(19)} | {(35, 1), (35, 2)}
BROKER_VERSIONS = [
    (entry.key, version)
    for entry in apis.API_BY_KEY.values()
    if entry.is_on_broker
    for version in range(entry.version_min, entry.version_max + 1)
    if (entry.key, version) not in OTHERWISE_REFUSED
]


def context_of(api_key: int, api_version: int) -> RequestContext:
    return RequestContext(
        api_key=api_key,
        api_version=api_version,
        correlation_id=1,
        client_id="client",
        listener_name="PLAINTEXT",
        client_host="127.0.0.1",
        client_port=50000,
        dialled_host="127.0.0.1",
        dialled_port=9092,
        connection_id=1,
    )


def populated(message_type: type) -> object:
    """A message with one element in each of its lists, however deep."""
    initializer: object = message_type.__dict__["__init__"]
    hints = typing.get_type_hints(initializer, vars(import_module(message_type.__module__)))
    values: dict[str, object] = {}
    for name, hint in hints.items():
        candidates = [hint, *typing.get_args(hint)]
        for candidate in candidates:
            if typing.get_origin(candidate) is list:
                (element,) = typing.get_args(candidate)
                values[name] = [
                    populated(typing.cast(type, element))
                    if isinstance(element, type) and issubclass(element, Structure)
                    else element(bytes(16))
                    if element is bytes
                    else element()
                ]
    return message_type(**values)


def request_with_items(api_key: int, version: int) -> Message:
    """A request as it can come in this version: lists that the version does not have are empty."""
    request = typing.cast(Message, populated(apis.request_type(api_key)))
    empty = apis.request_type(api_key)()
    while True:
        try:
            request.encode(bytearray(), version)
        except Misuse as error:
            refused = re.match(rf"{request.NAME}\.(\w+) is set", str(error))
            if refused is None:
                raise
            setattr(request, refused[1], getattr(empty, refused[1]))
        else:
            return request


def codes_in(value: object) -> Iterator[int]:
    """Every error code anywhere in a response."""
    if isinstance(value, list):
        for element in value:
            yield from codes_in(element)
    elif isinstance(value, Structure):
        for name, inner in fields_of(value).items():
            if name in ("error_code", "partition_error_code"):
                yield typing.cast(int, inner)
            else:
                yield from codes_in(inner)


def reencoded(api_key: int, version: int, response: Message) -> Message:
    out = bytearray()
    response.encode(out, version)
    decoded, end = apis.response_type(api_key).decode(bytes(out), 0, version)
    assert end == len(out)
    return decoded


@pytest.mark.parametrize(("api_key", "version"), BROKER_VERSIONS)
def test_refusal_carries_the_code_in_every_version(api_key: int, version: int) -> None:
    request = request_with_items(api_key, version)

    response = refusals.refusal(request, context_of(api_key, version), ErrorCode.INVALID_REQUEST, "a sentence")

    codes = list(codes_in(reencoded(api_key, version, response)))
    assert ErrorCode.INVALID_REQUEST in codes


def test_group_api_without_handler_asks_the_client_to_come_again() -> None:
    """The coordinator of share groups belongs to a later release; a client that finds none waits and looks again."""
    request = apis.request_type(76)()

    response = refusals.handle(typing.cast(Any, None), request, context_of(76, 1))

    assert list(codes_in(response)) == [ErrorCode.COORDINATOR_NOT_AVAILABLE]


def test_acl_api_without_authorizer_says_that_security_is_disabled() -> None:
    request = apis.request_type(29)()

    response = typing.cast(Any, refusals.handle(typing.cast(Any, None), request, context_of(29, 3)))

    assert (response.error_code, response.error_message) == (ErrorCode.SECURITY_DISABLED, "No Authorizer is configured.")


def test_token_request_of_an_anonymous_client_is_refused_with_its_principal() -> None:
    request = apis.request_type(38)()

    response = typing.cast(Any, refusals.handle(typing.cast(Any, None), request, context_of(38, 3)))

    assert response.error_code == ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
    assert (response.principal_type, response.principal_name, response.max_timestamp_ms) == ("User", "ANONYMOUS", -1)
