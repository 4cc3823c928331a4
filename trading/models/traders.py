"""Traders: each lives for one cycle in one slot of a symbol."""

from decimal import Decimal

from django.db import models
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.core.strategy import Settings, TraderState
from trading.models.choices import choices_of
from trading.models.fields import AmountField
from trading.models.symbols import Symbol


class Trader(models.Model):
    """One cycle in one slot: buy, sell, done. Its settings are those of its symbol when it began."""

    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="traders")
    venue = models.CharField(max_length=8, choices=choices_of(Venue))
    slot = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=choices_of(TraderState), default=TraderState.WAITING)

    budget = AmountField(help_text="This trader's share, in the quote asset.")
    buy_down_interval = AmountField()
    profit_interval = AmountField()

    # The trigger: a trade at or below this price concerns the trader. Redis holds a copy, rebuilt from here.
    wake_below = AmountField(null=True, blank=True)
    armed_at = models.DateTimeField(null=True, blank=True)
    turn = models.PositiveIntegerField(
        default=0, help_text="Counts the saves, so that a late copy to Redis is known."
    )

    waits_for = models.CharField(max_length=300, blank=True, help_text="Why nothing happens just now.")
    error = models.CharField(max_length=500, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row; each doubles the wait, up to a minute.")
    retry_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    profit = AmountField(null=True, blank=True, help_text="Realised, in the quote asset, net of commissions.")
    leftover = AmountField(default=Decimal(0), help_text="In the base asset: too little to sell, still owned.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            # I1: one live trader per venue, symbol and slot.
            models.UniqueConstraint(
                fields=["venue", "symbol", "slot"],
                condition=models.Q(finished_at__isnull=True),
                name="one_live_trader_per_slot",
            ),
            models.CheckConstraint(condition=models.Q(slot__gte=1), name="slots_count_from_1"),
            models.CheckConstraint(
                condition=models.Q(state__in=[state.value for state in TraderState]), name="known_trader_state"
            ),
            models.CheckConstraint(
                condition=models.Q(finished_at__isnull=True)
                ^ models.Q(state__in=[state.value for state in TraderState if state.has_ended]),
                name="ended_traders_have_a_time",
            ),
        ]
        indexes = [
            models.Index(fields=["retry_at"], condition=models.Q(retry_at__isnull=False), name="trader_retry"),
            models.Index(fields=["finished_at"], name="trader_finished"),
            # Every column that profits are summed from: sums over all ended cycles read the index alone.
            models.Index(
                fields=["venue", "symbol", "finished_at", "state", "profit", "slot", "budget", "leftover"],
                condition=models.Q(finished_at__isnull=False),
                name="trader_ended",
            ),
            models.Index(
                fields=["symbol", "wake_below"], condition=models.Q(wake_below__isnull=False), name="trader_trigger"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol.name} #{self.slot} at {self.venue}, cycle {self.pk}"

    @property
    def has_ended(self) -> bool:
        return self.finished_at is not None

    def settings(self, is_on: bool = True) -> Settings:
        return Settings(self.budget, self.buy_down_interval, self.profit_interval, is_on)
