"""What an account is worth over time, and what came in and went out that is neither profit nor loss."""

from decimal import Decimal

from django.db import models

from trading.models.choices import venue_field
from trading.models.fields import AmountField


class Every(models.TextChoices):
    """How much time a measurement stands for; hours and days are those of UTC."""

    MINUTE = "minute", "a minute"
    HOUR = "hour", "an hour"
    DAY = "day", "a day"


class AccountValue(models.Model):
    """An account's value as it was measured last in one minute, hour or day (UTC); all amounts in the asset `asset`.

    Minutes are kept for two days, hours for sixty, days for ever: books/account.py.
    """

    venue = venue_field()
    asset = models.CharField(max_length=16, help_text="The unit of account.")
    span = models.CharField(max_length=6, choices=Every.choices)
    begins = models.DateTimeField()
    measured_at = models.DateTimeField()
    value = AmountField(help_text="All balances at the market.")
    free = AmountField(help_text="Of the unit of account itself, free.")
    locked = AmountField(help_text="The same in open orders.")
    put_in = AmountField(help_text="The value at first, less what was gained by then, plus transfers since.")
    realised = AmountField(help_text="Profit of all finished cycles, net of commissions.")
    unrealised = AmountField(help_text="Gain of running cycles and leftovers if sold at the last price.")
    unpriced = models.JSONField(default=list, blank=True, help_text="Assets that no price is known of: they count 0.")
    symbols = models.JSONField(
        default=dict,
        blank=True,
        help_text="By symbol: the unrealised gain in its quote asset and the price, as texts.",
    )

    class Meta:
        ordering = ["-measured_at"]
        verbose_name = "account value"
        constraints = [
            models.UniqueConstraint(
                fields=["venue", "asset", "span", "begins"], name="one_account_value_per_span_and_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.asset} at {self.venue}, {self.begins:%Y-%m-%d %H:%M}"


class ToldBy(models.TextChoices):
    """How a transfer was noticed."""

    START = "start", "first measurement"  # No transfer: what was there when the account was first measured.
    EVENT = "event", "the exchange's event"
    DIFFERENCE = "difference", "a difference of the balance"


class Transfer(models.Model):
    """What came into an account or left it without an order of ours: a deposit, a withdrawal, a trade by hand."""

    venue = venue_field()
    asset = models.CharField(max_length=16)
    amount = AmountField(help_text="Negative: it left the account.")
    at = models.DateTimeField()
    told_by = models.CharField(max_length=10, choices=ToldBy.choices)
    value = AmountField(
        null=True, blank=True, help_text="In the unit of account at that time; empty: no price known."
    )
    value_asset = models.CharField(max_length=16, blank=True)
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [
            # An event that is delivered twice is one transfer.
            models.UniqueConstraint(fields=["venue", "asset", "at", "amount", "told_by"], name="each_transfer_once"),
            models.UniqueConstraint(
                fields=["venue", "value_asset"],
                condition=models.Q(told_by=ToldBy.START),
                name="one_start_per_venue_and_unit_of_account",
            ),
        ]
        indexes = [models.Index(fields=["venue", "at"], name="transfer_at")]

    def __str__(self) -> str:
        return f"{self.amount:+f} {self.asset} at {self.venue}"


class BalanceCheck(models.Model):
    """What a venue's expected balances stand for: what is there once the fills up to `after_fill` are in them."""

    venue = venue_field(unique=True)
    after_fill = models.BigIntegerField(default=0)
    last_fill = models.BigIntegerField(default=0, help_text="The newest fill at the last check.")
    checked_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.venue)


class ExpectedBalance(models.Model):
    """What there should be of an asset, by our fills and by transfers, and what was there instead."""

    venue = venue_field()
    asset = models.CharField(max_length=16)
    total = AmountField(default=Decimal(0))
    difference = AmountField(default=Decimal(0), help_text="What was there more at the last check.")
    times_seen = models.PositiveIntegerField(default=0, help_text="The same difference, at so many checks running.")
    seen_since = models.DateTimeField(null=True, blank=True)
    is_settled = models.BooleanField(default=False, help_text="It was as expected at some check.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["venue", "asset"], name="one_expected_balance_per_venue_and_asset")
        ]

    def __str__(self) -> str:
        return f"{self.asset} at {self.venue}"
