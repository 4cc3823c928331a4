"""Risk limits that deny buys, for a symbol and for a venue's account; and the orders that they have denied."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from trading.core.denials import Rule
from trading.core.money import plain
from trading.models.choices import choices_of, venue_field
from trading.models.fields import Above, AmountField, Below
from trading.models.switch import TradingMode
from trading.models.symbols import Symbol

DAY_MINUTES = 24 * 60


class HighOf(StrEnum):
    """The high that a drawdown is measured from."""

    DAY = "day"  # Of this UTC day.
    ALL_TIME = "all time"  # Since the protection was set, or since a person resumed trading after it.


class SymbolProtections(models.Model):
    """What denies the buys of one symbol. An empty field is off."""

    symbol = models.OneToOneField(Symbol, on_delete=models.CASCADE, related_name="protections")
    max_exposure = AmountField(
        "max exposure",
        null=True,
        blank=True,
        validators=[Above(Decimal(0))],
        help_text="In the quote asset: open buys plus positions at cost.",
    )
    max_open_orders = models.PositiveIntegerField(
        "max open orders",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Buys and sells.",
    )
    max_daily_loss = AmountField(
        "max daily loss",
        null=True,
        blank=True,
        validators=[Above(Decimal(0))],
        help_text="In the quote asset: net realised loss of the cycles that ended today (UTC).",
    )
    max_consecutive_losses = models.PositiveIntegerField(
        "max consecutive losses",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="After this many losing cycles in a row, buying pauses.",
    )
    cooldown_minutes = models.PositiveIntegerField(
        "cooldown, min",
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(30 * DAY_MINUTES)],
        help_text="How long buying pauses after consecutive losses.",
    )
    max_price_age_s = models.PositiveIntegerField(
        "max price age, s",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Buys are denied while the last trade is older than this.",
    )
    deny_in_gaps = models.BooleanField(
        "deny buys in data gaps", default=False, help_text="Buys are denied while missing trades are being fetched."
    )

    class Meta:
        verbose_name = "symbol risk limits"
        verbose_name_plural = "symbol risk limits"

    def __str__(self) -> str:
        return f"Risk limits of {self.symbol}"

    # None of them may be 0.
    LIMITS = (
        "max_exposure",
        "max_open_orders",
        "max_daily_loss",
        "max_consecutive_losses",
        "max_price_age_s",
        "deny_in_gaps",
    )

    @property
    def is_any_set(self) -> bool:
        return any(getattr(self, name) for name in self.LIMITS)


class AccountProtections(models.Model):
    """What denies buys at one venue, and when trading there stops altogether. An empty field is off."""

    venue = venue_field(unique=True)
    quote_asset = models.CharField(
        max_length=16,
        default="USDT",
        help_text="Currency of these limits; symbols quoted in other assets are not counted.",
    )
    max_exposure = AmountField(
        "max exposure",
        null=True,
        blank=True,
        validators=[Above(Decimal(0))],
        help_text="All symbols: open buys plus positions at cost.",
    )
    quote_reserve = AmountField(
        null=True, blank=True, validators=[Above(Decimal(0))], help_text="Minimum free balance of the quote asset."
    )
    bnb_reserve = AmountField(
        "BNB reserve",
        null=True,
        blank=True,
        validators=[Above(Decimal(0))],
        help_text="Buys are denied while less BNB is free, so that commissions can be paid.",
    )
    max_orders_per_minute = models.PositiveIntegerField(
        "max orders per minute",
        null=True,
        blank=True,
        validators=[MinValueValidator(2)],
        help_text="Buys may use four fifths of it; exits always pass and are counted.",
    )
    max_drawdown = AmountField(
        "max drawdown",
        null=True,
        blank=True,
        validators=[Above(Decimal(0)), Below(Decimal(1))],
        help_text="From the peak of capital plus gain, as a fraction: 0.05 is 5 %.",
    )
    capital = AmountField(
        "base capital",
        null=True,
        blank=True,
        validators=[Above(Decimal(0))],
        help_text="The drawdown is a share of this amount plus the gain. Empty: the budgets of all symbols that "
        "are on.",
    )
    drawdown_from = models.CharField(
        "measured from the peak of", max_length=8, choices=choices_of(HighOf), default=HighOf.ALL_TIME
    )
    drawdown_mode = models.CharField(
        "when exceeded, trading is",
        max_length=8,
        choices=[(mode.value, mode.value) for mode in (TradingMode.REDUCING, TradingMode.HALTED)],
        default=TradingMode.REDUCING,
        help_text="Reducing: positions are sold, no new buys. Halted: no orders. At every venue, until someone "
        "resumes.",
    )
    drawdown_cancels_buys = models.BooleanField(
        "cancel open buys", default=True, help_text="Otherwise they stay open and may fill."
    )

    class Meta:
        ordering = ["venue"]
        verbose_name = "account risk limit"
        verbose_name_plural = "account risk limits"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(drawdown_from__in=[each.value for each in HighOf]), name="known_high"
            ),
            models.CheckConstraint(
                condition=models.Q(drawdown_mode__in=[TradingMode.REDUCING.value, TradingMode.HALTED.value]),
                name="drawdown_reduces_or_halts",
            ),
        ]

    def __str__(self) -> str:
        return f"Account risk limits at {self.venue}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        if self.max_drawdown is None:
            # Should it be set again, its high begins then.
            HighWater.objects.filter(venue=self.venue).delete()

    LIMITS = ("max_exposure", "quote_reserve", "bnb_reserve", "max_orders_per_minute", "max_drawdown")

    @property
    def denies_nothing(self) -> bool:
        """Whether every limit is empty."""
        return all(getattr(self, name) is None for name in self.LIMITS)

    @property
    def is_any_set(self) -> bool:
        """Whether any order has to be looked at; the drawdown is watched by the leader."""
        limits = (self.max_exposure, self.quote_reserve, self.bnb_reserve, self.max_orders_per_minute)
        return any(limit is not None for limit in limits)

    def clean(self) -> None:
        self.quote_asset = self.quote_asset.strip().upper()
        if not self.quote_asset.isalnum():
            raise ValidationError({"quote_asset": "Use letters and digits only, for example USDT."})


class HighWater(models.Model):
    """How far a venue's trading has come: its gain, in the quote asset of its protections, and the highs of it.

    The gain is what ended cycles brought and what live ones would, were what they hold sold at the last price.
    """

    venue = venue_field(unique=True)
    quote_asset = models.CharField(max_length=16)
    gain = AmountField(default=Decimal(0))
    high = AmountField(default=Decimal(0))
    high_at = models.DateTimeField(default=timezone.now)
    day = models.DateField(help_text="Day of the day's peak (UTC).")
    day_high = AmountField(default=Decimal(0))
    drawdown = AmountField(default=Decimal(0), help_text="At the last check, as a fraction.")
    looked_at = models.DateTimeField(default=timezone.now)
    tripped_at = models.DateTimeField(null=True, blank=True, help_text="When it stopped trading, until resumed.")

    def __str__(self) -> str:
        return f"Gain at {self.venue}: {plain(self.gain)} {self.quote_asset}"


class DeniedOrder(models.Model):
    """How often a rule denied buys of a symbol on one day (UTC), and the last time in words."""

    venue = venue_field()
    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="denied_orders")
    rule = models.CharField(max_length=24, choices=choices_of(Rule))
    day = models.DateField()
    count = models.PositiveIntegerField(
        "orders",
        default=0,
        help_text="Denied orders; an order that waits for hours counts once.",
    )
    reason = models.CharField(max_length=300, blank=True)
    last_at = models.DateTimeField()
    # By then a denied trader has tried again. An edit of the risk limits ends it: all try again.
    denies_until = models.DateTimeField()

    class Meta:
        verbose_name = "denied order"
        verbose_name_plural = "denied orders"
        ordering = ["-day", "-last_at"]
        constraints = [
            models.UniqueConstraint(fields=["venue", "symbol", "rule", "day"], name="one_row_per_rule_and_day")
        ]

    def __str__(self) -> str:
        return f"{self.get_rule_display()} of {self.symbol} at {self.venue}, {self.day}: {self.count}"
