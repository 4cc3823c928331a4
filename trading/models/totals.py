"""Totals of ended cycles: kept as cycles end, so that no sum of them reads the cycles themselves."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import models

from trading.models.choices import venue_field
from trading.models.fields import AmountField
from trading.models.symbols import Symbol


class Span(models.TextChoices):
    """How much time a total is of; days and hours are those of UTC."""

    ALL = "all", "all time"
    DAY = "day", "a day"
    HOUR = "hour", "an hour"  # of the last days alone, see HOURS_KEPT


# When the total of all time begins.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# So long the totals of hours stay.
HOURS_KEPT = timedelta(days=8)


class CycleTotal(models.Model):
    """The cycles of one slot and strategy that ended in one span of time, but those that ended before any order."""

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="cycle_totals")
    venue = venue_field()
    slot = models.PositiveSmallIntegerField()
    strategy = models.CharField(max_length=32, default="naive")
    span = models.CharField(max_length=4, choices=Span.choices)
    begins = models.DateTimeField()
    cycles = models.IntegerField(default=0)
    finished = models.IntegerField(default=0, help_text="Those that sold what they had bought.")
    unvalued = models.IntegerField(default=0, help_text="Those with commissions of unknown value.")
    profit = AmountField(default=Decimal(0), help_text="Net of commissions, in the quote asset.")
    budget = AmountField(default=Decimal(0), help_text="Of all cycles together, in the quote asset.")
    wins = models.IntegerField(default=0, help_text="Those with a profit above zero.")
    losses = models.IntegerField(default=0, help_text="Those with a profit below zero.")
    won = AmountField(default=Decimal(0), help_text="Profit of the wins, in the quote asset.")
    held_s = models.BigIntegerField(default=0, help_text="From first buy to end, seconds, of all cycles together.")
    fees = AmountField(default=Decimal(0), help_text="Commissions of known value, in the quote asset.")

    class Meta:
        constraints = [
            # In the order of the questions: all slots of a venue in a span, from a time on.
            models.UniqueConstraint(
                fields=["venue", "span", "begins", "symbol", "slot", "strategy"], name="one_total_per_slot_and_span"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} #{self.slot} at {self.venue}, {self.span} of {self.begins:%Y-%m-%d %H:%M}"
