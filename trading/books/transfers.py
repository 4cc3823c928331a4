"""Deposits, withdrawals and whatever else changes a balance without an order of ours: neither profit nor loss.

Told by the exchange's event (`balanceUpdate`), and by a balance that differs from what our fills make of it at
several checks running, which also finds what no event tells of: trades by hand, for example, as a pair of differences
that about cancel out. An event whose difference was recorded already takes its place: both are one transfer.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Value
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.books import account
from trading.core.money import ZERO
from trading.core.orders import OrderType, Side
from trading.models import BalanceCheck, ExpectedBalance, Fill, Order, ToldBy, Transfer
from trading.models.fields import AmountField

log = logging.getLogger(__name__)

EVENT = "balanceUpdate"
# A difference is a transfer when it was seen so often running, and for so long: a late report is no withdrawal.
CHECKS, LASTS = 3, timedelta(seconds=90)
# Fills of an earlier check are all committed by now: no transaction is that long.
COMMITTED = timedelta(seconds=30)
# How far an event's own time may lie before the check that saw its difference.
EVENT_LATE = timedelta(hours=1)
CLOCKS = timedelta(minutes=1)


@dataclass(frozen=True)
class Effect:
    """What one fill changes of one asset's balance."""

    fill: int
    asset: str
    change: Decimal
    at: datetime


# --- events ---------------------------------------------------------------------------------------
def record_event(venue: Venue, event: Mapping[str, Any]) -> bool:
    """Keeps the transfer that an event tells of, once. Returns whether it was news.

    Raises KeyError, ValueError and ArithmeticError for an event that cannot be read.
    """
    asset, amount = str(event["a"]), Decimal(str(event["d"]))
    at = datetime.fromtimestamp(int(event["T"]) / 1000, UTC)
    if not amount:
        return False
    value, unit = account.valued(venue, asset, amount)
    with transaction.atomic():
        # Whoever checks balances holds these rows: it sees this transfer, or this one what it has recorded.
        expected = ExpectedBalance.objects.select_for_update().filter(venue=venue, asset=asset).first()
        _, is_news = Transfer.objects.get_or_create(
            venue=venue,
            asset=asset,
            amount=amount,
            at=at,
            told_by=ToldBy.EVENT,
            defaults={"value": value, "value_asset": unit},
        )
        if not is_news:
            return False
        rest = _absorb(venue, asset, amount, at)
        if expected is not None and rest:
            _expect_more(expected.pk, rest)
        elif rest and BalanceCheck.objects.filter(venue=venue).exists():
            ExpectedBalance.objects.create(venue=venue, asset=asset, total=rest, is_settled=True)
    log.info("transfer: venue=%s asset=%s amount=%s", venue, asset, amount)
    return True


def _absorb(venue: Venue, asset: str, amount: Decimal, at: datetime) -> Decimal:
    """Takes an event's amount out of differences that were recorded for it. Returns what was recorded of none."""
    rows = Transfer.objects.filter(venue=venue, asset=asset, told_by=ToldBy.DIFFERENCE)
    for row in rows.filter(at__gte=at - CLOCKS, at__lte=at + EVENT_LATE).order_by("at"):
        if (row.amount > 0) != (amount > 0) or abs(row.amount) < abs(amount):
            continue
        if row.amount == amount:
            row.delete()
        else:
            part = (row.amount - amount) / row.amount
            row.value = None if row.value is None else (row.value * part).quantize(Decimal("0.00000001"))
            row.amount -= amount
            row.save(update_fields=["amount", "value"])
        return ZERO
    return amount


def _expect_more(pk: int, amount: Decimal) -> None:
    ExpectedBalance.objects.filter(pk=pk).update(total=F("total") + Value(amount, AmountField()))


# --- differences ----------------------------------------------------------------------------------
def check(venue: Venue, balances: account.Balances, at: datetime, is_certain: bool) -> list[Transfer]:
    """Compares the balances, asked at that time, with what our fills and transfers make of them.

    `is_certain`: nothing of ours is unclear just now; else no difference is recorded, only noted. Returns the
    transfers that were recorded. What it reads are the fills since the last check but one.
    """
    with transaction.atomic():
        newest = Fill.objects.aggregate(newest=Max("pk"))["newest"] or 0
        last, is_first = BalanceCheck.objects.select_for_update().get_or_create(
            venue=venue, defaults={"checked_at": at, "after_fill": newest, "last_fill": newest}
        )
        if last.checked_at > at + CLOCKS:
            last.checked_at = at  # A clock was set back.
        elif not is_first and at < last.checked_at:
            return []  # Older than what was compared already.
        # With an open order a fill may be under way, which those balances have and our records not.
        is_settled = not is_first or not Order.objects.filter(venue=venue, status__is_open=True).exists()
        effects = _effects(venue, last.after_fill)
        rows = {row.asset: row for row in ExpectedBalance.objects.select_for_update().filter(venue=venue)}
        found = []
        for asset in sorted({*rows, *balances, *(each.asset for each in effects)}):
            there = sum(balances.get(asset, (ZERO, ZERO)), ZERO)
            row = rows.get(asset)
            if row is None:
                row = ExpectedBalance(venue=venue, asset=asset, is_settled=is_settled)
                row.total = there if is_first else ZERO
            before = _state(row)
            changes = [each for each in effects if each.asset == asset]
            difference = there - row.total - _sum(changes)
            if not is_first and (transfer := _compare(row, difference, at, is_certain)):
                found.append(transfer)
            if at - last.checked_at >= COMMITTED:
                row.total += _sum(each for each in changes if each.fill <= last.last_fill)
            if row.pk is None or _state(row) != before:
                row.save()
        if at - last.checked_at >= COMMITTED:
            last.after_fill, last.last_fill, last.checked_at = last.last_fill, newest, at
        last.save()
    for transfer in found:
        log.info("balance differs: venue=%s asset=%s amount=%s", venue, transfer.asset, transfer.amount)
    return found


def _compare(row: ExpectedBalance, difference: Decimal, at: datetime, is_certain: bool) -> Transfer | None:
    """Changes the row, which the caller saves."""
    if not row.is_settled:
        # Fills that were under way at the first check: from here.
        row.total += difference
        row.is_settled = not difference
        return None
    if difference != row.difference:
        row.difference, row.times_seen, row.seen_since = difference, 0, at if difference else None
    if not difference or row.seen_since is None:
        return None
    row.seen_since = min(row.seen_since, at)  # In the future only where a clock was set back.
    row.times_seen += 1
    if not is_certain or row.times_seen < CHECKS or at - row.seen_since < LASTS:
        return None
    # The measurement that follows says what it was worth: no price is asked for in a transaction.
    found = Transfer.objects.create(
        venue=row.venue, asset=row.asset, amount=difference, at=row.seen_since, told_by=ToldBy.DIFFERENCE
    )
    row.total += difference
    row.difference, row.times_seen, row.seen_since = ZERO, 0, None
    return found


def _state(row: ExpectedBalance) -> tuple[object, ...]:
    return row.total, row.difference, row.times_seen, row.seen_since, row.is_settled


def _sum(effects: Iterable[Effect]) -> Decimal:
    return sum((each.change for each in effects), ZERO)


def _effects(venue: Venue, after_fill: int) -> list[Effect]:
    """What the fills after this one have changed at a venue, by asset."""
    # Of all venues: by a venue SQLite would look for all of its orders first.
    rows = Fill.objects.filter(pk__gt=after_fill).order_by()
    found: list[Effect] = []
    for place, kind, pk, at, side, base, quote, quantity, amount, commission, paid_in in rows.values_list(
        "order__venue",
        "order__type",
        "pk",
        "traded_at",
        "order__side",
        "order__symbol__base_asset",
        "order__symbol__quote_asset",
        "quantity",
        "quote",
        "commission",
        "commission_asset",
    ):
        if place != venue or kind == OrderType.TAKEOVER:  # Of that nothing was bought: it lay on the account before.
            continue
        sign = 1 if side == Side.BUY else -1
        changes: dict[str, Decimal] = defaultdict(Decimal)
        changes[base] += sign * quantity
        changes[quote] -= sign * amount
        if commission:
            changes[paid_in] -= commission
        found += [Effect(pk, asset, change, at) for asset, change in changes.items()]
    return found


def changed_since(venue: Venue, at: datetime) -> dict[str, Decimal]:
    """What our fills after a moment have changed, by asset: of balances that were asked then, and are shown later.

    What it reads are the fills since the last check but one.
    """
    last = BalanceCheck.objects.filter(venue=venue).first()
    found: dict[str, Decimal] = defaultdict(Decimal)
    for each in _effects(venue, last.after_fill) if last else []:
        if each.at > at:
            found[each.asset] += each.change
    return dict(found)


def recent(venue: Venue, limit: int = 50) -> list[Transfer]:
    """The newest transfers, the first measurement among them."""
    return list(Transfer.objects.filter(venue=venue)[:limit])


def since(venue: Venue, at: datetime, now: datetime | None = None) -> list[Transfer]:
    """Those from a moment on, without the first measurement, oldest first."""
    rows = Transfer.objects.filter(venue=venue, at__gte=at, at__lte=(now or timezone.now()) + CLOCKS)
    return list(rows.exclude(told_by=ToldBy.START).order_by("at", "id"))
