"""Reconciliation: our books against the exchange's, and ours repaired from there."""

import logging

from hedgehog_project.venues import Venue
from trading import traders
from trading.core.orders import OPEN, OrderStatus
from trading.models import Order, Switch, Trader
from trading.own_orders import is_ours
from trading.traders import ExchangeAt

log = logging.getLogger(__name__)


def reconcile(venue: Venue, exchange_at: ExchangeAt, task_id: str = "") -> int:
    """Compares the open orders of our books with the exchange's and asks about each that differs; how many did.

    Raises the exchange's errors.
    """
    # Our rows first: an order that is placed meanwhile is then on the exchange's list only.
    rows = list(Order.objects.filter(venue=venue, status__in=OPEN).exclude(status=OrderStatus.SUBMITTING))
    listed = {report.client_order_id: report for report in exchange_at(venue).open_orders()}
    differing = 0
    for row in rows:
        there = listed.get(row.client_order_id)
        if there is None or there.executed != row.executed or there.status != row.status:
            differing += 1
            traders.ask(row.pk, exchange_at, task_id)
    ours = {key for key in listed if is_ours(key)}
    known = set(Order.objects.filter(client_order_id__in=ours).values_list("client_order_id", flat=True))
    for orphan in sorted(ours - known):
        log.warning("order of ours that the database does not know: venue=%s client_order_id=%s", venue, orphan)
    return differing


def venues_in_use() -> list[Venue]:
    """The switch's venue, those where traders still live, and those where an order of an ended one is open."""
    live = Trader.objects.filter(finished_at__isnull=True).order_by().values_list("venue", flat=True).distinct()
    opened = Order.objects.filter(status__in=OPEN).order_by().values_list("venue", flat=True).distinct()
    return sorted({Switch.current(), *(Venue(venue) for venue in (*live, *opened))})
