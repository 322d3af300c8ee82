"""Whether a request came in on a listener of the controller: a few APIs then speak of controllers and not of brokers (KIP-919)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from odradek.config.broker_node_settings import CONTROLLER_LISTENER_NAMES

if TYPE_CHECKING:
    from odradek.broker.node import Node
    from odradek.broker.request import RequestContext


def is_for_controller(node: Node, context: RequestContext) -> bool:
    """Whether the client of `context` speaks to this node as to a controller."""
    return context.listener_name in node.settings[CONTROLLER_LISTENER_NAMES]
