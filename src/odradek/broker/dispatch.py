"""From a frame to the code that answers it, and back.

The requests that make up almost all traffic, Produce, Fetch and OffsetCommit, go to their own paths and never become objects. Every other
request is decoded by the generated codec and given to the one function `handle` of `broker/handlers/<api>.py`, loaded when first
asked for. What a peer does wrong closes its connection with one logged sentence; what we do wrong is answered with
UNKNOWN_SERVER_ERROR and logged with its trace. Exceptions become error codes here and nowhere else.

mypyc compiles this module; it also runs as it stands.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast, final

from librt.strings import read_i16_be, read_i32_be

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import Misuse, ProtocolViolation, RequestRefused
from odradek.broker import fetch_path
from odradek.broker.commit_path import CommitPath
from odradek.broker.handlers import refusals
from odradek.broker.node import Node
from odradek.broker.produce_path import ProducePath
from odradek.broker.prompt_answers import PROMPT_APIS, Answering, drive
from odradek.broker.request import RequestContext
from odradek.broker.response_frame import encode_response
from odradek.broker.transaction_path import TransactionPath
from odradek.net.frame_connection import FrameConnection, FrameHandler
from odradek.net.output import FileRange, HeldResponse
from odradek.protocol import apis
from odradek.protocol.headers import decode_request_header
from odradek.protocol.message import Message

log = logging.getLogger("odradek.broker.dispatch")
request_log = logging.getLogger("odradek.request")

PRODUCE: Final = 0
FETCH: Final = 1
OFFSET_COMMIT: Final = 8
API_VERSIONS: Final = 18
ADD_PARTITIONS_TO_TXN: Final = 24
END_TXN: Final = 26
# The smallest request header: key, version, correlation id, and the length of a null client id.
REQUEST_HEADER_SIZE_MIN: Final = 10

UNANSWERABLE = "the request has no answer in its version"

Handler = Callable[[Node, Any, RequestContext], Any]


@final
class ServedApi:
    """One API as a listener serves it, and how often it was asked for."""

    __slots__ = ("name", "requests_count", "version_max", "version_min")

    def __init__(self, name: str, version_min: int, version_max: int) -> None:
        self.name = name
        self.version_min = version_min
        self.version_max = version_max
        self.requests_count = 0


def served_apis(*, is_controller: bool) -> list[ServedApi | None]:
    """What a listener of the broker, or of the controller, serves; the index is the key."""
    served: list[ServedApi | None] = [None] * (max(apis.API_BY_KEY) + 1)
    for key, entry in apis.API_BY_KEY.items():
        if entry.is_on_controller if is_controller else entry.is_on_broker:
            served[key] = ServedApi(entry.name, entry.version_min, entry.version_max)
    return served


@final
class Dispatcher:
    """Answers frames. One per node; `tasks` owns the requests that wait for something."""

    __slots__ = (
        "_commits",
        "_handlers",
        "_node",
        "_on_broker",
        "_on_controller",
        "_produce",
        "_tasks",
        "_transactions",
        "controller_listeners",
    )

    def __init__(self, node: Node, produce: ProducePath, tasks: asyncio.TaskGroup, controller_listeners: frozenset[str]) -> None:
        self._node = node
        self._produce = produce
        self._commits = CommitPath(node)
        self._transactions = TransactionPath(node)
        self._tasks = tasks
        self._handlers: dict[int, Handler] = {}
        self._on_broker = served_apis(is_controller=False)
        self._on_controller = served_apis(is_controller=True)
        self.controller_listeners = controller_listeners

    def handler_for(self, listener_name: str) -> FrameHandler:
        """What decides the frames of a listener."""
        return self.on_controller_frame if listener_name in self.controller_listeners else self.on_broker_frame

    def on_broker_frame(self, connection: FrameConnection, data: bytes, start: int, end: int) -> None:
        """Decide the frame `data[start:end]` of a client."""
        self._on_frame(connection, data, start, end, self._on_broker)

    def on_controller_frame(self, connection: FrameConnection, data: bytes, start: int, end: int) -> None:
        """Decide the frame `data[start:end]` that came in on a listener of the controller."""
        self._on_frame(connection, data, start, end, self._on_controller)

    def _on_frame(self, connection: FrameConnection, data: bytes, start: int, end: int, served: list[ServedApi | None]) -> None:
        if end - start < REQUEST_HEADER_SIZE_MIN:
            connection.close(f"a request of {end - start} bytes is shorter than its header")
            return
        api_key = int(read_i16_be(data, start))
        api_version = int(read_i16_be(data, start + 2))
        api = served[api_key] if 0 <= api_key < len(served) else None
        if api is None:
            connection.close(f"API key {api_key} is not served on listener {connection.listener_name}")
            return
        api.requests_count += 1
        if not api.version_min <= api_version <= api.version_max:
            self._refuse_version(connection, data, start, end, api_key, api_version, api.name)
            return
        try:
            if api_key == PRODUCE:
                self._produce.handle(connection, data, start, end)
                return
            if api_key == OFFSET_COMMIT and self._commits.handle(connection, data, start, end):
                return
            if api_key == END_TXN and self._transactions.handle_end(connection, data, start, end):
                return
            if api_key == ADD_PARTITIONS_TO_TXN and self._transactions.handle_join(connection, data, start, end):
                return
            # The codec reads to the end of what it is given: it must not see the frames that follow.
            frame = data[start:end]
            header, position = decode_request_header(frame, 0)
            context = self._context(connection, api_key, api_version, header.correlation_id, header.client_id)
            if api_key == FETCH and served is self._on_broker:
                self._fetch(connection, context, frame, position)
                return
            # What stands after the last field is ignored, as Kafka does: librdkafka leaves three bytes there when it asks for all topics.
            request, _ = apis.request_type(api_key).decode(frame, position, api_version)
        except ProtocolViolation as error:
            connection.close(f"{api.name} version {api_version} cannot be read: {error}")
            return
        except Exception as error:  # a mistake of ours on a path without a handler: its connection ends, everybody else goes on
            request_log.error("request failed", extra={"api": api.name, "version": api_version}, exc_info=error)
            connection.close(f"{api.name} version {api_version} could not be answered")
            return
        self._answer(connection, context, request)

    def _context(
        self, connection: FrameConnection, api_key: int, api_version: int, correlation_id: int, client_id: str | None
    ) -> RequestContext:
        return RequestContext(
            api_key=api_key,
            api_version=api_version,
            correlation_id=correlation_id,
            client_id=client_id,
            listener_name=connection.listener_name,
            client_host=connection.client_host,
            client_port=connection.client_port,
            dialled_host=connection.dialled_host,
            dialled_port=connection.dialled_port,
            connection_id=connection.connection_id,
        )

    def _refuse_version(
        self, connection: FrameConnection, data: bytes, start: int, end: int, api_key: int, api_version: int, name: str
    ) -> None:
        if api_key != API_VERSIONS:
            connection.close(f"{name} version {api_version} is not served")
            return
        # KIP-511: whatever version a client tries first, it learns from a version 0 answer which ones there are.
        correlation_id = int(read_i32_be(data, start + 4))
        context = self._context(connection, api_key, 0, correlation_id, None)
        handler_module = importlib.import_module("odradek.broker.handlers.api_versions")
        connection.send(encode_response(context, handler_module.unsupported_version_response()))

    # Fetch

    def _fetch(self, connection: FrameConnection, context: RequestContext, data: bytes, position: int) -> None:
        is_answered = False
        held: HeldResponse | None = None

        def reply(pieces: list[bytes | FileRange]) -> None:
            nonlocal is_answered
            is_answered = True
            if held is None:
                connection.send_pieces(pieces)
                return
            connection.on_closed = None
            connection.is_blocked = False
            held.fulfil(pieces)

        parked = fetch_path.handle_fetch(self._node, context, data, position, reply)
        if is_answered or parked is None:
            return
        held = connection.hold()
        connection.is_blocked = True
        connection.on_closed = parked.cancel

    # Everything else

    def _answer(self, connection: FrameConnection, context: RequestContext, request: Message) -> None:
        """Call the handler; an answer that takes time keeps its place and holds up only this connection."""
        try:
            outcome = self._handler(context.api_key)(self._node, request, context)
        except Exception as error:  # the boundary where every failure becomes an error code
            outcome = refusal_for(error, request, context)
        if context.api_key in PROMPT_APIS and inspect.iscoroutine(outcome):
            self._answer_promptly(connection, context, request, outcome)
            return
        if not inspect.isawaitable(outcome):
            answer = _encoded(cast(Message, outcome), request, context)
            if answer is None:
                connection.close(UNANSWERABLE)
            else:
                connection.send(answer)
            return
        held = connection.hold()
        connection.is_blocked = True
        self._tasks.create_task(self._answer_later(connection, context, request, outcome, held))

    def _answer_promptly(self, connection: FrameConnection, context: RequestContext, request: Message, answering: Answering) -> None:
        """As below, for what a coordinator answers: within this turn, where nothing has to be waited for but the writes of the turn."""
        is_answered = False
        held: HeldResponse | None = None

        def done(response: Message | Exception) -> None:
            nonlocal is_answered
            is_answered = True
            if isinstance(response, Exception):
                response = refusal_for(response, request, context)
            answer = _encoded(response, request, context)
            if answer is None:
                connection.close(UNANSWERABLE)
            if held is not None:
                connection.is_blocked = False
                held.fulfil([] if answer is None else [answer])
            elif answer is not None:
                connection.send(answer)

        drive(answering, done, self._tasks)
        if not is_answered:
            held = connection.hold()
            connection.is_blocked = True

    async def _answer_later(
        self, connection: FrameConnection, context: RequestContext, request: Message, outcome: Awaitable[Message], held: HeldResponse
    ) -> None:
        try:
            response = await outcome
        except Exception as error:  # the boundary where every failure becomes an error code
            response = refusal_for(error, request, context)
        connection.is_blocked = False
        answer = _encoded(response, request, context)
        if answer is None:
            connection.close(UNANSWERABLE)
        held.fulfil([] if answer is None else [answer])

    def _handler(self, api_key: int) -> Handler:
        handler = self._handlers.get(api_key)
        if handler is None:
            name = f"odradek.broker.handlers.{apis.API_BY_KEY[api_key].module}"
            try:
                handler = cast(Handler, importlib.import_module(name).handle)
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
                handler = refusals.handle
            self._handlers[api_key] = handler
        return handler


def refusal_for(error: Exception, request: Message, context: RequestContext) -> Message:
    """The response that carries `error`."""
    if isinstance(error, RequestRefused):
        return refusals.refusal(request, context, error.code, error.message)
    request_log.error("request failed", extra={"api": type(request).__name__, "version": context.api_version}, exc_info=error)
    return refusals.refusal(request, context, ErrorCode.UNKNOWN_SERVER_ERROR, None)


def _encoded(response: Message, request: Message, context: RequestContext) -> bytes | None:
    """The answer as bytes. One that its version cannot carry is our mistake: it costs this request its answer and nobody else anything.

    None where not even the refusal can be said; the request then ends with its connection.
    """
    try:
        return encode_response(context, response)
    except Misuse as error:
        refusal = refusal_for(error, request, context)
    try:
        return encode_response(context, refusal)
    except Misuse as error:
        request_log.error("refusal cannot be said", extra={"api": type(request).__name__, "version": context.api_version}, exc_info=error)
        return None
