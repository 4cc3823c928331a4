"""The same faults apply to requests by the WebSocket API as to those by REST."""

import json
import time
from collections.abc import Iterator

import pytest
import websocket

from binance_mock.faults.kinds import KINDS, REQUESTS
from tests.binance_mock.faults.test_requests import ANSWERS, CUT, ORDER, injected, is_placed, until
from tests.binance_mock.running import Mock, signed_params

# Instead of a page of HTML the connection ends.
PAGES = {kind for kind, (_, said, _) in ANSWERS.items() if isinstance(said, str)}


@pytest.fixture
def bad(mock: Mock) -> Iterator[Mock]:
    mock.clear_faults()
    yield mock
    mock.clear_faults()


@pytest.fixture
def line(bad: Mock) -> Iterator["websocket.WebSocket"]:
    socket = bad.socket("/ws-api/v3")
    yield socket
    socket.close()


def ask(line: "websocket.WebSocket", method: str, **params: str) -> tuple[int, int | None]:
    """Status and error code of the reply; CUT where the connection ended, 0 where what came is no reply."""
    line.send(json.dumps({"id": 1, "method": method, "params": signed_params(**params)}))
    try:
        reply = json.loads(line.recv())
    except (websocket.WebSocketConnectionClosedException, ConnectionError):
        return CUT, None
    except ValueError:
        return 0, None
    assert reply["id"] == 1
    return reply["status"], reply.get("error", {}).get("code")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in ANSWERS and KINDS[kind].hook in REQUESTS])
def test_an_order_with_a_fault_is_answered_so_and_the_books_are_true(
    bad: Mock, line: "websocket.WebSocket", kind: str
) -> None:
    status, said, placed = ANSWERS[kind]
    bad.fault(kind)
    seen = ask(line, "order.place", **ORDER, newClientOrderId="faulty")
    if kind in ("body_cut_off", "body_garbage"):
        assert seen == (0, None)
    else:
        assert seen == ((CUT, None) if kind in PAGES or status == CUT else (status, said))
    assert is_placed(bad, "faulty") is placed
    assert injected(bad, kind) == 1


def test_a_late_order_is_accepted_later(bad: Mock, line: "websocket.WebSocket") -> None:
    bad.fault("accepted_late", delay_ms=1000)
    assert ask(line, "order.place", **ORDER, newClientOrderId="late-by-ws") in [(CUT, None), (504, -1007)]
    assert not is_placed(bad, "late-by-ws")
    until(lambda: is_placed(bad, "late-by-ws"))


def test_a_delayed_answer_keeps_nobody_waiting_but_who_asked(bad: Mock, line: "websocket.WebSocket") -> None:
    bad.fault("answer_delayed", delay_ms=500)
    began = time.monotonic()
    line.send(json.dumps({"id": "slow", "method": "time"}))
    line.send(json.dumps({"id": "fast", "method": "time"}))
    assert json.loads(line.recv())["id"] == "fast"
    assert json.loads(line.recv())["id"] == "slow"
    assert time.monotonic() - began >= 0.5


def test_a_cancel_loses_to_a_fill(bad: Mock, line: "websocket.WebSocket") -> None:
    ask(line, "order.place", **ORDER, newClientOrderId="filled")
    bad.fault("cancel_loses_to_fill", symbol="ETHUSDT", side="BUY")
    assert ask(line, "order.cancel", symbol="ETHUSDT", origClientOrderId="filled") == (400, -2011)
    assert bad.signed("GET", "order", symbol="ETHUSDT", origClientOrderId="filled").json()["status"] == "FILLED"


def test_signing_in_to_the_accounts_events_can_be_refused(bad: Mock, line: "websocket.WebSocket") -> None:
    bad.fault("key_2015")
    assert ask(line, "userDataStream.subscribe.signature") == (401, -2015)
    assert ask(line, "userDataStream.subscribe.signature") == (200, None)
