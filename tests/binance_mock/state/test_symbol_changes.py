"""A symbol's status and filters change while the exchange runs, and are as before after a reset."""

from decimal import Decimal
from pathlib import Path

import pytest

from binance_mock.engine.errors import Refused
from binance_mock.engine.orders import MarketTrade
from binance_mock.engine.rules import SymbolStatus
from binance_mock.state.exchange import Exchange, open_exchange
from binance_mock.state.store import Store
from tests.binance_mock.running import Mock
from tests.binance_mock.support import INFO, NOW, amounts, limit


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    exchange = open_exchange(Store(tmp_path / "mock.sqlite3"), INFO, amounts(USDT="100000", ETH="10"), NOW)
    traded(exchange, "3000")
    return exchange


def traded(exchange: Exchange, price: str) -> int:
    """How many trades came of it."""
    return len(exchange.trade([MarketTrade("ETHUSDT", Decimal(price), Decimal(5), False)], NOW).trades)


def test_a_halted_symbol_takes_no_order_keeps_those_that_rest_and_does_not_trade(exchange: Exchange) -> None:
    rests = exchange.place(limit("BUY", "2990", "1"), NOW).reports[0].order
    exchange.set_status("ETHUSDT", SymbolStatus.HALT)
    with pytest.raises(Refused, match="-2010: Market is closed"):
        exchange.place(limit("BUY", "2991", "1"), NOW)
    assert traded(exchange, "2000") == 0
    assert [order.order_id for order in exchange.engine.open_orders()] == [rests.order_id]
    exchange.set_status("ETHUSDT", SymbolStatus.TRADING)
    assert traded(exchange, "2980") == 2
    assert exchange.engine.open_orders() == []


def test_an_order_of_a_halted_symbol_can_be_cancelled(exchange: Exchange) -> None:
    rests = exchange.place(limit("BUY", "2990", "1"), NOW).reports[0].order
    exchange.set_status("ETHUSDT", SymbolStatus.HALT)
    exchange.cancel("ETHUSDT", rests.order_id, None, NOW)
    assert exchange.engine.ledger.free("USDT") == 100_000


def test_changed_filters_hold_for_new_orders_until_a_reset(exchange: Exchange) -> None:
    new = limit("BUY", "2990.05", "1")
    exchange.place(new, NOW)
    exchange.change_filters("ETHUSDT", [{"filterType": "PRICE_FILTER", "tickSize": "0.10000000"}])
    with pytest.raises(Refused, match="-1013: Filter failure: PRICE_FILTER"):
        exchange.place(new, NOW)
    shown = {each["filterType"]: each for each in exchange.engine.book("ETHUSDT").rules.info["filters"]}
    assert shown["PRICE_FILTER"]["tickSize"] == "0.10000000"
    assert shown["PRICE_FILTER"]["minPrice"] == "0.01000000"
    exchange.reset(NOW)
    exchange.place(new, NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"filterType": "NONE"},
        {"filterType": "PRICE_FILTER", "tickSize": 1},
        {"filterType": "PRICE_FILTER", "tickSize": "-1"},
        {"filterType": "PRICE_FILTER", "tickSize": "much"},
        {"filterType": "PRICE_FILTER", "unknown": "1"},
    ],
)
def test_a_filter_that_cannot_be_changes_nothing(exchange: Exchange, changed: dict[str, object]) -> None:
    before = exchange.engine.book("ETHUSDT").rules
    with pytest.raises(Refused, match="-1130"):
        exchange.change_filters("ETHUSDT", [changed])
    assert exchange.engine.book("ETHUSDT").rules == before


def test_both_are_changed_over_http(mock: Mock) -> None:
    mock.control("symbol", {"symbol": "ETHUSDT", "status": "HALT"})
    refused = mock.signed("POST", "order", symbol="ETHUSDT", side="SELL", type="MARKET", quantity="1")
    assert (refused.status_code, refused.json()) == (400, {"code": -2010, "msg": "Market is closed."})
    assert mock.get("exchangeInfo", symbol="ETHUSDT")["symbols"][0]["status"] == "HALT"
    step = {"filterType": "LOT_SIZE", "stepSize": "0.01000000"}
    mock.control("symbol", {"symbol": "ETHUSDT", "status": "TRADING", "filters": [step]})
    refused = mock.signed("POST", "order", symbol="ETHUSDT", side="SELL", type="MARKET", quantity="0.005")
    assert refused.json() == {"code": -1013, "msg": "Filter failure: LOT_SIZE"}
    mock.control("reset")
    accepted = mock.signed("POST", "order", symbol="ETHUSDT", side="SELL", type="MARKET", quantity="0.005")
    assert accepted.json()["status"] == "FILLED"
