"""What the handlers of groups share: who asks, in the words of the coordinator."""

from __future__ import annotations

from odradek.broker.request import RequestContext
from odradek.coordinator.group.caller import Caller


def caller_of(context: RequestContext) -> Caller:
    """The client as records of groups bear it (`InetAddress.toString` begins with a slash)."""
    return Caller(context.api_version, context.client_id or "", f"/{context.client_host}")
