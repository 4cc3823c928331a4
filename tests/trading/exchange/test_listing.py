"""A symbol's filters from exchangeInfo: every filter may be missing, and every bound of one missing or 0."""

from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from binance_mock.state.listings import LISTINGS, symbol_info
from tests.trading.core.test_strategy import RECHECK, order, position
from trading.core import guard
from trading.core.events import TradeSeen
from trading.core.filters import SymbolFilters, too_far, violation
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import Finish, PlaceBuy, PlaceSell
from trading.exchange.protocol import ListedSymbol
from trading.exchange.replies import from_exchange_info
from trading.models.symbols import bounds_of
from trading.strategies import naive

INFO = symbol_info(LISTINGS["ETHUSDT"])
UNIT = D("0.00000001")
ZEROS = {
    "minPrice": "0", "maxPrice": "0.00000000", "tickSize": "0", "minQty": "0", "maxQty": "0", "stepSize": "0",
    "bidMultiplierUp": "0", "bidMultiplierDown": "0", "askMultiplierUp": "0", "askMultiplierDown": "0",
    "minNotional": "0.00000000", "maxNotional": "0", "maxNumOrders": 0,
}  # fmt: skip


def told(filters: list[dict[str, Any]], **values: Any) -> ListedSymbol:
    entry = {**INFO, "filters": filters, **values}
    return from_exchange_info({name: value for name, value in entry.items() if value is not ...})


def without(*names: str) -> list[dict[str, Any]]:
    return [each for each in INFO["filters"] if each["filterType"] not in names]


@pytest.mark.parametrize(
    ("filters", "precisions", "tick", "step"),
    [
        (INFO["filters"], {}, "0.01", "0.0001"),
        (without("PRICE_FILTER"), {}, "0.00000001", "0.0001"),
        (without("LOT_SIZE"), {}, "0.01", "0.00000001"),
        ([], {}, "0.00000001", "0.00000001"),
        ([], {"quoteAssetPrecision": 2, "baseAssetPrecision": 3}, "0.01", "0.001"),
        ([], {"quoteAssetPrecision": ..., "quotePrecision": 4, "baseAssetPrecision": 0}, "0.0001", "1"),
        ([], {"quoteAssetPrecision": ..., "quotePrecision": ..., "baseAssetPrecision": ...}, str(UNIT), str(UNIT)),
        # More decimals than anything here is kept with.
        ([], {"quoteAssetPrecision": 18, "baseAssetPrecision": 12}, "0.00000001", "0.00000001"),
        (
            [{"filterType": "PRICE_FILTER", "tickSize": "0.00000000"}, {"filterType": "LOT_SIZE", "stepSize": "0"}],
            {"quoteAssetPrecision": 5, "baseAssetPrecision": 2},
            "0.00001",
            "0.01",
        ),
        # A tick that there is stays what it is.
        (INFO["filters"], {"quoteAssetPrecision": 8, "baseAssetPrecision": 8}, "0.01", "0.0001"),
    ],
)
def test_without_a_tick_or_a_step_the_decimals_of_the_assets_count(
    filters: list[dict[str, Any]], precisions: dict[str, Any], tick: str, step: str
) -> None:
    listed = told(filters, **precisions)
    assert (listed.tick_size, listed.step_size) == (D(tick), D(step))


@pytest.mark.parametrize(
    "told_filters",
    [
        [],
        [{"filterType": each["filterType"]} for each in INFO["filters"]],
        [{name: ZEROS.get(name, value) for name, value in each.items()} for each in INFO["filters"]],
        [{name: None if name in ZEROS else value for name, value in each.items()} for each in INFO["filters"]],
    ],
    ids=["no filters", "no bounds", "0", "null"],
)
def test_a_bound_of_0_and_one_that_is_missing_deny_nothing(told_filters: list[dict[str, Any]]) -> None:
    listed = told(told_filters)
    bounds = ("min_price", "max_price", "min_quantity", "max_quantity", "min_notional", "max_notional")
    assert {getattr(listed, name) for name in bounds} == {D(0)}
    assert set(bounds_of(listed.filters).values()) == {0}
    filters = SymbolFilters(
        "ETHUSDT", "ETH", "USDT", tick=listed.tick_size, step=listed.step_size, **bounds_of(listed.filters)
    )
    assert violation(filters, Side.BUY, D("0.00000123"), D("0.00000456")) is None
    assert too_far(filters, Side.SELL, D(90_000), D(1)) is None


def cut_to(value: D, digits: int) -> bool:
    return value == round(value, digits)


@pytest.mark.parametrize("digits", [(8, 8), (2, 3), (0, 5), (4, 0)])
def test_a_cycle_of_a_symbol_without_filters_has_amounts_that_the_exchange_takes(digits: tuple[int, int]) -> None:
    of_price, of_quantity = digits
    listed = told([], quoteAssetPrecision=of_price, baseAssetPrecision=of_quantity)
    filters = SymbolFilters("XRPUSDT", "XRP", "USDT", tick=listed.tick_size, step=listed.step_size)
    settings = naive.Settings(
        D("0.0025"), D("0.001"), rebuy_interval=None, stop_loss_interval=D("0.01"), exit_slippage=D("0.003")
    )
    buy = guard.decide(
        naive, position(budget="7919.7"), TradeSeen("XRPUSDT", 1, D("431.83017"), 0), filters, settings
    )
    assert isinstance(buy, PlaceBuy)
    assert cut_to(buy.price, of_price) and cut_to(buy.quantity, of_quantity)
    bought = order(
        Side.BUY, OrderStatus.FILLED, str(buy.price), str(buy.quantity), str(buy.quantity), str(buy.quantity / 1000)
    )
    sale = guard.decide(naive, position(bought), RECHECK, filters, settings)
    assert isinstance(sale, PlaceSell)
    assert cut_to(sale.price, of_price) and cut_to(sale.quantity, of_quantity)
    stop = guard.decide(naive, position(bought, leaves_at="420.12345678"), RECHECK, filters, settings)
    assert isinstance(stop, PlaceSell)
    assert cut_to(stop.price, of_price) and cut_to(stop.quantity, of_quantity)
    sold = replace(
        order(Side.SELL, OrderStatus.FILLED, str(sale.price), str(sale.quantity), str(sale.quantity), "0", "USDT"),
        client_order_id="s",
    )
    assert isinstance(guard.decide(naive, position(bought, sold), RECHECK, filters, settings), Finish)
