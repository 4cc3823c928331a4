"""The prices that the strategies say they have in mind, as rows: each is one at which they then act."""

from dataclasses import replace
from decimal import Decimal as D

import pytest

from trading.core import guard
from trading.core.decisions import FROM_ABOVE
from trading.core.fees import Fees
from trading.core.orders import Fill
from trading.core.strategy import (
    Cancel,
    HasLevels,
    LevelKind,
    Order,
    OrderStatus,
    PlaceBuy,
    PlaceSell,
    Position,
    Replace,
    RequestSlot,
    Side,
    SymbolFilters,
    TradeSeen,
)
from trading.strategies import naive, trailing
from trading.strategies.registry import known

FILTERS = SymbolFilters(
    "ETHUSDT", "ETH", "USDT", tick=D("0.01"), step=D("0.01"), min_notional=D(5), fees=Fees.flat(D(0))
)
NAIVE = naive.Settings(
    D("0.01"), D("0.02"), rebuy_interval=D("0.05"), retarget_interval=D("0.03"), stop_loss_interval=D("0.1")
)
TRAILS = replace(NAIVE, stop_loss_interval=None, trailing_stop_interval=D("0.04"))
TRAILING = trailing.Settings(D("0.01"), D("0.02"), D("0.05"))


def order(side: Side, status: OrderStatus, price: str = "100", executed: str = "0") -> Order:
    done = D(executed)
    fills = (Fill(1, D(price), done, D(price) * done, D(0), "ETH", True, 0),) if done else ()
    return Order(f"hh-1-{side}", side, D(price), D(1), status, done, fills)


BOUGHT = order(Side.BUY, OrderStatus.FILLED, executed="1")
BUYING, SELLING = order(Side.BUY, OrderStatus.NEW), order(Side.SELL, OrderStatus.NEW, price="102")


def at(*orders: Order, told: bool = False, **memory: str) -> Position:
    return Position(orders, D(100), has_requested_slot=told, memory=memory)


@pytest.mark.parametrize(
    ("strategy", "settings", "position", "levels"),
    [
        (naive, NAIVE, at(), {}),
        (naive, NAIVE, at(BUYING), {"next_slot": "95", "reprice": "103"}),
        (naive, NAIVE, at(BUYING, told=True), {"reprice": "103"}),
        (naive, NAIVE, at(BOUGHT, SELLING), {"next_slot": "95", "target": "102", "stop_loss": "90"}),
        (naive, TRAILS, at(BOUGHT, SELLING, told=True), {"target": "102", "trailing_stop": "96"}),
        (naive, TRAILS, at(BOUGHT, SELLING, told=True, highest="110"), {"target": "102", "trailing_stop": "105.6"}),
        (naive, NAIVE, at(BOUGHT, told=True, leaves_at="89"), {}),
        (trailing, TRAILING, at(), {}),
        (trailing, TRAILING, at(low="100"), {"buy": "101"}),
        (trailing, TRAILING, at(BUYING), {"next_slot": "95"}),
        (trailing, TRAILING, at(BOUGHT, told=True), {"target": "102"}),
        (trailing, TRAILING, at(BOUGHT, told=True, high="110"), {"target": "102", "sell": "108.9"}),
    ],
)
def test_levels(strategy: HasLevels, settings: object, position: Position, levels: dict[str, str]) -> None:
    found = {each.kind.value: each.price for each in strategy.levels(position, FILTERS, settings)}
    assert found.keys() == levels.keys()
    for kind, price in levels.items():
        # Some must be passed: they lie a hair beside it.
        assert abs(found[kind] - D(price)) < D("0.001"), kind


@pytest.mark.parametrize(
    ("strategy", "settings", "position", "kind", "does"),
    [
        (naive, NAIVE, at(BUYING), LevelKind.NEXT_SLOT, RequestSlot),
        (naive, NAIVE, at(BUYING), LevelKind.REPRICE, Cancel),
        (naive, NAIVE, at(BOUGHT, SELLING, told=True), LevelKind.STOP_LOSS, Replace),
        (naive, TRAILS, at(BOUGHT, SELLING, told=True), LevelKind.TRAILING_STOP, Replace),
        (trailing, TRAILING, at(low="100"), LevelKind.BUY, PlaceBuy),
        (trailing, TRAILING, at(BOUGHT, told=True, high="110"), LevelKind.SELL, PlaceSell),
        (trailing, TRAILING, at(BUYING), LevelKind.NEXT_SLOT, RequestSlot),
    ],
)
def test_a_trade_at_a_level_does_what_it_says_and_one_a_tick_before_it_does_not(
    strategy: HasLevels, settings: object, position: Position, kind: LevelKind, does: type
) -> None:
    price = next(each.price for each in strategy.levels(position, FILTERS, settings) if each.kind == kind)
    before = price + FILTERS.tick if kind in FROM_ABOVE else price - FILTERS.tick

    def at_price(price: D) -> object:
        event = TradeSeen("ETHUSDT", 1, price, 0, 0.0)
        return guard.decide(strategy, position, event, FILTERS, settings)  # type: ignore[arg-type]

    assert isinstance(at_price(price), does)
    assert not isinstance(at_price(before), does)


def test_every_strategy_that_ships_has_levels() -> None:
    assert all(isinstance(strategy, HasLevels) for strategy in known().strategies.values())
