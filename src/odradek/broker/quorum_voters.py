"""The voters of the quorum as the settings describe them: all of a quorum with fixed members, and this node as a voter.

A quorum whose members can change (kraft.version 1) names them in its log, and `controller.quorum.voters` counts only where the log names
none.
"""

from __future__ import annotations

from collections.abc import Sequence

from odradek.base.identifiers import Uuid
from odradek.config.broker_node_settings import CONTROLLER_LISTENER_NAMES, CONTROLLER_QUORUM_VOTERS, NODE_ID
from odradek.config.listeners import Endpoint
from odradek.config.quorum_addresses import parse_voters
from odradek.config.settings import Settings
from odradek.raft.voters import Voter, VoterEndpoint, VoterKey, VoterSet


def static_voters(settings: Settings) -> VoterSet | None:
    """The voters of `controller.quorum.voters`; None when it is not set.

    Raises:
        SettingError: an entry is not of the form id@host:port.
    """
    addresses = parse_voters(settings[CONTROLLER_QUORUM_VOTERS])
    if not addresses:
        return None
    name = settings[CONTROLLER_LISTENER_NAMES][0]
    return VoterSet.of(
        Voter(key=VoterKey(node_id), endpoints=(VoterEndpoint(name, address.host, address.port),)) for node_id, address in addresses.items()
    )


def local_voter(settings: Settings, directory_id: Uuid, endpoints: Sequence[Endpoint]) -> Voter:
    """This node as a voter."""
    return Voter(
        key=VoterKey(settings[NODE_ID], directory_id),
        endpoints=tuple(VoterEndpoint(endpoint.name, endpoint.host, endpoint.port) for endpoint in endpoints),
    )
