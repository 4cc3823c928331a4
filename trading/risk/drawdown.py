"""Drawdown: how far a venue's gain has fallen from its high. Too far, and trading stops until a person resumes it.

The gain is realised and unrealised profit. Deposits, withdrawals and changed budgets are none, so they move no high.
"""

import logging
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from django.db import transaction
from django.db.models import Count, Sum

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.venues import Venue, rests
from trading.books.equity import Standing, standing
from trading.core.money import EXACT, ZERO, plain
from trading.models import AccountProtections, HighWater, Switch, Trader, TradingSettings
from trading.models.protections import HighOf
from trading.models.switch import TradingMode, is_stricter
from trading.models.symbols import Sizing, TradingStatus
from trading.models.times import ms_of
from trading.one_by_one import each
from trading.risk import kill_switch, rules
from trading.risk.rules import Marks

log = logging.getLogger(__name__)

# How often it is looked at, where a drawdown is set; after which time without a look people are told.
EVERY = timedelta(seconds=5)
UNSEEN = timedelta(seconds=30)
# Who it was, for the switch's page.
BY = "risk limits"


_WATCHED = Compiled(lambda: AccountProtections.objects.filter(max_drawdown__isnull=False))


def watch(now: datetime) -> None:
    """Looks at every venue that runs and has a drawdown set, where it is time to.

    For the leader; two at once are harmless.
    """
    each([row for row in _WATCHED() if not rests(row.venue)], lambda limits: _look(limits, now))


def _look(limits: AccountProtections, now: datetime) -> None:
    row = HighWater.objects.filter(venue=limits.venue).first()
    if row is not None and row.looked_at > now - EVERY:
        return
    seen = standing(Venue(limits.venue)).get(limits.quote_asset) or Standing()
    if seen.unpriced:
        # A price that nobody knows tells of no gain and no loss. `unknown_since` tells people.
        log.debug("drawdown unknown: venue=%s holdings_without_price=%s", limits.venue, seen.unpriced)
        return
    with transaction.atomic():
        _take_in(limits, seen.equity, capital_of(limits, seen), now)


def _take_in(limits: AccountProtections, gain: Decimal, capital: Decimal, now: datetime) -> None:
    """Moves the marks by what was seen, and halts trading where the drawdown is too much."""
    row = HighWater.objects.select_for_update().filter(venue=limits.venue).first()
    if row is None or row.quote_asset != limits.quote_asset:
        marks = Marks.begin(gain, ms_of(now))
        begin = {"quote_asset": limits.quote_asset, "gain": gain, "high": marks.high, "high_at": now}
        begin |= {"day": marks.day, "day_high": marks.day_high, "drawdown": marks.drawdown}
        begin |= {"looked_at": now, "tripped_at": None}
        HighWater.objects.update_or_create(venue=limits.venue, defaults=begin)
        return
    if row.looked_at > now - EVERY:
        return  # Another leader was quicker.
    marks, is_of_day = _marks(row), limits.drawdown_from == HighOf.DAY
    # Asked only where it says whether a person has resumed.
    is_active = row.tripped_at is not None and Switch.row().is_active
    after = rules.look(marks, gain, capital, ms_of(now), of_day=is_of_day, is_active=is_active)
    row.gain, row.high, row.day, row.day_high = after.gain, after.high, after.day, after.day_high
    row.drawdown, row.looked_at = after.drawdown, now
    if after.high_ms != marks.high_ms:
        row.high_at = now
    if not after.has_tripped:
        row.tripped_at = None
    if is_too_much(limits, row) and row.tripped_at is None and _trip(limits, row, after.top(of_day=is_of_day)):
        row.tripped_at = now
    row.save()


def _marks(row: HighWater) -> Marks:
    return Marks(
        row.gain,
        row.high,
        ms_of(row.high_at),
        row.day,
        row.day_high,
        ms_of(row.looked_at),
        row.drawdown,
        has_tripped=row.tripped_at is not None,
    )


def _trip(limits: AccountProtections, row: HighWater, top: Decimal) -> bool:
    """Whether it did. Where it did not, the next look tries again."""
    mode, now_is = TradingMode(limits.drawdown_mode), Switch.row()
    if limits.venue not in (now_is.at, Venue.LIVE):
        # Of play money that is left elsewhere, nothing is bought any more; it shall not stop real money's traders.
        return False
    if not is_stricter(mode, TradingMode(now_is.mode)):
        # Somebody has halted as much already, for another reason. Whoever resumes shall see this one.
        return False
    of = "daily" if limits.drawdown_from == HighOf.DAY else "all-time"
    why = (
        f"drawdown {row.drawdown * 100:.1f} % at {row.venue}: gain fell from the {of} peak of {plain(top)} "
        f"{row.quote_asset} to {plain(row.gain)}"
    )
    kill_switch.halt(BY, why, mode, limits.drawdown_cancels_buys or now_is.cancel_buys)
    return True


def is_too_much(limits: AccountProtections, row: HighWater) -> bool:
    """Whether the drawdown at the last look reaches its limit."""
    return rules.is_too_much(row.drawdown, limits.max_drawdown)


def unknown_since(row: HighWater | None, now: datetime) -> datetime | None:
    """Since when nobody has looked, though it is time to: what is held has no price, or no leader is up."""
    return row.looked_at if row is not None and row.looked_at < now - UNSEEN else None


def capital_of(limits: AccountProtections, seen: Standing) -> Decimal:
    """What the gains are added to: as set, else the budgets of the symbols that are on, else of the live traders.

    Where a symbol trades a share of the balance, its budget is what its traders were given, each for its slot.
    """
    if limits.capital is not None:
        return Decimal(limits.capital)
    on = TradingSettings.objects.filter(status=TradingStatus.ON, symbol__quote_asset=limits.quote_asset)
    fixed = on.filter(sizing=Sizing.FIXED).aggregate(total=Sum("budget"))["total"] or ZERO
    shares = dict(on.filter(sizing=Sizing.SHARE).values_list("symbol", "max_slots"))
    live = Trader.objects.filter(finished_at__isnull=True, venue=limits.venue, symbol__in=shares).order_by()
    given = live.values_list("symbol").annotate(total=Sum("budget"), count=Count("pk"))
    with localcontext(EXACT):
        shared = sum((total * max(shares[pk], count) / count for pk, total, count in given), ZERO)
    return fixed + shared or seen.budget
