"""Rebuy, retarget and both stops, as tables: a threshold must be passed, and is passed once."""

from dataclasses import replace
from decimal import Decimal as D
from decimal import getcontext
from typing import Any

import pytest

from tests.trading.core.test_strategy import BOUGHT, RECHECK, SETTINGS, SOLD, TRADE, decide, order, position, triggers
from tests.trading.core.test_strategy import FILTERS as XRP_FILTERS
from trading.core import guard
from trading.core.decisions import Cancel, Decision, Finish, PlaceBuy, PlaceSell, Replace, RequestSlot, Triggers, Wait
from trading.core.events import OrderReported, TradeSeen
from trading.core.filters import SymbolFilters
from trading.core.journal import Source
from trading.core.orders import OrderReport, OrderStatus, Side
from trading.core.position import Mode, Position, TraderState
from trading.strategies.naive import HIGHEST, LEAVES_AT, Settings

FILTERS = SymbolFilters("S", "B", "Q", tick=D("0.0001"), step=D(1))
UNIT = D("0.00000001")
BUY = replace(order(Side.BUY, OrderStatus.NEW, "1.00", "20"), client_order_id="b")
PART = replace(order(Side.BUY, OrderStatus.PARTIALLY_FILLED, "1.00", "20", "5", "0", "B"), client_order_id="b")
HELD = order(Side.BUY, OrderStatus.FILLED, "1.00", "20", "20", "0", "B")
SELL = replace(order(Side.SELL, OrderStatus.NEW, "1.0120", "20"), client_order_id="s")
REBUYS = replace(SETTINGS, rebuy_interval=D("0.1"))
FOLLOWS = replace(SETTINGS, retarget_interval=D("0.02"))
STOPS = replace(SETTINGS, stop_loss_interval=D("0.05"))
LIMITED = replace(STOPS, exit_slippage=D("0.01"))
EXIT = replace(SELL, price=D("0.94"))
TRAILS = replace(SETTINGS, trailing_stop_interval=D("0.05"))


def at(price: str) -> TradeSeen:
    return TradeSeen("S", 1, D(price), 0)


def said(decision: Decision) -> str:
    return type(decision).__name__


def test_the_original_s_row_of_the_sale() -> None:
    """Filled buy 1.00, profit 1 % -> SELL 1.0120: after 0.1 % of commission on both sides."""
    held = order(Side.BUY, OrderStatus.FILLED, "1.00", "20", "20", "0.02", "B")
    decision = decide(position(held), RECHECK, FILTERS, replace(SETTINGS, profit_interval=D("0.01")))
    assert isinstance(decision, PlaceSell)
    assert (decision.price, decision.quantity, decision.is_market) == (D("1.0120"), D(19), False)


@pytest.mark.parametrize(
    ("stands", "price", "settings", "expected"),
    [
        # rebuy: strictly under buy * (1 - 10 %), while it holds or waits with its buy, once
        (position(BUY), ".89", REBUYS, RequestSlot),
        (position(PART), ".89", REBUYS, RequestSlot),
        (position(HELD, SELL), ".89", REBUYS, RequestSlot),
        (position(HELD, SELL), ".9", REBUYS, Wait),
        (position(HELD, SELL), ".89999999", REBUYS, RequestSlot),
        (position(HELD, SELL, told=True), ".89", REBUYS, Wait),
        (position(HELD, SELL, mode=Mode.SHUTDOWN), ".89", REBUYS, Wait),
        (position(HELD, SELL, mode=Mode.OFF), ".89", REBUYS, Wait),
        (position(HELD, SELL), ".1", SETTINGS, Wait),
        (position(order(Side.BUY, OrderStatus.SUBMITTING, "1.00", "20")), ".89", REBUYS, Wait),
        # retarget: a buy that was left more than 2 % behind
        (position(BUY), "1.02", FOLLOWS, Wait),
        (position(BUY), "1.0201", FOLLOWS, Cancel),
        (position(PART), "1.0201", FOLLOWS, Cancel),
        (position(BUY, mode=Mode.SHUTDOWN), "1.0201", FOLLOWS, Cancel),
        (position(BUY, mode=Mode.OFF), "1.0201", FOLLOWS, Wait),
        (position(replace(BUY, cancel_reason="left behind")), "1.03", FOLLOWS, Wait),
        (position(order(Side.BUY, OrderStatus.SUBMITTING, "1.00", "20")), "1.03", FOLLOWS, Wait),
        (position(BUY), "9", SETTINGS, Wait),
        (position(HELD, SELL), "1.0201", FOLLOWS, Wait),
        # stop-loss: strictly under buy * (1 - 5 %)
        (position(HELD, SELL), ".95", STOPS, Wait),
        (position(HELD, SELL), ".9499", STOPS, Replace),
        (position(HELD, SELL, mode=Mode.SHUTDOWN), ".9499", STOPS, Replace),
        (position(HELD, SELL, mode=Mode.OFF), ".9499", STOPS, Wait),
        (position(BUY), ".5", STOPS, Wait),
        (position(HELD, replace(SELL, cancel_reason="stop-loss")), ".9", STOPS, Wait),
        # trailing stop: strictly under the highest since * (1 - 5 %), which is at first the buy
        (position(HELD, SELL), ".95", TRAILS, Wait),
        (position(HELD, SELL), ".9499", TRAILS, Replace),
        (position(HELD, SELL, highest="1.01"), ".9595", TRAILS, Wait),
        (position(HELD, SELL, highest="1.01"), ".9594", TRAILS, Replace),
        # where both are set the higher one counts
        (position(HELD, SELL), ".9499", replace(STOPS, trailing_stop_interval=D("0.1")), Replace),
        (position(HELD, SELL), ".9499", replace(TRAILS, stop_loss_interval=D("0.1")), Replace),
        # one that is gone through by a limit is followed down
        (position(HELD, EXIT, leaves_at=".949"), ".9306", LIMITED, Wait),
        (position(HELD, EXIT, leaves_at=".949"), ".9305", LIMITED, Replace),
    ],
)  # fmt: skip
def test_prices_and_what_follows(stands: Position, price: str, settings: Settings, expected: type) -> None:
    decision = decide(stands, at(price), FILTERS, settings)
    assert said(decision) == expected.__name__
    # Whatever woke it wakes it again only where something follows from it.
    armed = triggers(stands, settings)
    if expected in (Cancel, Replace, RequestSlot):
        assert armed.are_crossed_by(D(price))
    if expected is Wait and stands.mode == Mode.ON:
        assert not armed.are_crossed_by(D(price))


def test_stop_is_told_before_a_rebuy() -> None:
    both = replace(STOPS, rebuy_interval=D("0.01"))
    assert said(decide(position(HELD, SELL), at(".9"), FILTERS, both)) == "Replace"
    assert said(decide(position(HELD, SELL), at(".98"), FILTERS, both)) == "RequestSlot"


def test_reasons_are_sentences_with_the_price() -> None:
    reasons = {
        decide(position(BUY), at("1.03"), FILTERS, FOLLOWS).reason,
        decide(position(HELD, SELL), at(".94"), FILTERS, STOPS).reason,
        decide(position(HELD, SELL, highest="1.01"), at(".94"), FILTERS, TRAILS).reason,
        decide(position(HELD, SELL), at(".89"), FILTERS, REBUYS).reason,
    }
    assert reasons == {
        "reprice: the market, 1.03, is more than 2 % above the buy",
        "stop loss: 0.94 is more than 5 % below the entry",
        "trailing stop: 0.94 is more than 5 % below the high of 1.01",
        "0.89 is more than 10 % below its buy",
    }


# --- on the way out -------------------------------------------------------------------------------
def cancelled(side: Side, was_asked: bool) -> OrderReported:
    report = OrderReport("s", 1, "S", side, OrderStatus.CANCELED, D(1), D(20), D(0))
    return OrderReported(report, Source.CANCEL, was_asked)


def test_what_was_cancelled_for_a_stop_is_sold_at_the_market() -> None:
    out = position(HELD, leaves_at="0.9499")
    decision = decide(out, cancelled(Side.SELL, True), FILTERS, STOPS)
    assert isinstance(decision, PlaceSell)
    assert (decision.is_market, decision.is_exit, decision.price, decision.quantity) == (
        True,
        True,
        D("0.9499"),
        D(20),
    )
    assert "0.9499" in decision.reason


def test_with_a_slippage_it_is_sold_by_a_limit_under_the_price() -> None:
    decision = decide(position(HELD, leaves_at="0.9499"), RECHECK, FILTERS, replace(STOPS, exit_slippage=D("0.01")))
    assert isinstance(decision, PlaceSell)
    # 0.9499 * 0.99 = 0.940401
    assert (decision.is_market, decision.is_exit, decision.price) == (False, True, D("0.9404"))


def test_stop_remembers_at_which_price_it_left() -> None:
    decision = decide(position(HELD, SELL, highest="1.01"), at(".94"), FILTERS, TRAILS)
    assert isinstance(decision, Replace)
    assert decision.order == SELL
    assert decision.memory == {HIGHEST: "1.01", LEAVES_AT: "0.94"}
    assert (decision.by.price, decision.by.quantity, decision.by.is_market) == (D("0.94"), D(20), True)


def test_profit_sale_that_rests_on_stops_anew_only_under_the_stop() -> None:
    """The exchange refused the sale that was to take its place, and the market has recovered since."""
    rests_on = position(HELD, SELL, leaves_at="0.94")
    assert said(decide(rests_on, at(".96"), FILTERS, STOPS)) == "Wait"
    assert triggers(rests_on, STOPS) == Triggers(below=D("0.95") - UNIT)
    assert said(decide(rests_on, at(".9499"), FILTERS, STOPS)) == "Replace"


def test_sale_is_never_cancelled_while_no_other_could_take_its_place() -> None:
    """Most of it has traded: the rest is worth less than the exchange takes an order for."""
    nearly = replace(SELL, status=OrderStatus.PARTIALLY_FILLED, executed=D(16), fills=())
    filters = replace(FILTERS, min_notional=D(5))
    for wants in (
        decide(position(HELD, nearly), at(".9"), filters, STOPS),
        guard.decide(_Reckless(Cancel(nearly, "back")), position(HELD, nearly), at(".9"), filters, None),
    ):
        assert isinstance(wants, Wait)
        assert "the sell stays open" in wants.reason


def test_sale_that_has_traded_in_part_rests_on_while_its_symbol_does_not_trade() -> None:
    part = replace(SELL, status=OrderStatus.PARTIALLY_FILLED, executed=D(5), fills=())
    halted = replace(FILTERS, is_trading=False, status="BREAK")
    assert said(decide(position(HELD, part), at(".9"), halted, STOPS)) == "Wait"
    # Of a whole one the exchange is asked: one request cancels it and places the other, or does neither.
    assert said(decide(position(HELD, SELL), at(".9"), halted, STOPS)) == "Replace"


def test_late_fills_of_the_sale_that_was_cancelled_count() -> None:
    part = order(Side.SELL, OrderStatus.CANCELED, "1.0120", "20", "15", "0", "Q")
    decision = decide(position(HELD, part, leaves_at="0.9499"), RECHECK, FILTERS, STOPS)
    assert isinstance(decision, PlaceSell)
    assert decision.quantity == D(5)
    unknown = replace(part, fills=())
    waits = decide(position(HELD, unknown, leaves_at="0.9499"), RECHECK, FILTERS, STOPS)
    assert isinstance(waits, Wait)
    assert waits.needs_fills == unknown


def test_nothing_is_sold_before_the_cancel_is_confirmed() -> None:
    asked = replace(SELL, cancel_reason="stop-loss")
    for event in (at(".9"), RECHECK, cancelled(Side.SELL, True)):
        assert said(decide(position(HELD, asked, leaves_at="0.9499"), event, FILTERS, STOPS)) == "Wait"
    assert triggers(position(HELD, asked, leaves_at="0.9499"), STOPS) == Triggers()


def test_cancel_that_loses_to_the_fill_is_a_fill() -> None:
    sold = order(Side.SELL, OrderStatus.FILLED, "1.0120", "20", "20", "0", "Q")
    assert isinstance(decide(position(HELD, sold, leaves_at="0.9499"), RECHECK, FILTERS, STOPS), Finish)
    bought = decide(position(replace(HELD, cancel_reason="left behind")), RECHECK, FILTERS, FOLLOWS)
    assert isinstance(bought, PlaceSell)


def test_what_the_venue_takes_at_the_market_at_once_is_no_more_than_it_says() -> None:
    decision = decide(position(HELD, leaves_at="1"), RECHECK, replace(FILTERS, max_market_quantity=D("7.5")), STOPS)
    assert isinstance(decision, PlaceSell)
    assert decision.quantity == D(7)


def test_at_the_market_whole_steps_of_market_orders_are_sold_and_the_rest_at_its_price() -> None:
    """MARKET_LOT_SIZE may have a coarser step than LOT_SIZE (filters.md)."""
    decision = decide(position(HELD, leaves_at="1"), RECHECK, replace(FILTERS, market_step=D(8)), STOPS)
    assert isinstance(decision, PlaceSell)
    assert (decision.quantity, decision.is_market) == (D(16), True)
    decision = decide(position(HELD, leaves_at="1"), RECHECK, replace(FILTERS, market_step=D(50)), STOPS)
    assert isinstance(decision, PlaceSell)
    assert (decision.quantity, decision.is_market) == (D(20), False)


# --- retarget -------------------------------------------------------------------------------------
def test_buy_that_its_trader_cancelled_is_placed_anew_without_a_pause() -> None:
    waits = decide(position(), cancelled(Side.BUY, True), FILTERS, FOLLOWS)
    assert waits == Wait("waiting for the next trade")
    paused = decide(position(), cancelled(Side.BUY, False), FILTERS, FOLLOWS)
    assert isinstance(paused, Wait)
    assert paused.pauses
    assert said(decide(position(), at("1.03"), FILTERS, FOLLOWS)) == "PlaceBuy"


def test_part_of_a_buy_that_was_left_behind_is_sold() -> None:
    part = replace(PART, status=OrderStatus.CANCELED, cancel_reason="left behind")
    decision = decide(position(part), cancelled(Side.BUY, True), FILTERS, FOLLOWS)
    assert isinstance(decision, PlaceSell)
    assert decision.quantity == D(5)


def test_buy_can_follow_only_from_farther_than_it_is_placed() -> None:
    for interval in (SETTINGS.buy_down_interval, SETTINGS.buy_down_interval / 2):
        with pytest.raises(ValueError, match="must be larger than"):
            replace(SETTINGS, retarget_interval=interval)


# --- the highest since, followed in steps ---------------------------------------------------------
def test_trailing_stop_is_drawn_up_in_steps_of_a_tenth_of_it() -> None:
    stands = position(HELD, SELL)
    armed = triggers(stands, TRAILS)
    assert armed == Triggers(below=D("0.95") - UNIT, above=D("1.005") + UNIT)
    followed = decide(stands, at("1.0061"), FILTERS, TRAILS)
    assert isinstance(followed, Wait)
    assert followed.memory == {HIGHEST: "1.0061"}
    higher = replace(stands, memory=followed.memory)
    assert triggers(higher, TRAILS) == Triggers(
        below=D("1.0061") * D("0.95") - UNIT, above=D("1.0061") * D("1.005") + UNIT
    )


def test_price_under_the_highest_is_not_followed() -> None:
    decision = decide(position(HELD, SELL, highest="1.01"), at("1.005"), FILTERS, TRAILS)
    assert isinstance(decision, Wait)
    assert decision.memory is None


@pytest.mark.parametrize(
    ("stands", "settings", "below", "above"),
    [
        (position(BUY), replace(REBUYS, retarget_interval=D("0.02")), D("0.9") - UNIT, D("1.02") + UNIT),
        (position(BUY), STOPS, None, None),
        (position(HELD, SELL), replace(REBUYS, stop_loss_interval=D("0.05")), D("0.95") - UNIT, None),
        (position(HELD, SELL, told=True), REBUYS, None, None),
        (position(HELD), replace(REBUYS, stop_loss_interval=D("0.05")), None, None),
    ],
)
def test_triggers_are_the_nearest_thresholds(
    stands: Position, settings: Settings, below: D | None, above: D | None
) -> None:
    assert triggers(stands, settings) == Triggers(below, above)


# --- a symbol that shuts down ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("stands", "expected"),
    [
        (position(mode=Mode.SHUTDOWN), Finish),
        (position(BUY, mode=Mode.SHUTDOWN), Wait),
        (position(HELD, mode=Mode.SHUTDOWN), PlaceSell),
        (position(HELD, SELL, mode=Mode.SHUTDOWN), Wait),
    ],
)
def test_shutdown_ends_cycles_and_begins_none(stands: Position, expected: type) -> None:
    decision = decide(stands, at("1.00"), FILTERS, SETTINGS)
    assert said(decision) == expected.__name__
    if isinstance(decision, Finish):
        assert decision.state == TraderState.RETIRED


def test_sold_under_shutdown_ends_as_under_on() -> None:
    for mode in (Mode.SHUTDOWN, Mode.ON):
        decision = decide(position(BOUGHT, SOLD, mode=mode), RECHECK, XRP_FILTERS, SETTINGS)
        assert isinstance(decision, Finish)
        assert decision.state == TraderState.FINISHED


# --- the guard ------------------------------------------------------------------------------------
class _Reckless:
    """A strategy that always wants the same."""

    name, Settings = "reckless", Settings

    def __init__(self, wants: Decision) -> None:
        self.wants = wants

    def decide(self, *_: object) -> Decision:
        return self.wants

    def triggers(self, *_: object) -> Triggers:
        return Triggers(below=D("1.000000001"), above=D("1.000000001"))


@pytest.mark.parametrize(
    ("stands", "wants", "words"),
    [
        (position(BUY), PlaceBuy(D(1), D(20), "more"), "to fill"),
        (position(HELD, SELL), PlaceSell(D(1), D(20), "more"), "to fill"),
        (position(HELD), PlaceBuy(D(1), D(20), "more"), "a second time"),
        (position(), PlaceBuy(D(1), D(21), "more"), "exceeds the budget, 20"),
        (position(HELD), PlaceSell(D(1), D(21), "more"), "exceeds the position, 20"),
        (position(HELD), Cancel(SELL, "back"), "is not open"),
        (position(HELD, SELL), Cancel(BUY, "back"), "is not open"),
        (position(HELD, SELL), Finish(TraderState.FINISHED, D(0), D(0), "done"), "to fill"),
        (position(BUY, told=True), RequestSlot("again"), "has already requested a slot"),
        (position(BUY, mode=Mode.SHUTDOWN), RequestSlot("again"), "is shutting down"),
        (position(HELD, mode=Mode.OFF), PlaceSell(D(1), D(20), "now"), "off"),
        (position(HELD, SELL, mode=Mode.OFF), Cancel(SELL, "back"), "off"),
    ],
)
def test_no_strategy_gets_what_it_must_not_have(stands: Position, wants: Decision, words: str) -> None:
    decision = guard.decide(_Reckless(wants), stands, TRADE, FILTERS, None)
    assert isinstance(decision, Wait)
    assert words in decision.reason


def test_triggers_have_no_more_decimals_than_prices() -> None:
    armed = guard.triggers(_Reckless(Wait("")), position(BUY), FILTERS, None)
    assert armed == Triggers(below=D(1), above=D("1.00000001"))


class _Mistaken:
    """A strategy that answers what is no answer, or nothing at all."""

    name, Settings = "mistaken", Settings

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def decide(self, *_: object) -> Any:
        return self.answer() if callable(self.answer) else self.answer

    triggers = decide


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "mistaken.decide returned None, not a decision"),
        (lambda: D(1) / 0, "mistaken.decide raised DivisionByZero"),
        (PlaceBuy(1.5, D(1), "float"), "a PlaceBuy with price 1.5, not a Decimal above 0"),  # type: ignore[arg-type]
        (PlaceBuy(D(1), D("NaN"), "nothing"), "a PlaceBuy with quantity Decimal('NaN'), not a Decimal above 0"),
        (PlaceBuy(D(1), D(-1), "less"), "a PlaceBuy with quantity Decimal('-1'), not a Decimal above 0"),
        (PlaceSell(D(1) / 3, D(1), "third"), "a PlaceSell with price Decimal('0.3333"),
        (PlaceSell(D("1e12"), D(1), "moon"), "not a Decimal above 0 with at most 8 decimals"),
        (Finish(TraderState.FINISHED, D(1) / 3, D(0), ""), "a Finish with profit Decimal('0.3333"),
        (Finish("DONE", D(1), D(0), ""), "a Finish with state 'DONE', which is no end"),  # type: ignore[arg-type]
        (Finish(TraderState.SELLING, D(1), D(0), ""), "which is no end of a cycle"),
        (Wait(None), "a Wait with reason None, not a text"),  # type: ignore[arg-type]
        (Wait("a\0b"), "not a text"),
        (Wait("", memory={"low": 1}), "a Wait with memory {'low': 1}: only strings"),  # type: ignore[dict-item]
        (Wait("", memory={"low": "a\0b"}), "only strings"),
        (Wait("", memory=["low"]), "a Wait with memory ['low']: only strings"),  # type: ignore[arg-type]
    ],
)
def test_answer_that_is_none_is_told_to_the_author(answer: Any, words: str) -> None:
    with pytest.raises(guard.StrategyFails) as caught:
        guard.decide(_Mistaken(answer), position(), TRADE, FILTERS, None)
    assert words in str(caught.value)


def test_what_a_strategy_does_to_its_position_or_to_decimals_lets_it_spend_no_more() -> None:
    held = position()

    def spends() -> PlaceBuy:
        getcontext().prec = 2
        return PlaceBuy(D(1000), held.budget / 1000 + D("0.0049"), "209.8 of 200 are 200 in two digits")

    before = getcontext().prec
    decision = guard.decide(_Mistaken(spends), held, TRADE, FILTERS, None)
    assert isinstance(decision, Wait)
    assert "exceeds the budget" in decision.reason
    assert getcontext().prec == before

    class Greedy(_Mistaken):
        def decide(self, *args: Any) -> Any:
            object.__setattr__(args[0], "budget", D(10_000_000))
            return PlaceBuy(D(1000), D(5), "a budget of its own")

    decision = guard.decide(Greedy(None), held, TRADE, FILTERS, None)
    assert isinstance(decision, Wait)
    assert "exceeds the budget" in decision.reason


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "mistaken.triggers returned None, not Triggers"),
        (Triggers(below=1.5), "below=1.5, not a Decimal or None"),  # type: ignore[arg-type]
        (Triggers(above=D("Infinity")), "above=Decimal('Infinity'), not a"),
        (Triggers(above=D("1e12")), "above=Decimal('1E+12'), not a"),
        (lambda: D(1) / 0, "mistaken.triggers raised DivisionByZero"),
    ],
)
def test_triggers_that_are_none_are_told_to_the_author(answer: Any, words: str) -> None:
    with pytest.raises(guard.StrategyFails) as caught:
        guard.triggers(_Mistaken(answer), position(), FILTERS, None)
    assert words in str(caught.value)
