"""The worked values of the arithmetic, and that rounding never goes the wrong way."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.core.money import (
    buy_price,
    buy_quantity,
    ceil_to,
    cost_after,
    floor_to,
    plain,
    quote_of,
    sell_price,
    share_of,
)

FEE = D("0.001")
amounts = st.decimals("0.00000001", "90000000000", places=8)
steps = st.sampled_from([D(text) for text in ("0.00000001", "0.0001", "0.01", "0.05", "0.25", "1", "10", "2.5")])


@pytest.mark.parametrize(
    ("bought_at", "profit", "tick", "expected"),
    [
        ("100", "0.02", "0.01", "102.20"),
        ("1.00", "0.01", "0.0001", "1.0120"),
        ("0.4307", "0.001", "0.0001", "0.4319"),
    ],
)
def test_sell_price_returns_profit_after_both_fees(bought_at: str, profit: str, tick: str, expected: str) -> None:
    assert sell_price(cost_after(D(bought_at), FEE), D(profit), D(tick), FEE) == D(expected)


def test_buy_price_is_under_the_market_by_the_interval() -> None:
    assert buy_price(D("0.4318301"), D("0.0025"), D("0.0001")) == D("0.4307")
    assert buy_price(D("1.0"), D("0.01"), D("0.0001")) == D("0.9900")


def test_quantity_is_what_the_budget_buys_in_whole_steps() -> None:
    assert buy_quantity(D(20), D("0.29506"), D("0.1")) == D("67.7")
    assert buy_quantity(D(10), D("0.9900"), D(1)) == D(10)


def test_share_of_a_budget_never_adds_up_to_more() -> None:
    assert share_of(D(100), 3) == D("33.33333333")


@given(amounts, steps)
def test_floor_is_the_greatest_multiple_not_above(value: D, step: D) -> None:
    floored = floor_to(value, step)
    assert floored <= value < floored + step
    assert floored % step == 0


@given(amounts)
def test_a_step_of_zero_changes_nothing(value: D) -> None:
    assert floor_to(value, D(0)) == value


def test_without_a_step_the_finest_that_binance_has_is_left() -> None:
    third = D(1) / 3
    assert floor_to(third, D(0)) == D("0.33333333")
    assert ceil_to(third, D(0)) == D("0.33333334")
    assert ceil_to(D("0.33333333"), D(0)) == D("0.33333333")
    assert sell_price(D("2997.1234567"), D("0.0005"), D(0), FEE) % D("0.00000001") == 0


@given(amounts)
def test_numbers_for_the_exchange_have_no_exponent(value: D) -> None:
    assert "E" not in plain(value)
    assert D(plain(value)) == value


@given(st.decimals("0.01", "1000000", places=8), st.decimals("1", "100000", places=2), steps)
def test_what_is_bought_never_costs_more_than_the_budget(price: D, budget: D, step: D) -> None:
    assert quote_of(price, buy_quantity(budget, price, step)) <= budget


@given(st.decimals("1", "100000", places=2), st.decimals("0.0001", "0.4", places=4))
def test_a_sale_above_its_price_pays_both_fees_and_the_profit_but_for_a_tick(price: D, profit: D) -> None:
    tick = D("0.01")
    sold_at = sell_price(cost_after(price, FEE), profit, tick, FEE)
    # One unit bought at `price` leaves 1 - fee of it; selling that brings at least what was paid, less one tick.
    assert (sold_at + tick) * (1 - FEE) * (1 - FEE) >= price * (1 + profit) * (1 - FEE**2) ** 2


@pytest.mark.parametrize(
    ("bought_at", "tick", "expected"),
    [
        # 7.0175 ticks are wanted, 7.01401 return the commissions: at 7.01 each cycle would be a loss.
        ("0.00000700", "0.00000001", "0.00000702"),
        ("0.00000100", "0.00000001", "0.00000101"),
        ("0.4307", "0.0001", "0.4317"),  # Here a tick is small: rounded down it still is a profit.
    ],
)
def test_no_rounding_makes_a_sale_a_loss(bought_at: str, tick: str, expected: str) -> None:
    assert sell_price(cost_after(D(bought_at), FEE), D("0.0005"), D(tick), FEE) == D(expected)


@given(st.integers(1, 100_000), st.decimals("0.0001", "0.4", places=4), st.sampled_from(["0.00000001", "0.01", "1"]))
def test_what_is_sold_at_its_price_brings_at_least_what_it_cost(ticks: int, profit: D, tick: str) -> None:
    bought_at = ticks * D(tick)
    sold_at = sell_price(cost_after(bought_at, FEE), profit, D(tick), FEE)
    assert sold_at * (1 - FEE) * (1 - FEE) >= bought_at
    assert sold_at % D(tick) == 0
