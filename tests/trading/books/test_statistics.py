"""Statistics against figures that were computed by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal as D

import pytest

from trading.books import statistics
from trading.books.statistics import Bar, Bars, Drawdown
from trading.books.totals import NONE, Total

# Six cycles: +4, +2, +1.5 and -2, -1, 0; a profit of 4.5.
SIX = Total(cycles=6, finished=6, profit=D("4.5"), budget=D(600), wins=3, losses=2, won=D("7.5"), held_s=3660)


def at(day: int) -> datetime:
    return datetime(2026, 11, day, tzinfo=UTC)


def test_win_rate_is_of_cycles_with_a_gain_or_a_loss() -> None:
    assert statistics.win_rate(SIX) == D("0.6")
    assert statistics.win_rate(NONE) is None


def test_profit_factor_is_what_was_won_over_what_was_lost() -> None:
    assert statistics.profit_factor(SIX) == D("2.50")
    assert statistics.profit_factor(Total(cycles=2, profit=D(3), wins=2, won=D(3))) is None
    assert statistics.profit_factor(Total(cycles=1, profit=D(-3), losses=1)) == D(0)
    assert statistics.profit_factor(NONE) is None


def test_average_hold_is_of_all_cycles() -> None:
    assert statistics.average_hold_s(SIX) == 610
    assert statistics.average_hold_s(NONE) is None


def test_worst_drawdown_is_the_deepest_fall_and_not_the_last() -> None:
    gains = [(at(day + 1), D(gain)) for day, gain in enumerate((0, 50, 20, 60, 45, 80, 79))]
    assert statistics.worst_drawdown(gains, D(950)) == Drawdown(D(30), D("0.03"), at(2), at(3))
    assert statistics.worst_drawdown([(at(1), D(-5)), (at(2), D(-9))]) == Drawdown(D(4), None, at(1), at(2))
    assert statistics.worst_drawdown([(at(1), D(1)), (at(2), D(2))]) == Drawdown(D(0), None)
    assert statistics.worst_drawdown([]) == Drawdown(D(0), None)


def test_exposure_is_the_mean_part_of_the_budget() -> None:
    assert statistics.mean_exposure([(D(0), D(200)), (D(100), D(200)), (D(100), D(100)), (D(5), D(0))]) == D("0.5")
    assert statistics.mean_exposure([]) is None


def test_holding_the_coin_gains_by_its_price() -> None:
    assert statistics.holding(D(3000), D(3150), D(600)) == D(30)
    assert statistics.holding(D(3000), D(2700), D(600)) == D(-60)
    assert statistics.holding(None, D(3150), D(600)) is None
    assert statistics.holding(D(3000), None, D(600)) is None


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (Bars.DAY, [("2026-11-29", 1), ("2026-11-30", 2), ("2026-12-01", 0), ("2026-12-02", 3)]),
        (Bars.WEEK, [("2026-11-23", 1), ("2026-11-30", 5)]),
        (Bars.MONTH, [("2026-11-01", 3), ("2026-12-01", 3)]),
    ],
)
def test_bars_are_by_day_week_and_month(by: Bars, expected: list[tuple[str, int]]) -> None:
    days = {date(2026, 11, 29): Total(1), date(2026, 11, 30): Total(2), date(2026, 12, 2): Total(3)}
    assert [(str(bar.begins), bar.total.cycles) for bar in statistics.bars(days, by)] == expected


def test_bars_reach_from_the_first_day_to_the_last() -> None:
    found = statistics.bars({}, Bars.MONTH, date(2025, 12, 15), date(2026, 2, 1))
    assert found == [Bar(date(2025, 12, 1), NONE), Bar(date(2026, 1, 1), NONE), Bar(date(2026, 2, 1), NONE)]
    assert statistics.bars({}, Bars.DAY) == []
