"""What a person's hand makes of a trader's next step, as a table: an instruction, a position, and the decision."""

from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from trading.core import by_hand
from trading.core.by_hand import Done, carry_out
from trading.core.decisions import Cancel, PlaceBuy, PlaceSell, Replace, Triggers, Wait
from trading.core.events import Recheck, TradeSeen
from trading.core.filters import SymbolFilters
from trading.core.hand import Deed, Hand, Pause, Told
from trading.core.orders import Fill, Order, OrderStatus, Side
from trading.core.position import Mode, Position
from trading.strategies import naive, trailing

FILTERS = SymbolFilters("ETHUSDT", "ETH", "USDT", D("0.01"), D("0.0001"), min_notional=D(5), allows_replacing=True)
LOOK = Recheck("anna")
SELL = Told(Deed.SELL, "anna", D(3000), D(2985))


def order(side: Side, price: str, quantity: str, executed: str = "", status: str = "", **more: Any) -> Order:
    """As executed as it says, with its fill."""
    done = D(executed or "0")
    state = OrderStatus(status or ("FILLED" if done == D(quantity) else "NEW"))
    fills = (Fill(1, D(price), done, D(price) * done, D(0), "", True, 1),) if done else ()
    return Order(f"{side}-{price}", side, D(price), D(quantity), state, done, fills, **more)


BOUGHT = order(Side.BUY, "3000", "0.1", "0.1")
OFFERED = order(Side.SELL, "3010", "0.1")


def position(*orders: Order, **hand: Any) -> Position:
    return Position(orders, budget=D(400), hand=Hand(**hand))


def seen(price: str) -> TradeSeen:
    return TradeSeen("ETHUSDT", 1, D(price), 0)


def sent(status: str) -> Told:
    return replace(SELL, order="sent", status=OrderStatus(status))


@pytest.mark.parametrize(
    ("told", "orders", "wanted"),
    [
        (SELL, (BOUGHT, OFFERED), Cancel(OFFERED, "anna sells now")),
        (
            SELL,
            (BOUGHT,),
            PlaceSell(D(2985), D("0.1"), "anna sells now, at 2985 or above", is_exit=True, is_ioc=True),
        ),
        (
            replace(SELL, bound=None),
            (BOUGHT,),
            PlaceSell(D(3000), D("0.1"), "anna sells now, at the market", is_market=True, is_exit=True),
        ),
        (SELL, (), Done("it holds nothing")),
        (SELL, (BOUGHT, order(Side.SELL, "3010", "0.1", "0.1")), Done("all is sold")),
        # What is worth too little stays, and is no reason to ask again and again.
        (SELL, (order(Side.BUY, "3000", "0.001", "0.001"),), Done),
        # Nothing of it can have traded: once more. What expired has found nobody who takes it.
        (sent("REJECTED"), (BOUGHT,), PlaceSell),
        (sent("NOT_PLACED"), (BOUGHT,), PlaceSell),
        (sent("FILLED"), (BOUGHT,), PlaceSell),
        (sent("EXPIRED"), (BOUGHT,), Done("0.1 ETH left: no more could be had at 2985 or above")),
        (Told(Deed.CANCEL, "anna", D(3000)), (order(Side.BUY, "2990", "0.1"),), Cancel),
        (Told(Deed.CANCEL, "anna", D(3000)), (BOUGHT, OFFERED), Done("it has no open buy")),
        (
            Told(Deed.BUY, "anna", D(3000), D(3015)),
            (),
            PlaceBuy(D(3015), D("0.1326"), "anna buys now, at 3015 or below", is_ioc=True),
        ),
        (Told(Deed.BUY, "anna", D(3000), D(3015), "sent", OrderStatus.EXPIRED), (), Done),
        (None, (BOUGHT,), None),
    ],
)
def test_a_step_of_what_was_told(told: Told | None, orders: tuple[Order, ...], wanted: Any) -> None:
    found = carry_out(position(*orders, told=told), LOOK, FILTERS)
    assert isinstance(found, wanted) if isinstance(wanted, type) else found == wanted


@pytest.mark.parametrize(
    "unsettled",
    [
        replace(OFFERED, cancel_reason="anna sells now"),
        replace(OFFERED, status=OrderStatus.SUBMITTING),
        replace(OFFERED, status=OrderStatus.CANCELED, executed=D("0.04")),
    ],
    ids=["being cancelled", "not answered", "fills not known"],
)
def test_nothing_is_sold_before_the_end_and_all_fills_of_what_rested_are_known(unsettled: Order) -> None:
    assert isinstance(carry_out(position(BOUGHT, unsettled, told=SELL), LOOK, FILTERS), Wait)


def test_what_is_off_ends_what_was_told() -> None:
    off = replace(position(BOUGHT, told=SELL), mode=Mode.OFF)
    assert carry_out(off, LOOK, FILTERS) == Done("trading is off for this symbol")


@pytest.mark.parametrize(("strategy", "settings"), [(naive, naive.Settings()), (trailing, trailing.Settings())])
class TestWhateverTheStrategy:
    def test_a_target_is_offered_and_kept(self, strategy: Any, settings: Any) -> None:
        held = position(BOUGHT, target=D(3100))
        sale = by_hand.decide(strategy, held, LOOK, FILTERS, settings)
        assert isinstance(sale, PlaceSell)
        assert (sale.price, sale.quantity) == (D(3100), D("0.1"))
        moved = by_hand.decide(strategy, position(BOUGHT, OFFERED, target=D(3100)), LOOK, FILTERS, settings)
        assert isinstance(moved, Replace)
        assert moved.by.price == D(3100)
        there = position(BOUGHT, order(Side.SELL, "3100", "0.1"), target=D(3100))
        assert not isinstance(by_hand.decide(strategy, there, seen("3005"), FILTERS, settings), Cancel | Replace)

    def test_a_stop_is_a_trigger_and_tells_it_to_sell(self, strategy: Any, settings: Any) -> None:
        held = position(BOUGHT, OFFERED, stop=D(2900))
        armed = by_hand.triggers(strategy, held, FILTERS, settings)
        assert armed.below is not None
        assert armed.below >= D("2899.99999999")
        assert by_hand.stopped(held, seen("2900")) is None
        assert by_hand.stopped(held, seen("2899")) == Told(Deed.SELL, "its stop at 2900", D(2899))
        assert by_hand.stopped(replace(held, hand=replace(held.hand, pause=Pause.ALL)), seen("2899")) is None

    def test_paused_with_its_sales_it_places_nothing(self, strategy: Any, settings: Any) -> None:
        for event in (LOOK, seen("2000"), seen("4000")):
            found = by_hand.decide(strategy, position(BOUGHT, pause=Pause.ALL), event, FILTERS, settings)
            assert isinstance(found, Wait)


def test_a_moved_stop_stands_in_the_place_of_the_strategys() -> None:
    settings = naive.Settings(rebuy_interval=None, stop_loss_interval=D("0.01"))
    strict = position(BOUGHT, OFFERED)
    assert isinstance(by_hand.decide(naive, strict, seen("2960"), FILTERS, settings), Replace)
    lower = position(BOUGHT, OFFERED, stop=D(2900))
    assert by_hand.decide(naive, lower, seen("2960"), FILTERS, settings) == Wait("its stop was moved by hand to 2900")
    # The price that wakes it next is its own, not the one that has come and led to nothing.
    assert by_hand.triggers(naive, lower, FILTERS, settings, D(2960)) == Triggers(below=D("2899.99999999"))


def test_a_paused_buy_is_not_cancelled_to_be_placed_anew() -> None:
    settings = naive.Settings(retarget_interval=D("0.01"))
    resting = order(Side.BUY, "2990", "0.1")
    assert isinstance(by_hand.decide(naive, position(resting), seen("3100"), FILTERS, settings), Cancel)
    paused = position(resting, pause=Pause.BUYS)
    assert isinstance(by_hand.decide(naive, paused, seen("3100"), FILTERS, settings), Wait)
