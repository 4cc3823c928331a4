"""Filters as filters.md describes them, each with Binance's own words; changed one at a time on a small exchange."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from binance_mock.engine.errors import Refused
from binance_mock.engine.matching import Engine
from binance_mock.engine.orders import NewOrder
from binance_mock.engine.rules import read_symbols
from binance_mock.market.simulated import SimulatedMarket
from binance_mock.state.listings import LISTINGS, exchange_info, listings_of
from tests.binance_mock.running import start
from tests.binance_mock.support import INFO, NOW, amounts, limit, market, trade
from tests.support.machine.processes import Processes

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
    maximum = {"filterType": where, "maxNumOrders": 2}
    engine = engine_with(exchange=(maximum,)) if where.startswith("EXCHANGE") else engine_with(maximum)
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


# --- what is switched off, or not there ---------------------------------------------------------------------
OFF: list[dict[str, Any]] = [
    {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0.00000000", "tickSize": "0"},
    {"filterType": "LOT_SIZE", "minQty": "0", "maxQty": "0", "stepSize": "0.00000000"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0", "maxQty": "0", "stepSize": "0"},
    {"filterType": "PERCENT_PRICE", "multiplierUp": "0", "multiplierDown": "0", "avgPriceMins": 0},
    {"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "0", "askMultiplierUp": "0"},
    {"filterType": "MIN_NOTIONAL", "minNotional": "0"},
    {"filterType": "NOTIONAL", "minNotional": "0", "maxNotional": "0", "applyMaxToMarket": True},
    {"filterType": "MAX_POSITION", "maxPosition": "0"},
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 0},
]
FINE = [limit("BUY", "2900.00000001", "0.00000001"), limit("SELL", "9000", "99.12345678"), market("BUY", "0.0000001")]


@pytest.mark.parametrize("new", FINE)
@pytest.mark.parametrize(
    "filters",
    [
        OFF,
        [],
        [{"filterType": each["filterType"]} for each in OFF],
        [{**each, **dict.fromkeys(each.keys() - {"filterType"})} for each in OFF],
    ],
    ids=["0", "no filters", "no bounds", "null"],
)
def test_a_bound_of_0_and_one_that_is_missing_forbid_nothing(filters: list[dict[str, Any]], new: NewOrder) -> None:
    of_exchange = {"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": 0}
    assert refusal(engine_with(*filters, exchange=(of_exchange,)), new) == ""


def test_prices_and_quantities_have_the_decimals_of_their_assets(processes: Processes, tmp_path: Path) -> None:
    """Without a tick and a step as well: -1111, as Binance says."""
    (entry,) = exchange_info([LISTINGS["ETHUSDT"]])["symbols"]
    entry |= {"filters": [], "baseAssetPrecision": 3, "quoteAssetPrecision": 2, "quotePrecision": 8}
    file = tmp_path / "exchange_info.json"
    file.write_text(json.dumps({"symbols": [entry]}))
    mock = start(processes, tmp_path, MOCK_EXCHANGE_INFO=file)
    mock.trade("3000")

    def said(**values: str) -> int:
        order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", **values}
        return int(mock.signed("POST", "order/test", **order).json().get("code", 0))

    assert said(price="2990.01", quantity="0.001") == 0
    assert said(price="2990.010", quantity="0.0010") == 0
    assert said(price="2990.001", quantity="0.001") == -1111
    assert said(price="2990.01", quantity="0.0001") == -1111
    depth = mock.get("depth", symbol="ETHUSDT", limit=2)
    assert [price for price, _ in depth["bids"]] == ["2999.99000000", "2999.98000000"]


def test_a_simulated_market_moves_where_nothing_is_said_of_ticks_and_steps() -> None:
    (entry,) = exchange_info([LISTINGS["ETHUSDT"]])["symbols"]
    entry |= {"symbol": "ODDUSDT", "baseAsset": "ODD", "filters": []}
    listings = listings_of({"symbols": [entry]})
    market = SimulatedMarket(1, listings)
    market.activate("ODDUSDT", None, 0, NOW)
    trades = [trade for seconds in range(10) for trade in market.until(NOW + seconds * 1000, 1000)]
    assert len(trades) > 50
    assert all(trade.quantity > 0 and trade.price > 0 for trade in trades)
    assert sum(trade.quantity for trade in trades) > len(trades)
