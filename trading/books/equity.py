"""Equity over time, shown as gain: what trading has brought, with what is held at the last price; a row an hour."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import Max, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.books import totals
from trading.books.holdings import Holding, holdings
from trading.books.left_over import LeftOver, by_quote_asset, left_over
from trading.core.money import ZERO
from trading.models import Equity, Trader
from trading.models.equity import HOURS_KEPT
from trading.models.traders import LIVE


@dataclass
class Standing:
    """What one quote asset comes to now; the fields are those of the model Equity.

    What ended cycles have left over is no part of what is held. Where its price is unknown it counts at its cost, and
    not as `unpriced`: it is too little to sell alone, and of a symbol that may be off for good.
    """

    realised: Decimal = ZERO
    unrealised: Decimal = ZERO
    held_cost: Decimal = ZERO
    held_value: Decimal = ZERO
    budget: Decimal = ZERO
    unpriced: int = 0
    unvalued: int = 0
    unvalued_held: int = 0
    left_cost: Decimal = ZERO
    left_value: Decimal = ZERO
    holdings: list[Holding] = field(default_factory=list)
    left_over: list[LeftOver] = field(default_factory=list)

    @property
    def equity(self) -> Decimal:
        """The gain: not what the account is worth, which nobody asks for here."""
        return self.realised + self.unrealised + self.left_value - self.left_cost


def standing(venue: Venue) -> dict[str, Standing]:
    """Everything by quote asset, as it is now. Where a price is unknown, what is held counts at its cost."""
    found: dict[str, Standing] = defaultdict(Standing)
    for asset, total in totals.by_asset(venue).items():
        found[asset].realised, found[asset].unvalued = total.profit, total.unvalued
    live = Trader.objects.filter(LIVE, venue=venue).order_by()
    for asset, budget in live.values_list("symbol__quote_asset").annotate(Sum("budget")):
        found[asset].budget = budget
    for holding in holdings(venue):
        each = found[holding.trader.symbol.quote_asset]
        each.holdings.append(holding)
        each.unvalued_held += bool(holding.terms.unvalued)
        value = holding.value
        if value is None:
            each.unpriced += 1
            value = holding.terms.owned_cost
        each.held_cost += holding.terms.owned_cost
        each.held_value += value
        each.unrealised += holding.terms.net + value - holding.terms.owned_cost
    for asset, left in by_quote_asset(left_over(venue).values()).items():
        each = found[asset]
        each.left_cost, each.left_value, each.left_over = left.cost, left.value, list(left.found)
    return dict(found)


def record(venue: Venue, now: datetime | None = None) -> None:
    """Writes this hour's rows, over what they said before; when an hour begins, drops what needs no row any more."""
    now = now or timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    for asset, each in standing(venue).items():
        values = {
            "measured_at": now,
            "realised": each.realised,
            "unrealised": each.unrealised,
            "equity": each.equity,
            "held_cost": each.held_cost,
            "held_value": each.held_value,
            "left_cost": each.left_cost,
            "left_value": each.left_value,
            "budget": each.budget,
            "unpriced": each.unpriced,
            "unvalued": each.unvalued,
            "unvalued_held": each.unvalued_held,
        }
        _, is_new = Equity.objects.update_or_create(venue=venue, asset=asset, hour=hour, defaults=values)
        if is_new:
            _thin(venue, asset, now)
            totals.thin(now)


def _thin(venue: Venue, asset: str, now: datetime) -> None:
    begin_of_kept = (now - HOURS_KEPT).replace(hour=0, minute=0, second=0, microsecond=0)
    old = Equity.objects.filter(venue=venue, asset=asset, hour__lt=begin_of_kept)
    last_of_days = old.order_by().annotate(day=TruncDate("hour")).values("day").annotate(last=Max("hour"))
    old.exclude(hour__in=[row["last"] for row in last_of_days]).delete()


def course(venue: Venue, asset: str, since: datetime) -> list[Equity]:
    """The rows from then on, oldest first."""
    return list(Equity.objects.filter(venue=venue, asset=asset, hour__gte=since).order_by("hour"))
