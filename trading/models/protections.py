"""Protections: limits that hold buys back, for a symbol and for a venue's account; and what they have held back."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.core.denials import Rule
from trading.core.money import plain
from trading.models.choices import choices_of
from trading.models.fields import Above, AmountField, Below
from trading.models.switch import TradingMode
from trading.models.symbols import Symbol

DAY_MINUTES = 24 * 60
BNB = "BNB"


class HighOf(StrEnum):
    """The high that a drawdown is measured from."""

    DAY = "day"  # Of this UTC day.
    ALL_TIME = "all time"  # Since the protection was set, or since a person resumed trading after it.


class SymbolProtections(models.Model):
    """What holds back the buys of one symbol. An empty field is off."""

    symbol = models.OneToOneField(Symbol, on_delete=models.CASCADE, related_name="protections")
    max_exposure = AmountField(
        "most budget bound",
        null=True,
        blank=True,
        validators=[Above(Decimal(0))],
        help_text="In the quote asset: open buys, and what is held at its cost.",
    )
    max_open_orders = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Buys and sells together."
    )
    max_daily_loss = AmountField(
        "most loss a day",
        null=True,
        blank=True,
        validators=[Above(Decimal(0))],
        help_text="In the quote asset: the realised profit of the cycles that ended this day (UTC), net.",
    )
    losses_in_a_row = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="So many cycles that end at a loss, as after a stop-loss, make it pause.",
    )
    pause_minutes = models.PositiveIntegerField(
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(30 * DAY_MINUTES)],
        help_text="How long nothing is bought after losses in a row.",
    )
    max_trade_age_s = models.PositiveIntegerField(
        "oldest trade, s",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Nothing is bought while the last trade is older.",
    )
    heeds_gaps = models.BooleanField(
        "no buying in a gap", default=False, help_text="Nothing is bought while trades are missing and being fetched."
    )

    class Meta:
        verbose_name = "protections of the symbol"
        verbose_name_plural = "protections of the symbol"

    def __str__(self) -> str:
        return f"Protections of {self.symbol}"

    # None of them may be 0.
    LIMITS = ("max_exposure", "max_open_orders", "max_daily_loss", "losses_in_a_row", "max_trade_age_s", "heeds_gaps")

    @property
    def is_any_set(self) -> bool:
        return any(getattr(self, name) for name in self.LIMITS)


class AccountProtections(models.Model):
    """What holds back buys at one venue, and when trading there stops altogether. An empty field is off."""

    venue = models.CharField(max_length=8, choices=choices_of(Venue), unique=True)
    quote_asset = models.CharField(
        max_length=16, default="USDT", help_text="The amounts here are in it; symbols quoted in others do not count."
    )
    max_exposure = AmountField(
        null=True,
        blank=True,
        validators=[Above(Decimal(0))],
        help_text="Of all symbols together: open buys, and what is held at its cost.",
    )
    quote_reserve = AmountField(
        null=True, blank=True, validators=[Above(Decimal(0))], help_text="So much of the quote asset stays free."
    )
    bnb_reserve = AmountField(
        "BNB reserve",
        null=True,
        blank=True,
        validators=[Above(Decimal(0))],
        help_text="Nothing is bought while less BNB is free: commissions would eat it.",
    )
    max_orders_a_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(2)],
        help_text="Buys may use four fifths of it; exits always pass, and count.",
    )
    max_drawdown = AmountField(
        null=True,
        blank=True,
        validators=[Above(Decimal(0)), Below(Decimal(1))],
        help_text="From the high of equity, as a fraction: 0.05 is 5 %.",
    )
    capital = AmountField(
        null=True,
        blank=True,
        validators=[Above(Decimal(0))],
        help_text="What the drawdown is a part of, with the gains so far. Empty: the budgets of the symbols that are "
        "on.",
    )
    drawdown_from = models.CharField("the high of", max_length=8, choices=choices_of(HighOf), default=HighOf.ALL_TIME)
    drawdown_mode = models.CharField(
        "then trading is",
        max_length=8,
        choices=[(mode.value, mode.value) for mode in (TradingMode.REDUCING, TradingMode.HALTED)],
        default=TradingMode.REDUCING,
        help_text="Reducing: what is held is sold, nothing is bought. Halted: no order at all. At every venue, until "
        "a person resumes.",
    )
    drawdown_cancels_buys = models.BooleanField(
        "and resting buys are taken back", default=True, help_text="Else they stay, and may fill."
    )

    class Meta:
        ordering = ["venue"]
        verbose_name = "account protections"
        verbose_name_plural = "account protections"
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
        return f"Protections of the account at {self.venue}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        if self.max_drawdown is None:
            # Should it be set again, its high begins then.
            HighWater.objects.filter(venue=self.venue).delete()

    LIMITS = ("max_exposure", "quote_reserve", "bnb_reserve", "max_orders_a_minute", "max_drawdown")

    @property
    def denies_nothing(self) -> bool:
        """Whether every limit is empty."""
        return all(getattr(self, name) is None for name in self.LIMITS)

    @property
    def is_any_set(self) -> bool:
        """Whether any order has to be looked at; the drawdown is watched by the leader."""
        limits = (self.max_exposure, self.quote_reserve, self.bnb_reserve, self.max_orders_a_minute)
        return any(limit is not None for limit in limits)

    def reserve_of(self, asset: str) -> Decimal:
        """What of it is to stay free where it is paid with; 0 where nothing is."""
        of_quote = self.quote_reserve if asset == self.quote_asset else None
        of_bnb = self.bnb_reserve if asset == BNB else None
        return max(of_quote or Decimal(0), of_bnb or Decimal(0))

    def clean(self) -> None:
        self.quote_asset = self.quote_asset.strip().upper()
        if not self.quote_asset.isalnum():
            raise ValidationError({"quote_asset": "An asset is letters and digits only, such as USDT."})


class HighWater(models.Model):
    """How far a venue's trading has come: its gain, in the quote asset of its protections, and the highs of it.

    The gain is what ended cycles brought and what live ones would, were what they hold sold at the last price.
    """

    venue = models.CharField(max_length=8, choices=choices_of(Venue), unique=True)
    quote_asset = models.CharField(max_length=16)
    gain = AmountField(default=Decimal(0))
    high = AmountField(default=Decimal(0))
    high_at = models.DateTimeField(default=timezone.now)
    day = models.DateField(help_text="Of the day's high, in UTC.")
    day_high = AmountField(default=Decimal(0))
    drawdown = AmountField(default=Decimal(0), help_text="At the last look, as a fraction.")
    looked_at = models.DateTimeField(default=timezone.now)
    tripped_at = models.DateTimeField(null=True, blank=True, help_text="When it held trading back, till resumed.")

    def __str__(self) -> str:
        return f"Gain at {self.venue}: {plain(self.gain)} {self.quote_asset}"


class HeldBack(models.Model):
    """How often a rule held the buys of a symbol back on one day (UTC), and the last time in words."""

    venue = models.CharField(max_length=8, choices=choices_of(Venue))
    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="held_back")
    rule = models.CharField(max_length=16, choices=choices_of(Rule))
    day = models.DateField()
    count = models.PositiveIntegerField(default=0, help_text="Orders; one that waits for hours counts once.")
    reason = models.CharField(max_length=300, blank=True)
    last_at = models.DateTimeField()
    # By then whoever it holds back has asked again. An edit of the protections ends it: all are asked anew.
    denies_until = models.DateTimeField()

    class Meta:
        ordering = ["-day", "-last_at"]
        constraints = [
            models.UniqueConstraint(fields=["venue", "symbol", "rule", "day"], name="one_row_per_rule_and_day")
        ]

    def __str__(self) -> str:
        return f"{self.rule} of {self.symbol} at {self.venue}, {self.day}: {self.count}"
