"""The account's balances: kept whenever a venue tells them, and what is free of one by now."""

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import redis
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from hedgehog_project.venues import Venue
from trading.core.money import ZERO, quote_of
from trading.core.orders import OPEN, OrderType, Side
from trading.exchange.protocol import ARRIVES_WITHIN, Exchange
from trading.models import Balance, Fill, Order
from trading.models.orders import COULD_TRADE
from trading.waking import enqueue

log = logging.getLogger(__name__)

# Reconciliation keeps them each minute. Older ones tell nothing.
MAX_AGE = timedelta(seconds=150)
# How far hosts' clocks may be apart.
CLOCKS = timedelta(seconds=10)


@dataclass(frozen=True)
class Free:
    """What is free of an asset, and when the venue was asked; `amount` None: it is not known any more, or not yet."""

    amount: Decimal | None
    asked_at: datetime | None


def keep(venue: Venue, told: dict[str, tuple[Decimal, Decimal]], asked_at: datetime) -> None:
    """Keeps what a venue has told: free and locked by asset. `asked_at`: right before it was asked."""
    gone = Balance.objects.filter(venue=venue).exclude(asset__in=told)
    gone.update(free=ZERO, locked=ZERO, asked_at=asked_at)
    Balance.objects.bulk_create(
        (
            Balance(venue=venue, asset=asset, free=free, locked=locked, asked_at=asked_at)
            for asset, (free, locked) in told.items()
        ),
        update_conflicts=True,
        unique_fields=["venue", "asset"],
        update_fields=["free", "locked", "asked_at"],
    )


def refresh(venue: Venue, exchange: Exchange) -> None:
    """Asks the venue now. Raises the exchange's errors."""
    asked_at = timezone.now()
    keep(venue, exchange.balances(), asked_at)


def free_of(venue: Venue | str, asset: str, now: datetime) -> Free:
    """What is free by now, at least: what was free when asked, less what was spent since and not brought back."""
    row = Balance.objects.filter(venue=venue, asset=asset).first()
    if row is None:
        # The venue names what the account holds: of what it does not name there is nothing.
        other = Balance.objects.filter(venue=venue).order_by("-asked_at").first()
        asked_at = other.asked_at if other else None
        told = ZERO
    else:
        asked_at, told = row.asked_at, row.free
    # What was asked in the future was asked before the clock was set back: nobody knows when.
    if asked_at is None or not now - MAX_AGE <= asked_at <= now + CLOCKS:
        return Free(None, asked_at)
    # An order saved shortly before the venue was asked may not have arrived there yet.
    return Free(told - _spent(venue, asset, asked_at - ARRIVES_WITHIN), asked_at)


def _spent(venue: Venue | str, asset: str, since: datetime) -> Decimal:
    """What orders since then have spent of a quote asset, at most.

    What a trader has sold counts against what it has bought, and no further: when the venue was asked it may have
    counted both already, or neither.
    """
    rows = Order.objects.filter(COULD_TRADE, venue=venue, symbol__quote_asset=asset).order_by()
    rows = rows.exclude(type=OrderType.TAKEOVER)  # Nothing was spent for it.
    bought: dict[int, Decimal] = defaultdict(Decimal)
    sells: dict[int, int] = {}
    recent = rows.filter(submitted_at__gte=since)
    for pk, trader, side, status, price, quantity, executed in recent.values_list(
        "pk", "trader_id", "side", "status", "price", "quantity", "executed"
    ):
        if side == Side.BUY:
            bought[trader] += quote_of(price, quantity if status in OPEN else executed)
        elif executed:
            sells[pk] = trader
    sells = {pk: trader for pk, trader in sells.items() if trader in bought}
    if sells:
        # A trader that bought before as well may have sold that, which the venue had counted.
        earlier = rows.filter(side=Side.BUY, submitted_at__lt=since, trader__in=set(sells.values()))
        before = set(earlier.values_list("trader_id", flat=True))
        fills = Fill.objects.filter(order__in=sells).order_by()
        for pk, quote, commission, paid_in in fills.values_list(
            "order_id", "quote", "commission", "commission_asset"
        ):
            if (trader := sells[pk]) not in before:
                bought[trader] -= quote - (commission if paid_in == asset else ZERO)
    return sum((max(left, ZERO) for left in bought.values()), ZERO)


def ask_again(venue: Venue | str) -> None:
    """Has the venue asked once more, after the transaction that is open; not again within seconds."""

    def refresh() -> None:
        try:
            enqueue.refresh_balances_once(str(venue))
        except (OperationalError, redis.RedisError) as away:
            log.warning("balances refresh within a minute, not now: venue=%s error=%s", venue, away)

    transaction.on_commit(refresh)


def age_s(free: Free, now: datetime | None = None) -> float | None:
    """How long ago the venue was asked, in seconds; None where it never was."""
    return None if free.asked_at is None else ((now or timezone.now()) - free.asked_at).total_seconds()
