"""Filters as filters.md describes them, each with Binance's own words; changed one at a time on a small exchange."""

from decimal import Decimal
from typing import Any

import pytest

from binance_mock.engine import Engine
from binance_mock.errors import Refused
from binance_mock.orders import NewOrder
from binance_mock.rules import read_symbols
from tests.binance_mock.support import INFO, NOW, amounts, limit, market, trade

MINUTE_MS = 60_000


def engine_with(*filters: dict[str, Any], exchange: tuple[dict[str, Any], ...] = ()) -> Engine:
    """ETHUSDT, which has only these filters, at 3000; the account is rich."""
    symbols = [
        {**each, "filters": list(filters)} if each["symbol"] == "ETHUSDT" else each for each in INFO["symbols"]
    ]
    engine = Engine(read_symbols({"symbols": symbols}), exchange_filters=exchange)
    engine.reset(amounts(USDT="1000000", ETH="100"), NOW)
    trade(engine, "3000")
    return engine


def refusal(engine: Engine, new: NewOrder, now_ms: int = NOW) -> str:
    try:
        engine.place(new, now_ms)
    except Refused as refused:
        return f"{refused.code} {refused.message}"
    return ""


PERCENT = {"filterType": "PERCENT_PRICE", "multiplierUp": "1.1", "multiplierDown": "0.9", "avgPriceMins": 5}
BY_SIDE = {
    "filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "1.1", "bidMultiplierDown": "0.5",
    "askMultiplierUp": "2", "askMultiplierDown": "0.9", "avgPriceMins": 5,
}  # fmt: skip
MIN_NOTIONAL = {"filterType": "MIN_NOTIONAL", "minNotional": "10", "applyToMarket": False, "avgPriceMins": 5}
NOTIONAL = {
    "filterType": "NOTIONAL", "minNotional": "10", "applyMinToMarket": True, "maxNotional": "6000",
    "applyMaxToMarket": False, "avgPriceMins": 5,
}  # fmt: skip
MARKET_LOT = {"filterType": "MARKET_LOT_SIZE", "minQty": "0.1", "maxQty": "2", "stepSize": "0.1"}
POSITION = {"filterType": "MAX_POSITION", "maxPosition": "101"}


@pytest.mark.parametrize(
    ("filters", "new", "failed"),
    [
        (PERCENT, limit("BUY", "2700", "1"), ""),
        (PERCENT, limit("BUY", "2699.99", "1"), "PERCENT_PRICE"),
        (PERCENT, limit("SELL", "3300.01", "1"), "PERCENT_PRICE"),
        (PERCENT, market("BUY", "1"), ""),
        (BY_SIDE, limit("BUY", "1500", "1"), ""),
        (BY_SIDE, limit("BUY", "1499.99", "1"), "PERCENT_PRICE_BY_SIDE"),
        (BY_SIDE, limit("SELL", "6000", "1"), ""),
        (BY_SIDE, limit("SELL", "2699.99", "1"), "PERCENT_PRICE_BY_SIDE"),
        (MIN_NOTIONAL, limit("BUY", "2900", "0.003"), "MIN_NOTIONAL"),
        (MIN_NOTIONAL, market("BUY", "0.003"), ""),
        (NOTIONAL, market("BUY", "0.003"), "NOTIONAL"),
        (NOTIONAL, market("BUY", quote="9.99"), "NOTIONAL"),
        (NOTIONAL, limit("BUY", "2900", "3"), "NOTIONAL"),
        (NOTIONAL, market("BUY", "3"), ""),
        (MARKET_LOT, market("SELL", "0.05"), "MARKET_LOT_SIZE"),
        (MARKET_LOT, market("SELL", "2.1"), "MARKET_LOT_SIZE"),
        (MARKET_LOT, market("SELL", "0.15"), "MARKET_LOT_SIZE"),
        (MARKET_LOT, limit("SELL", "3100", "2.15"), ""),
        (POSITION, limit("BUY", "2900", "1"), ""),
        (POSITION, limit("BUY", "2900", "1.5"), "MAX_POSITION"),
        (POSITION, limit("SELL", "3100", "5"), ""),
    ],
)
def test_an_order_passes_a_filter_or_fails_by_its_name(filters: dict[str, Any], new: NewOrder, failed: str) -> None:
    assert refusal(engine_with(filters), new) == (f"-1013 Filter failure: {failed}" if failed else "")


def test_open_buys_count_for_the_position() -> None:
    engine = engine_with(POSITION)
    assert refusal(engine, limit("BUY", "2900", "1")) == ""
    assert refusal(engine, limit("BUY", "2900", "0.1")) == "-1013 Filter failure: MAX_POSITION"


@pytest.mark.parametrize("where", ["MAX_NUM_ORDERS", "EXCHANGE_MAX_NUM_ORDERS"])
def test_so_many_orders_may_be_open(where: str) -> None:
    most = {"filterType": where, "maxNumOrders": 2}
    engine = engine_with(exchange=(most,)) if where.startswith("EXCHANGE") else engine_with(most)
    assert [refusal(engine, limit("BUY", "2900", "1")) for _ in range(3)] == [
        "",
        "",
        f"-1013 Filter failure: {where}",
    ]


@pytest.mark.parametrize(("minutes", "average"), [(5, "2000"), (1, "1000"), (0, "1000")])
def test_an_average_looks_as_far_back_as_its_filter_says(minutes: int, average: str) -> None:
    """3000 three minutes ago, 1000 now, as much of each."""
    engine = engine_with({**PERCENT, "multiplierUp": "1", "multiplierDown": "1", "avgPriceMins": minutes})
    book, later = engine.book("ETHUSDT"), NOW + 3 * MINUTE_MS
    assert book.last is not None
    book.traded(book.last._replace(trade_id=2, price=Decimal(1000), time_ms=later))
    assert refusal(engine, limit("SELL", average, "1"), later) == ""
    assert refusal(engine, limit("SELL", "3000", "1"), later) == "-1013 Filter failure: PERCENT_PRICE"
