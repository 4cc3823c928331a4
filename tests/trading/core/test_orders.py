"""An order's life: reports may come late, twice and in any order."""

from dataclasses import replace
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.core.orders import (
    MOVES,
    OPEN,
    PROVEN_BY_US,
    Fill,
    Order,
    OrderReport,
    OrderStatus,
    Side,
    commissions,
    fold,
)

S = OrderStatus
ORDER = Order("hh-1-b-x", Side.BUY, D(100), D(10), S.SUBMITTING)


def fill(trade_id: int, quantity: str) -> Fill:
    return Fill(trade_id, D(100), D(quantity), D(100) * D(quantity), D(quantity) / 1000, "ETH", True, trade_id)


def report(status: OrderStatus, executed: str = "0", *fills: Fill) -> OrderReport:
    return OrderReport("hh-1-b-x", 7, "ETHUSDT", Side.BUY, status, D(100), D(10), D(executed), fills)


@pytest.mark.parametrize(
    ("before", "said", "after"),
    [
        (S.SUBMITTING, S.NEW, S.NEW),
        (S.SUBMITTING, S.FILLED, S.FILLED),
        (S.SUBMITTING, S.NOT_PLACED, S.NOT_PLACED),
        (S.SUBMITTING, S.REJECTED, S.REJECTED),
        (S.NEW, S.PARTIALLY_FILLED, S.PARTIALLY_FILLED),
        (S.NEW, S.NOT_PLACED, S.NEW),  # What the exchange has shown can't be proven absent.
        (S.PARTIALLY_FILLED, S.NEW, S.PARTIALLY_FILLED),
        (S.PARTIALLY_FILLED, S.CANCELED, S.CANCELED),
        (S.FILLED, S.CANCELED, S.FILLED),
        (S.CANCELED, S.NEW, S.CANCELED),
        (S.CANCELED, S.FILLED, S.FILLED),  # It was cancelled too late after all.
        (S.EXPIRED, S.FILLED, S.FILLED),
        (S.EXPIRED_IN_MATCH, S.PARTIALLY_FILLED, S.EXPIRED_IN_MATCH),
        (S.NOT_PLACED, S.NEW, S.NEW),  # The exchange's word weighs more than our proof.
    ],
)
def test_status_only_moves_forward(before: OrderStatus, said: OrderStatus, after: OrderStatus) -> None:
    assert fold(replace(ORDER, status=before), report(said)).status == after


def test_every_status_has_its_moves_and_an_ended_order_only_that_it_was_filled_after_all() -> None:
    assert set(MOVES) == set(OrderStatus)
    ended = set(OrderStatus) - OPEN - PROVEN_BY_US
    assert all(MOVES[status] <= {OrderStatus.FILLED} for status in ended)


def test_answer_new_after_the_first_fill_leaves_the_order_partially_filled() -> None:
    order = fold(ORDER, report(S.PARTIALLY_FILLED, "4", fill(1, "4")))
    assert fold(order, report(S.NEW)) == order


def test_late_fill_of_a_cancelled_order_is_booked() -> None:
    order = fold(ORDER, report(S.CANCELED, "4"))
    assert not order.is_whole
    order = fold(order, report(S.PARTIALLY_FILLED, "4", fill(1, "4")))
    assert (order.status, order.executed, order.is_whole) == (S.CANCELED, D(4), True)


def test_filled_without_its_fills_is_not_whole() -> None:
    assert not fold(ORDER, report(S.FILLED, "10")).is_whole


def test_commissions_are_summed_by_asset() -> None:
    order = fold(ORDER, report(S.FILLED, "10", fill(1, "4"), fill(2, "6")))
    assert commissions([order]) == {"ETH": D("0.010")}


LIFE = [
    report(S.NEW),
    report(S.PARTIALLY_FILLED, "1", fill(1, "1")),
    report(S.PARTIALLY_FILLED, "4", fill(2, "3")),
    report(S.PARTIALLY_FILLED, "9.5", fill(3, "5.5")),
    report(S.FILLED, "10", fill(4, "0.5")),
]
CANCELLED = [*LIFE[:3], report(S.CANCELED, "4")]


@given(st.sampled_from([LIFE, CANCELLED]).flatmap(lambda life: st.tuples(st.just(life), st.permutations(life * 2))))
def test_reports_in_any_order_and_twice_tell_the_same_story(
    lives: tuple[list[OrderReport], list[OrderReport]],
) -> None:
    life, shuffled = lives
    straight, mixed = ORDER, ORDER
    for each in life:
        straight = fold(straight, each)
    for each in shuffled:
        mixed = fold(mixed, each)
        assert mixed.booked <= mixed.executed <= mixed.quantity
    assert mixed == straight
    assert mixed.is_whole


@given(st.lists(st.sampled_from([*LIFE, *CANCELLED]), max_size=12))
def test_folding_a_report_again_changes_nothing(reports: list[OrderReport]) -> None:
    order = ORDER
    for each in reports:
        order = fold(order, each)
        assert fold(order, each) == order
