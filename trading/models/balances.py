"""The account's balances as a venue told them last: for limits and budgets, never for our books."""

from decimal import Decimal

from django.db import models

from trading.models.choices import venue_field
from trading.models.fields import AmountField


class Balance(models.Model):
    """What an account held of one asset when it was asked."""

    venue = venue_field()
    asset = models.CharField(max_length=16)
    free = AmountField(default=Decimal(0))
    locked = AmountField(default=Decimal(0))
    asked_at = models.DateTimeField(help_text="Time of the request; later changes may be missing.")

    class Meta:
        ordering = ["venue", "asset"]
        constraints = [models.UniqueConstraint(fields=["venue", "asset"], name="one_balance_per_venue_and_asset")]

    def __str__(self) -> str:
        return f"{self.asset} at {self.venue}"
