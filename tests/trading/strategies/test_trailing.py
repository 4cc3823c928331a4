"""What the trailing strategy decides: as rows, and over markets of all kinds."""

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.core import guard
from trading.core.fees import Fees
from trading.core.orders import Fill
from trading.core.steps import sale_price
from trading.core.strategy import (
    ANY_PRICE,
    Cancel,
    Decision,
    Finish,
    Memory,
    Order,
    OrderStatus,
    PlaceBuy,
    PlaceSell,
    Position,
    Recheck,
    RequestSlot,
    Side,
    Strategy,
    SymbolFilters,
    TraderState,
    TradeSeen,
    Triggers,
    Wait,
)
from trading.strategies import trailing
from trading.strategies.trailing import Settings

# Trail 1 %, followed in steps of 0.1 %; without commissions 2 % profit from 100 is 102.
FILTERS = SymbolFilters(
    "ETHUSDT", "ETH", "USDT", tick=D("0.01"), step=D("0.01"), min_notional=D(5), fees=Fees.flat(D(0))
)
SETTINGS = Settings(D("0.01"), D("0.02"), D("0.05"))
STRATEGY: Strategy = trailing


def order(side: Side, status: OrderStatus, price: str = "100", executed: str = "0") -> Order:
    done = D(executed)
    fills = (Fill(1, D(price), done, D(price) * done, D(0), "ETH", True, 0),) if done else ()
    return Order(f"hh-1-{side}", side, D(price), D(1), status, done, fills)


BOUGHT = order(Side.BUY, OrderStatus.FILLED, executed="1")
RESTING_BUY = order(Side.BUY, OrderStatus.NEW)


def at(*orders: Order, told: bool = False, **memory: str) -> Position:
    return Position(orders, D(100), has_requested_slot=told, memory=memory)


def see(position: Position, price: str, age_s: float = 0.0) -> Decision:
    return guard.decide(STRATEGY, position, TradeSeen("ETHUSDT", 1, D(price), 0, age_s), FILTERS, SETTINGS)


@pytest.mark.parametrize(
    ("position", "price", "remembers"),
    [
        (at(), "100", {"low": "100"}),
        (at(low="100"), "99.9", {"low": "99.9"}),
        (at(low="100"), "100", None),
        (at(low="100"), "100.99", None),
        (at(low="100"), "103", {"low": "103"}),  # Far over it: there is nothing to follow any more.
        (at(BOUGHT), "101.99", None),
        (at(BOUGHT), "102", {"high": "102"}),
        (at(BOUGHT, high="102"), "103.5", {"high": "103.5"}),
        (at(BOUGHT, high="102"), "101", None),
        (at(BOUGHT, high="110"), "108.91", None),
        (at(RESTING_BUY, low="99"), "101", None),
        (at(BOUGHT, order(Side.SELL, OrderStatus.NEW, "108"), high="110"), "107", None),
        (at(BOUGHT, order(Side.SELL, OrderStatus.NEW, "102"), high="110"), "96", None),  # At its floor it waits.
    ],
)
def test_it_waits_and_remembers_how_far_the_price_went(position: Position, price: str, remembers: Memory) -> None:
    decision = see(position, price)
    assert isinstance(decision, Wait)
    assert decision.memory == remembers
    assert decision.reason


def test_it_buys_at_the_market_once_that_has_risen_by_the_trail_over_the_low() -> None:
    decision = see(at(low="99"), "99.99")
    assert isinstance(decision, PlaceBuy)
    assert (decision.price, decision.quantity) == (D("99.99"), D("1.00"))
    assert decision.reason == "99.99 is 1 % above the low of 99"


@pytest.mark.parametrize(
    ("high", "price", "sells_at"),
    [
        ("110", "108.9", "108.79"),  # A tenth of the trail under the market.
        ("110", "105", "104.89"),
        ("103", "101.9", "102"),  # The market is under its floor already: it rests there.
        ("110", "90", "102"),
    ],
)
def test_it_sells_a_trail_under_the_high_and_never_under_its_floor(high: str, price: str, sells_at: str) -> None:
    decision = see(at(BOUGHT, high=high, told=True), price)
    assert isinstance(decision, PlaceSell)
    assert (decision.price, decision.quantity, decision.is_market) == (D(sells_at), D(1), False)


def test_an_order_that_the_market_leaves_a_trail_behind_is_cancelled() -> None:
    buy = see(at(RESTING_BUY, low="99"), "101.01")
    assert isinstance(buy, Cancel)
    assert (buy.order, buy.memory) == (RESTING_BUY, {})  # It follows anew, from wherever the market is then.
    resting = order(Side.SELL, OrderStatus.NEW, "108")
    sale = see(at(BOUGHT, resting, high="110", told=True), "106.9")
    assert isinstance(sale, Cancel)
    assert (sale.order, sale.memory) == (resting, None)  # It goes on from the same high.


def test_a_sale_that_has_begun_to_fill_stays() -> None:
    resting = order(Side.SELL, OrderStatus.PARTIALLY_FILLED, "108", executed="0.5")
    assert isinstance(see(at(BOUGHT, resting, high="110", told=True), "103"), Wait)


@pytest.mark.parametrize(
    "position",
    [at(RESTING_BUY), at(BOUGHT), at(BOUGHT, order(Side.SELL, OrderStatus.NEW, "102"), high="103")],
)
def test_rebuy_is_told_under_its_interval_and_once(position: Position) -> None:
    assert isinstance(see(position, "95"), Wait)
    assert isinstance(see(position, "94.99"), RequestSlot)
    assert isinstance(see(replace(position, has_requested_slot=True), "94.99"), Wait)


def test_without_a_fresh_price_nothing_is_followed() -> None:
    old = see(at(), "100", age_s=60)
    assert isinstance(old, Wait)
    assert "60 s old" in old.reason
    assert old.memory is None
    for position in (at(), at(low="100"), at(BOUGHT), at(BOUGHT, high="110"), at(RESTING_BUY)):
        decision = guard.decide(STRATEGY, position, Recheck("test"), FILTERS, SETTINGS)
        assert isinstance(decision, Wait)
        assert decision.memory is None


def test_what_is_sold_ends_the_cycle_and_too_little_is_made_more() -> None:
    sold = order(Side.SELL, OrderStatus.FILLED, "108", executed="1")
    ended = see(at(BOUGHT, sold, high="110"), "108")
    assert isinstance(ended, Finish)
    assert (ended.state, ended.profit, ended.leftover) == (TraderState.FINISHED, D(8), D(0))
    bit = order(Side.BUY, OrderStatus.CANCELED, executed="0.04")
    more = see(at(bit), "100")
    assert isinstance(more, PlaceBuy)
    assert more.price * more.quantity + at(bit).spent <= at(bit).budget


@pytest.mark.parametrize(
    ("position", "below", "above"),
    [
        (at(), ANY_PRICE, None),
        (at(low="100"), D("99.9"), D(101)),
        (at(RESTING_BUY), D("94.99999999"), D("101.00000001")),
        (at(RESTING_BUY, told=True), None, D("101.00000001")),
        (at(BOUGHT), D("94.99999999"), D(102)),
        (at(BOUGHT, high="110"), D("108.9"), D("110.11")),
        (at(BOUGHT, order(Side.SELL, OrderStatus.NEW, "108"), high="110"), D("106.91999999"), None),
        (at(BOUGHT, order(Side.SELL, OrderStatus.NEW, "102"), high="110"), D("94.99999999"), None),
        (at(BOUGHT, order(Side.SELL, OrderStatus.NEW, "102"), high="110", told=True), None, None),
    ],
)
def test_only_prices_that_change_something_wake_it(position: Position, below: D | None, above: D | None) -> None:
    assert guard.triggers(STRATEGY, position, FILTERS, SETTINGS) == Triggers(below, above)


# --- markets of all kinds ---------------------------------------------------------------------------

MOVES = st.lists(st.integers(-300, 300), min_size=1, max_size=120)  # in hundredths of a per cent
INTERVALS = st.integers(1, 300).map(lambda each: D(each).scaleb(-4))
ALL_FILTERS = st.builds(
    lambda tick, fee: replace(FILTERS, tick=tick, fees=Fees.flat(fee)),
    st.sampled_from([D("0.01"), D("0.1"), D(1)]),
    st.sampled_from([D(0), D("0.001")]),
)


class Walk:
    """One trader in a market of its own: woken only where its triggers say so, its orders filled where they cross."""

    def __init__(self, filters: SymbolFilters, settings: Settings, always_wakes: bool) -> None:
        self.filters, self.settings, self.always_wakes = filters, settings, always_wakes
        self.position = Position(budget=D(1000))
        self.state: TraderState | None = None
        self.profit = D(0)
        self.looks = 0

    def trade(self, price: D) -> None:
        self._fill(price)
        if self.state is not None or not (self.always_wakes or self._triggers().are_crossed_by(price)):
            return
        self.looks += 1
        seen = TradeSeen("ETHUSDT", self.looks, price, 0)
        decision = guard.decide(STRATEGY, self.position, seen, self.filters, self.settings)
        memory = getattr(decision, "memory", None)
        if memory is not None:
            self.position = replace(self.position, memory=memory)
        match decision:
            case PlaceBuy(at, quantity) | PlaceSell(at, quantity):
                self._place(Side.BUY if isinstance(decision, PlaceBuy) else Side.SELL, at, quantity, price)
            case Cancel(order=resting):
                self._change(replace(resting, status=OrderStatus.CANCELED))
            case RequestSlot():
                assert not self.position.has_requested_slot
                self.position = replace(self.position, has_requested_slot=True)
            case Finish():
                self.state, self.profit = decision.state, decision.profit

    def _triggers(self) -> Triggers:
        return guard.triggers(STRATEGY, self.position, self.filters, self.settings)

    def _place(self, side: Side, limit: D, quantity: D, market: D) -> None:
        assert self.position.open_order is None
        if side == Side.BUY:
            assert self.position.bought == 0
            assert limit <= market
            assert limit * quantity <= self.position.budget
        else:
            assert limit >= sale_price(self.position, self.settings.profit_interval, self.filters, takes=True)
        name = f"hh-{len(self.position.orders)}"
        placed = Order(name, side, limit, quantity, OrderStatus.NEW)
        self.position = replace(self.position, orders=(*self.position.orders, placed))
        self._fill(market)

    def _fill(self, price: D) -> None:
        resting = self.position.open_order
        if resting is None or (price > resting.price if resting.side == Side.BUY else price < resting.price):
            return
        is_buy = resting.side == Side.BUY
        fee = self.filters.maker_fee * resting.quantity * (1 if is_buy else resting.price)
        quote = resting.price * resting.quantity
        fill = Fill(
            len(self.position.orders),
            resting.price,
            resting.quantity,
            quote,
            fee,
            "ETH" if is_buy else "USDT",
            True,
            0,
        )
        self._change(replace(resting, status=OrderStatus.FILLED, executed=resting.quantity, fills=(fill,)))

    def _change(self, order: Order) -> None:
        orders = tuple(
            order if each.client_order_id == order.client_order_id else each for each in self.position.orders
        )
        # Only what has traded is looked at again.
        kept = tuple(each for each in orders if each.status.is_open or each.executed)
        self.position = replace(self.position, orders=kept)


@given(MOVES, ALL_FILTERS, st.builds(Settings, INTERVALS, INTERVALS, st.none() | INTERVALS), st.booleans())
def test_it_never_sells_under_its_floor_nor_has_two_orders(
    moves: list[int], filters: SymbolFilters, settings: Settings, always_wakes: bool
) -> None:
    walk, price = Walk(filters, settings, always_wakes), D(1000)
    for move in moves:
        price = max(filters.tick, (price * (1 + D(move).scaleb(-4))) // filters.tick * filters.tick)
        walk.trade(price)
    if walk.state == TraderState.FINISHED:
        # What ticks and the cut of the fourth decimal take: less than a tick for each unit.
        assert walk.profit > -filters.tick * 2


def test_a_long_move_wakes_it_some_ten_times_a_trail() -> None:
    walk, price = Walk(FILTERS, SETTINGS, always_wakes=False), D(1000)
    for _ in range(1000):  # Ten per cent down, a hundredth of a per cent at a time.
        price -= D("0.1")
        walk.trade(price)
    assert 90 < walk.looks < 110
    assert D(walk.position.memory["low"]) * D("0.999") <= price
    while walk.position.bought == 0:
        price += D("0.1")
        walk.trade(price)
    assert D(908) < price < D("910.5")  # 1 % over the low, and at most a tenth of that late


def test_it_sleeps_through_what_changes_nothing() -> None:
    """What an unwoken look would have brought: nothing but a low or a high that is less than a step further."""
    for position in (at(low="100"), at(RESTING_BUY), at(BOUGHT), at(BOUGHT, high="110")):
        crossed = guard.triggers(STRATEGY, position, FILTERS, SETTINGS)
        for cents in range(8_500, 12_000, 3):
            price = D(cents).scaleb(-2)
            if not crossed.are_crossed_by(price):
                decision = see(position, str(price))
                assert isinstance(decision, Wait), price
                moved = {what: D(to) / D(position.memory[what]) for what, to in (decision.memory or {}).items()}
                assert all(D("0.999") <= factor <= D("1.001") for factor in moved.values()), price
