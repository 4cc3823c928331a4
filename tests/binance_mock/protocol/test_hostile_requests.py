"""What nobody should send to the exchange: each request is answered or refused, and the exchange stays."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
import websocket

from tests.binance_mock.running import KEY, Mock, call, signed_params
from tests.fuzz.hostile import VALUES, written

pytestmark = pytest.mark.usefixtures("stays_up")
# A frame of more ends the connection.
FRAME_BYTES = 2**20
REQUESTS = (
    lambda value: value,
    lambda value: written({"method": "time", "params": {}}, id=value),
    lambda value: written({"id": 1, "params": {}}, method=value),
    lambda value: written({"id": 1, "method": "order.place"}, params=value),
    lambda value: written({"id": 1, "method": "order.place"}, params=written(signed_params(), quantity=value)),
    lambda value: written({"id": 1, "method": "order.status"}, params=written({"timestamp": 1}, signature=value)),
    lambda value: written({"id": 1, "method": "exchangeInfo"}, params=written({}, symbols=value)),
)


@pytest.fixture
def stays_up(mock: Mock) -> Iterator[None]:
    yield
    assert mock.process.is_running
    assert "Traceback" not in mock.process.output
    assert "Error handling request" not in mock.process.output
    assert call(mock.socket("/ws-api/v3"), "time")["status"] == 200


def said(socket: "websocket.WebSocket", message: bytes) -> dict[str, Any] | None:
    """The reply; None where the connection was ended for a frame that is too large or no text."""
    with contextlib.suppress(OSError):
        socket.send(message, websocket.ABNF.OPCODE_TEXT)
    try:
        opcode, data = socket.recv_data()
    except (websocket.WebSocketException, OSError):
        opcode, data = websocket.ABNF.OPCODE_CLOSE, b""
    if opcode != websocket.ABNF.OPCODE_CLOSE:
        reply: dict[str, Any] = json.loads(data)
        return reply
    assert len(message) > FRAME_BYTES or message.decode(errors="replace").encode() != message, message[:80]
    return None


@pytest.mark.parametrize("request_of", REQUESTS)
def test_the_websocket_api_answers_every_message(mock: Mock, request_of: Callable[[bytes], bytes]) -> None:
    socket = mock.socket("/ws-api/v3")
    for value in VALUES:
        reply = said(socket, request_of(value))
        if reply is None:
            socket = mock.socket("/ws-api/v3")
            continue
        assert reply["status"] == 200 or reply["error"]["code"] < 0
        assert reply["status"] < 500, reply


@pytest.mark.parametrize(
    "request_of",
    [
        lambda value: value,
        lambda value: written({"method": "LIST_SUBSCRIPTIONS"}, id=value),
        lambda value: written({"id": 1, "method": "SUBSCRIBE"}, params=b"[" + value + b"]"),
        lambda value: written({"id": 1, "params": ["ethusdt@trade"]}, method=value),
    ],
)
def test_the_market_streams_answer_every_message(mock: Mock, request_of: Callable[[bytes], bytes]) -> None:
    # One each: more than five a second would end a connection.
    for value in VALUES:
        socket = mock.socket("/ws")
        reply = said(socket, request_of(value))
        assert reply is None or reply.keys() <= {"id", "result", "error"}
        socket.close()


def test_rest_answers_every_parameter(mock: Mock) -> None:
    for value in VALUES:
        value = value[:2_000]  # percent-encoded, what a request line may hold
        for query in (f"symbol={quote_from_bytes(value)}", f"symbols={quote_from_bytes(value)}"):
            assert mock.send("GET", "exchangeInfo", query).status_code in (200, 400, 429)
        for query in (f"signature={quote_from_bytes(value)}", "signature=\udcff", "%ff=%00&signature=a"):
            assert mock.send("GET", "account", f"timestamp=1&{query}").status_code in (400, 401, 429)


@pytest.mark.parametrize("path", ["/mock/trade", "/mock/symbol", "/mock/faults"])
def test_the_exchanges_own_controls_refuse_every_body(mock: Mock, path: str) -> None:
    bodies = [
        body
        for value in VALUES
        for body in (
            value,
            written({"symbol": "ETHUSDT", "quantity": "1"}, price=value),
            written({"symbol": "ETHUSDT"}, filters=value),
            written({"kind": "answer_lost"}, probability=value),
            written({"kind": "answer_lost"}, seed=value),
            written({}, symbol=value),
            written({}, kind=value),
        )
    ]
    for body in bodies:
        answer = mock.session.post(f"{mock.url}{path}", data=body, headers={"X-MBX-APIKEY": KEY}, timeout=5)
        assert answer.status_code in (200, 400, 404, 409, 413), (answer.status_code, body[:80])
    mock.clear_faults()


@pytest.mark.parametrize("key", ["", "wrong", "\udcff", "k" * 4_000])
def test_a_key_that_is_none_is_refused(mock: Mock, key: str) -> None:
    headers = {"X-MBX-APIKEY": key.encode(errors="surrogateescape")}
    answer = mock.session.get(f"{mock.url}/api/v3/account?timestamp=1&signature=a", headers=headers, timeout=5)
    assert answer.status_code == 401
