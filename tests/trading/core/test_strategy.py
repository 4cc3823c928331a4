"""What a trader decides, as a table of rows."""

from dataclasses import replace
from decimal import Decimal as D
from importlib import import_module

import pytest

from trading.core import guard, old_names, steps
from trading.core.decisions import ANY_PRICE, Decision, Finish, PlaceBuy, PlaceSell, Triggers, Wait
from trading.core.events import Event, OrderReported, Recheck, TradeSeen
from trading.core.filters import SymbolFilters, violation
from trading.core.journal import Source
from trading.core.money import floor_to, whole_after
from trading.core.orders import Fill, Order, OrderReport, OrderStatus, Side
from trading.core.position import Mode, Position, TraderState, state_of
from trading.strategies import naive
from trading.strategies.naive import Settings

FILTERS = SymbolFilters(
    "XRPUSDT", "XRP", "USDT", tick=D("0.0001"), step=D("0.1"), min_quantity=D("0.1"), min_notional=D(5)
)
SETTINGS = Settings(D("0.0025"), D("0.001"), rebuy_interval=None)
TRADE = TradeSeen("XRPUSDT", 1, D("0.4318301"), 0)
RECHECK = Recheck("test")
NO_ORDER = OrderReport("c", 1, "XRPUSDT", Side.BUY, OrderStatus.REJECTED, D(1), D(1), D(0))


def decide(position: Position, event: Event, filters: SymbolFilters, settings: Settings) -> Decision:
    return guard.decide(naive, position, event, filters, settings)


def triggers(position: Position, settings: Settings = SETTINGS) -> Triggers:
    return guard.triggers(naive, position, FILTERS, settings)


def position(*orders: Order, budget: str = "20", mode: Mode = Mode.ON, told: bool = False, **memory: str) -> Position:
    return Position(orders, D(budget), mode, told, memory)


def order(
    side: Side,
    status: OrderStatus,
    price: str = "0.4307",
    quantity: str = "46.4",
    executed: str = "0",
    commission: str = "0",
    asset: str = "XRP",
) -> Order:
    fills: tuple[Fill, ...] = ()
    if D(executed):
        fills = (Fill(1, D(price), D(executed), D(price) * D(executed), D(commission), asset, True, 0),)
    return Order("c", side, D(price), D(quantity), status, D(executed), fills)


RESTING_BUY = order(Side.BUY, OrderStatus.NEW)
BOUGHT = order(Side.BUY, OrderStatus.FILLED, executed="46.4", commission="0.0464")
SOLD = order(Side.SELL, OrderStatus.FILLED, "0.4319", "46.3", "46.3", "0.01999697", "USDT")


@pytest.mark.parametrize("event", [TRADE, RECHECK, OrderReported(NO_ORDER, Source.REPORT)])
@pytest.mark.parametrize(
    "position",
    [
        position(order(Side.BUY, OrderStatus.SUBMITTING)),
        position(RESTING_BUY),
        position(order(Side.BUY, OrderStatus.PARTIALLY_FILLED, executed="4")),
        position(BOUGHT, order(Side.SELL, OrderStatus.NEW)),
        position(BOUGHT, order(Side.SELL, OrderStatus.PENDING_NEW)),
    ],
)
def test_while_an_order_may_trade_nothing_else_is_placed(position: Position, event: Event) -> None:
    assert isinstance(decide(position, event, FILTERS, SETTINGS), Wait)


def test_next_trade_places_the_buy_a_little_under_it() -> None:
    decision = decide(position(), TRADE, FILTERS, SETTINGS)
    assert isinstance(decision, PlaceBuy)
    assert (decision.price, decision.quantity) == (D("0.4307"), D("46.4"))


def test_the_worked_row_of_the_original() -> None:
    filters = SymbolFilters("S", "B", "Q", tick=D("0.0001"), step=D(1))
    decision = decide(position(budget="10"), TradeSeen("S", 1, D("1.0"), 0), filters, Settings(D("0.01"), D("0.01")))
    assert isinstance(decision, PlaceBuy)
    assert (decision.price, decision.quantity) == (D("0.9900"), D(10))


def test_without_a_price_nothing_is_bought() -> None:
    assert isinstance(decide(position(), RECHECK, FILTERS, SETTINGS), Wait)
    assert triggers(position()) == Triggers(below=ANY_PRICE)


def test_filled_buy_sells_what_is_owned_after_the_commission() -> None:
    decision = decide(position(BOUGHT), RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, PlaceSell)
    # 46.4 - 0.0464, in whole steps
    assert (decision.price, decision.quantity) == (D("0.4319"), D("46.3"))


def test_commission_in_another_asset_leaves_all_of_it_to_sell() -> None:
    bought = order(Side.BUY, OrderStatus.FILLED, executed="46.4", commission="0.0001", asset="BNB")
    bought = replace(bought, fills=(replace(bought.fills[0], commission_quote=D("0.06")),))
    decision = decide(position(bought), RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, PlaceSell)
    assert decision.quantity == D("46.4")


def test_part_of_a_cancelled_buy_is_sold() -> None:
    bought = order(Side.BUY, OrderStatus.CANCELED, executed="20", commission="0.02")
    decision = decide(position(bought), RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, PlaceSell)
    assert decision.quantity == D("19.9")


def test_rest_of_a_cancelled_sale_is_sold() -> None:
    sold = order(Side.SELL, OrderStatus.CANCELED, "0.4319", "46.3", "30", "0.0129", "USDT")
    decision = decide(position(BOUGHT, sold), RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, PlaceSell)
    assert decision.quantity == D("16.3")


def test_nothing_is_sold_before_all_fills_are_known() -> None:
    unknown = replace(BOUGHT, fills=())
    decision = decide(position(unknown), RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, Wait)
    assert decision.needs_fills == unknown


def test_sold_ends_the_cycle_with_the_profit_of_its_fills() -> None:
    decision = decide(position(BOUGHT, SOLD), RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, Finish)
    assert decision.state == TraderState.FINISHED
    # 46.3 x 0.4319 - fee - 46.3/46.3536 of what 46.4 x 0.4307 cost
    assert decision.profit == D("0.01560165")
    assert decision.leftover == D("0.0536")


def test_off_places_nothing_but_a_sale_that_filled_still_ends_the_cycle() -> None:
    off = position(BOUGHT, mode=Mode.OFF)
    assert isinstance(decide(off, RECHECK, FILTERS, SETTINGS), Wait)
    assert isinstance(decide(replace(off, orders=(BOUGHT, SOLD)), RECHECK, FILTERS, SETTINGS), Finish)


BIT = order(Side.BUY, OrderStatus.CANCELED, executed="3", commission="0.003")


def test_less_than_can_ever_be_sold_ends_as_dust_with_the_amount() -> None:
    for filters in (replace(FILTERS, step=D(5)), replace(FILTERS, min_quantity=D("2.998"))):
        decision = decide(position(BIT), RECHECK, filters, SETTINGS)
        assert isinstance(decision, Finish)
        assert (decision.state, decision.leftover) == (TraderState.DUST, D("2.997"))


def test_what_is_worth_too_little_to_be_sold_is_held_and_carried_into_another_buy() -> None:
    stands = position(BIT)
    decision = decide(stands, RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, Wait)
    assert "holding 2.997 XRP, it cannot be sold now" in decision.reason
    assert triggers(stands, SETTINGS) == Triggers(below=ANY_PRICE)
    more = decide(stands, TRADE, FILTERS, SETTINGS)
    assert isinstance(more, PlaceBuy)
    # Both together stay within its budget of 20.
    assert more.quantity == D("43.4")
    assert more.price * more.quantity + stands.spent <= D(20)


def test_what_is_worth_too_little_is_held_where_nothing_is_left_to_buy_more() -> None:
    for stands in (position(BIT, budget="6"), position(BIT, mode=Mode.SHUTDOWN)):
        assert isinstance(decide(stands, TRADE, FILTERS, SETTINGS), Wait)
        assert triggers(stands, SETTINGS) == Triggers()


def test_what_falls_a_little_short_of_a_raised_min_notional_is_offered_a_little_dearer() -> None:
    offered = decide(position(BOUGHT), RECHECK, FILTERS, SETTINGS)
    assert isinstance(offered, PlaceSell)
    worth = offered.price * offered.quantity
    dearer = decide(position(BOUGHT), RECHECK, replace(FILTERS, min_notional=worth * D("1.02")), SETTINGS)
    assert isinstance(dearer, PlaceSell)
    assert dearer.quantity == offered.quantity
    assert worth * D("1.02") <= dearer.price * dearer.quantity < worth * D("1.02") + FILTERS.tick * dearer.quantity
    assert "below the min notional" in dearer.reason
    much = decide(position(BOUGHT), RECHECK, replace(FILTERS, min_notional=worth * D("1.06")), SETTINGS)
    assert isinstance(much, Wait)


def test_nothing_is_bought_that_a_stop_could_not_sell() -> None:
    """A budget of 5.2 where orders begin at 5: after a stop of 5 % it would be 4.93."""
    stops = replace(SETTINGS, stop_loss_interval=D("0.05"))
    for settings, budget, is_bought in (
        (SETTINGS, "5.2", True),
        (stops, "5.2", False),
        (stops, "6.1", True),
        (replace(SETTINGS, trailing_stop_interval=D("0.05")), "5.2", False),
        (replace(stops, exit_slippage=D("0.2")), "5.9", False),
    ):
        decision = decide(position(budget=budget), TRADE, FILTERS, settings)
        assert isinstance(decision, PlaceBuy) == is_bought, (settings, decision)
        assert is_bought or "could not be closed by an exit" in decision.reason


@pytest.mark.parametrize(
    ("quantity", "step", "fee", "whole"),
    [
        ("1.0499", "0.0001", "0.001", "1.0499"),  # 5 % less: not worth it
        ("1.0049", "0.0001", "0.001", "1.0"),
        ("0.0667", "0.0001", "0.001", "0.0667"),
        ("1.0049", "0.0001", "0", "1.0049"),  # paid in BNB: whole anyway
        ("1.6049", "0.0001", "0.00075", "1.6"),
        ("1.0049", "0", "0.001", "1.0049"),
    ],
)
def test_buy_is_sized_so_that_whole_steps_are_left_of_it(quantity: str, step: str, fee: str, whole: str) -> None:
    found = whole_after(D(quantity), D(step), D(fee))
    assert found == D(whole)
    if found != D(quantity):
        assert floor_to(found * (1 - D(fee)), D(step)) == found * (1 - D(fee))


@pytest.mark.parametrize(
    ("filters", "stands", "event", "reason"),
    [
        (replace(FILTERS, is_trading=False, status="HALT"), position(), TRADE, "cannot be traded now"),
        (FILTERS, position(budget="4"), TRADE, "below the min notional"),
        (FILTERS, position(mode=Mode.OFF), TRADE, "off"),
        (replace(FILTERS, max_price=D("0.4")), position(), TRADE, "above the maximum"),
        (replace(FILTERS, max_quantity=D(10)), position(), TRADE, "above the maximum"),
        (replace(FILTERS, tick=D(1)), position(), TRADE, "too low"),
        (FILTERS, position(), replace(TRADE, age_s=60.0), "60 s old"),
        # 40 are worth 17.2; after the commission 30 could be sold, worth 12.9.
        (replace(FILTERS, step=D(10), min_notional=D(15)), position(), TRADE, "could not be sold"),
        (replace(FILTERS, step=D("0.1"), min_quantity=D("46.4")), position(), TRADE, "could not be sold"),
    ],
)
def test_what_can_not_work_waits_and_says_why(
    filters: SymbolFilters, stands: Position, event: Event, reason: str
) -> None:
    decision = decide(stands, event, filters, SETTINGS)
    assert isinstance(decision, Wait)
    assert reason in decision.reason


def test_what_is_believed_of_a_listing_stops_no_sale_and_every_buy() -> None:
    """Nobody knows better than the exchange whether it trades: it is asked."""
    halted = replace(FILTERS, is_trading=False, status="GONE")
    assert isinstance(decide(position(BOUGHT), RECHECK, halted, SETTINGS), PlaceSell)
    decision = decide(position(), TRADE, halted, SETTINGS)
    assert isinstance(decision, Wait)


@pytest.mark.parametrize(
    ("position", "state"),
    [
        (position(), TraderState.WAITING),
        (position(RESTING_BUY), TraderState.BUYING),
        (position(BOUGHT), TraderState.HOLDING),
        (position(BOUGHT, order(Side.SELL, OrderStatus.NEW)), TraderState.SELLING),
    ],
)
def test_state_follows_from_the_orders(position: Position, state: TraderState) -> None:
    assert state_of(position) == state


def test_a_resting_order_waits_for_no_price() -> None:
    assert triggers(position(RESTING_BUY)) == Triggers()
    assert triggers(position(BOUGHT)) == Triggers()


@pytest.mark.parametrize(
    ("price", "quantity", "words"),
    [
        ("0.43075", "46.4", "tick"),
        ("0.4307", "46.45", "step"),
        ("0.4307", "0.0", "below the minimum"),
        ("0", "46.4", "below the minimum"),
        ("0.4307", "11.6", "notional"),
    ],
)
def test_what_the_filters_refuse_is_said_in_words(price: str, quantity: str, words: str) -> None:
    assert words in (violation(FILTERS, Side.BUY, D(price), D(quantity)) or "")


def test_what_the_filters_pass_is_not_refused() -> None:
    assert violation(FILTERS, Side.BUY, D("0.4307"), D("46.4")) is None


OLD_NAMES = {
    "decisions.TellRebuy": "decisions.RequestSlot",
    "events.Nudged": "events.Recheck",
    "filters.Rules": "filters.SymbolFilters",
    "filters.refusal": "filters.violation",
    "risk.Rules": "filters.SymbolFilters",
    "risk.refusal": "filters.violation",
    "risk.too_far": "filters.too_far",
    "steps.MOST_AGE_S": "steps.MAX_AGE_S",
    "steps.buy_under": "steps.buy_below",
    "steps.leave": "steps.exit_position",
    "strategy.Nudged": "strategy.Recheck",
    "strategy.Rules": "strategy.SymbolFilters",
    "strategy.TellRebuy": "strategy.RequestSlot",
}


@pytest.mark.parametrize(("old", "new"), OLD_NAMES.items())
def test_strategies_may_use_the_old_names_for_one_release_and_are_warned(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(name: str) -> object:
        module, _, it = name.partition(".")
        return getattr(import_module(f"trading.core.{module}"), it)

    monkeypatch.setattr(old_names, "used", set())
    with pytest.warns(DeprecationWarning, match=f"trading.core.{old} is now trading.core.{new}") as told:
        assert named(old) is named(new)
    assert told[0].filename == __file__
    assert old_names.used == {f"{__name__} uses trading.core.{old}, which is now trading.core.{new}"}


def test_positions_have_an_old_name_for_one_release_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_names, "used", set())
    with pytest.warns(DeprecationWarning, match="has_told_rebuy is now has_requested_slot"):
        assert Position(has_requested_slot=True).has_told_rebuy


def test_a_name_that_never_was_is_none() -> None:
    with pytest.raises(AttributeError, match=r"module 'trading\.core\.steps' has no attribute 'sell_all'"):
        steps.sell_all  # type: ignore[attr-defined]  # noqa: B018
