"""The kill switch: halting and resuming, one function each, for the admin and the commands."""

import logging

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from trading.core.orders import OPEN, OrderStatus, Side
from trading.models import Order, Switch, Trader
from trading.models.switch import TradingMode

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


def resting_buys() -> QuerySet[Order]:
    """Acknowledged buys of which more can still trade, oldest first, at every venue."""
    rows = Order.objects.filter(status__in=OPEN - {OrderStatus.SUBMITTING}, side=Side.BUY)
    return rows.order_by("id")


def on_their_way() -> QuerySet[Order]:
    """Orders that may reach an exchange yet, or rest there unseen."""
    return Order.objects.filter(status=OrderStatus.SUBMITTING).order_by("id")
