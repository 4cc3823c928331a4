"""Market streams beyond trades and books: candles, all symbols at once, microseconds."""

import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from binance_mock.engine.orders import MarketTrade
from binance_mock.market.manual import ManualMarket
from binance_mock.protocol.clock_streams import ClockStreams
from binance_mock.state.context import Context, open_context
from binance_mock.state.exchange import open_exchange
from binance_mock.state.security import Account
from binance_mock.state.store import Store
from tests.binance_mock.running import Mock, call, events, signed_params
from tests.binance_mock.support import INFO, NOW, amounts

MINUTE = NOW - NOW % 60_000


@pytest.fixture
def context(tmp_path: Path) -> Context:
    exchange = open_exchange(Store(tmp_path / "mock.sqlite3"), INFO, amounts(USDT="100000", ETH="10"), MINUTE)
    context = open_context(exchange, ManualMarket(), Account("key", "secret"), now_ms=lambda: MINUTE)
    traded(context, "3000", MINUTE)
    return context


def traded(context: Context, price: str, now_ms: int, symbol: str = "ETHUSDT") -> None:
    book = context.exchange.engine.books[symbol]
    context.exchange.trade([MarketTrade(symbol, Decimal(price), Decimal(1), False)], now_ms)
    assert book.last is not None and book.last.time_ms == now_ms


def one(payload: Any) -> dict[str, Any]:
    assert isinstance(payload, dict)
    return payload


def several(payload: Any) -> list[tuple[str, str]]:
    assert isinstance(payload, list)
    return [(each["e"], each["s"]) for each in payload]


def test_each_candle_is_shown_closed_once_before_the_next(context: Context) -> None:
    streams, stream = ClockStreams(context), "ethusdt@kline_1m"

    def shown(now_ms: int) -> list[tuple[int, str, int, bool]]:
        candles = [payload["k"] for payload in streams.payloads(stream, now_ms)]
        return [(each["t"] - MINUTE, each["c"], each["n"], each["x"]) for each in candles]

    assert shown(MINUTE + 1_000) == [(0, "3000.00000000", 1, False)]
    assert shown(MINUTE + 2_000) == []
    traded(context, "3001", MINUTE + 59_000)
    traded(context, "3002", MINUTE + 60_100)
    assert shown(MINUTE + 60_500) == [(0, "3001.00000000", 2, True), (60_000, "3002.00000000", 1, False)]
    # A minute ends, and the next one begins, also where nobody trades.
    assert shown(MINUTE + 121_000) == [(60_000, "3002.00000000", 1, True), (120_000, "3002.00000000", 0, False)]
    assert shown(MINUTE + 122_000) == []
    assert shown(MINUTE + 241_000)[:2] == [(120_000, "3002.00000000", 0, True), (180_000, "3002.00000000", 0, True)]


def test_a_day_in_the_east_begins_at_its_own_midnight(context: Context) -> None:
    streams = ClockStreams(context)
    (utc,) = (payload["k"]["t"] for payload in streams.payloads("ethusdt@kline_1d", MINUTE))
    (east,) = (payload["k"]["t"] for payload in streams.payloads("ethusdt@kline_1d@+08:00", MINUTE))
    assert (utc % 86_400_000, east % 86_400_000) == (0, 16 * 3_600_000)


@pytest.mark.parametrize(("stream", "event"), [("!miniTicker@arr", "24hrMiniTicker"), ("!ticker_4h@arr", "4hTicker")])
def test_a_stream_of_all_symbols_shows_those_that_have_changed(context: Context, stream: str, event: str) -> None:
    streams = ClockStreams(context)
    traded(context, "60000", MINUTE, "BTCUSDT")
    assert several(streams.payload(stream, MINUTE)) == [(event, "ETHUSDT"), (event, "BTCUSDT")]
    traded(context, "60001", MINUTE, "BTCUSDT")
    assert several(streams.payload(stream, MINUTE)) == [(event, "BTCUSDT")]
    assert streams.payload(stream, MINUTE) is None


@pytest.mark.parametrize("stream", ["!ticker@arr", "!bookTicker", "ethusdt@nonsense", "ethusdt@kline_7m", "@", ""])
def test_a_stream_that_does_not_exist_is_silent(context: Context, stream: str) -> None:
    assert ClockStreams(context).payloads(stream, MINUTE) == []


def test_times_are_in_microseconds_for_who_wants_them(mock: Mock) -> None:
    now = time.time()
    micro = mock.socket("/stream?streams=ethusdt@trade/ethusdt@kline_1m&timeUnit=MICROSECOND")
    milli = mock.socket("/ws/ethusdt@trade")
    mock.trade("3001")
    # The clock sends candles: one of the trade that the mock begins with may come first.
    shown: dict[str, Any] = {}
    while shown.keys() != {"trade", "kline"}:
        event = json.loads(micro.recv())["data"]
        shown[event["e"]] = event
    assert shown["trade"]["T"] // 1000 == json.loads(milli.recv())["T"]
    assert abs(shown["trade"]["E"] / 1e6 - now) < 5
    candle = shown["kline"]["k"]
    assert candle["T"] - candle["t"] == 59_999_000
    micro.close()
    milli.close()


def test_answers_and_account_events_come_in_microseconds_as_well(mock: Mock) -> None:
    now = time.time()
    header = {"X-MBX-TIME-UNIT": "microsecond"}
    answer = requests.get(f"{mock.url}/api/v3/time", headers=header, timeout=5).json()
    assert abs(answer["serverTime"] / 1e6 - now) < 5
    url = f"{mock.url}/api/v3/klines?symbol=ETHUSDT&interval=1m"
    row = requests.get(url, headers=header, timeout=5).json()[-1]
    assert row[6] - row[0] == 59_999_000
    socket = mock.socket("/ws-api/v3?timeUnit=MICROSECOND")
    assert abs(call(socket, "time")["result"]["serverTime"] / 1e6 - now) < 5
    call(socket, "userDataStream.subscribe.signature", signed_params())
    mock.signed("POST", "order", symbol="ETHUSDT", side="SELL", type="MARKET", quantity="1")
    report = events(socket, 1)[0]
    assert all(abs(report[name] / 1e6 - now) < 5 for name in ("E", "T", "O", "W"))
    socket.close()


def test_a_wrong_time_unit_is_refused(mock: Mock) -> None:
    refused = requests.get(f"{mock.url}/api/v3/time", headers={"X-MBX-TIME-UNIT": "HOUR"}, timeout=5)
    assert (refused.status_code, refused.json()["code"]) == (400, -1194)
    refused = requests.get(f"{mock.url}/ws/ethusdt@trade?timeUnit=HOUR", timeout=5)
    assert (refused.status_code, refused.json()["code"]) == (400, -1194)
