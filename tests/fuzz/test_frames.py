"""Frames of every kind, whole, cut and broken: what is a trade becomes one, and all else is told as what it is."""

import contextlib
import json
import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import websocket
from hypothesis import given
from hypothesis import strategies as st

from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue, endpoints
from streamer.connection import ConnectionLost
from streamer.frame_socket import FrameSocket
from streamer.frames import Reply, Shutdown, Unknown, decode, is_amount
from streamer.topics import TradeEvent, report_topic
from streamer.user_feed import UserFeed
from tests.fuzz.conftest import BOUNDED
from tests.fuzz.hostile import VALUES, can_be_kept, hostile, written
from trading.dispatch import _own_report
from trading.exchange.order_ids import read
from trading.exchange.replies import from_execution_report

TRADE: dict[str, Any] = {
    "e": "trade", "E": 1, "s": "ETHUSDT", "t": 12345, "p": "0.001", "q": "100", "T": 1, "m": True, "M": True
}  # fmt: skip
REPORT: dict[str, Any] = {
    "e": "executionReport", "E": 1, "s": "ETHUSDT", "c": "hh-1-b-1", "S": "BUY", "o": "LIMIT", "f": "GTC",
    "q": "1.0", "p": "3000.0", "C": "", "x": "TRADE", "X": "PARTIALLY_FILLED", "r": "NONE", "i": 4293153, "l": "0.5",
    "z": "0.5", "L": "3000.0", "n": "0.0005", "N": "ETH", "T": 1, "t": 17, "m": True, "O": 1,
    "Z": "1500.0", "Y": "1500.0",
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
KEYS = ["e", "E", "s", "t", "p", "q", "T", "m", "id", "result", "error", "code", "stream", "data", "status", "event"]


@st.composite
def bent(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """A message in which some fields have other values, or are gone."""
    changed = draw(st.dictionaries(st.sampled_from([*whole, *KEYS]), JSON, max_size=3))
    gone = draw(st.sets(st.sampled_from(sorted(whole)), max_size=2))
    return {key: value for key, value in {**whole, **changed}.items() if key not in gone}


def encoded(messages: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    return messages.map(lambda message: json.dumps(message).encode())


wrapped = bent(TRADE).map(lambda trade: {"stream": "ethusdt@trade", "data": trade})
PAYLOADS = st.one_of(
    st.binary(max_size=200),
    encoded(JSON),
    encoded(bent(TRADE)),
    encoded(wrapped),
    encoded(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5)),
    st.tuples(encoded(wrapped), st.integers(0, 100)).map(lambda pair: pair[0][: pair[1]]),
    hostile(TRADE, *KEYS),
    hostile({"stream": "ethusdt@trade", "data": TRADE}, *KEYS),
    hostile({"id": 1, "result": None}, *KEYS),
)


@BOUNDED
@given(PAYLOADS)
def test_every_frame_is_something(payload: bytes) -> None:
    frame = decode(payload)
    assert isinstance(frame, TradeEvent | Reply | Shutdown | Unknown)
    if isinstance(frame, TradeEvent):
        assert is_amount(frame.price)
        assert is_amount(frame.quantity)
        assert frame.trade_id >= 0


def test_a_frame_that_is_nested_hundreds_deep_is_unknown() -> None:
    deep = b'{"a":' * 500 + b"1" + b"}" * 500
    for payload in (deep, written(TRADE, p=deep), written({"stream": "s"}, data=deep), written({}, e=deep)):
        assert isinstance(_with_little_stack_left(payload), Unknown)


def _with_little_stack_left(payload: bytes, frames: int = 550) -> object:
    """A thread of the streamer is a few dozen calls deep; a library's own may be more."""
    return _with_little_stack_left(payload, frames - 1) if frames else decode(payload)


@BOUNDED
@given(st.binary(max_size=300) | encoded(JSON) | encoded(bent(REPORT)) | hostile(REPORT))
def test_dispatch_hands_on_reports_of_our_orders_and_stumbles_over_nothing(payload: bytes) -> None:
    event = _own_report(payload)
    if event is not None:
        assert event["e"] == "executionReport"
        assert read(event.get("C") or event["c"]) is not None
        assert can_be_kept(event)


@BOUNDED
@given(bent(REPORT))
def test_a_report_is_read_or_refused_as_not_fitting_its_documents(event: dict[str, Any]) -> None:
    try:
        report = from_execution_report(event)
    except (KeyError, AttributeError, TypeError, ValueError, ArithmeticError):
        return
    assert report.symbol == event["s"]


@pytest.fixture
def feed(redis_client: "redis.Redis", settings: Any) -> UserFeed:
    settings.MOCK_API_KEY, settings.MOCK_API_SECRET = "key", "secret"
    return UserFeed(Venue.MOCK, endpoints(Venue.MOCK), connect())


class Deaf:
    """A socket that takes what is sent."""

    def send(self, payload: bytes) -> int:
        return len(payload)


ANSWER: dict[str, Any] = {"id": 1, "status": 200, "result": {}}
REFUSAL: dict[str, Any] = {"id": 1, "status": 400, "error": {"code": -1021, "msg": "Timestamp", "data": {}}}
MESSAGES = bent(ANSWER) | bent(REFUSAL) | bent({"subscriptionId": 0, "event": REPORT}) | JSON
HOSTILE = st.one_of(
    hostile(ANSWER, "error", "status"),
    hostile(REFUSAL),
    hostile({"subscriptionId": 0, "event": REPORT}),
    # What is asked for after a wrong clock.
    st.sampled_from(VALUES).map(lambda value: b'{"id":2,"status":200,"result":{"serverTime":' + value + b"}}"),
    st.sampled_from(VALUES).map(
        lambda value: b'{"id":1,"status":418,"error":{"code":-1003,"msg":"m","data":{"retryAfter":' + value + b"}}}"
    ),
)


@BOUNDED
@given(payloads=st.lists(st.binary(max_size=60) | encoded(MESSAGES) | HOSTILE, max_size=4))
def test_the_user_stream_takes_everything_or_connects_anew(feed: UserFeed, payloads: list[bytes]) -> None:
    feed.opened(Deaf())  # type: ignore[arg-type]
    try:
        feed.received(Deaf(), payloads)  # type: ignore[arg-type]
    except ConnectionLost as lost:
        assert str(lost)
        assert lost.wait_s is None or 0 <= lost.wait_s < 10**12


@BOUNDED
@given(payload=hostile({"e": "executionReport", "c": "hh-1-b-1"}) | HOSTILE)
def test_what_stands_in_the_topic_can_be_read_by_dispatch_or_is_skipped(feed: UserFeed, payload: bytes) -> None:
    feed.opened(Deaf())  # type: ignore[arg-type]
    with contextlib.suppress(ConnectionLost):
        feed.received(Deaf(), [payload])  # type: ignore[arg-type]
    kept: Any = connect().xrange(report_topic(Venue.MOCK))
    for _, fields in kept:
        event = _own_report(fields[b"data"])
        assert event is None or can_be_kept(event)


def _frame(payload: bytes) -> bytes:
    if len(payload) < 126:
        return b"\x81" + bytes([len(payload)]) + payload
    return b"\x81\x7e" + struct.pack(">H", len(payload)) + payload


def _read(stream: bytes, cuts: list[int]) -> Iterator[bytes]:
    """What FrameSocket makes of these bytes, sent in pieces, until the connection is closed."""
    here, there = socket.socketpair()
    ws = FrameSocket(patience_s=5)
    ws.sock, ws.connected = here, True
    here.setblocking(False)
    try:
        at = 0
        for cut in sorted({*cuts, len(stream)}):
            there.sendall(stream[at:cut])
            at = max(at, cut)
            if cut < len(stream):
                yield from ws.frames() if _is_whole(stream[:cut]) else ()
        there.shutdown(socket.SHUT_WR)
        while True:
            yield from ws.frames()
    except (websocket.WebSocketException, OSError):
        return
    finally:
        here.close()
        there.close()


def _is_whole(stream: bytes) -> bool:
    """Only text frames in here: reading never waits for the rest of one."""
    return all(byte == 0x81 for byte in stream[:1])


@BOUNDED
@given(st.lists(st.binary(max_size=300), max_size=6), st.lists(st.integers(0, 400), max_size=4))
def test_frames_come_out_as_they_went_in_however_they_are_cut(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(map(_frame, payloads))
    assert list(_read(stream, [cut for cut in cuts if cut < len(stream)])) == payloads


def test_a_frame_of_a_megabyte_comes_out_whole_and_is_something() -> None:
    payload = written(TRADE, p=b'"' + b"9" * 2**20 + b'"')
    here, there = socket.socketpair()
    ws = FrameSocket(patience_s=5)
    ws.sock, ws.connected = here, True
    here.setblocking(False)
    # More than the sockets' buffers hold.
    long = b"\x81\x7f" + struct.pack(">Q", len(payload)) + payload
    sender = threading.Thread(target=there.sendall, args=(long,), daemon=True)
    sender.start()
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(here, selectors.EVENT_READ)
            assert selector.select(5)
        (frame,) = ws.frames()
    finally:
        here.close()
        sender.join(5)
        there.close()
    assert frame == payload
    assert isinstance(decode(frame), Unknown)


@BOUNDED
@given(st.binary(max_size=120))
def test_rubbish_on_the_wire_ends_the_connection_and_nothing_else(stream: bytes) -> None:
    assert all(isinstance(frame, bytes) for frame in _read(stream, []))
