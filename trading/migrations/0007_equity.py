"""Equity by the hour, and an index that sums over ended cycles read alone."""

from django.db import migrations, models

import trading.models.fields


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0006_protections_and_sizing"),
    ]

    operations = [
        migrations.CreateModel(
            name="Equity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "venue",
                    models.CharField(
                        choices=[("live", "live"), ("testnet", "testnet"), ("demo", "demo"), ("mock", "mock")],
                        max_length=8,
                    ),
                ),
                ("asset", models.CharField(max_length=16)),
                ("hour", models.DateTimeField(help_text="When the hour begins.")),
                ("measured_at", models.DateTimeField()),
                (
                    "realised",
                    trading.models.fields.AmountField(
                        help_text="What all ended cycles have brought, net of commissions."
                    ),
                ),
                (
                    "unrealised",
                    trading.models.fields.AmountField(
                        help_text="What cycles under way would have brought, were all sold at the last price."
                    ),
                ),
                ("equity", trading.models.fields.AmountField(help_text="Both together.")),
                ("held_cost", trading.models.fields.AmountField(help_text="What was paid for what was held.")),
                (
                    "held_value",
                    trading.models.fields.AmountField(help_text="What selling it would bring, after the commission."),
                ),
                ("budget", trading.models.fields.AmountField(help_text="The budgets of all live traders.")),
                (
                    "unpriced",
                    models.PositiveIntegerField(
                        default=0, help_text="Holdings whose price was unknown: they count at their cost."
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "equity",
                "ordering": ["-hour", "asset"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("venue", "asset", "hour"), name="one_equity_per_venue_asset_and_hour"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="trader",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", False)),
                fields=["venue", "symbol", "finished_at", "state", "profit", "slot", "budget", "leftover"],
                name="trader_ended",
            ),
        ),
    ]
