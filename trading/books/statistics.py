"""How well trading went, from sums of cycles and from the course of the gain: pure functions, nothing is asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from trading.books.totals import NONE, Total
from trading.core.money import EXACT, ONE, QUOTE_UNIT, ZERO

FRACTION = Decimal("0.000001")


class Bars(StrEnum):
    """How much time a bar is of; days are those of UTC, weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Bar:
    """The cycles that ended in a day, a week or a month."""

    begins: date
    total: Total


@dataclass(frozen=True)
class Drawdown:
    """The deepest fall of the gain below an earlier high. `share` is of the capital with that high; None without."""

    amount: Decimal  # not negative
    share: Decimal | None
    high_at: datetime | None = None
    low_at: datetime | None = None


def win_rate(total: Total) -> Decimal | None:
    """Cycles with a gain among those with a gain or a loss, as a fraction; None where there are none."""
    decided = total.wins + total.losses
    return _fraction(Decimal(total.wins), Decimal(decided)) if decided else None


def profit_factor(total: Total) -> Decimal | None:
    """What was won over what was lost; None where nothing was lost."""
    lost = total.won - total.profit
    return EXACT.divide(total.won, lost).quantize(Decimal("0.01")) if lost > 0 else None


def average_hold_s(total: Total) -> float | None:
    """From first buy to end, seconds, the mean of all cycles; None where nothing is known of any."""
    return total.held_s / total.cycles if total.cycles and total.held_s else None


def worst_drawdown(gains: Iterable[tuple[datetime, Decimal]], capital: Decimal = ZERO) -> Drawdown:
    """Of the gain at each time, oldest first. `capital`: what the gains are added to.

    >>> from datetime import datetime
    >>> days = [datetime(2026, 1, day) for day in (1, 2, 3, 4)]
    >>> worst_drawdown(zip(days, map(Decimal, (0, 10, 4, 12))), Decimal(90)).share
    Decimal('0.060000')
    """
    high: tuple[datetime, Decimal] | None = None
    worst = Drawdown(ZERO, None)
    for at, gain in gains:
        if high is None or gain > high[1]:
            high = at, gain
        fallen = high[1] - gain
        if fallen > worst.amount:
            of = capital + high[1]
            worst = Drawdown(fallen, _fraction(fallen, of) if of > 0 else None, high[0], at)
    return worst


def mean_exposure(held: Sequence[tuple[Decimal, Decimal]]) -> Decimal | None:
    """The mean part of the budget that was held, of what was held at cost and the budget at each time."""
    shares = [EXACT.divide(cost, budget) for cost, budget in held if budget > 0]
    return _fraction(sum(shares, ZERO), Decimal(len(shares))) if shares else None


def holding(first: Decimal | None, last: Decimal | None, stake: Decimal) -> Decimal | None:
    """What the same money would have gained from the first price to the last, without commissions."""
    if not first or last is None:
        return None
    return EXACT.multiply(EXACT.divide(last, first) - ONE, stake).quantize(QUOTE_UNIT)


def bars(days: Mapping[date, Total], by: Bars, first: date | None = None, last: date | None = None) -> list[Bar]:
    """The days' sums by day, week or month, oldest first, those without a cycle between them too."""
    if not days and (first is None or last is None):
        return []
    found: dict[date, Total] = {}
    for day, total in days.items():
        begins = begin_of(day, by)
        found[begins] = found.get(begins, NONE) + total
    begins = begin_of(min(first or min(days), min(days, default=first or date.max)), by)
    ends = begin_of(max(last or max(days), max(days, default=last or date.min)), by)
    told = []
    while begins <= ends:
        told.append(Bar(begins, found.get(begins, NONE)))
        begins = next_of(begins, by)
    return told


def begin_of(day: date, by: Bars) -> date:
    """The first day of its week or month; itself, of days."""
    match by:
        case Bars.WEEK:
            return day - timedelta(days=day.weekday())
        case Bars.MONTH:
            return day.replace(day=1)
    return day


def next_of(begins: date, by: Bars) -> date:
    """When the day, week or month after that begins."""
    match by:
        case Bars.WEEK:
            return begins + timedelta(days=7)
        case Bars.MONTH:
            return (begins.replace(day=1) + timedelta(days=32)).replace(day=1)
    return begins + timedelta(days=1)


def _fraction(part: Decimal, of: Decimal) -> Decimal:
    return EXACT.divide(part, of).quantize(FRACTION)
