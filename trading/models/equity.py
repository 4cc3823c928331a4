"""Equity, shown as gain: what trading at a venue had brought at the end of each hour, with what was held then."""

from datetime import timedelta
from decimal import Decimal

from django.db import models

from trading.models.choices import venue_field
from trading.models.fields import AmountField

# Of older hours each day keeps its last.
HOURS_KEPT = timedelta(days=60)


class Equity(models.Model):
    """One quote asset at one venue in one hour, as it was measured last. All amounts are in that asset."""

    venue = venue_field()
    asset = models.CharField(max_length=16)
    hour = models.DateTimeField(help_text="Start of the hour.")
    measured_at = models.DateTimeField()
    realised = AmountField(help_text="Profit of all finished cycles, net of commissions.")
    unrealised = AmountField(help_text="Profit of running cycles if sold at the last price.")
    equity = AmountField("gain", help_text="Realised plus unrealised, with leftovers at the last price.")
    held_cost = AmountField(help_text="Cost of open positions.")
    held_value = AmountField(help_text="Value of open positions at the last price, after commission.")
    left_cost = AmountField(default=Decimal(0), help_text="Cost of the leftovers of finished cycles.")
    left_value = AmountField(default=Decimal(0), help_text="Value of leftovers at the last price, after commission.")
    budget = AmountField(help_text="Budgets of all active traders.")
    unpriced = models.PositiveIntegerField(default=0, help_text="Positions without a price; counted at cost.")

    unvalued = models.PositiveIntegerField(
        default=0, help_text="Finished cycles with commissions of unknown value, not counted in realised."
    )
    unvalued_held = models.PositiveIntegerField(
        default=0, help_text="Running cycles with commissions of unknown value, not counted in unrealised."
    )

    class Meta:
        ordering = ["-hour", "asset"]
        verbose_name = "gain"
        verbose_name_plural = "gain by hour"
        constraints = [
            models.UniqueConstraint(fields=["venue", "asset", "hour"], name="one_equity_per_venue_asset_and_hour")
        ]

    def __str__(self) -> str:
        return f"{self.asset} at {self.venue}, {self.hour:%Y-%m-%d %H:00}"
