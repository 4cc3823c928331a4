"""What the risk limits allow, how much of it is used, and what they deny now: for people."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.books import totals
from trading.core.denials import Rule
from trading.core.fees import BNB
from trading.core.money import ZERO, plain
from trading.core.orders import UNVALUED
from trading.models import (
    AccountProtections,
    HighWater,
    Order,
    Symbol,
    SymbolProtections,
    TradingSettings,
)
from trading.models.symbols import TradingStatus
from trading.models.totals import Span
from trading.risk import balances, drawdown, protections
from trading.risk.exposure import bound, of_live_traders

MAX_LINES = 5
OF_ACCOUNT = frozenset({Rule.ACCOUNT_EXPOSURE, Rule.RESERVE, Rule.ORDER_RATE})
MOMENT = "%d %b %H:%M:%S UTC"


@dataclass(frozen=True)
class Gauge:
    """One limit that is set, and how far it is used; `part` is 1 where it is reached, None where it has no scale."""

    name: str
    text: str
    part: float | None = None


@dataclass
class Together:
    """Symbols whose buys one rule denies now; the reason is that of the last of them."""

    rule: str
    reason: str
    last_at: datetime
    symbols: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        rest = len(self.symbols) - MAX_LINES
        who = ", ".join(self.symbols[:MAX_LINES]) + (f" and {rest} more" if rest > 0 else "")
        return self.reason if who in self.reason else f"{who}: {self.reason}"


def account_gauges(limits: AccountProtections) -> Iterator[Gauge]:
    """Those of a venue's account, in a few queries."""
    now, venue, quote = timezone.now(), Venue(limits.venue), limits.quote_asset
    if limits.max_exposure is not None:
        used = bound(venue, quote_asset=quote)
        yield _used("Exposure", used, limits.max_exposure, quote)
    for asset, minimum in ((quote, limits.quote_reserve), (BNB, limits.bnb_reserve)):
        if minimum is not None:
            free = balances.free_of(venue, asset, now)
            is_touched = free.amount is not None and free.amount < minimum
            text = f"{_free(free, now)}, min {plain(minimum)} {asset}"
            yield Gauge(f"Reserve of {asset}", text, 1.0 if is_touched else None)
    if limits.max_orders_per_minute is not None:
        sent = Order.objects.filter(venue=venue, submitted_at__gt=now - timedelta(minutes=1)).count()
        yield _used("Orders in the last minute", Decimal(sent), Decimal(limits.max_orders_per_minute), "")
    if limits.max_drawdown is not None:
        yield _drawdown(limits, limits.max_drawdown, now)


def _drawdown(limits: AccountProtections, limit: Decimal, now: datetime) -> Gauge:
    row = HighWater.objects.filter(venue=limits.venue).first()
    if row is None:
        return Gauge("Drawdown", f"not measured yet, max {_percent(limit)}")
    text = (
        f"{_percent(row.drawdown)} of {_percent(limit)}"
        f"; gain {plain(row.gain)} {limits.quote_asset}{_unknown(limits)}"
        f", peak {plain(row.high)}, today's peak {plain(row.day_high)}"
    )
    since = drawdown.unknown_since(row, now)
    return Gauge("Drawdown", f"{text}; unknown since {since:{MOMENT}}" if since else text, _part(row.drawdown, limit))


def _unknown(limits: AccountProtections) -> str:
    so_far = totals.by_asset(Venue(limits.venue)).get(limits.quote_asset, totals.NONE)
    return f" {UNVALUED}" if so_far.unvalued else ""


def symbol_gauges(symbol: Symbol, venue: Venue) -> Iterator[Gauge]:
    """Those of a symbol, at one venue."""
    limits = SymbolProtections.objects.filter(symbol=symbol).first()
    if limits is None:
        return
    quote = symbol.quote_asset
    if limits.max_exposure is not None:
        yield _used("Exposure", bound(venue, symbol_id=symbol.pk), limits.max_exposure, quote)
    if limits.max_open_orders is not None:
        count = of_live_traders(venue, symbol.pk).filter(status__is_open=True).count()
        yield _used("Open orders", Decimal(count), Decimal(limits.max_open_orders), "")
    if limits.max_daily_loss is not None:
        today = totals.of_symbol(symbol.pk, venue, totals.begin_of(Span.DAY, timezone.now()))
        lost = max(ZERO, -today.profit)
        used = _used("Daily loss (UTC)", lost, limits.max_daily_loss, quote)
        more = ", and commissions of unknown value" if today.unvalued else ""
        yield replace(used, text=used.text + more)
    if limits.max_consecutive_losses is not None:
        yield Gauge(
            "Consecutive losses", f"{limits.max_consecutive_losses} pause buying for {limits.cooldown_minutes} min"
        )
    if limits.max_price_age_s is not None:
        yield Gauge("Max price age", f"{limits.max_price_age_s} s")
    if limits.deny_in_gaps:
        yield Gauge("Data gaps", "deny buys")


def not_counted(limits: AccountProtections) -> list[str]:
    """The symbols that are on and quoted in another asset, which the account's amounts leave out."""
    on = TradingSettings.objects.filter(status=TradingStatus.ON).exclude(symbol__quote_asset=limits.quote_asset)
    return list(on.order_by("symbol__name").values_list("symbol__name", flat=True))


def together(venue: Venue, symbol: Symbol | None = None) -> list[Together]:
    """What denies buys now, of all symbols or of one; the last first."""
    rows = protections.active_denials(venue)
    found: dict[object, Together] = {}
    for row in rows if symbol is None else rows.filter(symbol=symbol):
        # A limit of the account says the same of many symbols.
        key = row.rule if row.rule in OF_ACCOUNT else (row.rule, row.symbol_id)
        found.setdefault(key, Together(row.rule, row.reason, row.last_at)).symbols.append(row.symbol.name)
    return list(found.values())


def drawdown_problems(venue: Venue) -> Iterator[str]:
    """A drawdown that is not watched, or that waits behind what somebody else has halted."""
    limits = AccountProtections.objects.filter(venue=venue, max_drawdown__isnull=False).first()
    if limits is None:
        return
    row = HighWater.objects.filter(venue=venue).first()
    since = drawdown.unknown_since(row, timezone.now())
    if row is None:
        yield f"The drawdown at {venue} is not known yet: a position may have no price."
    elif since:
        yield f"The drawdown at {venue} is unknown since {since:{MOMENT}}: a position may have no price."
    elif drawdown.is_too_much(limits, row) and row.tripped_at is None:
        limit = f"{_percent(row.drawdown)}, above the max of {_percent(limits.max_drawdown or ZERO)}"
        yield f"The drawdown at {venue} is {limit}: resuming will stop trading again."


def _used(name: str, used: Decimal, limit: Decimal, unit: str) -> Gauge:
    return Gauge(name, f"{plain(used)} of {plain(limit)} {unit}".rstrip(), _part(used, limit))


def _part(used: Decimal, limit: Decimal) -> float:
    # A float is for the eye only.
    return float(min(max(used / limit, ZERO), Decimal(1)))


def _free(free: balances.Free, now: datetime) -> str:
    age_s = balances.age_s(free, now)
    if free.amount is None or age_s is None:
        return "free balance unknown"
    return f"{plain(free.amount)} free ({age_s:.0f} s ago)"


def _percent(fraction: Decimal) -> str:
    return f"{plain(round(fraction * 100, 2))} %"
