"""Commissions, times held, wins and strategies of the cycles that have ended, and the totals of cycles by them.

In batches with a transaction each: what was done before an interruption is only done again.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.apps.registry import Apps
from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils import timezone

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
HOURS_KEPT = timedelta(days=8)
BATCH = 2_000
UNIT = Decimal("0.00000001")
COLUMNS = ("cycles", "finished", "unvalued", "profit", "budget", "wins", "losses", "won", "held_s", "fees")


def count(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    alias = editor.connection.alias
    traders = apps.get_model("trading", "Trader").objects.using(alias)
    fills = apps.get_model("trading", "Fill").objects.using(alias)
    ended = traders.filter(finished_at__isnull=False).select_related("symbol").order_by("pk")
    found: dict[Any, list[Any]] = {}
    oldest, last = timezone.now() - HOURS_KEPT, 0
    while batch := list(ended.filter(pk__gt=last)[:BATCH]):
        last = batch[-1].pk
        of_traders = defaultdict(list)
        for row in fills.filter(order__trader_id__gte=batch[0].pk, order__trader_id__lte=last).values_list(
            "order__trader_id",
            "order__side",
            "price",
            "commission",
            "commission_asset",
            "commission_quote",
            "traded_at",
        ):
            of_traders[row[0]].append(row[1:])
        for trader in batch:
            take_stock(trader, of_traders[trader.pk])
            if trader.state != "RETIRED":
                add(found, trader, oldest)
        with transaction.atomic(using=alias):
            traders.bulk_update(batch, ["fees", "held_s"], batch_size=200)
    write(apps.get_model("trading", "CycleTotal").objects.using(alias), found, alias)


def take_stock(trader: Any, fills: list[Any]) -> None:
    base, quote = trader.symbol.base_asset, trader.symbol.quote_asset
    trader.fees = Decimal(0)
    for _, price, commission, asset, worth, _ in fills:
        if asset == quote:
            trader.fees += commission
        elif asset == base:
            trader.fees += (price * commission).quantize(UNIT)
        else:
            trader.fees += worth or 0
    bought = [at for side, *_, at in fills if side == "BUY"]
    trader.held_s = max(0, round((trader.finished_at - min(bought)).total_seconds())) if bought else None


def add(found: dict[Any, list[Any]], trader: Any, oldest: datetime) -> None:
    profit = trader.profit or Decimal(0)
    sums = (
        1, int(trader.state == "FINISHED"), int(trader.has_unvalued_fees), profit, trader.budget, int(profit > 0),
        int(profit < 0), max(profit, Decimal(0)), trader.held_s or 0, trader.fees,
    )  # fmt: skip
    hour = trader.finished_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    spans = [("all", BEGINNING), ("day", hour.replace(hour=0)), *([("hour", hour)] if hour > oldest else [])]
    for span, begins in spans:
        key = (trader.venue, trader.symbol_id, trader.slot, trader.strategy, span, begins)
        so_far = found.setdefault(key, [0] * len(COLUMNS))
        so_far[:] = [before + more for before, more in zip(so_far, sums, strict=True)]


def write(totals: Any, found: dict[Any, list[Any]], alias: str) -> None:
    with transaction.atomic(using=alias):
        totals.all().delete()
        totals.bulk_create(
            (
                totals.model(
                    venue=venue,
                    symbol_id=symbol_id,
                    slot=slot,
                    strategy=strategy,
                    span=span,
                    begins=begins,
                    **{
                        name: Decimal(value) if name in ("profit", "budget", "won", "fees") else value
                        for name, value in zip(COLUMNS, sums, strict=True)
                    },
                )
                for (venue, symbol_id, slot, strategy, span, begins), sums in found.items()
            ),
            batch_size=500,
        )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("trading", "0036_money")]

    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
