"""The error response of any API: for handlers that refuse a request, and for APIs that are announced but not built yet.

`handle` stands in where an API has no handler of its own. It says what an Apache Kafka node of the same release says when the
feature behind the API is switched off there; where such a node always has the feature, it says UNSUPPORTED_VERSION, which every
client understands as "not with this broker". COMPATIBILITY.md lists these APIs as not served.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from odradek.base.error_codes import ErrorCode
from odradek.broker.refusal_shapes import (
    ADDED_PARTITIONS_BY_TOPIC,
    ECHOES_BY_MODULE,
    FETCHED_OFFSETS_BY_GROUP,
    FETCHED_OFFSETS_BY_TOPIC,
    FOUND_COORDINATORS,
    Echo,
    repeat,
)
from odradek.broker.request import RequestContext
from odradek.protocol import apis
from odradek.protocol.message import Message

if TYPE_CHECKING:
    from odradek.broker.node import Node

NO_AUTHORIZER: Final = "No Authorizer is configured."

# Share and streams groups have their coordinators in a later release: a client waits and asks again.
_COORDINATOR_KEYS: Final = (*range(76, 78), *range(83, 93))
_CODE_BY_KEY: Final[Mapping[int, tuple[ErrorCode, str | None]]] = {
    **dict.fromkeys(_COORDINATOR_KEYS, (ErrorCode.COORDINATOR_NOT_AVAILABLE, None)),
    # Without SASL on the listener there is no state in which these may come.
    **dict.fromkeys((17, 36), (ErrorCode.ILLEGAL_SASL_STATE, None)),
    **dict.fromkeys((29, 30, 31), (ErrorCode.SECURITY_DISABLED, NO_AUTHORIZER)),
    # Who is not authenticated may not ask for tokens, and that is checked before anything else.
    **dict.fromkeys((38, 39, 40, 41), (ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, None)),
}
_NOT_SERVED: Final = (ErrorCode.UNSUPPORTED_VERSION, "This API is not served by this release.")

OFFSET_FETCH: Final = 9
FIND_COORDINATOR: Final = 10
JOIN_GROUP: Final = 11
DELETE_RECORDS: Final = 21
ADD_PARTITIONS_TO_TXN: Final = 24
CREATE_DELEGATION_TOKEN: Final = 38
ELECT_LEADERS: Final = 43


def handle(node: Node, request: Message, context: RequestContext) -> Message:
    """Refuse a request of an API that has no handler."""
    code, message = refusal_code(context.api_key)
    return refusal(request, context, code, message)


def refusal_code(api_key: int) -> tuple[ErrorCode, str | None]:
    """What `handle` answers for an API, and the sentence where its response has room for one."""
    return _CODE_BY_KEY.get(api_key, _NOT_SERVED)


def refusal(request: Message, context: RequestContext, code: ErrorCode, message: str | None) -> Message:
    """The response to `request` that says `code` wherever the API has a place for an error."""
    module = apis.api_of(context.api_key).module
    response = apis.response_type(context.api_key)()
    for echo in _echoes(context, module):
        repeat(echo, request, response, module=module, version=context.api_version, code=code, message=message)
    if hasattr(response, "error_code") and _has_error_at_top(context):
        response.error_code = int(code)
        if hasattr(response, "error_message"):
            response.error_message = message
    _fill_in(response, context)
    return response


def _echoes(context: RequestContext, module: str) -> tuple[Echo, ...]:
    key, version = context.api_key, context.api_version
    if key == ADD_PARTITIONS_TO_TXN:
        return (ADDED_PARTITIONS_BY_TOPIC,) if version < 4 else ()
    if key == OFFSET_FETCH and version < 2:
        return (FETCHED_OFFSETS_BY_TOPIC,)
    if key == OFFSET_FETCH:
        return (FETCHED_OFFSETS_BY_GROUP,) if version >= 8 else ()
    if key == FIND_COORDINATOR:
        return (FOUND_COORDINATORS,) if version >= 4 else ()
    return ECHOES_BY_MODULE.get(module, ())


def _has_error_at_top(context: RequestContext) -> bool:
    key, version = context.api_key, context.api_version
    if key == OFFSET_FETCH:
        return 2 <= version < 8
    if key == FIND_COORDINATOR:
        return version < 4
    if key == ADD_PARTITIONS_TO_TXN:
        return version >= 4
    return key != ELECT_LEADERS or version >= 1


def _fill_in(response: Message, context: RequestContext) -> None:
    """What an error response of Kafka holds beside the error."""
    answer = cast(Any, response)  # one of several generated classes; the key says which
    key = context.api_key
    if key == FIND_COORDINATOR:
        for found in answer.coordinators if context.api_version >= 4 else [answer]:
            found.node_id = found.port = -1
    elif key == JOIN_GROUP:
        answer.protocol_name = None if context.api_version >= 7 else ""
    elif key in (OFFSET_FETCH, DELETE_RECORDS):
        for topic in answer.topics:
            for partition in topic.partitions:
                if key == OFFSET_FETCH:
                    partition.committed_offset = -1
                else:
                    partition.low_watermark = -1
    elif key == CREATE_DELEGATION_TOKEN:
        principal_type, _, principal_name = context.principal.partition(":")
        answer.principal_type, answer.principal_name = principal_type, principal_name
        if context.api_version >= 3:
            answer.token_requester_principal_type, answer.token_requester_principal_name = principal_type, principal_name
        answer.issue_timestamp_ms = answer.expiry_timestamp_ms = answer.max_timestamp_ms = -1
