"""The account's balances: kept whenever a venue tells them, and what is free of one by now."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import redis
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from kombu.exceptions import OperationalError

from hedgehog_project.venues import Venue
from trading import doorbell
from trading.core.money import ZERO, quote_of
from trading.core.orders import OPEN, Side
from trading.exchange.protocol import Exchange
from trading.models import Balance, Order

log = logging.getLogger(__name__)

# Reconciliation keeps them each minute. Older ones tell nothing.
MOST_AGE = timedelta(seconds=150)
# An order saved shortly before the venue was asked may not have arrived there yet: see traders.PROVEN_AFTER.
MAY_ARRIVE_WITHIN = timedelta(seconds=5)


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
    """What is free by now, at least: what was free when asked, less all buys since. Sales since do not count yet."""
    row = Balance.objects.filter(venue=venue, asset=asset).first()
    if row is None:
        # The venue names what the account holds: of what it does not name there is nothing.
        other = Balance.objects.filter(venue=venue).order_by("-asked_at").first()
        asked_at = other.asked_at if other else None
        told = ZERO
    else:
        asked_at, told = row.asked_at, row.free
    if asked_at is None or asked_at < now - MOST_AGE:
        return Free(None, asked_at)
    since = Order.objects.filter(
        Q(status__in=OPEN) | Q(executed__gt=ZERO),
        venue=venue,
        side=Side.BUY,
        symbol__quote_asset=asset,
        submitted_at__gte=asked_at - MAY_ARRIVE_WITHIN,
    )
    spent = sum((quote_of(price, quantity) for price, quantity in since.values_list("price", "quantity")), ZERO)
    return Free(told - spent, asked_at)


def ask_again(venue: Venue | str) -> None:
    """Has the venue asked once more, after the transaction that is open; not again within seconds."""

    def ring() -> None:
        try:
            doorbell.refresh_balances_once(str(venue))
        except (OperationalError, redis.RedisError) as away:
            log.warning("balances are known anew within a minute, not at once: venue=%s error=%s", venue, away)

    transaction.on_commit(ring)


def age_s(free: Free, now: datetime | None = None) -> float | None:
    """How long ago the venue was asked, in seconds; None where it never was."""
    return None if free.asked_at is None else ((now or timezone.now()) - free.asked_at).total_seconds()
