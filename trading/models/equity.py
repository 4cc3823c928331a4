"""Equity: what trading at a venue had brought at the end of each hour, with what was held then."""

from datetime import timedelta
from decimal import Decimal

from django.db import models

from hedgehog_project.venues import Venue
from trading.models.choices import choices_of
from trading.models.fields import AmountField

# Of older hours each day keeps its last.
HOURS_KEPT = timedelta(days=60)


class Equity(models.Model):
    """One quote asset at one venue in one hour, as it was measured last. All amounts are in that asset."""

    venue = models.CharField(max_length=8, choices=choices_of(Venue))
    asset = models.CharField(max_length=16)
    hour = models.DateTimeField(help_text="When the hour begins.")
    measured_at = models.DateTimeField()
    realised = AmountField(help_text="What all ended cycles have brought, net of commissions.")
    unrealised = AmountField(help_text="What cycles under way would have brought, were all sold at the last price.")
    equity = AmountField(help_text="Both together, with what left-overs would bring over their cost.")
    held_cost = AmountField(help_text="What was paid for what was held.")
    held_value = AmountField(help_text="What selling it would bring, after the commission.")
    left_cost = AmountField(default=Decimal(0), help_text="What was paid for what ended cycles have left over.")
    left_value = AmountField(default=Decimal(0), help_text="What selling that would bring, after the commission.")
    budget = AmountField(help_text="The budgets of all live traders.")
    unpriced = models.PositiveIntegerField(
        default=0, help_text="Holdings whose price was unknown: they count at their cost."
    )

    unvalued = models.PositiveIntegerField(
        default=0, help_text="Ended cycles with commissions of unknown value, which what is realised leaves out."
    )
    unvalued_held = models.PositiveIntegerField(
        default=0, help_text="Cycles under way with such commissions, which what is unrealised leaves out."
    )

    class Meta:
        ordering = ["-hour", "asset"]
        verbose_name_plural = "equity"
        constraints = [
            models.UniqueConstraint(fields=["venue", "asset", "hour"], name="one_equity_per_venue_asset_and_hour")
        ]

    def __str__(self) -> str:
        return f"{self.asset} at {self.venue}, {self.hour:%Y-%m-%d %H:00}"
