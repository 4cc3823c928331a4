"""No unit appears or vanishes, whatever is done in whatever order."""

import contextlib
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from binance_mock.engine.amounts import UNIT, ZERO
from binance_mock.engine.errors import Refused
from binance_mock.engine.matching import Engine, FillRule
from binance_mock.engine.orders import Changes, Fill, MarketTrade, NewOrder, OrderType, SelfTrade, Side, TimeInForce
from binance_mock.engine.rules import read_symbols
from tests.binance_mock.support import INFO, NOW, amounts

# Prices and sizes that meet often, with ticks and steps of each symbol.
GRID = {
    "ETHUSDT": (Decimal("0.01"), Decimal("0.0001"), 300_000),
    "ETHBTC": (Decimal("0.00001"), Decimal("0.0001"), 3330),
    "BNBUSDT": (Decimal("0.01"), Decimal("0.001"), 50_000),
}
symbols = st.sampled_from(sorted(GRID))
offsets = st.integers(-40, 40)
lots = st.integers(1, 30_000)

orders = st.tuples(
    st.just("order"),
    symbols,
    st.sampled_from(Side),
    st.sampled_from(OrderType),
    st.sampled_from(TimeInForce),
    st.sampled_from(SelfTrade),
    offsets,
    lots,
    st.booleans(),
)
trades = st.tuples(st.just("trade"), symbols, offsets, lots, st.booleans())
cancels = st.tuples(st.just("cancel"), st.integers(0, 10))
resets = st.tuples(st.just("reset"))
steps = st.lists(st.one_of(orders, trades, orders, trades, cancels, resets), max_size=40)


def price_at(symbol: str, offset: int) -> Decimal:
    tick, _, middle = GRID[symbol]
    return tick * (middle + offset)


def act(engine: Engine, step: tuple[Any, ...], changes: list[Changes]) -> None:
    match step:
        case ("order", symbol, side, kind, tif, mode, offset, lot, by_quote):
            is_market = kind is OrderType.MARKET
            quantity = GRID[symbol][1] * lot
            price = ZERO if is_market else price_at(symbol, offset)
            quote = quantity if is_market and by_quote else ZERO
            new = NewOrder(
                symbol, side, kind, ZERO if quote else quantity, price,
                tif if kind is OrderType.LIMIT else TimeInForce.GTC, quote, self_trade=mode,
            )  # fmt: skip
            changes.append(engine.place(new, NOW))
        case ("trade", symbol, offset, lot, maker):
            batch = Changes()
            engine.trade(MarketTrade(symbol, price_at(symbol, offset), GRID[symbol][1] * lot, maker), NOW, batch)
            changes.append(batch)
        case ("cancel", number):
            if open_orders := engine.open_orders():
                changes.append(engine.cancel(open_orders[number % len(open_orders)], NOW))
        case _:
            changes.append(engine.reset(amounts(USDT="5000", ETH="2", BTC="0.3", BNB="0.01"), NOW))


def check(engine: Engine) -> None:
    locked: dict[str, Decimal] = {}
    for order in engine.open_orders():
        rules = engine.book(order.symbol).rules
        asset = rules.quote if order.side is Side.BUY else rules.base
        locked[asset] = locked.get(asset, ZERO) + order.locks
    for asset, holding in engine.ledger.holdings.items():
        assert holding.missing == 0, asset
        assert holding.free >= 0, asset
        assert holding.locked == locked.get(asset, ZERO), asset
        assert holding.free % UNIT == 0, asset
    for book in engine.books.values():
        buy, sell = book.best(Side.BUY), book.best(Side.SELL)
        if buy and sell:
            assert buy.price < sell.price, "own orders overlap"


@settings(max_examples=150, deadline=None)
@given(rule=st.sampled_from(FillRule), in_bnb=st.booleans(), steps=steps)
def test_money_out_is_money_in_plus_commissions_after_every_step(
    rule: FillRule, in_bnb: bool, steps: list[tuple[Any, ...]]
) -> None:
    engine = Engine(read_symbols(INFO), fill_rule=rule, fees_in_bnb=in_bnb)
    engine.reset(amounts(USDT="5000", ETH="2", BTC="0.3", BNB="0.01"), NOW)
    changes: list[Changes] = []
    for step in steps:
        with contextlib.suppress(Refused):
            act(engine, step, changes)
        check(engine)
    _check_fills(engine, [fill for each in changes for fill in each.fills])
    _check_ids(changes)


def _check_fills(engine: Engine, fills: list[Fill]) -> None:
    """The commissions in the books are those of the fills, and the market's side is theirs as well."""
    fees: dict[str, Decimal] = {}
    market: dict[str, Decimal] = {}
    for fill in fills:
        rules = engine.book(fill.symbol).rules
        sign = 1 if fill.is_buyer else -1
        fees[fill.commission_asset] = fees.get(fill.commission_asset, ZERO) + fill.commission
        market[rules.base] = market.get(rules.base, ZERO) - sign * fill.quantity
        market[rules.quote] = market.get(rules.quote, ZERO) + sign * fill.quote_quantity
    for asset, holding in engine.ledger.holdings.items():
        assert holding.fees == fees.get(asset, ZERO)
        assert holding.market == market.get(asset, ZERO)


def _check_ids(changes: list[Changes]) -> None:
    """Trade ids rise by one within a symbol, and each fill has the id of the public trade that shows it."""
    last: dict[str, int] = {}
    for each in changes:
        shown = {(t.symbol, t.trade_id): t for t in each.trades}
        for public in each.trades:
            assert public.trade_id == last.get(public.symbol, 0) + 1
            last[public.symbol] = public.trade_id
        for fill in each.fills:
            assert shown[fill.symbol, fill.trade_id].quantity == fill.quantity
    executions = [report.execution_id for each in changes for report in each.reports]
    assert executions == sorted(set(executions))


@settings(max_examples=100, deadline=None)
@given(
    quantities=st.lists(lots, min_size=1, max_size=12),
    traded=st.lists(st.tuples(offsets, lots), min_size=1, max_size=12),
)
def test_a_market_trade_never_fills_more_than_it_traded(quantities: list[int], traded: list[tuple[int, int]]) -> None:
    engine = Engine(read_symbols(INFO), fill_rule=FillRule.TOUCH)
    engine.reset(amounts(USDT="100000000"), NOW)
    step = GRID["ETHUSDT"][1]
    for i, lot in enumerate(quantities):
        engine.place(NewOrder("ETHUSDT", Side.BUY, OrderType.LIMIT, step * (lot + 100), price_at("ETHUSDT", -i)), NOW)
    for offset, lot in traded:
        changes = Changes()
        engine.trade(MarketTrade("ETHUSDT", price_at("ETHUSDT", offset), step * lot, True), NOW, changes)
        assert sum(fill.quantity for fill in changes.fills) <= step * lot
        assert sum(public.quantity for public in changes.trades) == step * lot
        prices = [fill.price for fill in changes.fills]
        assert prices == sorted(prices, reverse=True)
