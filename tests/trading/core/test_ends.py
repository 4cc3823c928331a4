"""Every end of an order, of each side, filled in part or not: where the trader stands then, and its next step."""

from dataclasses import replace
from decimal import Decimal as D

import pytest

from tests.trading.core.test_strategy import BOUGHT, FILTERS, RECHECK, SETTINGS, TRADE, decide, order, position
from trading.core.decisions import Decision, Finish, PlaceBuy, PlaceSell, Wait
from trading.core.events import OrderReported
from trading.core.filters import SymbolFilters
from trading.core.journal import Source
from trading.core.orders import OPEN, Order, OrderReport, OrderStatus, Side
from trading.core.position import Mode, Position, TraderState, state_of

NONE, SOME, DUST, ALL = "0", "20", "3", "46.4"
ENDED = [
    # side, status, executed: then the state, the next step, its words, and what the step after a pause is
    (Side.BUY, OrderStatus.FILLED, ALL, TraderState.HOLDING, PlaceSell, "above its cost, 0.43113114", PlaceSell),
    (Side.BUY, OrderStatus.CANCELED, NONE, TraderState.WAITING, Wait, "was cancelled: buying again", PlaceBuy),
    (Side.BUY, OrderStatus.CANCELED, SOME, TraderState.HOLDING, PlaceSell, "above its cost, 0.43113114", PlaceSell),
    (Side.BUY, OrderStatus.CANCELED, DUST, TraderState.HOLDING, Wait, ": buying again", PlaceBuy),
    (Side.BUY, OrderStatus.REJECTED, NONE, TraderState.WAITING, Wait, "was rejected: buying again", PlaceBuy),
    (Side.BUY, OrderStatus.NOT_PLACED, NONE, TraderState.WAITING, Wait, "waiting for the next trade", PlaceBuy),
    (Side.BUY, OrderStatus.NOT_FOUND, NONE, TraderState.WAITING, Wait, "not found", PlaceBuy),
    (Side.BUY, OrderStatus.NOT_FOUND, SOME, TraderState.HOLDING, PlaceSell, "above its cost, 0.43113114", PlaceSell),
    (Side.BUY, OrderStatus.NOT_FOUND, DUST, TraderState.HOLDING, Wait, ": buying again", PlaceBuy),
    (Side.BUY, OrderStatus.EXPIRED, NONE, TraderState.WAITING, Wait, "expired: buying again", PlaceBuy),
    (Side.BUY, OrderStatus.EXPIRED, SOME, TraderState.HOLDING, PlaceSell, "above its cost, 0.43113114", PlaceSell),
    (Side.BUY, OrderStatus.EXPIRED, DUST, TraderState.HOLDING, Wait, ": buying again", PlaceBuy),
    (
        Side.BUY,
        OrderStatus.EXPIRED_IN_MATCH,
        NONE,
        TraderState.WAITING,
        Wait,
        "self-trade prevention: buying",
        PlaceBuy,
    ),
    (
        Side.BUY,
        OrderStatus.EXPIRED_IN_MATCH,
        SOME,
        TraderState.HOLDING,
        PlaceSell,
        "above its cost, 0.43113114",
        PlaceSell,
    ),
    (Side.BUY, OrderStatus.EXPIRED_IN_MATCH, DUST, TraderState.HOLDING, Wait, ": buying again", PlaceBuy),
    (Side.SELL, OrderStatus.FILLED, "46.3", TraderState.FINISHED, Finish, "sold 46.3", Finish),
    (Side.SELL, OrderStatus.CANCELED, NONE, TraderState.HOLDING, Wait, "was cancelled: selling again", PlaceSell),
    (Side.SELL, OrderStatus.CANCELED, SOME, TraderState.HOLDING, Wait, "was cancelled: selling again", PlaceSell),
    (Side.SELL, OrderStatus.CANCELED, "44", TraderState.FINISHED, Finish, "sold 44", Finish),
    (Side.SELL, OrderStatus.REJECTED, NONE, TraderState.HOLDING, Wait, "was rejected: selling again", PlaceSell),
    (
        Side.SELL,
        OrderStatus.NOT_PLACED,
        NONE,
        TraderState.HOLDING,
        PlaceSell,
        "above its cost, 0.43113114",
        PlaceSell,
    ),
    (Side.SELL, OrderStatus.NOT_FOUND, NONE, TraderState.HOLDING, Wait, "not found", PlaceSell),
    (Side.SELL, OrderStatus.NOT_FOUND, SOME, TraderState.HOLDING, Wait, "not found", PlaceSell),
    (Side.SELL, OrderStatus.NOT_FOUND, "44", TraderState.FINISHED, Finish, "sold 44", Finish),
    (Side.SELL, OrderStatus.EXPIRED, NONE, TraderState.HOLDING, Wait, "expired: selling again", PlaceSell),
    (Side.SELL, OrderStatus.EXPIRED, SOME, TraderState.HOLDING, Wait, "expired: selling again", PlaceSell),
    (Side.SELL, OrderStatus.EXPIRED, "44", TraderState.FINISHED, Finish, "sold 44", Finish),
    (Side.SELL, OrderStatus.EXPIRED_IN_MATCH, NONE, TraderState.HOLDING, Wait, "prevention: selling", PlaceSell),
    (Side.SELL, OrderStatus.EXPIRED_IN_MATCH, SOME, TraderState.HOLDING, Wait, "prevention: selling", PlaceSell),
    (Side.SELL, OrderStatus.EXPIRED_IN_MATCH, "44", TraderState.FINISHED, Finish, "sold 44", Finish),
]


def ended(side: Side, status: OrderStatus, executed: str) -> tuple[Order, OrderReported]:
    if side == Side.BUY:
        fee = str(D(executed) / 1000)
        row = order(side, status, executed=executed, commission=fee)
    else:
        row = order(side, status, "0.4319", "46.3", executed, "0.001", "USDT")
    report = OrderReport("c", 1, "XRPUSDT", side, status, row.price, row.quantity, row.executed)
    return row, OrderReported(report, Source.REPORT)


def position_with(row: Order) -> Position:
    """As the books give it: an order that never traded and has ended is no part of the position."""
    orders = (BOUGHT, row) if row.side == Side.SELL else (row,)
    return position(*(each for each in orders if each.status.is_open or each.executed))


def stands(position: Position, decision: Decision) -> TraderState:
    return decision.state if isinstance(decision, Finish) else state_of(position)


@pytest.mark.parametrize(("side", "status", "executed", "state", "step", "words", "afterwards"), ENDED)
def test_every_end_leads_to_a_named_state_and_a_next_step(
    side: Side, status: OrderStatus, executed: str, state: TraderState, step: type, words: str, afterwards: type
) -> None:
    row, event = ended(side, status, executed)
    stood = position_with(row)
    decision = decide(stood, event, FILTERS, SETTINGS)
    assert isinstance(decision, step)
    assert words in decision.reason
    assert stands(stood, decision) == state
    # Whoever looks later, after the pause, goes on.
    assert isinstance(decide(stood, TRADE, FILTERS, SETTINGS), afterwards)


def test_the_table_has_every_end() -> None:
    """Of each side; those that may have traded in part with and without a part."""
    partial = {
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.EXPIRED_IN_MATCH,
        OrderStatus.NOT_FOUND,
    }
    wanted = {
        (side, status, is_part)
        for side in Side
        # What was let go of is no live trader's.
        for status in frozenset(OrderStatus) - OPEN - {OrderStatus.LET_GO}
        for is_part in ((False, True) if status in partial else (status == OrderStatus.FILLED,))
    }
    assert {(side, status, executed != NONE) for side, status, executed, *_ in ENDED} == wanted


def test_pause_is_taken_only_before_the_same_again() -> None:
    pauses = {(side, status, executed) for side, status, executed, _, step, *_ in ENDED if step is Wait}
    for side, status, executed, *_ in ENDED:
        row, event = ended(side, status, executed)
        decision = decide(position_with(row), event, FILTERS, SETTINGS)
        is_pause = isinstance(decision, Wait) and decision.pauses
        assert is_pause == ((side, status, executed) in pauses and status != OrderStatus.NOT_PLACED)


def test_off_is_said_rather_than_a_pause() -> None:
    row, event = ended(Side.BUY, OrderStatus.CANCELED, NONE)
    decision = decide(replace(position_with(row), mode=Mode.OFF), event, FILTERS, SETTINGS)
    assert decision == Wait("trading is off for this symbol")


# --- commissions in a third asset ---------------------------------------------------------------------------
def in_bnb(row: Order, commission: str, worth: str | None) -> Order:
    fill = replace(
        row.fills[0],
        commission=D(commission),
        commission_asset="BNB",
        commission_quote=None if worth is None else D(worth),
    )
    return replace(row, fills=(fill,))


BOUGHT_FOR_BNB = order(Side.BUY, OrderStatus.FILLED, executed="46.4")
SOLD_FOR_BNB = order(Side.SELL, OrderStatus.FILLED, "0.4319", "46.4", "46.4")


@pytest.mark.parametrize(("bought", "sold"), [(None, None), ("0.01", None), (None, "0.01")])
def test_cycle_ends_only_once_its_commissions_are_valued(bought: str | None, sold: str | None) -> None:
    orders = in_bnb(BOUGHT_FOR_BNB, "0.00002", bought), in_bnb(SOLD_FOR_BNB, "0.00002", sold)
    decision = decide(position(*orders), RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, Wait)
    assert decision.needs_values == ("BNB",)


def test_profit_is_net_of_commissions_in_a_third_asset() -> None:
    orders = in_bnb(BOUGHT_FOR_BNB, "0.00002", "0.0123"), in_bnb(SOLD_FOR_BNB, "0.00003", "0.0184")
    decision = decide(position(*orders), RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, Finish)
    # 46.4 x (0.4319 - 0.4307), less both commissions; all that was bought is sold.
    assert (decision.profit, decision.leftover) == (D("46.4") * D("0.0012") - D("0.0307"), D(0))


def test_a_sale_is_placed_only_once_what_its_buy_cost_is_known() -> None:
    stands = position(in_bnb(BOUGHT_FOR_BNB, "0.00002", None))
    decision = decide(stands, RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, Wait)
    assert (decision.needs_values, decision.values_can_wait) == (("BNB",), True)
    valued = decide(position(in_bnb(BOUGHT_FOR_BNB, "0.00002", "0.0150")), RECHECK, FILTERS, SETTINGS)
    # 0.4307 and 0.0150 / 46.4 of commission, 0.1 % profit, and 0.1 % for the sale
    assert isinstance(valued, PlaceSell)
    assert (valued.price, valued.quantity) == (D("0.4318"), D("46.4"))


def test_a_sale_does_not_wait_for_a_value_that_can_not_be_told_now() -> None:
    stands = replace(position(in_bnb(BOUGHT_FOR_BNB, "0.00002", None)), has_tried_values=True)
    decision = decide(stands, RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, PlaceSell)
    # By our rate, 0.1 %, which is more than what BNB pays.
    assert decision.price == D("0.4319")


@pytest.mark.parametrize("has_tried", [False, True])
def test_a_value_that_nobody_can_tell_is_not_asked_for_again(has_tried: bool) -> None:
    bought, sold = (
        replace(row, fills=(replace(row.fills[0], is_unvaluable=True),))
        for row in (in_bnb(BOUGHT_FOR_BNB, "0.00002", None), in_bnb(SOLD_FOR_BNB, "0.00002", None))
    )
    sale = decide(replace(position(bought), has_tried_values=has_tried), RECHECK, FILTERS, SETTINGS)
    assert isinstance(sale, PlaceSell)
    end = decide(replace(position(bought, sold), has_tried_values=has_tried), RECHECK, FILTERS, SETTINGS)
    assert isinstance(end, Finish)
    assert end.reason.endswith("USDT less commissions of unknown value")


def test_a_cycle_does_not_end_without_values_that_can_be_told_later() -> None:
    orders = in_bnb(BOUGHT_FOR_BNB, "0.00002", "0.0123"), in_bnb(SOLD_FOR_BNB, "0.00002", None)
    decision = decide(replace(position(*orders), has_tried_values=True), RECHECK, FILTERS, SETTINGS)
    assert isinstance(decision, Wait)
    assert (decision.needs_values, decision.values_can_wait) == (("BNB",), False)


def test_who_gets_out_waits_for_no_value() -> None:
    stands = position(in_bnb(BOUGHT_FOR_BNB, "0.00002", None), leaves_at="0.42")
    decision = decide(stands, RECHECK, FILTERS, replace(SETTINGS, stop_loss_interval=D("0.01")))
    assert isinstance(decision, PlaceSell)
    assert decision.is_exit


def test_a_pause_goes_before_a_question() -> None:
    stands = position(in_bnb(BOUGHT_FOR_BNB, "0.00002", None))
    report = OrderReport("c", 1, "XRPUSDT", Side.SELL, OrderStatus.CANCELED, D("0.4319"), D("46.4"), D(0))
    decision = decide(stands, OrderReported(report, Source.REPORT), FILTERS, SETTINGS)
    assert isinstance(decision, Wait)
    assert decision.pauses


# --- filters that look at the market ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (
            replace(FILTERS, buy_factor_min=D("0.999")),
            "BUY at 0.4307: the exchange rejects prices below 0.999",
        ),
        (
            replace(FILTERS, sell_factor_max=D("0.9999")),
            "sold: SELL at 0.4319: the exchange rejects prices above",
        ),
        (replace(FILTERS, max_position=D(46)), "above the maximum position, 46"),
    ],
)
def test_price_far_from_the_market_and_too_much_to_own_wait_and_say_why(filters: SymbolFilters, words: str) -> None:
    decision = decide(position(), TRADE, filters, SETTINGS)
    assert isinstance(decision, Wait)
    assert words in decision.reason


def test_usual_bounds_let_an_order_pass() -> None:
    filters = replace(
        FILTERS, buy_factor_min=D("0.2"), buy_factor_max=D(5), sell_factor_min=D("0.2"), sell_factor_max=D(5)
    )
    assert isinstance(decide(position(), TRADE, filters, SETTINGS), PlaceBuy)
