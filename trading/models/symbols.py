"""Symbols, what each venue's exchangeInfo says of them, and how they shall be traded."""

import time
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from trading.core.fees import USUAL_RATE, Fees
from trading.core.filters import SymbolFilters
from trading.core.money import ceil_to, plain, share_of
from trading.core.slots import begins_with_one
from trading.core.steps import min_budget
from trading.core.strategy import Strategy
from trading.models.choices import choices_of, venue_field
from trading.models.fields import Above, AmountField
from trading.models.profiles import Profile
from trading.models.switch import Switch
from trading.strategies.registry import FIRST, UnknownStrategy, find, worst_exit
from trading.strategies.typed import BadSettings, Value, from_texts, text_of, to_texts

MAX_SLOTS = 100


class Symbol(models.Model):
    """A pair of assets, such as ETHUSDT."""

    name = models.CharField(max_length=32, unique=True)
    base_asset = models.CharField(max_length=16, blank=True)
    quote_asset = models.CharField(max_length=16, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        self.name = self.name.strip().upper()


# The status of a listing that the venue no longer has: its symbol's traders and orders stay, nothing trades.
GONE = "GONE"
# For so long a venue's word that a symbol is halted keeps it from being turned on. While it is off nobody asks again.
HALT_HOLDS = timedelta(minutes=1)


class Listing(models.Model):
    """A symbol as one venue lists it: its filters and our fees, refreshed from exchangeInfo. 0 means no bound."""

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="listings")
    venue = venue_field()
    status = models.CharField(max_length=24, help_text="TRADING, or why the symbol cannot be traded.")
    tick_size = AmountField()
    step_size = AmountField()
    min_price = AmountField(default=Decimal(0))
    max_price = AmountField(default=Decimal(0))
    min_quantity = AmountField(default=Decimal(0))
    max_quantity = AmountField(default=Decimal(0))
    min_notional = AmountField(default=Decimal(0))
    max_notional = AmountField(default=Decimal(0))
    # All kinds of commission added up, as fractions: 0.001 is 0.1 %.
    buy_maker_fee = AmountField(default=USUAL_RATE, help_text="Buy, maker, as a fraction: 0.001 is 0.1 %.")
    buy_taker_fee = AmountField(default=USUAL_RATE, help_text="Buy, taker.")
    sell_maker_fee = AmountField(default=USUAL_RATE, help_text="Sell, maker.")
    sell_taker_fee = AmountField(default=USUAL_RATE, help_text="Sell, taker.")
    fee_asked_at = models.DateTimeField(null=True, blank=True, help_text="Empty: Binance's default fees are assumed.")
    filters = models.JSONField(default=list, help_text="As returned by exchangeInfo.")
    allows_replacing = models.BooleanField(
        default=False, help_text="One request may cancel an order and place another (cancelReplaceAllowed)."
    )
    not_found_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the venue first answered that it has no such symbol; two answers are needed.",
    )
    refreshed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["symbol", "venue"], name="one_listing_per_symbol_and_venue")]
        ordering = ["symbol__name", "venue"]

    def __str__(self) -> str:
        return f"{self.symbol} at {self.venue}"

    @property
    def fees(self) -> Fees:
        return Fees(self.buy_maker_fee, self.buy_taker_fee, self.sell_maker_fee, self.sell_taker_fee)

    def symbol_filters(self) -> SymbolFilters:
        return SymbolFilters(
            symbol=self.symbol.name,
            base_asset=self.symbol.base_asset,
            quote_asset=self.symbol.quote_asset,
            tick=self.tick_size,
            step=self.step_size,
            min_price=self.min_price,
            max_price=self.max_price,
            min_quantity=self.min_quantity,
            max_quantity=self.max_quantity,
            min_notional=self.min_notional,
            max_notional=self.max_notional,
            **bounds_of(self.filters),
            fees=self.fees,
            allows_replacing=self.allows_replacing,
            is_trading=self.status == "TRADING",
            status=self.status,
        )


class Problem(StrEnum):
    """Why a venue lets nobody, or not us, trade a symbol, where no listing tells it."""

    NOT_LISTED = "NOT_LISTED"  # It has no such symbol: misspelled, or taken off.
    NOT_PERMITTED = "NOT_PERMITTED"  # It refuses this account's orders in the symbol.


class ListingProblem(models.Model):
    """What a venue last said of a symbol that can't be traded there. said.py keeps it, and puts it into words."""

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="listing_problems")
    venue = venue_field()
    problem = models.CharField(max_length=16, choices=choices_of(Problem))
    said = models.CharField(max_length=300, blank=True, help_text="The exchange's own message.")
    near: Any = models.JSONField(default=list, help_text="Similar names that the venue lists.")
    said_at = models.DateTimeField()

    class Meta:
        default_permissions = ()  # The symbol's page shows it.
        constraints = [
            models.UniqueConstraint(fields=["symbol", "venue"], name="one_listing_problem_per_symbol_and_venue")
        ]

    def __str__(self) -> str:
        return f"{self.symbol} at {self.venue}: {self.problem}"


def bounds_of(filters: list[dict[str, Any]]) -> dict[str, Any]:
    """The fields of SymbolFilters that no column of a listing has. A bound that is missing or 0 is none."""
    named = {each["filterType"]: each for each in filters}
    both, by_side = named.get("PERCENT_PRICE", {}), named.get("PERCENT_PRICE_BY_SIDE", {})

    def factor(side: str, bound: str) -> Decimal:
        return Decimal(by_side.get(f"{side}Multiplier{bound}") or both.get(f"multiplier{bound}") or 0)

    def amount(name: str, bound: str) -> Decimal:
        return Decimal(named.get(name, {}).get(bound) or 0)

    return {
        "buy_factor_min": factor("bid", "Down"),
        "buy_factor_max": factor("bid", "Up"),
        "sell_factor_min": factor("ask", "Down"),
        "sell_factor_max": factor("ask", "Up"),
        "max_market_quantity": amount("MARKET_LOT_SIZE", "maxQty"),
        "market_step": amount("MARKET_LOT_SIZE", "stepSize"),
        "max_position": amount("MAX_POSITION", "maxPosition"),
        "max_orders": int(amount("MAX_NUM_ORDERS", "maxNumOrders")),
    }


# Filters change seldom, and a decision should not wait for the database to say so: a copy serves for so long.
FILTERS_KEPT_S = 2.0
_kept: dict[tuple[int, str], tuple[float, SymbolFilters | None]] = {}


def filters_of(symbol_id: int, venue: str) -> SymbolFilters | None:
    """A symbol's filters at a venue, up to FILTERS_KEPT_S old; None where the venue has not told them yet."""
    until, filters = _kept.get((symbol_id, venue), (0.0, None))
    if time.monotonic() < until:
        return filters
    listing = Listing.objects.select_related("symbol").filter(symbol=symbol_id, venue=venue).first()
    # Of a symbol without assets no commission could be told from what was bought.
    filters = listing.symbol_filters() if listing and listing.symbol.base_asset else None
    _kept[symbol_id, venue] = (time.monotonic() + FILTERS_KEPT_S if filters else 0.0, filters)
    return filters


def forget_filters() -> None:
    """The next filters_of asks the database."""
    _kept.clear()


class TradingStatus(models.TextChoices):
    """Whether and how long a symbol is traded; traders ask each time they act."""

    ON = "on", "on"
    OFF = "off", "off"  # No new order, now. What rests stays, or is cancelled where that is wished.
    SHUTDOWN = "shutdown", "shutdown"  # Cycles under way end, none follows; then it turns off by itself.


class Sizing(models.TextChoices):
    """What is split among a symbol's slots."""

    FIXED = "fixed", "fixed budget"
    SHARE = "share", "share of balance"


class Slots(models.TextChoices):
    """How far apart a symbol's slots buy: see core/ladder.py."""

    LADDER = "ladder", "step by step"
    TOGETHER = "together", "all together"


def first_settings() -> dict[str, str]:
    """Those of a symbol that was never changed, for the strategy that it begins with."""
    return to_texts(FIRST.Settings())


class TradingSettings(models.Model):
    """How a symbol is traded. A change applies to the next cycle; running cycles keep what they started with."""

    symbol = models.OneToOneField(Symbol, on_delete=models.CASCADE, related_name="settings")
    status = models.CharField("trading", max_length=8, choices=TradingStatus.choices, default=TradingStatus.OFF)
    cancel_orders = models.BooleanField(
        default=False, help_text="Cancels open orders: all of them when off, buys only during a shutdown."
    )
    profile = models.ForeignKey(
        Profile,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="applied_to",
        help_text="The last profile applied; empty if settings have changed since.",
    )
    max_slots = models.PositiveSmallIntegerField(
        "max slots",
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_SLOTS)],
        help_text="How many traders may run at the same time; the budget is split equally among them.",
    )
    slots = models.CharField(
        "slots buy",
        max_length=8,
        choices=Slots.choices,
        default=Slots.LADDER,
        help_text="Step by step: a slot buys only a ladder step below the lowest price that another slot holds.",
    )
    budget = AmountField(
        default=Decimal(600),
        validators=[Above(Decimal(0))],
        help_text="In the quote asset, split among the slots of the symbol.",
    )
    strategy = models.CharField(max_length=32, default=FIRST.name, help_text="The strategy of new traders.")
    # What another strategy calls the same outlives a change of strategy, and so does what it does not read.
    strategy_settings = models.JSONField(
        default=first_settings,
        blank=True,
        help_text="Stored as text, by name. Missing ones have the strategy's default.",
    )

    paused_by = models.CharField(max_length=150, blank=True, help_text="Who has paused its buys; empty: nobody.")
    paused_at = models.DateTimeField(null=True, blank=True)

    # sizing.py reads these.
    sizing = models.CharField(
        "position sizing",
        max_length=8,
        choices=Sizing.choices,
        default=Sizing.FIXED,
        help_text="What is split among the slots.",
    )
    balance_share = AmountField(
        "share of balance",
        default=Decimal("0.1"),
        validators=[Above(Decimal(0)), MaxValueValidator(Decimal(1))],
        help_text="Of the free quote balance plus the symbol's own exposure, as a fraction: 0.1 is 10 %.",
    )
    compounds = models.BooleanField(
        "compound profits",
        default=False,
        help_text="The order size of new traders grows and shrinks with the symbol's realised profit.",
    )

    class Meta:
        verbose_name = "trading settings"
        verbose_name_plural = "trading settings"
        constraints = [
            models.CheckConstraint(condition=models.Q(max_slots__gte=1), name="at_least_one_slot"),
            models.CheckConstraint(condition=models.Q(budget__gt=Decimal(0)), name="budget_above_zero"),
            models.CheckConstraint(condition=models.Q(status__in=TradingStatus.values), name="known_trading_status"),
            models.CheckConstraint(condition=models.Q(sizing__in=Sizing.values), name="known_sizing"),
            models.CheckConstraint(condition=models.Q(slots__in=Slots.values), name="known_slots"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol}: {self.status}"

    @property
    def share(self) -> Decimal:
        """One trader's budget, in quote."""
        return share_of(self.budget, self.max_slots)

    @property
    def is_on(self) -> bool:
        return self.status == TradingStatus.ON

    @property
    def size_in_words(self) -> str:
        """What is split, and among how many slots."""
        slots = self._slots
        if self.sizing == Sizing.SHARE:
            return f"{plain(self.balance_share.scaleb(2))} % of free {self.symbol.quote_asset}, {slots}"
        gains = " plus profit" if self.compounds else ""
        return f"{plain(self.budget)} {self.symbol.quote_asset}{gains}, {slots}"

    @property
    def _slots(self) -> str:
        return f"{self.max_slots} slot{'' if self.max_slots == 1 else 's'}"

    def by(self) -> tuple[Strategy, Any]:
        """Its strategy, with the settings of a new trader. Raises UnknownStrategy and BadSettings."""
        strategy = find(self.strategy)
        return strategy, from_texts(strategy.Settings, self.strategy_settings)

    def give(self, values: Mapping[str, Value]) -> None:
        """Changes settings of its strategy, by name. The caller saves them, and sees whether `by` can read them."""
        self.strategy_settings = self.strategy_settings | {name: text_of(value) for name, value in values.items()}

    @property
    def begins_with_one(self) -> bool:
        """Whether its traders ask for others beside them."""
        try:
            _, settings = self.by()
        except (UnknownStrategy, BadSettings):
            return True  # None can begin.
        return begins_with_one(settings)

    def why_not(self, listing: Listing) -> str | None:
        """What about these settings can't work with a venue's filters, in words for people."""
        is_halted = listing.status != "TRADING" and listing.refreshed_at > timezone.now() - HALT_HOLDS
        if is_halted or listing.status == GONE:
            return f"{self.symbol} cannot be traded at {listing.venue} now (status {listing.status})."
        return self.unworkable(listing)

    def unworkable(self, listing: Listing) -> str | None:
        """What of it lies in the settings: they can be changed while the symbol is halted."""
        try:
            strategy, settings = self.by()
        except (UnknownStrategy, BadSettings) as error:
            return f"Invalid strategy settings: {error}"
        if self.sizing != Sizing.FIXED:
            return None
        # Whatever sells what was bought must be worth an order too: also a stop.
        minimum = ceil_to(min_budget(listing.min_notional, worst_exit(strategy, settings)), Decimal("0.01"))
        if self.share >= minimum:
            return None
        stop = " at its stop" if minimum > ceil_to(listing.min_notional, Decimal("0.01")) else ""
        return (
            f"With {self._slots} the order size is {plain(self.share)} {self.symbol.quote_asset}, below the "
            f"min notional of {self.symbol} at {listing.venue}, {plain(listing.min_notional)}{stop}: raise the "
            f"budget above {plain(minimum * self.max_slots)} or use fewer slots."
        )

    def clean(self) -> None:
        if self.status != TradingStatus.ON or not self.max_slots or not self.budget:
            return
        listing = Listing.objects.filter(symbol_id=self.symbol_id, venue=Switch.current()).first()
        problem = self.unworkable(listing) if listing else None
        if problem:
            raise ValidationError({"budget": problem})
