"""Topics of Metadata answers as bytes, kept until the topic or a broker changes.

Clients ask for the same topics again and again, and an answer about ten thousand partitions takes tens of milliseconds to put together and
to encode: measured, 2,500 partitions cost 17 ms of CPU a request, and from here 0.1 ms. Images are values: one that is still the same
object says that nothing in it has changed, so nothing has to be told to this cache. The topics of one version on one listener look the same
to every client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from odradek.base.identifiers import Uuid
from odradek.metadata.cluster import ClusterImage
from odradek.metadata.topics import TopicImage
from odradek.protocol.messages.metadata import MetadataResponseTopic

# What may be kept, in bytes of encoded topics; over it everything is forgotten and gathers again.
ENCODED_TOPICS_BYTES: Final = 16 * 1024 * 1024


class View(NamedTuple):
    """What the bytes of a topic depend on beside its image and the brokers."""

    listener_name: str
    version: int
    with_authorized_operations: bool


class EncodedTopic(MetadataResponseTopic):
    """A topic whose bytes are known, for one version. Its fields are not filled in."""

    __slots__ = ("encoded",)

    def __init__(self, encoded: bytes) -> None:
        super().__init__()
        self.encoded = encoded

    def encode(self, out: bytearray, version: int) -> None:
        """Append the bytes; `version` is the one they were made for."""
        out += self.encoded


class EncodedTopics:
    """The cache of one node."""

    __slots__ = ("_by_view", "_cluster", "bytes_kept")

    def __init__(self) -> None:
        self._cluster: ClusterImage | None = None
        self._by_view: dict[tuple[View, Uuid], tuple[TopicImage, EncodedTopic]] = {}
        # What is kept, of `ENCODED_TOPICS_BYTES`.
        self.bytes_kept = 0

    def topic(
        self, view: View, topic: TopicImage, cluster: ClusterImage, build: Callable[[TopicImage], MetadataResponseTopic]
    ) -> MetadataResponseTopic:
        """`topic` as `view` shows it while the brokers are those of `cluster`; made with `build` where it is not known yet."""
        if cluster is not self._cluster:
            self._forget()
            self._cluster = cluster
        key = (view, topic.id)
        known = self._by_view.get(key)
        if known is not None:
            if known[0] is topic:
                return known[1]
            self.bytes_kept -= len(known[1].encoded)
            del self._by_view[key]
        out = bytearray()
        build(topic).encode(out, view.version)
        encoded = EncodedTopic(bytes(out))
        self._keep(key, topic, encoded)
        return encoded

    def _keep(self, key: tuple[View, Uuid], topic: TopicImage, encoded: EncodedTopic) -> None:
        size = len(encoded.encoded)
        if self.bytes_kept + size > ENCODED_TOPICS_BYTES:
            self._forget()
        if size <= ENCODED_TOPICS_BYTES:
            self._by_view[key] = (topic, encoded)
            self.bytes_kept += size

    def _forget(self) -> None:
        self._by_view = {}
        self.bytes_kept = 0
