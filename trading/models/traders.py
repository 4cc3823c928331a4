"""Traders: each lives for one cycle in one slot of a symbol."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from hedgehog_project.database.writing import insert
from hedgehog_project.venues import Venue, rests
from trading.core.hand import Hand, Pause, Told
from trading.core.strategy import Strategy, TraderState, Triggers
from trading.models.choices import choices_of, venue_field
from trading.models.fields import AmountField
from trading.models.symbols import Symbol, TradingSettings
from trading.strategies.registry import find
from trading.strategies.typed import from_texts, to_texts


@dataclass(frozen=True)
class Claimed:
    """What every order asks, as it was when the trader's row was locked. Empty: not set yet."""

    mode: str  # of trading
    is_copied: bool  # a copy of this installation was seen at its venue
    identity: str  # this installation's
    slots: str = ""  # how far apart its symbol's slots buy


class Trader(models.Model):
    """One cycle in one slot: buy, sell, done. Its settings are those of its symbol when it began."""

    # No column: see rows.claim.
    claimed: Claimed | None = None
    # Nor this: who has paused its symbol, where it was read with that.
    symbol_paused_by: str | None = None

    # Found by the index trader_of_symbol.
    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="traders", db_index=False)
    venue = venue_field()
    slot = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=choices_of(TraderState), default=TraderState.WAITING)

    holds = models.BooleanField(default=False, help_text="It has a position.")

    budget = AmountField(help_text="This trader's order size, in the quote asset.")
    strategy = models.CharField(max_length=32, default="naive")
    strategy_settings = models.JSONField(default=dict, help_text="Its strategy's settings, as text.")
    memory = models.JSONField(default=dict, blank=True, help_text="The strategy's stored state.")

    # The triggers: a trade at or below, at or above these prices concerns the trader. Redis holds a copy.
    wake_below = AmountField(null=True, blank=True)
    wake_above = AmountField(null=True, blank=True)
    armed_at = models.DateTimeField(null=True, blank=True)
    moves = models.JSONField(null=True, blank=True, help_text="How its triggers moved, for the chart of its cycle.")
    version = models.PositiveIntegerField(default=0, help_text="Row version; detects late copies in Redis.")

    waits_for = models.CharField(max_length=300, blank=True, help_text="What the trader is waiting for.")
    error = models.CharField(max_length=500, blank=True)
    failures = models.PositiveIntegerField(
        default=0, help_text="Consecutive failures; each doubles the retry delay, max one minute."
    )
    retry_at = models.DateTimeField(null=True, blank=True)

    # Once in its life it asks for another trader beside it; the leader hears of that once.
    slot_requested_at = models.DateTimeField(null=True, blank=True)
    slot_opened_at = models.DateTimeField(null=True, blank=True)

    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    profit = AmountField(null=True, blank=True, help_text="Realised, in the quote asset, net of commissions.")
    fees = AmountField(null=True, blank=True, help_text="Its commissions of known value, in the quote asset.")
    held_s = models.PositiveIntegerField(null=True, blank=True, help_text="From its first buy to its end, seconds.")
    has_unvalued_fees = models.BooleanField(
        default=False, help_text="It paid commissions of unknown value, not counted in its profit."
    )
    leftover = AmountField(default=Decimal(0), help_text="In the base asset: below the minimum to sell, still held.")
    leftover_cost = AmountField(default=Decimal(0), help_text="Cost of the leftover, in the quote asset.")
    carried = AmountField(
        default=Decimal(0), help_text="Leftovers of earlier cycles that it sells, in the base asset."
    )
    carried_cost = AmountField(default=Decimal(0), help_text="Cost of these leftovers, in the quote asset.")
    missing = AmountField(default=Decimal(0), help_text="In the base asset: bought, but no longer in the account.")

    # What people want of it: see by_hand.
    told = models.JSONField(
        null=True, blank=True, help_text="What a person told it to do at once, as text; empty once that is over."
    )
    target = AmountField(null=True, blank=True, help_text="Set by hand: it sells at this price.")
    stop = AmountField(null=True, blank=True, help_text="Set by hand: it gets out below this price.")
    pause = models.CharField(max_length=5, blank=True, choices=choices_of(Pause), help_text="What it holds back.")
    paused_by = models.CharField(max_length=150, blank=True)

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
            models.Index(
                fields=["slot_requested_at"],
                condition=models.Q(slot_requested_at__isnull=False, slot_opened_at__isnull=True),
                name="trader_slot_request",
            ),
            # Every column that profits are summed from: sums over all ended cycles read the index alone.
            models.Index(
                fields=[
                    "venue",
                    "symbol",
                    "finished_at",
                    "state",
                    "profit",
                    "slot",
                    "budget",
                    "leftover",
                    "has_unvalued_fees",
                ],
                condition=models.Q(finished_at__isnull=False),
                name="trader_ended",
            ),
            models.Index(fields=["finished_at"], condition=models.Q(missing__gt=Decimal(0)), name="trader_missing"),
            # A symbol's traders by number, for pages that begin somewhere.
            models.Index(fields=["symbol", "id"], name="trader_of_symbol"),
            models.Index(
                fields=["symbol", "wake_below"], condition=models.Q(wake_below__isnull=False), name="trader_trigger"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol.name} #{self.slot} at {self.venue}, cycle {self.pk}"

    @property
    def has_ended(self) -> bool:
        return self.finished_at is not None

    @classmethod
    def resting(cls) -> dict[Venue, int]:
        """How many are in the midst of a cycle in a world of the mock's that does not run, by world."""
        live = cls.objects.filter(LIVE).order_by().values_list("venue").annotate(models.Count("pk"))
        return {Venue(venue): count for venue, count in live if rests(venue)}

    @classmethod
    def born(cls, settings: TradingSettings, venue: Venue, slot: int, **values: Any) -> "Trader":
        """A new one, saved, with all that it needs for its cycle as the settings say it now.

        Raises IntegrityError where the slot is taken, UnknownStrategy and BadSettings where it could not trade.
        """
        _, frozen = settings.by()
        values = {"budget": settings.share, **values}
        trader = cls(
            symbol=settings.symbol,
            venue=venue,
            slot=slot,
            strategy=settings.strategy,
            strategy_settings=to_texts(frozen),
            **values,
        )
        insert(trader)
        return trader

    def by(self) -> tuple[Strategy, Any]:
        """Its strategy and the settings frozen for it. Raises UnknownStrategy and BadSettings."""
        strategy = find(self.strategy)
        return strategy, from_texts(strategy.Settings, self.strategy_settings)

    @property
    def hand(self) -> Hand:
        """What a person wants of it, or of its symbol. Of an order that was placed for it the status is not told."""
        told = None if self.told is None else Told.from_texts(self.told)
        pause = Pause(self.pause) or (Pause.BUYS if self.symbol_paused_by else Pause.NONE)
        return Hand(told, self.target, self.stop, pause)

    def arm(self, triggers: Triggers) -> None:
        """Changes the row; the caller saves it."""
        self.wake_below, self.wake_above = triggers.below, triggers.above

    @property
    def is_armed(self) -> bool:
        return self.wake_below is not None or self.wake_above is not None


class Leftover(models.Model):
    """What ended cycles have left of a symbol at a venue; a later sale takes it along. See leftovers.py."""

    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="leftovers")
    venue = venue_field()
    quantity = AmountField(default=Decimal(0), help_text="In the base asset.")
    cost = AmountField(default=Decimal(0), help_text="In the quote asset.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["symbol", "venue"], name="one_leftover_per_symbol_and_venue")]

    def __str__(self) -> str:
        return f"{self.symbol} at {self.venue}"


class Slot(models.Model):
    """A slot that is open: the leader keeps a trader in it. A rebuy opens the next; turning off closes all."""

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="slots")
    venue = venue_field()
    number = models.PositiveSmallIntegerField()
    opened_at = models.DateTimeField(default=timezone.now)
    is_closed = models.BooleanField(
        default=False, help_text="Closed by hand: no cycle begins in it until it is opened again."
    )

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["venue", "symbol", "number"], name="each_slot_opened_once")]

    def __str__(self) -> str:
        return f"{self.symbol} #{self.number} at {self.venue}"


LIVE = Q(finished_at__isnull=True)
# In these words, for they are those of the index trader_ended, which holds every column that is summed.
ENDED = Q(finished_at__isnull=False)
# Cycles with commissions of unknown value, which their profits leave out.
UNKNOWN = Q(has_unvalued_fees=True)
