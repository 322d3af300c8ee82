"""One connection: what is negotiated, what is bounded, and how it ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from odradek.base.error_codes import ErrorCode
from odradek.client import connection as connection_module
from odradek.client.connection import ClientIdentity, Connection
from odradek.client.core.address import Address
from odradek.client.errors import ConnectionLost, NobodyReached, RequestTimedOut, UnsupportedByBroker
from odradek.client.node_pool import NodePool
from odradek.protocol.message import Message, encode_message
from odradek.protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from odradek.protocol.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse
from odradek.protocol.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from tests.client.scripted_broker import HangUp, Script, ScriptedBroker, all_apis

IDENTITY = ClientIdentity("tests", "1.2.3")
TIMEOUT_S = 10.0
Answer = Message | bytes | None


def converse(script: Script, work: Callable[[Connection], Awaitable[None]]) -> ScriptedBroker:
    """Connect to a broker with this script and do `work`; the broker, for what it was asked."""

    async def run() -> ScriptedBroker:
        async with ScriptedBroker(script) as broker, NodePool([broker.address], IDENTITY, dice=random.Random(1)) as pool:
            await work(await pool.to_any(TIMEOUT_S))
        return broker

    return asyncio.run(run())


async def list_groups(connection: Connection, timeout_s: float = TIMEOUT_S) -> ListGroupsResponse:
    return await connection.request(ListGroupsRequest(), ListGroupsResponse, timeout_s)


def silent(request: Message, version: int) -> Answer:
    return None


def test_client_says_what_software_it_is_and_speaks_the_greatest_common_version() -> None:
    """KIP-511, KIP-35."""

    def script(request: Message, version: int) -> Answer:
        if isinstance(request, ApiVersionsRequest):
            return ApiVersionsResponse(api_keys=[ApiVersion(ListGroupsRequest.API_KEY, 1, 3)])
        return ListGroupsResponse(groups=[ListedGroup("readers", "consumer")])

    async def work(connection: Connection) -> None:
        assert [group.group_id for group in (await list_groups(connection)).groups] == ["readers"]

    (first, first_version), (_, version) = converse(script, work).requests
    assert isinstance(first, ApiVersionsRequest)
    assert (first_version, first.client_software_name, first.client_software_version) == (4, "odradek", "1.2.3")
    assert version == 3


def test_broker_that_does_not_know_our_version_of_api_versions_is_asked_in_one_that_it_knows() -> None:
    def script(request: Message, version: int) -> Answer:
        if isinstance(request, ApiVersionsRequest) and version > 2:
            return ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[ApiVersion(18, 0, 2)])
        if isinstance(request, ApiVersionsRequest):
            return ApiVersionsResponse(api_keys=[ApiVersion(ListGroupsRequest.API_KEY, 0, 0)])
        return ListGroupsResponse()

    async def work(connection: Connection) -> None:
        await list_groups(connection)

    assert [version for _, version in converse(script, work).requests] == [4, 2, 0]


def test_api_that_a_broker_does_not_offer_is_not_asked() -> None:
    def script(request: Message, version: int) -> Answer:
        return ApiVersionsResponse(api_keys=[ApiVersion(ListTransactionsRequest.API_KEY, 0, 0)])

    async def work(connection: Connection) -> None:
        with pytest.raises(UnsupportedByBroker, match="ListGroups"):
            await list_groups(connection)
        with pytest.raises(UnsupportedByBroker, match="ListTransactions only up to version 0"):
            await connection.request(ListTransactionsRequest(duration_filter=5), ListTransactionsResponse, TIMEOUT_S)
        assert connection.is_usable

    assert converse(script, work).asked == []


def test_requests_that_are_asked_at_once_get_their_own_answers() -> None:
    def script(request: Message, version: int) -> Answer:
        if isinstance(request, ListGroupsRequest):
            return ListGroupsResponse(groups=[ListedGroup(request.states_filter[0])])
        return None

    async def work(connection: Connection) -> None:
        asked = [connection.request(ListGroupsRequest(states_filter=[str(n)]), ListGroupsResponse, TIMEOUT_S) for n in range(20)]
        answers = await asyncio.gather(*asked)
        assert [answer.groups[0].group_id for answer in answers] == [str(n) for n in range(20)]

    converse(script, work)


def test_answer_that_takes_too_long_ends_the_connection() -> None:
    async def work(connection: Connection) -> None:
        with pytest.raises(RequestTimedOut, match=r"no answer within 0\.05 s"):
            await list_groups(connection, timeout_s=0.05)
        assert not connection.is_usable
        with pytest.raises(ConnectionLost):
            await list_groups(connection)

    assert converse(silent, work).asked == ["ListGroupsRequest"]


def test_all_who_wait_are_told_when_the_connection_breaks() -> None:
    def script(request: Message, version: int) -> Answer:
        if isinstance(request, ListGroupsRequest) and request.states_filter:
            raise HangUp
        return None

    async def work(connection: Connection) -> None:
        last = connection.request(ListGroupsRequest(states_filter=["x"]), ListGroupsResponse, TIMEOUT_S)
        outcomes = await asyncio.gather(list_groups(connection), last, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ConnectionLost, ConnectionLost]
        assert "closed the connection" in str(outcomes[0])

    converse(script, work)


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        ((99).to_bytes(4, "big") + b"\x00", "answers request 99 where 1 is due"),
        (b"\x00\x00", "does not fit"),
        ((1).to_bytes(4, "big") + b"\x00\x07", "ListGroupsResponse"),
    ],
)
def test_answer_that_is_none_ends_the_connection(frame: bytes, complaint: str) -> None:
    def script(request: Message, version: int) -> Answer:
        return frame if isinstance(request, ListGroupsRequest) else None

    async def work(connection: Connection) -> None:
        with pytest.raises(ConnectionLost, match=complaint):
            await list_groups(connection)
        assert not connection.is_usable

    converse(script, work)


def test_frame_larger_than_the_limit_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def script(request: Message, version: int) -> Answer:
        return bytes(5_000) if isinstance(request, ListGroupsRequest) else None

    async def work(connection: Connection) -> None:
        monkeypatch.setattr(connection_module, "FRAME_BYTES_MAX", 4_999)
        with pytest.raises(ConnectionLost, match="a frame of 5000 bytes"):
            await list_groups(connection)

    converse(script, work)


# The pool


def test_address_that_answers_is_found_behind_those_that_do_not() -> None:
    async def run() -> None:
        async with ScriptedBroker(silent) as broker:
            bootstrap = [Address("127.0.0.1", 1), Address("no-such-host.invalid", 9092), broker.address]
            async with NodePool(bootstrap, IDENTITY) as pool:
                first = await pool.to_any(TIMEOUT_S)
                assert first.address == broker.address
                assert await pool.to_any(TIMEOUT_S) is first
        assert len(broker.requests) == 1

    asyncio.run(run())


def test_every_address_that_does_not_answer_is_told_with_the_reason() -> None:
    async def run() -> None:
        bootstrap = [Address("127.0.0.1", 1), Address("no-such-host.invalid", 9092)]
        async with NodePool(bootstrap, IDENTITY) as pool:
            with pytest.raises(NobodyReached) as caught:
                await pool.to_any(TIMEOUT_S)
        reasons = caught.value.reason_by_address
        assert list(reasons) == bootstrap
        assert "refused" in reasons[bootstrap[0]]
        assert reasons[bootstrap[1]]

    asyncio.run(run())


def test_broker_that_accepts_and_says_nothing_is_not_waited_for_longer_than_asked() -> None:
    async def run() -> None:
        never = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await never.wait()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
            async with NodePool([address], IDENTITY) as pool:
                with pytest.raises(NobodyReached, match=r"no answer within 0\.05 s"):
                    await pool.to_any(0.05)
            never.set()

    asyncio.run(run())


def test_connection_that_broke_is_made_anew() -> None:
    def script(request: Message, version: int) -> Answer:
        if isinstance(request, ListGroupsRequest):
            raise HangUp
        return None

    async def run() -> None:
        async with ScriptedBroker(script) as broker, NodePool([broker.address], IDENTITY) as pool:
            first = await pool.to_any(TIMEOUT_S)
            with pytest.raises(ConnectionLost):
                await list_groups(first)
            second = await pool.to_any(TIMEOUT_S)
            assert second is not first
            assert second.is_usable

    asyncio.run(run())


def test_two_who_need_a_broker_at_once_share_the_connection() -> None:
    async def run() -> None:
        async with ScriptedBroker(silent) as broker, NodePool([broker.address], IDENTITY) as pool:
            first, second = await asyncio.gather(pool.to_any(TIMEOUT_S), pool.to_any(TIMEOUT_S))
            assert first is second
        assert len(broker.requests) == 1

    asyncio.run(run())


def test_broker_that_stops_reading_does_not_hold_up_the_end() -> None:
    async def run() -> None:
        never = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            size = int.from_bytes(await reader.readexactly(4), "big")
            correlation_id = (await reader.readexactly(size))[4:8]
            answer = correlation_id + encode_message(all_apis(), ApiVersionsRequest.VERSION_MAX)
            writer.write(len(answer).to_bytes(4, "big") + answer)
            await never.wait()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 10) as server, asyncio.timeout(60):
            address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
            async with NodePool([address], IDENTITY) as pool:
                connection = await pool.to_any(TIMEOUT_S)
                endless = ListGroupsRequest(states_filter=["x" * 30_000] * 1_000)
                with pytest.raises(RequestTimedOut):
                    await connection.request(endless, ListGroupsResponse, 0.2)
            never.set()

    asyncio.run(run())
