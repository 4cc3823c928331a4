"""What trading has brought, net of all commissions: by cycle, slot, day or symbol, realised and not yet realised.

A cycle's profit counts where and when the cycle ends. What cycles under way would have brought, were all that they
hold sold at the last price, is told apart. Sums over ended cycles are kept totals (totals.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.books.holdings import Holding, holdings
from trading.books.left_over import LeftOver, left_over
from trading.books.statistics import average_hold_s, profit_factor, win_rate
from trading.books.totals import NONE, Total, by_asset, by_day, by_slot, by_strategy, ended
from trading.books.totals import of as counted
from trading.core.money import ZERO, plain
from trading.models import Symbol, Trader


class By(StrEnum):
    """What the lines of a report are."""

    SYMBOL = "symbol"
    SLOT = "slot"
    STRATEGY = "strategy"
    DAY = "day"  # in UTC
    CYCLE = "cycle"


# What the per cent of a line are, for people.
OF_BUDGET: Mapping[By, str] = {
    By.SYMBOL: "% of budget: the profit divided by the budget of the symbol's slots.",
    By.SLOT: "% of budget: the profit divided by the budget of the slot.",
    By.STRATEGY: "% of budget: the profit divided by the mean budget of the strategy's cycles.",
    By.DAY: "% of budget: the profit divided by the budget of all slots, so that the days add up to the total.",
    By.CYCLE: "% of budget: the profit divided by the budget of the cycle.",
}


@dataclass(frozen=True)
class Line:
    """One line of a report. Amounts are in `asset`."""

    name: str
    asset: str
    cycles: int
    realised: Decimal
    budget: Decimal  # of the slots that it is about: the mean of a cycle in each slot, summed; see OF_BUDGET
    unrealised: Decimal | None = None  # None: nothing is held, or it does not belong to this line
    is_priced: bool = True  # False: it holds what nobody knows a price of
    trader: Trader | None = None  # of a cycle
    unvalued: int = 0  # ended cycles with commissions of unknown value, which what is realised leaves out
    unvalued_held: int = 0  # cycles under way with such commissions, which what is unrealised leaves out
    left_over: LeftOver | None = None  # what ended cycles have left of a symbol; of lines by symbol alone
    total: Total = NONE  # wins, losses, times and fees of its ended cycles

    @property
    def share(self) -> Decimal | None:
        """The realised profit as a fraction of the budget, with 6 decimals; None where there is no budget."""
        return self._of_budget(self.realised)

    @property
    def unrealised_share(self) -> Decimal | None:
        """The same of what is not realised; None where nothing is held, or a price is unknown."""
        return None if self.unrealised is None or not self.is_priced else self._of_budget(self.unrealised)

    def _of_budget(self, amount: Decimal) -> Decimal | None:
        return (amount / self.budget).quantize(Decimal("0.000001")) if self.budget else None

    def plus(self, other: "Line") -> "Line":
        """Both together, under this one's name."""
        return replace(
            self,
            cycles=self.cycles + other.cycles,
            realised=self.realised + other.realised,
            budget=self.budget + other.budget,
            unrealised=_added(self.unrealised, other.unrealised),
            is_priced=self.is_priced and other.is_priced,
            unvalued=self.unvalued + other.unvalued,
            unvalued_held=self.unvalued_held + other.unvalued_held,
            total=self.total + other.total,
        )


def lines(
    venue: Venue,
    by: By,
    since: datetime | None = None,
    held: list[Holding] | None = None,
    places: list[Line] | None = None,
    left: Iterable[LeftOver] | None = None,
    until: datetime | None = None,
    max_cycles: int | None = None,
) -> Iterator[Line]:
    """The report's lines: symbols, slots and strategies by name, days and cycles newest first.

    `since` and `until` look at when cycles ended; what is not realised is that of now. What the caller knows already:
    `held`, what `holdings` said, `places`, the same report's lines by symbol, and `left`, what `left_over` said, for
    lines by symbol.
    """
    if by == By.CYCLE:
        return _cycles(venue, since, until, max_cycles)
    if by == By.STRATEGY:
        return _strategies(venue, since, until)
    if by == By.DAY and places is not None:
        return _days(venue, since, until, {line.asset: line.budget for line in totals(places)})
    held = holdings(venue) if held is None else held
    if by == By.DAY:
        return lines(venue, by, since, held, list(_places(venue, By.SYMBOL, since, until, held)), until=until)
    if by == By.SLOT:
        return _places(venue, by, since, until, held)
    left = left_over(venue).values() if left is None else left
    of_symbols = {each.symbol: each for each in left}
    return (replace(line, left_over=of_symbols.get(line.name)) for line in _places(venue, by, since, until, held))


CSV_COLUMNS = (
    "name",
    "asset",
    "cycles",
    "realised",
    "unrealised",
    "budget",
    "percent_of_budget",
    "unrealised_percent_of_budget",
    "cycles_with_unvalued_commissions",
    "held_with_unvalued_commissions",
    "left_over",
    "left_over_cost",
    "left_over_value",
    "win_rate_percent",
    "profit_factor",
    "average_hold_s",
    "fees",
    "finished_at",
)


def csv_row(line: Line) -> list[Any]:
    """In the order of CSV_COLUMNS; what is not known is empty."""
    return [
        line.name,
        line.asset,
        line.cycles,
        plain(line.realised),
        "" if line.unrealised is None else plain(line.unrealised),
        plain(line.budget),
        _percent(line.share),
        _percent(line.unrealised_share),
        line.unvalued,
        line.unvalued_held,
        *_left_over(line.left_over),
        _percent(win_rate(line.total)),
        "" if (factor := profit_factor(line.total)) is None else plain(factor),
        "" if (hold_s := average_hold_s(line.total)) is None else round(hold_s),
        plain(line.total.fees),
        line.trader.finished_at.astimezone(UTC).isoformat() if line.trader and line.trader.finished_at else "",
    ]


def _left_over(left: LeftOver | None) -> tuple[str, str, str]:
    if left is None:
        return "", "", ""
    return plain(left.quantity), plain(left.cost), "" if left.value is None else plain(left.value)


def _percent(share: Decimal | None) -> str:
    return "" if share is None else plain(share.scaleb(2))


def totals(told: list[Line]) -> list[Line]:
    """One line for each quote asset, of lines by symbol or slot; the asset with the most cycles first."""
    found: dict[str, Line] = {}
    for line in told:
        found[line.asset] = found.get(line.asset, Line("all", line.asset, 0, ZERO, ZERO)).plus(line)
    return sorted(found.values(), key=lambda line: (-line.cycles, line.asset))


def _places(
    venue: Venue, by: By, since: datetime | None, until: datetime | None, held: list[Holding]
) -> Iterator[Line]:
    """By symbol or by slot."""
    symbols = Symbol.objects.in_bulk()
    found: dict[tuple[str, int], Line] = {}

    def add(symbol_id: int, slot: int, line: Line) -> None:
        name = symbols[symbol_id].name
        key = (name, slot if by == By.SLOT else 0)
        first = replace(line, name=f"{name} #{slot}" if by == By.SLOT else name)
        found[key] = found[key].plus(line) if key in found else first

    sums = by_slot(venue, since, until)
    for (symbol_id, slot), each in sums.items():
        asset = symbols[symbol_id].quote_asset
        budget = _mean(each.budget, each.cycles)
        add(symbol_id, slot, Line("", asset, each.cycles, each.profit, budget, unvalued=each.unvalued, total=each))
    for holding in held:
        trader = holding.trader
        budget = ZERO if (trader.symbol_id, trader.slot) in sums else trader.budget
        line = Line(
            "",
            trader.symbol.quote_asset,
            0,
            ZERO,
            budget,
            holding.unrealised,
            holding.unrealised is not None,
            unvalued_held=int(bool(holding.terms.unvalued)),
        )
        add(trader.symbol_id, trader.slot, line)
    yield from (found[key] for key in sorted(found))


def _strategies(venue: Venue, since: datetime | None, until: datetime | None) -> Iterator[Line]:
    for (name, asset), each in sorted(by_strategy(venue, since, until).items()):
        budget = _mean(each.budget, each.cycles) if each.cycles else ZERO
        yield Line(name, asset, each.cycles, each.profit, budget, unvalued=each.unvalued, total=each)


def _days(
    venue: Venue, since: datetime | None, until: datetime | None, budgets: Mapping[str, Decimal]
) -> Iterator[Line]:
    """`budgets`: what has worked in that time, by quote asset."""
    sums = by_day(venue, since, until)
    found = {
        (day, asset): Line(day, asset, each.cycles, each.profit, ZERO, unvalued=each.unvalued, total=each)
        for (day, asset), each in sums.items()
    }
    # A cycle that has ended since the budgets were summed is the only one of its asset: it has none yet.
    found = {key: replace(line, budget=budgets.get(line.asset, ZERO)) for key, line in found.items()}
    yield from (found[key] for key in sorted(found, key=lambda key: (key[0], found[key].cycles), reverse=True))


def _cycles(venue: Venue, since: datetime | None, until: datetime | None, limit: int | None) -> Iterator[Line]:
    rows = ended(venue) if since is None else ended(venue).filter(finished_at__gte=since)
    rows = rows if until is None else rows.filter(finished_at__lt=until)
    rows = rows.select_related("symbol").order_by("-finished_at", "-pk")[:limit]
    for trader in rows.iterator(chunk_size=2_000):
        yield Line(
            str(trader),
            trader.symbol.quote_asset,
            1,
            trader.profit or ZERO,
            trader.budget,
            trader=trader,
            unvalued=int(trader.has_unvalued_fees),
            total=counted(trader),
        )


def _mean(total: Decimal, count: int) -> Decimal:
    return (total / count).quantize(Decimal("0.00000001"))


def _added(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    """None is nothing."""
    return first if second is None else second if first is None else first + second


@dataclass(frozen=True)
class Profit:
    """What the cycles of one quote asset brought, net of commissions."""

    asset: str
    total: Decimal
    last_day: Decimal
    unvalued: int = 0  # cycles with commissions of unknown value, which the sums leave out
    unvalued_last_day: int = 0


def profits(venue: Venue, now: datetime | None = None) -> list[Profit]:
    """Profit so far, by quote asset; the asset with the most cycles comes first."""
    day = by_asset(venue, (now or timezone.now()) - timedelta(days=1))
    so_far = by_asset(venue)
    found = [
        Profit(asset, each.profit, (last := day.get(asset, NONE)).profit, each.unvalued, last.unvalued)
        for asset, each in so_far.items()
    ]
    return sorted(found, key=lambda profit: (-so_far[profit.asset].cycles, profit.asset))
