"""The gate: what every order has to pass, asked in the transaction that saves its intent.

Right before the call it looks once more: trading may have been halted meanwhile, or the symbol turned off.
"""

from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Subquery

from hedgehog_project import halt_request
from hedgehog_project.database.compiled import Compiled
from hedgehog_project.venues import Venue
from trading.core.denials import Check, Denial
from trading.core.filters import SymbolFilters
from trading.core.orders import Side
from trading.exchange.client import why_wait
from trading.exchange.protocol import NewOrder
from trading.identity import copies
from trading.models import Switch, Trader, TradingSettings
from trading.models.switch import TradingMode, requested_mode
from trading.models.symbols import TradingStatus
from trading.risk import protections, rules
from trading.risk.figures import Queries

_MODE = Compiled(lambda: Switch.objects.filter(pk=1).values_list("mode", flat=True))
_MODE_AND_STATUS = Compiled(
    lambda symbol: (
        TradingSettings.objects.filter(symbol__name=symbol)
        .annotate(mode=Subquery(Switch.objects.filter(pk=1).values("mode")))
        .values_list("mode", "status", "paused_by")
    ),
    str,
)

# How long a trader rests that the mode denies; a resume makes it due at once.
REST = timedelta(seconds=60)
AT_ONCE = timedelta(0)


def denial(trader: Trader, side: Side, price: Decimal, quantity: Decimal, filters: SymbolFilters) -> Denial | None:
    """What denies this order of a trader; None if it may be placed."""
    return _before_limits(trader, side, price, filters) or protections.denial(trader, side, price, quantity)


def would_deny_buy(trader: Trader, price: Decimal, quantity: Decimal, filters: SymbolFilters) -> Denial | None:
    """As denial, of a buy that nobody places yet: nothing is noted. To be called in a transaction."""
    return _before_limits(trader, Side.BUY, price, filters) or protections.would_deny(trader, price, quantity)


def _before_limits(trader: Trader, side: Side, price: Decimal, filters: SymbolFilters) -> Denial | None:
    venue = Venue(trader.venue)
    return (
        mode_denial(side, trader.claimed.mode if trader.claimed else None)
        or copies.denial(trader, side)
        or _pause_denial(side, trader.paused_by if trader.pause else trader.symbol_paused_by)
        or _rate_limit_denial(venue, side)
        or rules.at_the_exchange(side, price, filters, venue, Queries(trader))
    )


def mode_denial(side: Side, mode: str | None = None) -> Denial | None:
    """What the kill switch denies: by its row, or by a halt that the database does not know yet. `mode`: its row's,
    where that was read just now.
    """
    return _requested_denial(side) or _switch_denial(_MODE.first() if mode is None else mode, side)


def _requested_denial(side: Side) -> Denial | None:
    wanted = halt_request.pending(settings.HEDGEHOG_HOME)
    if wanted is None or requested_mode(wanted).lets(side):
        return None
    # Nothing is read for it: the database may be what is away.
    asked = Switch(pk=1)
    asked.obey(wanted)
    return Denial(asked.mode_text, REST, asked.mode_text, Check.MODE)


def _switch_denial(mode: str | None, side: Side) -> Denial | None:
    if TradingMode(mode or TradingMode.ACTIVE).lets(side):
        return None
    row = Switch.row()
    return Denial(row.mode_text, REST, row.mode_text, Check.MODE)


def cancel_denial(trader: Trader, side: Side) -> Denial | None:
    """What would deny an order that is to replace a cancelled one: then nothing is to be cancelled."""
    return mode_denial(side) or copies.denial(trader, side)


def _pause_denial(side: Side, by: str | None) -> Denial | None:
    """A pause holds buys back. Sales it lets pass: of a trader that is to place none, see core/by_hand.py."""
    if side == Side.SELL or not by:
        return None
    return Denial(f"paused by {by}", REST, f"paused by {by}", Check.PAUSE)


def last_look(order: NewOrder) -> Denial | None:
    """What was turned since the order was saved: the mode of trading, or its symbol. Outside of a transaction."""
    requested = _requested_denial(order.side)
    if requested is not None:
        return requested
    mode, status, paused_by = _MODE_AND_STATUS.first(order.symbol) or (None, None, "")
    return _switch_denial(mode, order.side) or _off_denial(order, status) or _pause_denial(order.side, paused_by)


def _off_denial(order: NewOrder, status: str | None) -> Denial | None:
    """Off lets nothing pass, a shutdown sales only. The strategy's guard says the same, at the trader's next look."""
    if status == TradingStatus.ON or (status == TradingStatus.SHUTDOWN and order.side == Side.SELL):
        return None
    is_shutdown = status == TradingStatus.SHUTDOWN
    text = f"{order.symbol} is shutting down" if is_shutdown else f"trading is off for {order.symbol}"
    return Denial(text, AT_ONCE, text, Check.SYMBOL)


def _rate_limit_denial(venue: Venue, side: Side) -> Denial | None:
    """What the exchange's rate limits deny. Sells have a reserve that buys can't use."""
    full = why_wait(venue, side)
    if full is None:
        return None
    reason, wait_s = full
    topic = f"rate limit: no capacity for a {side.lower()}"
    return Denial(reason, timedelta(seconds=wait_s), topic, Check.RATE_LIMIT)
