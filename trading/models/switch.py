"""The switch: at which venue new traders trade, and whether anybody trades at all."""

from datetime import UTC, datetime
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.utils import timezone

from hedgehog_project import halt_request
from hedgehog_project.database.compiled import Compiled
from hedgehog_project.halt_request import Request
from hedgehog_project.venues import Venue, mock_world
from trading.core.orders import Side
from trading.models.choices import choices_of


class TradingMode(StrEnum):
    """Which orders may be placed, at every venue."""

    ACTIVE = "active"  # All.
    REDUCING = "reducing"  # Sales only: what is held is sold, nothing is bought.
    HALTED = "halted"  # None.

    def lets(self, side: Side) -> bool:
        return self == TradingMode.ACTIVE or (self == TradingMode.REDUCING and side == Side.SELL)


_SEVERITY = (TradingMode.ACTIVE, TradingMode.REDUCING, TradingMode.HALTED)


def requested_mode(wanted: Request) -> TradingMode:
    """What a request that may be half written asks for; the strictest where that can't be told."""
    return TradingMode.REDUCING if wanted.mode == TradingMode.REDUCING else TradingMode.HALTED


def is_stricter(mode: TradingMode, other: TradingMode) -> bool:
    """Whether it denies more than the other."""
    return _SEVERITY.index(mode) > _SEVERITY.index(other)


class Switch(models.Model):
    """One row, which names an exchange: of the mock's worlds the one that runs is meant. A trader and its orders keep
    their venue for life; only new traders look at it. The mode is all's.
    """

    venue = models.CharField(max_length=8, choices=choices_of(Venue), default=Venue.MOCK)
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.CharField(max_length=150, blank=True)

    # halting.py turns these.
    mode = models.CharField(max_length=8, choices=choices_of(TradingMode), default=TradingMode.ACTIVE)
    mode_at = models.DateTimeField(default=timezone.now)
    mode_by = models.CharField(max_length=150, blank=True)
    mode_why = models.CharField(max_length=200, blank=True)
    cancel_buys = models.BooleanField(default=False, help_text="Open buys are cancelled while trading is not active.")

    class Meta:
        verbose_name = "trading control"
        verbose_name_plural = "trading control"
        permissions = [("trade_live", "Can trade real money")]
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="only_one_switch"),
            models.CheckConstraint(
                condition=models.Q(mode__in=[mode.value for mode in TradingMode]), name="known_trading_mode"
            ),
        ]

    def __str__(self) -> str:
        return f"Venue for new traders: {self.at.shown}"

    @property
    def at(self) -> Venue:
        """As `current`, of this row."""
        return meant_by(self.venue)

    @classmethod
    def current(cls) -> Venue:
        """Where new traders trade; of the mock's worlds the one that runs."""
        return meant_by(_VENUE.first() or Venue.MOCK)

    @classmethod
    def row(cls) -> "Switch":
        """The switch; as it is at first where nobody ever turned it.

        What it does not know yet of a halt that was requested in this home (halt_request.py) is put into what is
        returned, which is not to be saved.
        """
        found = _ROW.first() or cls(pk=1)
        wanted = halt_request.pending(settings.HEDGEHOG_HOME)
        if wanted is not None:
            found.obey(wanted)
        return found

    def obey(self, wanted: Request) -> None:
        """Takes in what a halt wants; a mode that denies as much or more already stays, with its reason."""
        mode = requested_mode(wanted)
        self.cancel_buys = (self.cancel_buys and not self.is_active) or wanted.cancel_buys
        if is_stricter(mode, TradingMode(self.mode)):
            self.mode, self.mode_by, self.mode_why = mode, wanted.by, wanted.why
            self.mode_at = datetime.fromtimestamp(wanted.at, UTC)

    @property
    def is_active(self) -> bool:
        return self.mode == TradingMode.ACTIVE

    @property
    def mode_text(self) -> str:
        """Which orders are denied, by whom, since when, and why; empty while none is."""
        if self.is_active:
            return ""
        what = "trading is halted" if self.mode == TradingMode.HALTED else "trading is reducing: sells only"
        why = f": {self.mode_why}" if self.mode_why else ""
        return f"{what}{why} (by {self.mode_by or 'unknown'}, since {self.mode_at:%d %b %H:%M:%S} UTC)"


def meant_by(venue: str) -> Venue:
    """The venue that is meant by what a switch says: it knows the mock exchange, and not which market that is on."""
    return mock_world() if Venue(venue).is_mock else Venue(venue)


_VENUE: Compiled[str] = Compiled(lambda: Switch.objects.filter(pk=1).values_list("venue", flat=True))
_ROW = Compiled(lambda: Switch.objects.filter(pk=1))
