"""What the page of profit and `manage.py profit` tell beside the lines: how often and how long, and at which risk."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from console import numbers
from console.figures import count
from hedgehog_project.venues import Venue
from trading.books import account, statistics, totals
from trading.books.profit import Line
from trading.books.statistics import Bar, Bars, Drawdown
from trading.books.totals import Total
from trading.core.money import ZERO
from trading.models import AccountValue, Equity

# So much later a first price may be known, and a comparison with holding is still of the same time.
LATE = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """A span of time; None: from the beginning, until now."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Figures:
    """One quote asset's, in a span of time. Amounts in that asset; None: nothing tells."""

    asset: str
    total: Total
    drawdown: Drawdown
    exposure: Decimal | None
    holding: Decimal | None  # what holding the coins instead would have gained, with the same budgets

    @property
    def in_words(self) -> list[tuple[str, str, str]]:
        """Each as its name, its value, and what that is made of."""
        total, asset, drawdown = self.total, self.asset, self.drawdown
        rate, factor = statistics.win_rate(total), statistics.profit_factor(total)
        hold_s, lost = statistics.average_hold_s(total), total.won - total.profit
        share = "" if drawdown.share is None else f", {numbers.fixed(drawdown.share.scaleb(2), 2)} %"
        return [
            ("Win rate", _share(rate), f"{total.wins:,} won, {total.losses:,} lost"),
            (
                "Profit factor",
                numbers.NONE if factor is None else numbers.fixed(factor, 2),
                f"won {numbers.money(total.won, asset)}, lost {numbers.money(lost, asset)}",
            ),
            (
                "Average hold",
                numbers.NONE if hold_s is None else numbers.duration(hold_s),
                f"of {count(total.cycles, 'cycle')}",
            ),
            ("Fees", numbers.money(total.fees, asset), f"{asset}, included in the profit"),
            ("Worst drawdown", numbers.money(drawdown.amount, asset), f"{asset} below the gain's high{share}"),
            ("Exposure", _share(self.exposure), "of budgets, on average"),
            (
                "Holding instead",
                numbers.NONE if self.holding is None else numbers.signed(self.holding, asset),
                f"{asset}, the same symbols and budgets",
            ),
        ]


def figures(venue: Venue, asset: str, lines: Iterable[Line], span: Span) -> Figures:
    """`lines`: those by symbol of the same span."""
    own = [line for line in lines if line.asset == asset]
    rows = Equity.objects.filter(venue=venue, asset=asset).order_by("hour")
    rows = rows if span.since is None else rows.filter(hour__gte=span.since)
    rows = rows if span.until is None else rows.filter(hour__lt=span.until)
    course = list(rows.values_list("measured_at", "equity", "held_cost", "budget"))
    capital = account.put_in_until_now(venue, asset) or sum((line.budget for line in own), ZERO)
    held = holding(venue, own, span)
    return Figures(
        asset=asset,
        total=sum((line.total for line in own), totals.NONE),
        drawdown=statistics.worst_drawdown(((at, gain) for at, gain, _, _ in course), capital),
        exposure=statistics.mean_exposure([(cost, budget) for _, _, cost, budget in course]),
        holding=sum(held.values(), ZERO) if held and len(held) == len(own) else None,
    )


def holding(venue: Venue, lines: Iterable[Line], span: Span) -> dict[str, Decimal]:
    """By symbol, what its budget would have gained in the coin, where the prices at both ends are known."""
    unit = account.unit_of(venue)
    first = _first(venue, unit, span.since)
    last = account.last(venue) if span.until is None else account.before(venue, unit, span.until)
    if first is None or last is None:
        return {}
    found = {}
    for line in lines:
        gained = statistics.holding(_price(first, line.name), _price(last, line.name), line.budget)
        if gained is not None:
            found[line.name] = gained
    return found


def _first(venue: Venue, unit: str, since: datetime | None) -> AccountValue | None:
    if since is None:
        start = account.started(venue, unit)
        return account.first_since(venue, unit, start.at) if start else None
    row = account.before(venue, unit, since) or account.first_since(venue, unit, since)
    return row if row is not None and abs(row.measured_at - since) <= LATE else None


def _price(row: AccountValue, symbol: str) -> Decimal | None:
    told = row.symbols.get(symbol)
    return Decimal(told[1]) if told and told[1] else None


def _share(value: Decimal | None) -> str:
    return numbers.NONE if value is None else f"{numbers.fixed(value.scaleb(2), 1)} %"


def bars(venue: Venue, asset: str, by: Bars, span: Span) -> list[Bar]:
    """What ended in each day, week or month of UTC, in one quote asset."""
    now = timezone.now()
    last = (span.until - timedelta(microseconds=1) if span.until else now).astimezone(UTC).date()
    first = span.since.astimezone(UTC).date() if span.since else None
    return statistics.bars(_days(venue, asset, span), by, first, max(last, first or last))


def month(venue: Venue, asset: str, begins: date) -> dict[date, Total]:
    """The days of a month (UTC) on which cycles ended."""
    first = datetime(begins.year, begins.month, 1, tzinfo=UTC)
    following = statistics.next_of(begins, Bars.MONTH)
    return _days(venue, asset, Span(first, datetime(following.year, following.month, 1, tzinfo=UTC)))


def _days(venue: Venue, asset: str, span: Span) -> dict[date, Total]:
    found = totals.by_day(venue, span.since, span.until)
    return {date.fromisoformat(day): total for (day, each), total in found.items() if each == asset}
