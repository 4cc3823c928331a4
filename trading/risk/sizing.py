"""Sizing: what a new trader gets of its symbol's budget. It keeps that for its one cycle. The rules: rules.py."""

from datetime import datetime

from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.books.totals import of_symbol
from trading.core.money import ZERO, plain
from trading.models import AccountProtections, TradingSettings
from trading.models.symbols import Sizing
from trading.risk import balances, rules
from trading.risk.exposure import bound
from trading.risk.figures import account_limits
from trading.risk.rules import Gain, Size


def next_size(settings: TradingSettings, venue: Venue, now: datetime | None = None) -> Size:
    """What the next trader of a symbol gets at a venue. A balance that is too old is asked for, for the next time."""
    if settings.sizing == Sizing.SHARE:
        return _of_balance(settings, venue, now or timezone.now())
    so_far = None
    if settings.compounds:
        total = of_symbol(settings.symbol_id, venue)
        so_far = Gain(total.profit, bool(total.unvalued))
    return rules.fixed_size(settings.budget, settings.max_slots, settings.symbol.quote_asset, so_far)


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
    limits = account_limits(AccountProtections.objects.filter(venue=venue).first())
    reserve = ZERO if limits is None else limits.reserve_of(quote)
    own = bound(venue, symbol_id=settings.symbol_id)
    return rules.share_size(settings.balance_share, settings.max_slots, quote, free.amount, reserve, own)
