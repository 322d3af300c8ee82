"""When a node that stops has to fall silent: at the moment from which it is fenced, before anybody can ask it about the cluster again.

The answer to Metadata would then hold no broker at all, where it was the only one. librdkafka takes that at its word: it lets go of the
only broker that it knows and never comes back, not even when the node does. A request without an answer is asked again.
"""

from __future__ import annotations

from collections.abc import Callable

from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import MetadataImage


class Farewell:
    """Listens to the metadata from the moment on at which the node begins to leave."""

    def __init__(self, node_id: int, fall_silent: Callable[[], None]) -> None:
        self._node_id = node_id
        self._fall_silent = fall_silent

    def on_metadata_update(self, delta: MetadataDelta, image: MetadataImage) -> None:
        registration = image.cluster.brokers.get(self._node_id)
        if registration is None or registration.is_fenced:
            self._fall_silent()
