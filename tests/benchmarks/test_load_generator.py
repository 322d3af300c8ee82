"""The load generator against a broker that does what the test says.

What it counts, the order in which it sends, the places it writes to and looks at, and the clock that starts when a request is due.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from benchmarks.brokers import Broker
from benchmarks.latency_histogram import LatencyHistogram
from benchmarks.load_generator import LoadPlan, OffsetWalk, held_load, parsed_outcome, run_load
from benchmarks.odradek_install import NotMeasurable
from tests.benchmarks.scripted_broker import Answer, ScriptedBroker

pytestmark = pytest.mark.skipif(shutil.which(os.environ.get("CC") or "cc") is None, reason="there is no C compiler for the load generator")

FINE = b"\x00\x00"
NO_SUCH_TOPIC = b"\x00\x03"
STALL_S = 0.3
MILLISECOND_NS = 1_000_000


@pytest.fixture
def broker_that() -> Iterator[Callable[[Answer], ScriptedBroker]]:
    brokers: list[ScriptedBroker] = []

    def start(answer: Answer) -> ScriptedBroker:
        brokers.append(ScriptedBroker(answer))
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.close()


def frame(body: bytes) -> bytes:
    """A frame with room for key, version and correlation id before the body."""
    whole = bytes(8) + body
    return len(whole).to_bytes(4, "big") + whole


def correlation_id(received: bytes) -> int:
    return int.from_bytes(received[8:12], "big")


def test_every_request_is_sent_whole_in_turn_and_counted(broker_that: Callable[[Answer], ScriptedBroker]) -> None:
    """A small frame and one that is larger than what is copied, on two connections that share its bytes."""
    small, large = frame(b"small"), frame(os.urandom(200_000))
    broker = broker_that(lambda number, _: FINE + bytes(number % 7))

    plan = LoadPlan(frames=[small, large], connections=2, in_flight=3, measured_s=0.4, warm_s=0.1, checked_positions=[4])
    outcome = run_load(broker.as_broker(), plan)

    assert outcome.answered_total == len(broker.frames)
    assert 0 < outcome.answered <= outcome.answered_total
    bodies = Counter(received[12:] for received in broker.frames)
    assert bodies.keys() == {small[12:], large[12:]}
    assert abs(bodies[small[12:]] - bodies[large[12:]]) <= 2
    ids = Counter(map(correlation_id, broker.frames))
    assert set(ids) == set(range(max(ids) + 1))
    assert outcome.latencies.total == outcome.answered
    assert (outcome.response_bytes_min, outcome.response_bytes_max) == (6, 12)


def test_frames_can_be_dealt_out_to_the_connections(broker_that: Callable[[Answer], ScriptedBroker]) -> None:
    """Of six frames each of two connections sends three, in turn, and nobody else sends them."""
    frames = [frame(bytes([number])) for number in range(6)]
    broker = broker_that(lambda number, _: FINE)

    run_load(broker.as_broker(), LoadPlan(frames=frames, connections=2, in_flight=1, measured_s=0.2, warm_s=0, has_own_frames=True))

    sent = Counter(received[12] for received in broker.frames)
    assert sent.keys() == set(range(6))
    by_number = Counter((correlation_id(received), received[12] % 2) for received in broker.frames)
    assert max(by_number.values()) == 1
    assert all(received[12] // 2 == correlation_id(received) % 3 for received in broker.frames)


def test_no_more_is_in_flight_than_was_said(broker_that: Callable[[Answer], ScriptedBroker]) -> None:
    """Of one in flight five are measured, and the one that was under way when they were is answered all the same."""
    broker = broker_that(lambda number, _: FINE)

    outcome = run_load(
        broker.as_broker(), LoadPlan(frames=[frame(b"")], connections=1, in_flight=1, measured_s=0.2, warm_s=0, requests_max=5)
    )

    assert outcome.answered == 5
    assert outcome.answered_total == len(broker.frames) == 6


def test_a_pause_is_charged_to_all_that_was_due_meanwhile(broker_that: Callable[[Answer], ScriptedBroker]) -> None:
    """One answer takes 300 ms. At 200 requests a second sixty were due in that time, and their mean wait was half of it.

    A client that waits for the answer before it sends the next request would report one slow request of two hundred.
    """

    def answer(number: int, _: bytes) -> bytes:
        if number == 60:
            time.sleep(STALL_S)
        return FINE

    broker = broker_that(answer)
    outcome = run_load(broker.as_broker(), LoadPlan(frames=[frame(b"")], connections=4, in_flight=50, measured_s=1.0, warm_s=0, rate=200))

    assert outcome.answered == pytest.approx(200, abs=4)
    delayed = sum(
        count
        for bucket, count in outcome.latencies.counts
        if LatencyHistogram([(bucket, 1)], 2**63).percentile_ns(100) > 20 * MILLISECOND_NS
    )
    assert delayed >= 50
    assert outcome.latencies.maximum_ns >= STALL_S * 1e9 * 0.9
    assert outcome.latencies.percentile_ns(90) >= STALL_S * 1e9 / 3


def test_what_is_due_and_cannot_be_sent_is_no_measurement(broker_that: Callable[[Answer], ScriptedBroker]) -> None:
    def answer(number: int, _: bytes) -> bytes:
        time.sleep(0.05)
        return FINE

    broker = broker_that(answer)
    with pytest.raises(NotMeasurable, match="does not keep up"):
        run_load(broker.as_broker(), LoadPlan(frames=[frame(b"")], connections=1, in_flight=1, measured_s=0.5, warm_s=0, rate=500))


def test_an_error_code_ends_the_measurement(broker_that: Callable[[Answer], ScriptedBroker]) -> None:
    broker = broker_that(lambda number, _: b"xx" + (NO_SUCH_TOPIC if number == 10 else FINE))

    with pytest.raises(NotMeasurable, match="has the error code 3"):
        run_load(
            broker.as_broker(), LoadPlan(frames=[frame(b"")], connections=1, in_flight=1, measured_s=1, warm_s=0, checked_positions=[6])
        )


def test_a_response_too_short_for_its_error_code_ends_the_measurement(broker_that: Callable[[Answer], ScriptedBroker]) -> None:
    broker = broker_that(lambda number, _: b"x")

    with pytest.raises(NotMeasurable, match="ends before the error code"):
        run_load(
            broker.as_broker(), LoadPlan(frames=[frame(b"")], connections=1, in_flight=1, measured_s=1, warm_s=0, checked_positions=[4])
        )


def test_offsets_walk_the_log_and_begin_again_before_its_end(broker_that: Callable[[Answer], ScriptedBroker]) -> None:
    walked = frame(b"before" + bytes(8) + b"after")
    broker = broker_that(lambda number, _: FINE)

    walk = OffsetWalk(position=18, stride=10, end=35)
    run_load(broker.as_broker(), LoadPlan(frames=[walked], connections=1, in_flight=1, measured_s=1, warm_s=0, requests_max=6, walk=walk))

    offsets = [int.from_bytes(received[18:26], "big") for received in broker.frames]
    assert offsets[:6] == [0, 10, 20, 0, 10, 20]
    assert {received[26:] for received in broker.frames} == {b"after"}


def test_who_walks_a_log_stays_with_it(broker_that: Callable[[Answer], ScriptedBroker]) -> None:
    """A consumer goes on where it has stopped. One that asked each partition for an offset of another found no broker prepared for it."""
    walked = [frame(b"before" + bytes(8) + name) for name in (b"first", b"other")]
    broker = broker_that(lambda number, _: FINE)

    walk = OffsetWalk(position=18, stride=10, end=35)
    run_load(broker.as_broker(), LoadPlan(frames=walked, connections=1, in_flight=1, measured_s=1, warm_s=0, requests_max=6, walk=walk))

    assert {received[26:] for received in broker.frames} == {b"first"}


def test_the_first_and_a_last_response_come_back_whole(broker_that: Callable[[Answer], ScriptedBroker]) -> None:
    broker = broker_that(lambda number, _: FINE + number.to_bytes(4, "big") * 1000)

    outcome = run_load(broker.as_broker(), LoadPlan(frames=[frame(b"")], connections=1, in_flight=2, measured_s=0.2, warm_s=0))

    assert outcome.first_response == bytes(4) + FINE + bytes(4000)
    assert len(outcome.last_response) == 4006
    assert int.from_bytes(outcome.last_response[-4:], "big") >= outcome.answered


def test_held_connections_have_each_sent_one_request(broker_that: Callable[[Answer], ScriptedBroker]) -> None:
    broker = broker_that(lambda number, _: FINE)

    with held_load(broker.as_broker(), [frame(b"wait")], connections=20):
        until = time.monotonic() + 10
        while len(broker.frames) < 20 and time.monotonic() < until:
            time.sleep(0.01)

    assert [received[12:] for received in broker.frames] == [b"wait"] * 20


def test_nobody_listens_is_a_sentence() -> None:
    with socket.socket() as silent:
        # A port that is taken and on which nobody listens: one that was given up could be somebody else's by now.
        silent.bind(("127.0.0.1", 0))
        address = Broker(host="127.0.0.1", port=silent.getsockname()[1], process_id=None, data_directory=None)

        with pytest.raises(NotMeasurable, match="no connection"):
            run_load(address, LoadPlan(frames=[frame(b"")], connections=1, in_flight=1, measured_s=0.1))


def test_nothing_answered_is_no_measurement() -> None:
    told = '{"answered": 0, "answered_apart": 5, "unsent": 0}'

    with pytest.raises(NotMeasurable, match="nothing was answered"):
        parsed_outcome(told, b"", b"")
