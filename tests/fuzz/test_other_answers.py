"""Answers to the streamer, the check-up and the mock's pages: one of their own errors for what can't be read."""

import json
import socket
from typing import Any

import msgspec
import pytest
import websocket
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from binance_mock import client
from console import checkup
from hedgehog_project.venues.keys import hmac_key
from hedgehog_project.venues.rate_limits import rate_limits_at
from streamer import rest
from streamer.connection import Connection, ConnectionLost, Timeouts
from tests.fuzz.conftest import BOUNDED
from tests.fuzz.hostile import VALUES, can_be_kept, hostile, written
from tests.support.exchanges.scripted_http import ScriptedServer

STATUSES = st.sampled_from([200, 400, 403, 418, 429, 500])
BODIES = st.one_of(
    st.binary(max_size=60),
    hostile({"symbols": [{"symbol": "ETHUSDT", "status": "TRADING"}]}),
    hostile({"code": -1003, "msg": "Too many requests"}),
    st.sampled_from(VALUES).map(lambda value: written({"code": -1003}, msg=value)),
)
HEADERS = st.sampled_from(["", "7", "-1", "9" * 5_000, "inf", "\xb2", "nan"])


class Info(msgspec.Struct):
    symbols: list[dict[str, Any]]


def answers(status: int, body: bytes, retry_after: str) -> ScriptedServer:
    head = f"HTTP/1.1 {status} Scripted\r\nContent-Length: {len(body)}\r\nX-MBX-USED-WEIGHT-1M: {retry_after}\r\n"
    head += f"Retry-After: {retry_after}\r\n\r\n" if retry_after else "\r\n"

    def send(connection: socket.socket) -> bool:
        connection.sendall(head.encode("latin-1") + body)
        return False

    return ScriptedServer(send)


@settings(parent=BOUNDED, max_examples=100)
@given(status=STATUSES, body=BODIES, retry_after=HEADERS)
def test_the_streamer_has_an_answer_or_an_error_of_its_own(
    redis_client: object, status: int, body: bytes, retry_after: str
) -> None:
    with answers(status, body, retry_after) as server:
        try:
            rest.get(server.url, "exchangeInfo", {}, Info)
        except (rest.Unreachable, rest.Refused) as error:
            assert can_be_kept(str(error))
            assert getattr(error, "retry_after_s", 1.0) < 10**6
        assert rate_limits_at(server.url).state().weight.used < 10**9


@settings(parent=BOUNDED, max_examples=100)
@given(status=STATUSES, body=BODIES)
def test_the_mocks_pages_have_an_answer_or_an_error_of_ours(settings: Settings, status: int, body: bytes) -> None:
    with answers(status, body, "") as server:
        settings.MOCK_PORT = int(server.url.rpartition(":")[2])
        try:
            client.turn_fault_on({"kind": "answer_lost"})
        except (client.Unreachable, client.Refused) as error:
            assert str(error)


class Says:
    """A socket of the WebSocket API whose answer is this."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def send(self, payload: str) -> None:
        assert json.loads(payload)["method"] == "userDataStream.subscribe.signature"

    def recv(self) -> bytes:
        return self.answer


@BOUNDED
@given(
    st.binary(max_size=40)
    | hostile({"id": 1, "status": 200})
    | hostile({"id": 1, "status": 400, "error": {"code": -2015, "msg": "Invalid"}})
)
def test_the_check_up_has_a_finding_or_says_that_it_is_no_answer(answer: bytes) -> None:
    try:
        finding = checkup._subscription(Says(answer), hmac_key("k", "s"), 0)
    except ValueError:
        return  # as what calls it expects
    assert can_be_kept(str(finding))


class Once(Connection):
    """Ends after its first connection."""

    def __init__(self, url: str) -> None:
        super().__init__("once", Timeouts(connect_s=2.0))
        self.address, self.lost = url, ""

    def url(self) -> str:
        return self.address

    def received(self, ws: object, payloads: list[bytes]) -> None:
        raise ConnectionLost("not reached")

    def _lost(self, reason: str, told_s: float | None) -> None:
        self.lost = reason
        self.stop()


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 101 \xff\xfe\r\nUpgrade: \xff\r\n\r\n",
        b"HTTP/1.1 9999999999999999999999 x\r\n\r\n",
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 429 Slow\r\nRetry-After: " + b"9" * 5_000 + b"\r\nContent-Length: \xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n",
    ],
)
def test_whatever_answers_a_handshake_the_connection_is_made_anew(head: bytes) -> None:
    def send(connection: socket.socket) -> bool:
        connection.sendall(head)
        return False

    with ScriptedServer(send) as server:
        connection = Once(server.url.replace("http", "ws"))
        connection.run()
    assert connection.lost


def test_the_streamer_follows_no_redirect(redis_client: object) -> None:
    with answers(200, b"{}", "") as elsewhere:

        def redirect(connection: socket.socket) -> bool:
            head = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}/x\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(head.encode())
            return False

        with ScriptedServer(redirect) as server, pytest.raises(rest.Unreachable, match="status 302"):
            rest.get(server.url, "historicalTrades", {}, Info, "the-key")
        assert elsewhere.requests == []


def test_a_socket_follows_no_redirect() -> None:
    with answers(200, b"", "") as elsewhere:

        def redirect(connection: socket.socket) -> bool:
            connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url}\r\n\r\n".encode())
            return False

        with ScriptedServer(redirect) as server:
            connection = Once(server.url.replace("http", "ws"))
            connection.run()
        with ScriptedServer(redirect) as server, pytest.raises(websocket.WebSocketException):
            checkup._connected(server.url.replace("http", "ws"))
        assert elsewhere.requests == []
    assert "edirect" in connection.lost
