"""Tells the node what the cluster has agreed on: holds the newest committed image, and hands each change to those who act on it.

Publishers are told in the order they were added, the partition registry first, so that who comes later finds the partitions as the image
says they are. One that fails is logged and does not keep the others from hearing; the image is the truth either way. mypyc compiles this
module; it also runs as it stands.
"""

from __future__ import annotations

import logging
from typing import Protocol, final

from odradek.metadata.delta import MetadataDelta
from odradek.metadata.image import EMPTY_IMAGE, MetadataImage

log = logging.getLogger("odradek.broker.metadata_publisher")


class MetadataSubscriber(Protocol):
    """Who acts on changes of the metadata."""

    def on_metadata_update(self, delta: MetadataDelta, image: MetadataImage) -> None:
        """The cluster is now as `image` says; `delta` says what changed since the last call."""
        ...


@final
class MetadataPublisher:
    """The newest committed image of this node."""

    __slots__ = ("_image", "_subscribers")

    def __init__(self) -> None:
        self._image = EMPTY_IMAGE
        self._subscribers: list[MetadataSubscriber] = []

    @property
    def image(self) -> MetadataImage:
        return self._image

    def add(self, subscriber: MetadataSubscriber) -> None:
        """From now on `subscriber` hears of every change; of what already is, it hears at once."""
        self._subscribers.append(subscriber)
        if self._image is not EMPTY_IMAGE:
            self._tell(subscriber, MetadataDelta.of_everything(self._image), self._image)

    def publish(self, delta: MetadataDelta | None, image: MetadataImage) -> None:
        """`image` is committed. Without a delta only its offset is new, which is nobody's business but the image's."""
        self._image = image
        if delta is None:
            return
        for subscriber in self._subscribers:
            self._tell(subscriber, delta, image)

    def _tell(self, subscriber: MetadataSubscriber, delta: MetadataDelta, image: MetadataImage) -> None:
        try:
            subscriber.on_metadata_update(delta, image)
        except Exception:
            log.exception("metadata update failed", extra={"subscriber": type(subscriber).__name__, "offset": image.offset})
