"""Streams on a bad day, over real WebSockets, and the exchange itself: halted, and with other filters."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import websocket

from binance_mock.faults.kinds import KINDS, REQUESTS
from tests.binance_mock.faults.test_requests import injected, place, until
from tests.binance_mock.running import Mock, call, signed_params

SILENCE_S = 0.3


@pytest.fixture
def bad(mock: Mock) -> Iterator[Mock]:
    mock.clear_faults()
    yield mock
    mock.clear_faults()


class Line:
    """A socket whose frames are collected; `code` is how it ended, 1006 where no close frame came."""

    def __init__(self, socket: "websocket.WebSocket") -> None:
        self._socket = socket
        self.code: int | None = None

    def frames(self, within_s: float = SILENCE_S) -> list[bytes]:
        """What comes until nothing has come for so long, or the connection ends."""
        found: list[bytes] = []
        self._socket.settimeout(within_s)
        with contextlib.suppress(websocket.WebSocketTimeoutException):
            while self.code is None:
                try:
                    opcode, data = self._socket.recv_data()
                except (websocket.WebSocketConnectionClosedException, ConnectionError):
                    self.code = 1006
                    break
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    self.code = int.from_bytes(data[:2], "big")
                else:
                    found.append(data)
        return found

    def objects(self, within_s: float = SILENCE_S) -> list[dict[str, Any]]:
        return [json.loads(frame) for frame in self.frames(within_s)]

    def pongs(self) -> bool:
        """Whether a ping is answered."""
        self._socket.settimeout(SILENCE_S)
        self._socket.ping(b"there?")
        try:
            while True:
                opcode, _ = self._socket.recv_data(control_frame=True)
                if opcode == websocket.ABNF.OPCODE_PONG:
                    return True
        except websocket.WebSocketTimeoutException:
            return False

    def call(self, method: str, params: Any = None) -> dict[str, Any]:
        return call(self._socket, method, params)


@pytest.fixture
def user(bad: Mock) -> Iterator[Line]:
    socket = bad.user_events()
    yield Line(socket)
    socket.close()


@pytest.fixture
def market(bad: Mock) -> Iterator[Line]:
    socket = bad.socket("/ws/ethusdt@trade")
    yield Line(socket)
    socket.close()


def reports(line: Line, within_s: float = SILENCE_S) -> list[str]:
    """The client order ids of the reports that come."""
    events = [message["event"] for message in line.objects(within_s)]
    return [event["c"] for event in events if event["e"] == "executionReport"]


def positions(line: Line) -> list[str]:
    return [message["event"]["e"] for message in line.objects()]


def trades(mock: Mock, count: int = 3) -> list[int]:
    """The ids of some trades of the market."""
    return [trade["id"] for number in range(count) for trade in mock.trade(f"300{number}")["trades"]]


def ids(line: Line, within_s: float = SILENCE_S) -> list[int]:
    return [frame["t"] for frame in line.objects(within_s)]


# --- reports and frames -------------------------------------------------------------------------------------


def reports_dropped(bad: Mock, user: Line) -> None:
    place(bad, "a")
    place(bad, "b")
    assert reports(user) == ["b"]


def reports_doubled(bad: Mock, user: Line) -> None:
    place(bad, "a")
    assert reports(user) == ["a", "a"]


def reports_shuffled(bad: Mock, user: Line) -> None:
    place(bad, "a")
    place(bad, "b")
    assert reports(user) == ["b", "a"]


def reports_delayed(bad: Mock, user: Line) -> None:
    place(bad, "a")
    place(bad, "b")
    assert reports(user, 0.2) == ["b"]
    assert reports(user, 1.5) == ["a"]


def user_silent(bad: Mock, user: Line) -> None:
    place(bad, "a")
    place(bad, "b")
    assert user.frames() == []
    assert user.pongs()
    bad.clear_faults()
    place(bad, "c")
    assert reports(user) == ["c"]


def frames_dropped(bad: Mock, market: Line) -> None:
    made = trades(bad)
    assert ids(market) == made[1:]


def frames_doubled(bad: Mock, market: Line) -> None:
    made = trades(bad)
    assert ids(market) == [made[0], *made]


def frames_shuffled(bad: Mock, market: Line) -> None:
    made = trades(bad)
    assert ids(market) == [made[1], made[0], made[2]]


def frames_delayed(bad: Mock, market: Line) -> None:
    made = trades(bad)
    assert ids(market, 0.2) == made[1:]
    assert ids(market, 1.5) == made[:1]


def frames_broken(bad: Mock, market: Line) -> None:
    made = trades(bad)
    first, *others = market.frames()
    assert first != b""
    with contextlib.suppress(ValueError):
        seen = json.loads(first)
        kinds = {name: type(value) for name, value in seen.items()}
        assert kinds != {name: type(value) for name, value in json.loads(others[0]).items()}
    assert [json.loads(frame)["t"] for frame in others] == made[1:]


def market_silent(bad: Mock, market: Line) -> None:
    trades(bad)
    assert market.frames() == []
    assert market.pongs()
    bad.clear_faults()
    assert ids(market, 0.3) == []
    made = trades(bad)
    assert ids(market) == made


# --- connections --------------------------------------------------------------------------------------------


def closed(code: int) -> Callable[[Mock, Line], None]:
    def check(bad: Mock, line: Line) -> None:
        assert line.frames(2) == []
        assert line.code == code

    return check


def half_open(bad: Mock, line: Line) -> None:
    trades(bad)
    place(bad, "unheard")
    assert line.frames() == []
    assert line.code is None
    assert not line.pongs()


def user_server_shutdown(bad: Mock, user: Line) -> None:
    [said] = user.objects(1)
    assert said["event"]["e"] == "serverShutdown"
    assert user.code == 1001


def market_server_shutdown(bad: Mock, market: Line) -> None:
    [said] = market.objects(1)
    assert said["e"] == "serverShutdown"
    assert market.code == 1001


def user_terminated(bad: Mock, user: Line) -> None:
    place(bad, "unheard")
    [said] = user.objects()
    assert said["event"]["e"] == "eventStreamTerminated"
    assert user.call("userDataStream.subscribe.signature", signed_params())["status"] == 200
    place(bad, "heard")
    assert reports(user) == ["heard"]


# --- the exchange itself ------------------------------------------------------------------------------------


def trading_halted(bad: Mock, user: Line) -> None:
    assert status(bad) == "HALT"
    assert place(bad, "refused")[1]["msg"] == "Market is closed."
    # A reset makes the exchange well; the fault is still on.
    bad.control("reset")
    until(lambda: status(bad) == "HALT")
    bad.clear_faults()
    assert status(bad) == "TRADING"
    assert place(bad, "taken")[0] == 200


def filters_coarser(bad: Mock, user: Line) -> None:
    assert filters(bad)["PRICE_FILTER"]["tickSize"] == "0.10000000"
    assert place(bad, "fine", price="2900.01")[1]["msg"] == "Filter failure: PRICE_FILTER"
    assert place(bad, "coarse", price="2900.10")[0] == 200
    bad.clear_faults()
    assert filters(bad)["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert place(bad, "fine", price="2900.01")[0] == 200


def symbol(mock: Mock) -> dict[str, Any]:
    found: dict[str, Any] = mock.get("exchangeInfo", symbol="ETHUSDT")["symbols"][0]
    return found


def status(mock: Mock) -> str:
    return str(symbol(mock)["status"])


def filters(mock: Mock) -> dict[str, dict[str, str]]:
    return {entry["filterType"]: entry for entry in symbol(mock)["filters"]}


# kind: (its settings, whose line it applies to, what is seen there)
CHECKS: dict[str, tuple[dict[str, Any], str, Callable[[Mock, Line], None]]] = {
    "reports_dropped": ({}, "user", reports_dropped),
    "reports_doubled": ({}, "user", reports_doubled),
    "reports_shuffled": ({}, "user", reports_shuffled),
    "reports_delayed": ({"delay_ms": 1000}, "user", reports_delayed),
    "user_silent": ({}, "user", user_silent),
    "user_closed_1001": ({}, "user", closed(1001)),
    "user_closed_1006": ({}, "user", closed(1006)),
    "user_half_open": ({}, "user", half_open),
    "user_server_shutdown": ({"delay_ms": 200}, "user", user_server_shutdown),
    "user_terminated": ({}, "user", user_terminated),
    "frames_dropped": ({}, "market", frames_dropped),
    "frames_doubled": ({}, "market", frames_doubled),
    "frames_shuffled": ({}, "market", frames_shuffled),
    "frames_delayed": ({"delay_ms": 1000}, "market", frames_delayed),
    "frames_broken": ({}, "market", frames_broken),
    "market_silent": ({"symbol": "ETHUSDT"}, "market", market_silent),
    "market_closed_1001": ({}, "market", closed(1001)),
    "market_closed_1006": ({}, "market", closed(1006)),
    "market_closed_1008": ({}, "market", closed(1008)),
    "market_half_open": ({}, "market", half_open),
    "market_server_shutdown": ({"delay_ms": 200}, "market", market_server_shutdown),
    "trading_halted": ({"symbol": "ETHUSDT"}, "user", trading_halted),
    "filters_coarser": ({"symbol": "ETHUSDT"}, "user", filters_coarser),
}


def test_every_fault_of_streams_and_of_the_exchange_has_a_test() -> None:
    assert {kind.name for kind in KINDS.values() if kind.hook not in REQUESTS} == CHECKS.keys()


@pytest.mark.parametrize("kind", CHECKS)
def test_a_stream_or_exchange_with_a_fault_looks_so(bad: Mock, kind: str, request: pytest.FixtureRequest) -> None:
    settings, whose, check = CHECKS[kind]
    line = request.getfixturevalue(whose)
    line.frames(0.1)
    bad.fault(kind, **settings)
    check(bad, line)
    assert injected(bad, kind) >= 1
    # Whatever was seen on the wire, the exchange answers truly.
    bad.clear_faults()
    assert bad.signed("GET", "account").status_code == 200


def test_what_is_not_a_report_is_not_dropped_with_them(bad: Mock, user: Line) -> None:
    bad.fault("reports_dropped", count=5)
    place(bad, "a")
    assert positions(user) == ["outboundAccountPosition"]


def test_only_reports_of_one_side_are_dropped(bad: Mock, user: Line) -> None:
    bad.fault("reports_dropped", side="SELL", count=5)
    place(bad, "sold", side="SELL", price="3100")
    place(bad, "bought")
    assert reports(user) == ["bought"]


@pytest.mark.parametrize("seed", range(6))
def test_a_broken_frame_never_looks_like_the_true_one(seed: int, bad: Mock, market: Line) -> None:
    bad.fault("frames_broken", seed=seed)
    frames_broken(bad, market)


@pytest.mark.parametrize("seed", range(10))
def test_a_broken_frame_hurts_no_exchange_that_shows_microseconds(seed: int, bad: Mock) -> None:
    socket = bad.socket("/ws/ethusdt@trade?timeUnit=MICROSECOND")
    line = Line(socket)
    bad.fault("frames_broken", seed=seed)
    made = trades(bad, 2)
    assert line.frames(0.1)[1:] != []
    assert bad.state()["lastPrices"]["ETHUSDT"] == "3001.00000000"
    assert len(made) == 2
    socket.close()


def test_a_banned_address_is_refused_by_the_websocket_api_too(bad: Mock, user: Line) -> None:
    bad.fault("banned_418", retry_after_s=60)
    place(bad, "banned")
    reply = user.call("ping")
    assert (reply["status"], reply["error"]["code"]) == (418, -1003)
    with pytest.raises(websocket.WebSocketBadStatusException, match="418"):
        bad.socket("/ws-api/v3")


def test_a_halt_ends_with_its_time(bad: Mock) -> None:
    bad.fault("trading_halted", symbol="ETHUSDT", for_s=1)
    assert status(bad) == "HALT"
    until(lambda: status(bad) == "TRADING")


def test_all_symbols_are_halted_where_none_is_named(bad: Mock) -> None:
    bad.fault("trading_halted", for_s=5)
    listed = bad.get("exchangeInfo")["symbols"]
    assert {each["status"] for each in listed} == {"HALT"}
    bad.clear_faults()
    assert {each["status"] for each in bad.get("exchangeInfo")["symbols"]} == {"TRADING"}


def test_the_state_names_the_faults_that_are_on(bad: Mock) -> None:
    bad.fault("user_silent")
    assert [fault["kind"] for fault in bad.state()["faults"]] == ["user_silent"]
    bad.clear_faults()
    assert bad.state()["faults"] == []


def test_a_connection_meets_a_fault_by_chance_once_a_second(bad: Mock, market: Line) -> None:
    bad.fault("market_closed_1006", probability=0.9, seed=1)
    ends = time.monotonic() + 5
    while market.code is None and time.monotonic() < ends:
        market.frames()
    assert market.code == 1006
