"""A broker of a few lines that answers frames as a test says, to see whether the load generator counts what happened."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from benchmarks.brokers import Broker

Answer = Callable[[int, bytes], bytes]


class ScriptedBroker:
    """`answer` gets the number of a request over all connections and its frame, and gives the body behind the correlation id.

    Each connection is served by a thread of its own, one request at a time. `frames` are all frames, in the order in which they came.
    """

    def __init__(self, answer: Answer) -> None:
        self.frames: list[bytes] = []
        self._answer = answer
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def as_broker(self) -> Broker:
        return Broker(host="127.0.0.1", port=self._listener.getsockname()[1], process_id=None, data_directory=None)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as requests, suppress(OSError):
            while len(length := requests.read(4)) == 4:
                frame = length + requests.read(int.from_bytes(length, "big"))
                # Two connections may send at the same time; an answer that takes long holds up both, as one event loop would.
                with self._lock:
                    number = len(self.frames)
                    self.frames.append(frame)
                    body = frame[8:12] + self._answer(number, frame)
                connection.sendall(len(body).to_bytes(4, "big") + body)
