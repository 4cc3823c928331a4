"""ccxt trades on the mock: it is told the addresses, and nothing else is changed."""

import asyncio
import time
from pathlib import Path

import ccxt
import ccxt.pro
import pytest

from tests.binance_mock import running
from tests.binance_mock.running import KEY, SECRET, Mock
from tests.support.machine.processes import Processes

SYMBOL = "ETH/USDT"
OPTIONS = {
    "defaultType": "spot",
    "fetchMarkets": {"types": ["spot"]},
    "fetchCurrencies": False,
    "fetchMargins": False,
}


@pytest.fixture
def exchange(mock: Mock) -> ccxt.binance:
    exchange = ccxt.binance({"apiKey": KEY, "secret": SECRET, "options": OPTIONS})
    exchange.urls["api"] |= dict.fromkeys(("public", "private"), f"{mock.url}/api/v3")
    exchange.urls["api"]["sapi"] = f"{mock.url}/sapi/v1"
    exchange.load_markets()
    return exchange


def test_markets_have_their_limits(exchange: ccxt.binance) -> None:
    market = exchange.market(SYMBOL)
    assert (market["active"], market["spot"], market["precision"]["price"]) == (True, True, 0.01)
    assert (market["limits"]["amount"]["min"], market["limits"]["cost"]["min"]) == (0.0001, 5.0)


def test_an_order_is_placed_found_changed_and_cancelled(exchange: ccxt.binance) -> None:
    order = exchange.create_order(SYMBOL, "limit", "buy", 1, 2900)
    assert [each["id"] for each in exchange.fetch_open_orders(SYMBOL)] == [order["id"]]
    changed = exchange.edit_order(order["id"], SYMBOL, "limit", "buy", 1, 2901)
    assert exchange.fetch_order(order["id"], SYMBOL)["status"] == "canceled"
    assert exchange.fetch_order(changed["id"], SYMBOL)["price"] == 2901
    assert exchange.fetch_balance()["USDT"]["used"] == 2901
    assert exchange.cancel_order(changed["id"], SYMBOL)["status"] == "canceled"
    assert exchange.fetch_open_orders(SYMBOL) == []


def test_trades_are_booked(exchange: ccxt.binance) -> None:
    sold = exchange.create_market_sell_order(SYMBOL, 1)
    assert (sold["status"], sold["average"], sold["fee"]["currency"]) == ("closed", 3000, "USDT")
    trade = exchange.fetch_my_trades(SYMBOL)[-1]
    assert (trade["order"], trade["amount"], trade["fee"]["cost"]) == (sold["id"], 1, 3)
    assert sold["id"] in [each["id"] for each in exchange.fetch_closed_orders(SYMBOL)]
    assert exchange.fetch_trading_fee(SYMBOL)["maker"] == 0.001


def test_the_market_is_read(exchange: ccxt.binance) -> None:
    assert exchange.fetch_ticker(SYMBOL)["last"] == 3000
    assert exchange.fetch_trades(SYMBOL)[-1]["price"] == 3000
    assert exchange.fetch_ohlcv(SYMBOL, "1m")[-1][4] == 3000
    book = exchange.fetch_order_book(SYMBOL)
    assert book["bids"][0][0] < 3000 < book["asks"][0][0]


def test_a_refusal_is_the_exception_that_ccxt_has_for_it(exchange: ccxt.binance) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        exchange.create_order(SYMBOL, "limit", "buy", 1000, 2900)
    with pytest.raises(ccxt.OrderNotFound):
        exchange.cancel_order("99999", SYMBOL)
    with pytest.raises(ccxt.BadRequest, match="Filter failure: NOTIONAL"):
        exchange.create_order(SYMBOL, "limit", "buy", 0.0001, 2900)


async def watched(mock: Mock, seconds: float) -> list[tuple[float, float]]:
    """The best bid and ask at each update of a book that ccxt keeps."""
    exchange = ccxt.pro.binance({"options": OPTIONS})
    exchange.urls["api"] |= {"public": f"{mock.url}/api/v3", "ws": {"spot": f"ws://127.0.0.1:{mock.port}/ws"}}
    best, ends = [], time.monotonic() + seconds
    try:
        while time.monotonic() < ends:
            book = await exchange.watch_order_book(SYMBOL)
            best.append((book["bids"][0][0], book["asks"][0][0]))
    finally:
        await exchange.close()
    return best


def test_a_book_that_is_watched_is_never_crossed(processes: Processes, home: Path) -> None:
    mock = running.start(processes, home, MARKET="simulated")
    best = asyncio.run(watched(mock, 5))
    assert len(best) > 20
    assert [each for each in best if each[0] >= each[1]] == []
