"""The kill switch: halting and resuming, one function each, for the admin and the commands."""

import logging
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from trading.core.orders import OPEN, OrderStatus, Side
from trading.models import Order, Switch, Symbol, Trader, TradingSettings
from trading.models.switch import TradingMode
from trading.models.symbols import TradingStatus

log = logging.getLogger(__name__)


def halt(by: str, why: str = "", mode: TradingMode = TradingMode.HALTED, cancels_buys: bool = False) -> None:
    """Lets no order pass any more, or none but sales, at every venue.

    Once this has returned no call of an exchange begins that the mode forbids; one that is on its way already is an
    order in SUBMITTING, see `on_their_way`. With `cancels_buys` the leader has resting buys taken back, those as well
    that turn out later to rest.
    """
    _turn(mode, by, why, cancels_buys)


def resume(by: str) -> int:
    """Lets every order pass again, and rings whoever waits for a time; how many traders that are."""
    with transaction.atomic():
        _turn(TradingMode.ACTIVE, by, "", False)
        # The leader nudges whoever is due, within a second.
        waiting = Trader.objects.filter(finished_at__isnull=True, retry_at__gt=timezone.now())
        return waiting.update(retry_at=timezone.now())


def _turn(mode: TradingMode, by: str, why: str, cancels_buys: bool) -> None:
    values = {
        "mode": mode,
        "mode_at": timezone.now(),
        "mode_by": by[:150],
        "mode_why": why.strip()[:200],
        "cancels_buys": cancels_buys,
    }
    Switch.objects.update_or_create(pk=1, defaults=values)
    transaction.on_commit(
        lambda: log.warning("trading is %s: by=%s why=%s cancels_buys=%s", mode, by, why, cancels_buys)
    )


def wants_buys_back() -> bool:
    row = Switch.row()
    return row.cancels_buys and not row.is_active


def resting(symbols: Sequence[Symbol] | None = None) -> QuerySet[Order]:
    """Acknowledged orders of which more can still trade, oldest first, everywhere; of all symbols, or of these."""
    return _of(symbols, Order.objects.filter(status__in=OPEN - {OrderStatus.SUBMITTING}))


def resting_buys(symbols: Sequence[Symbol] | None = None) -> QuerySet[Order]:
    """Those of them that buy."""
    return resting(symbols).filter(side=Side.BUY)


def on_their_way(symbols: Sequence[Symbol] | None = None) -> QuerySet[Order]:
    """Orders that may reach an exchange yet, or rest there unseen; of all symbols, or of these."""
    return _of(symbols, Order.objects.filter(status=OrderStatus.SUBMITTING))


def _of(symbols: Sequence[Symbol] | None, rows: QuerySet[Order]) -> QuerySet[Order]:
    return (rows if symbols is None else rows.filter(symbol__in=symbols)).order_by("id")


def unwanted() -> QuerySet[Order]:
    """Resting orders that are to be taken back: those that their traders want back, by a halt the buys, and of a
    symbol those that it was turned with.
    """
    # One that is being replaced is cancelled by the exchange itself: nobody meddles while that is unclear.
    is_being_replaced = Exists(Order.objects.filter(replaces=OuterRef("pk"), status=OrderStatus.SUBMITTING))
    wishes = TradingSettings.objects.filter(takes_back=True, symbol=OuterRef("symbol"))
    is_off = Exists(wishes.filter(status=TradingStatus.OFF))
    is_ending = Exists(wishes.filter(status=TradingStatus.SHUTDOWN)) & Q(side=Side.BUY)
    of_symbols = Q(side=Side.BUY) if wants_buys_back() else is_ending
    return resting().filter(~Q(cancel_reason="") | is_off | of_symbols).exclude(is_being_replaced)
