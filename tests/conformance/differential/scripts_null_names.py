"""Requests of groups and transactions whose name is null where no version allows that, or whose lists cannot be."""

from odradek.protocol import apis
from odradek.protocol.message import Message
from tests.conformance.differential.group_requests import (
    await_coordinator,
    beat,
    commit,
    fetch_offsets_of_one,
    heartbeat,
    join,
    leave,
    leave_alone,
    sync,
)
from tests.conformance.differential.scripts import coordinated_script
from tests.conformance.differential.scripts_frames import request_frame
from tests.conformance.differential.transaction_requests import add, add_offsets, await_transaction_coordinator, commit_offsets, end, init
from tests.conformance.differential.wire import Exchange

_NAME = "x"
_PRODUCER = (5, 0)


def _body(request: Message, version: int) -> tuple[bytes, bytes]:
    """What follows the correlation id: the rest of the header, and the request's body."""
    body = bytearray()
    request.encode(body, version)
    is_flexible = apis.request_header_version(request.API_KEY, version) == 2
    return b"\x00\x01a" + (b"\x00" if is_flexible else b""), bytes(body)


def _with_null_name(request: Message, version: int) -> bytes:
    """The request, whose first field is its name, with null for it."""
    header, body = _body(request, version)
    compact, plain = b"\x02x", b"\x00\x01x"
    assert body.startswith((compact, plain)), "the name is not the first field"
    null, name = (b"\x00", compact) if body.startswith(compact) else (b"\xff\xff", plain)
    return request_frame(request.API_KEY, version, header + null + body[len(name) :])


@coordinated_script
def null_names_of_groups_and_transactions_close_the_connection(exchange: Exchange) -> None:
    await_coordinator(exchange)
    await_transaction_coordinator(exchange)
    for request, versions in (
        (join(_NAME), (4, 9)),
        (sync(_NAME, "m", 1, protocol_type=None, protocol=None), (3, 4)),
        (heartbeat(_NAME, "m", 1), (3, 4)),
        (leave_alone(_NAME, "m"), (2,)),
        (leave(_NAME, ("m", None)), (3, 5)),
        (commit(_NAME, "t", (0, 1)), (7, 9)),
        (fetch_offsets_of_one(_NAME, "t", 0), (5, 7)),
        (beat(_NAME, "m", 1), (0, 1)),
        (add(_NAME, _PRODUCER, ("t", 0)), (2, 3)),
        (add_offsets(_NAME, _PRODUCER, "g"), (2, 4)),
        (commit_offsets(_NAME, _PRODUCER, "g", "t", (0, 1)), (2, 5)),
        (end(_NAME, _PRODUCER, is_commit=True), (2, 5)),
        # Whose name may be null: it then belongs to no transaction.
        (init(_NAME), (1, 5)),
    ):
        for version in versions:
            exchange.raw(f"{request.NAME} v{version} with a null name", _with_null_name(request, version))


@coordinated_script
def lists_of_groups_that_cannot_be_close_the_connection(exchange: Exchange) -> None:
    """The list of protocols is the last field of a JoinGroup before version 8."""
    await_coordinator(exchange)
    header, body = _body(join(_NAME, protocols=()), 5)
    assert body.endswith(bytes(4))
    for label, size in (("more than there are bytes", 2**31 - 1), ("null", -1), ("less than null", -2)):
        data = header + body[:-4] + size.to_bytes(4, "big", signed=True)
        exchange.raw(f"JoinGroup v5 with a list whose size is {label}", request_frame(11, 5, data))
