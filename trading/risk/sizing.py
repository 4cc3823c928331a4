"""Sizing: what a new trader gets of its symbol's budget. It keeps that for its one cycle."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.books.totals import of_symbol
from trading.core.money import EXACT, ZERO, plain, share_of
from trading.core.orders import UNVALUED
from trading.models import AccountProtections, TradingSettings
from trading.models.symbols import Sizing
from trading.risk import balances
from trading.risk.exposure import bound


@dataclass(frozen=True)
class Size:
    """A trader's budget in quote, and in words how it comes about; None: there can be no trader now, and why."""

    budget: Decimal | None
    text: str


def next_size(settings: TradingSettings, venue: Venue, now: datetime | None = None) -> Size:
    """What the next trader of a symbol gets at a venue. A balance that is too old is asked for, for the next time."""
    if settings.sizing == Sizing.SHARE:
        return _of_balance(settings, venue, now or timezone.now())
    quote = settings.symbol.quote_asset
    total, text = settings.budget, f"the budget of {plain(settings.budget)} {quote}"
    if settings.compounds:
        so_far = of_symbol(settings.symbol_id, venue)
        brought = so_far.profit
        total += brought
        unknown = f" {UNVALUED}" if so_far.unvalued else ""
        how = "plus the profit" if brought > 0 else "less the loss"
        text += f" {how} of {plain(abs(brought))} {quote}{unknown} so far" if brought else ""
    return _part(total, settings, text)


def above_account(settings: TradingSettings, venue: Venue, now: datetime | None = None) -> str:
    """In words, that the account can't pay a symbol's budget; empty where it can, or where nobody knows."""
    quote = settings.symbol.quote_asset
    free = balances.free_of(venue, quote, now or timezone.now())
    if settings.sizing != Sizing.FIXED or free.amount is None:
        return ""
    own = bound(venue, symbol_id=settings.symbol_id)
    if settings.budget <= free.amount + own:
        return ""
    has = f"{plain(free.amount)} {quote} free plus {plain(own)} in use by {settings.symbol}"
    return f"The budget of {plain(settings.budget)} {quote} is more than the account at {venue} has: {has}."


def _of_balance(settings: TradingSettings, venue: Venue, now: datetime) -> Size:
    quote = settings.symbol.quote_asset
    free = balances.free_of(venue, quote, now)
    if free.amount is None:
        balances.ask_again(venue)
        return Size(None, f"the free balance at {venue} is not known yet")
    limits = AccountProtections.objects.filter(venue=venue).first()
    reserve = limits.reserve_of(quote) if limits else ZERO
    # What its traders have bound came out of the same balance: each gets as much as the first.
    own = bound(venue, symbol_id=settings.symbol_id)
    base = max(free.amount - reserve, ZERO) + own
    kept = f" above the reserve of {plain(reserve)}" if reserve else ""
    share = f"{plain(settings.balance_share.scaleb(2))} %"
    text = f"{share} of {plain(free.amount)} {quote} free{kept} plus {plain(own)} in use"
    return _part(EXACT.multiply(base, settings.balance_share), settings, text)


def _part(total: Decimal, settings: TradingSettings, text: str) -> Size:
    text = f"{text}, split into {settings.max_slots} slot{'' if settings.max_slots == 1 else 's'}"
    budget = share_of(total, settings.max_slots)
    if budget <= 0:
        return Size(None, f"no budget left: {text}")
    return Size(budget, text)
