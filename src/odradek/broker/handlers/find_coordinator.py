"""FindCoordinator (key 10): which node coordinates a group or a transaction. In this release none does.

A client that is told COORDINATOR_NOT_AVAILABLE waits and asks again, which is what a consumer of a broker that is still starting does; one
that assigns its partitions by itself never asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from odradek.base.error_codes import ErrorCode
from odradek.broker.handlers import refusals
from odradek.broker.request import RequestContext
from odradek.protocol.message import Message
from odradek.protocol.messages.find_coordinator import FindCoordinatorRequest

if TYPE_CHECKING:
    from odradek.broker.node import Node

GROUP: Final = 0
TRANSACTION: Final = 1
SHARE: Final = 2
SHARE_VERSION_MIN: Final = 6


def handle(node: Node, request: FindCoordinatorRequest, context: RequestContext) -> Message:
    """The same refusal for every key that could have a coordinator."""
    is_known = request.key_type in (GROUP, TRANSACTION) or (request.key_type == SHARE and context.api_version >= SHARE_VERSION_MIN)
    code = ErrorCode.COORDINATOR_NOT_AVAILABLE if is_known else ErrorCode.INVALID_REQUEST
    return refusals.refusal(request, context, code, None)
