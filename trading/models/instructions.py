"""What people have told traders, symbols and venues to do: each once, by its key."""

from typing import Any

from django.db import models
from django.utils import timezone

from trading.models.choices import venue_field
from trading.models.fields import AmountField
from trading.models.symbols import Symbol
from trading.models.traders import Trader


class Instruction(models.Model):
    """Saved together with what it changes. The same key again changes nothing: whoever presses twice did so once."""

    key = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField(default=timezone.now)
    by = models.CharField(max_length=150)
    why = models.CharField(max_length=200, blank=True)
    what = models.CharField(max_length=16, help_text="The deed, such as “sell” or “pause”.")
    text = models.CharField(max_length=300, blank=True, help_text="The same with its figures, for people.")
    venue = venue_field(blank=True)
    symbol = models.ForeignKey(Symbol, null=True, blank=True, on_delete=models.PROTECT, related_name="instructions")
    trader = models.ForeignKey(Trader, null=True, blank=True, on_delete=models.PROTECT, related_name="instructions")
    price = AmountField(null=True, blank=True, help_text="The last price that was known by then.")
    details: Any = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.what} by {self.by}"
