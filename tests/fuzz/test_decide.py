"""Decisions over positions and filters of all kinds: never more sold than owned, nor more bought than the budget."""

from decimal import Decimal
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.conftest import BOUNDED
from trading.core import guard
from trading.core.events import Event, OrderReported, Recheck, TradeSeen
from trading.core.fees import Fees
from trading.core.filters import SymbolFilters, violation
from trading.core.journal import Source
from trading.core.money import floor_to
from trading.core.orders import Fill, Order, OrderReport, OrderStatus, Side
from trading.core.strategy import Cancel, Decision, Finish, Mode, PlaceBuy, PlaceSell, Position, RequestSlot, Wait
from trading.strategies import naive

UNIT = Decimal("0.00000001")


def amounts(minimum: str, top: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(minimum), Decimal(top), places=8, allow_nan=False, allow_infinity=False)


STEPS = st.sampled_from([Decimal(0), *(Decimal(10) ** -places for places in range(-1, 9))])
FEES = st.sampled_from([Decimal(0), Decimal("0.001"), Decimal("0.00075"), Decimal("0.02")])
BOUNDS = st.just(Decimal(0)) | amounts("0.00000001", "1000")


@st.composite
def all_filters(draw: st.DrawFn) -> SymbolFilters:
    return SymbolFilters(
        "ETHUSDT",
        "ETH",
        "USDT",
        tick=draw(STEPS),
        step=draw(STEPS),
        min_price=draw(BOUNDS),
        max_price=draw(BOUNDS),
        min_quantity=draw(BOUNDS),
        max_quantity=draw(BOUNDS),
        min_notional=draw(BOUNDS),
        max_notional=draw(BOUNDS),
        fees=Fees(draw(FEES), draw(FEES), draw(FEES), draw(FEES)),
        is_trading=draw(st.booleans()),
    )


@st.composite
def orders(draw: st.DrawFn, side: Side, top: Decimal) -> Order:
    """An order of at most this quantity, with some or all of its fills known, and a commission in some asset."""
    quantity = draw(amounts("0.00000001", "1000").filter(lambda number: number <= top)) if top < 1000 else draw(
        amounts("0.00000001", "1000")
    )  # fmt: skip
    status = draw(st.sampled_from(sorted(set(OrderStatus) - {OrderStatus.REJECTED, OrderStatus.NOT_PLACED})))
    executed = (
        quantity
        if status == OrderStatus.FILLED
        else draw(st.sampled_from([Decimal(0), (quantity / 2).quantize(UNIT)]))
    )
    price = draw(amounts("0.00000001", "100000"))
    is_known = draw(st.booleans())
    asset = draw(st.sampled_from(["ETH", "USDT", "BNB"]))
    commission = (executed / 1000).quantize(UNIT) if draw(st.booleans()) else Decimal(0)
    fill = Fill(1, price, executed, (price * executed).quantize(UNIT), commission, asset, True, 1)
    return Order("hh-1-x-1", side, price, quantity, status, executed, (fill,) if executed and is_known else ())


@st.composite
def positions(draw: st.DrawFn) -> Position:
    buys = draw(st.lists(orders(Side.BUY, Decimal(1000)), max_size=2))
    bought = sum((order.executed for order in buys), Decimal(0))
    sells = draw(st.lists(orders(Side.SELL, bought), max_size=1)) if bought else []
    memory = draw(st.sampled_from([{}, {naive.HIGHEST: "70000"}, {naive.LEAVES_AT: "0.5"}]))
    modes = st.sampled_from(Mode)
    return Position((*buys, *sells), draw(amounts("0.01", "100000")), draw(modes), draw(st.booleans()), memory)


@st.composite
def events(draw: st.DrawFn) -> Event:
    price = draw(amounts("0.00000001", "100000"))
    report = OrderReport(
        "hh-1-b-1", 1, "ETHUSDT", draw(st.sampled_from(Side)), draw(st.sampled_from(OrderStatus)), price, price, price
    )
    trade = TradeSeen("ETHUSDT", 1, price, 1, draw(st.sampled_from([0.0, 9.9, 11.0])))
    kinds: list[Event] = [trade, Recheck("again"), Recheck("again", True), OrderReported(report, Source.REPORT)]
    return draw(st.sampled_from(kinds))


INTERVALS = st.none() | amounts("0.00000001", "0.49")
SETTINGS = st.builds(
    naive.Settings,
    amounts("0.00000001", "0.01"),
    amounts("0.00000001", "0.99"),
    INTERVALS,
    st.none() | amounts("0.02", "0.49"),
    INTERVALS,
    INTERVALS,
    INTERVALS,
)


@BOUNDED
@given(positions(), events(), all_filters(), SETTINGS)
def test_every_decision_keeps_to_what_is_owned_and_to_the_budget(
    position: Position, event: Event, filters: SymbolFilters, settings: naive.Settings
) -> None:
    decision = guard.decide(naive, position, event, filters, settings)
    assert isinstance(decision, get_args(Decision))
    assert guard.decide(naive, position, event, filters, settings) == decision
    is_clear = position.open_order is None and all(order.is_whole for order in position.orders)
    if isinstance(decision, PlaceBuy | PlaceSell):
        assert decision.price % UNIT == decision.quantity % UNIT == 0
    match decision:
        case PlaceBuy(price, quantity):
            assert is_clear
            assert position.mode == Mode.ON
            assert position.bought == 0
            assert price * quantity <= position.budget
            assert isinstance(event, TradeSeen)
            assert price <= event.price
            assert violation(filters, Side.BUY, price, quantity) is None
        case PlaceSell(price, quantity):
            assert is_clear
            assert position.mode != Mode.OFF
            assert 0 < quantity <= position.owned("ETH")
            assert floor_to(quantity, filters.step) == quantity
            assert violation(filters, Side.SELL, price, quantity) is None
        case Cancel(order, reason):
            assert order == position.open_order
            assert position.mode != Mode.OFF
            assert isinstance(event, TradeSeen)
            assert reason
        case RequestSlot():
            assert position.mode == Mode.ON
            assert not position.has_requested_slot
        case Finish(leftover=leftover):
            assert is_clear
            assert leftover == position.owned("ETH")
        case Wait(reason):
            assert reason
