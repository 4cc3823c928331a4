"""Symbols and assets are data: what was stored or listed once is refused by nobody later."""

import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

import pytest

from binance_mock.configured import _with_stored
from binance_mock.engine.errors import Refused
from binance_mock.engine.orders import MarketTrade, NewOrder, OrderType, Side
from binance_mock.state.exchange import Exchange, open_exchange
from binance_mock.state.listings import LISTINGS, MockSymbol, assets_of, exchange_info
from binance_mock.state.store import Store
from tests.binance_mock import running
from tests.binance_mock.support import NOW, amounts
from tests.support.machine.processes import Processes

BUILT_IN = exchange_info(LISTINGS.values())


def listing(base: str, quote: str, name: str = "") -> MockSymbol:
    return MockSymbol(base, quote, Decimal("0.01"), Decimal("0.001"), Decimal(100), Decimal(1), name)


@pytest.mark.parametrize(
    ("symbol", "known", "assets"),
    [
        ("BTCUSDT", (), ("BTC", "USDT")),
        ("BTCFDUSD", (), ("BTC", "FDUSD")),
        ("BTCIDR", (), ("BTC", "IDR")),
        ("USDTIDR", (), ("USDT", "IDR")),
        ("币安人生USDT", (), ("币安人生", "USDT")),
        # What is known of the account's assets says more than a name.
        ("ABCDEFG", ("ABC", "DEFG"), ("ABC", "DEFG")),
        ("ABCDEFG", ("DEFG",), ("ABC", "DEFG")),
        ("ABCDEFG", (), ("ABCD", "EFG")),
        ("XY", (), ("XY", "XY")),
    ],
)
def test_a_symbol_s_assets_are_told_apart(symbol: str, known: tuple[str, ...], assets: tuple[str, str]) -> None:
    assert assets_of(symbol, known) == assets


def with_order(path: Path, symbol: MockSymbol) -> None:
    """An exchange that lists only this symbol leaves an open order of 100, and 900 more, behind."""
    exchange = open_exchange(Store(path), exchange_info([symbol]), amounts(**{symbol.quote: "1000"}), NOW)
    exchange.trade([MarketTrade(symbol.symbol, Decimal(100), Decimal(1), False)], NOW)
    exchange.place(NewOrder(symbol.symbol, Side.BUY, OrderType.LIMIT, Decimal(2), Decimal(50)), NOW)
    exchange.store.close()


def reopened(path: Path) -> Exchange:
    """An exchange that lists the built-in symbols, on the same file."""
    store = Store(path)
    return open_exchange(store, _with_stored(BUILT_IN, store), {}, NOW)


@pytest.mark.parametrize(
    ("symbol", "is_of_before"),
    [
        *((listing(*assets), is_of_before)
          for assets in (("BTC", "IDR"), ("币安", "人生"), ("Q", "W")) for is_of_before in (False, True)),
        # Whose assets no name can tell.
        (listing("BTC", "USDT", "BTCUSDT_PERP"), False),
    ],
)  # fmt: skip
def test_an_order_of_a_symbol_that_is_not_listed_any_more_can_be_cancelled(
    tmp_path: Path, symbol: MockSymbol, is_of_before: bool
) -> None:
    with_order(tmp_path / "file", symbol)
    if is_of_before:
        with sqlite3.connect(tmp_path / "file") as connection:
            connection.execute("DELETE FROM marks WHERE name LIKE 'assets:%'")
        connection.close()
    for _ in range(2):
        exchange = reopened(tmp_path / "file")
        (order,) = exchange.engine.open_orders()
        rules = exchange.engine.books[symbol.symbol].rules
        assert (rules.base, rules.quote, rules.status) == (symbol.base, symbol.quote, "BREAK")
        with pytest.raises(Refused, match="Market is closed"):
            exchange.place(NewOrder(symbol.symbol, Side.BUY, OrderType.LIMIT, Decimal(2), Decimal(50)), NOW)
        exchange.store.close()
    exchange = reopened(tmp_path / "file")
    exchange.cancel(symbol.symbol, order.order_id, None, NOW)
    assert exchange.engine.ledger.balances()[symbol.quote] == (Decimal(1000), Decimal(0))
    exchange.store.close()
    # What is closed can be asked for, and what traded has candles.
    exchange = reopened(tmp_path / "file")
    assert exchange.order(symbol.symbol, order.order_id, None).status == "CANCELED"
    assert exchange.charts.candles(symbol.symbol, "1m", NOW, limit=1)[0].close == 100


def test_a_symbol_beyond_ascii_is_traded_like_any_other(processes: Processes, tmp_path: Path) -> None:
    symbol = listing("币安人生", "USDT").symbol
    (tmp_path / "info.json").write_text(json.dumps(exchange_info([listing("币安人生", "USDT")])))
    mock = running.start(
        processes,
        tmp_path / "home",
        MOCK_EXCHANGE_INFO=tmp_path / "info.json",
        MOCK_BALANCES="USDT:1000,币安人生:5",
    )
    name = quote(symbol.lower())
    socket = mock.socket(f"/stream?streams={name}@trade/{name}@kline_1s")
    mock.trade("100", symbol=symbol)
    assert json.loads(socket.recv())["data"]["s"] == symbol
    socket.close()
    client = mock.client()
    order = client.order_limit_buy(symbol=symbol, quantity="1", price="99.00")
    client.order_market_sell(symbol=symbol, quantity="2")
    assert client.get_order(symbol=symbol, orderId=order["orderId"])["status"] == "NEW"
    assert client.get_my_trades(symbol=symbol)[0]["symbol"] == symbol
    assert client.get_klines(symbol=symbol, interval="1m")[-1][4] == "100.00000000"
    assert mock.get("ticker/24hr", symbols=json.dumps([symbol]))[0]["symbol"] == symbol
    assert mock.get("exchangeInfo", symbol=symbol)["symbols"][0]["baseAsset"] == "币安人生"
    assert mock.get("depth", symbol=symbol)["bids"]
    client.cancel_order(symbol=symbol, orderId=order["orderId"])
    assert mock.state()["openOrders"] == []
