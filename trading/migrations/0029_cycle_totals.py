"""Totals of ended cycles, counted once from the cycles that are there."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import CharField, Count, Q, Sum
from django.db.models.functions import Cast, Substr
from django.utils import timezone

import trading.models.fields

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
HOURS_KEPT = timedelta(days=8)

Key = tuple[str, int, int, str, datetime]


def count(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    alias = editor.connection.alias
    ended = apps.get_model("trading", "Trader").objects.using(alias).filter(finished_at__isnull=False)
    rows = (
        ended.exclude(state="RETIRED")
        .order_by()
        .annotate(hour=Substr(Cast("finished_at", CharField()), 1, 13))
        .values_list("venue", "symbol_id", "slot", "hour")
        .annotate(
            of_all=Count("pk"),
            of_finished=Count("pk", filter=Q(state="FINISHED")),
            of_unvalued=Count("pk", filter=Q(has_unvalued_fees=True)),
            of_profit=Sum("profit"),
            of_budget=Sum("budget"),
        )
    )
    found: dict[Key, list[Decimal | int]] = {}
    last = timezone.now() - HOURS_KEPT
    for venue, symbol_id, slot, text, *sums in rows:
        hour = datetime.strptime(text, "%Y-%m-%d %H").replace(tzinfo=UTC)
        spans = [("all", BEGINNING), ("day", hour.replace(hour=0))]
        if hour > last:
            spans.append(("hour", hour))
        for span, begins in spans:
            so_far = found.setdefault((venue, symbol_id, slot, span, begins), [0, 0, 0, Decimal(0), Decimal(0)])
            so_far[:] = [before + (more or 0) for before, more in zip(so_far, sums, strict=True)]
    total = apps.get_model("trading", "CycleTotal")
    total.objects.using(alias).bulk_create(
        (
            total(
                venue=venue,
                symbol_id=symbol_id,
                slot=slot,
                span=span,
                begins=begins,
                cycles=cycles,
                finished=finished,
                unvalued=unvalued,
                profit=profit,
                budget=budget,
            )
            for (venue, symbol_id, slot, span, begins), (cycles, finished, unvalued, profit, budget) in found.items()
        ),
        batch_size=500,
    )


class Migration(migrations.Migration):
    dependencies = [("trading", "0028_open_order_indexes")]

    operations = [
        migrations.CreateModel(
            name="CycleTotal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "venue",
                    models.CharField(
                        choices=[("live", "live"), ("testnet", "testnet"), ("demo", "demo"), ("mock", "mock")],
                        max_length=8,
                    ),
                ),
                ("slot", models.PositiveSmallIntegerField()),
                (
                    "span",
                    models.CharField(
                        choices=[("all", "all time"), ("day", "a day"), ("hour", "an hour")], max_length=4
                    ),
                ),
                ("begins", models.DateTimeField()),
                ("cycles", models.IntegerField(default=0)),
                ("finished", models.IntegerField(default=0, help_text="Those that sold what they had bought.")),
                ("unvalued", models.IntegerField(default=0, help_text="Those with commissions of unknown value.")),
                (
                    "profit",
                    trading.models.fields.AmountField(
                        default=Decimal(0), help_text="Net of commissions, in the quote asset."
                    ),
                ),
                (
                    "budget",
                    trading.models.fields.AmountField(
                        default=Decimal(0), help_text="Of all cycles together, in the quote asset."
                    ),
                ),
                (
                    "symbol",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="cycle_totals", to="trading.symbol"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("venue", "span", "begins", "symbol", "slot"), name="one_total_per_slot_and_span"
                    )
                ],
            },
        ),
        migrations.RunPython(count, migrations.RunPython.noop),
    ]
