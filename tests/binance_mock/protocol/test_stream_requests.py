"""What is sent on a socket beside the requests themselves: properties, ids, and what a connection weighs."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import websocket

from tests.binance_mock.running import Mock, call

ID_REFUSED = "Invalid request: request ID must be an unsigned integer"
METHODS = "expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"


@pytest.fixture
def market(mock: Mock) -> Iterator[websocket.WebSocket]:
    with closing(mock.socket("/ws")) as socket:
        yield socket


def ask(socket: websocket.WebSocket, message: str) -> dict[str, Any]:
    socket.send(message)
    reply: dict[str, Any] = json.loads(socket.recv())
    return reply


@pytest.mark.parametrize(
    ("asked", "code", "text"),
    [
        ('{"method":"GET_PROPERTY","params":["colour"],"id":1}', 0, "Unknown property"),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1, "Invalid value type: expected Boolean"),
        ('{"method":"SET_PROPERTY","params":["combined"],"id":1}', 1, "Invalid value type: expected Boolean"),
        ('{"method":"SET_PROPERTY","params":[1,true],"id":1}', 2, "Invalid request: property name must be a string"),
        ('{"method":"GET_PROPERTY","id":1}', 2, "Invalid request: property name must be a string"),
        ('{"method":"GET_PROPERTY","params":["combined",1],"id":1}', 2, "Invalid request: too many parameters"),
        (
            '{"method":"SUBSCRIBED","id":1}',
            2,
            f"Invalid request: unknown variant `SUBSCRIBED`, {METHODS} at line 1 column 22",
        ),
        ('{"params":[],\n"id":1}', 2, "Invalid request: missing field `method` at line 2 column 7"),
        ('{"method":}', 3, "Invalid JSON: expected value at line 1 column 11"),
    ],
)
def test_a_wrong_request_of_a_stream_is_refused_in_binances_words(
    market: websocket.WebSocket, asked: str, code: int, text: str
) -> None:
    assert ask(market, asked)["error"] == {"code": code, "msg": text}


def test_a_property_is_set_and_read(market: websocket.WebSocket) -> None:
    assert ask(market, '{"method":"SET_PROPERTY","params":["combined",true],"id":5}') == {"result": None, "id": 5}
    assert ask(market, '{"method":"GET_PROPERTY","params":["combined"],"id":2}') == {"result": True, "id": 2}


IDS = [0, -1, 2**63 - 1, "a" * 36, "e2a85d9f-07a5-4f94-8d5f-789dc3deb097", None]
NO_IDS = [1.5, True, "", "a" * 37, "a b", [1], {"a": 1}]


@pytest.mark.parametrize("request_id", IDS)
def test_an_id_comes_back_as_it_was_sent(mock: Mock, market: websocket.WebSocket, request_id: Any) -> None:
    listed = ask(market, json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": request_id}))
    assert listed == {"result": [], "id": request_id}
    with closing(mock.socket("/ws-api/v3")) as socket:
        reply = call(socket, "ping", request_id=request_id)
    assert (reply["status"], reply["id"]) == (200, request_id)


@pytest.mark.parametrize("request_id", NO_IDS)
def test_an_id_of_another_kind_is_refused(mock: Mock, market: websocket.WebSocket, request_id: Any) -> None:
    assert ask(market, json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": request_id}))["error"]["msg"] == ID_REFUSED
    with closing(mock.socket("/ws-api/v3")) as socket:
        reply = call(socket, "ping", request_id=request_id)
    assert (reply["status"], reply["id"], reply["error"]["code"]) == (400, None, -1100)


def test_a_connection_of_the_websocket_api_weighs_two_and_one_of_a_stream_nothing(mock: Mock) -> None:
    def used() -> int:
        return int(mock.send("GET", "ping").headers["X-MBX-USED-WEIGHT-1M"])

    before = used()
    mock.socket("/ws/ethusdt@trade").close()
    assert used() == before + 1
    mock.socket("/ws-api/v3").close()
    assert used() == before + 4


def test_open_order_lists_weigh_six(mock: Mock) -> None:
    weights = [
        int(mock.signed("GET", name).headers["X-MBX-USED-WEIGHT-1M"]) for name in ("allOrderList", "openOrderList")
    ]
    assert weights[1] - weights[0] == 6
