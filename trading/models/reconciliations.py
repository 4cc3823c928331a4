"""What comparing our books with the exchange's came to, and how far its fills have been looked at."""

from datetime import datetime

from django.db import models
from django.utils import timezone

from trading.models.choices import venue_field

# Older rows are dropped.
MAX_KEPT = 1_000


class Reconciliation(models.Model):
    """One comparison at one venue. Where it says the same as the one before, that one is dropped.

    What was late is no difference: the exchange had just said it, and reports take a moment.
    """

    venue = venue_field()
    began_at = models.DateTimeField(default=timezone.now)
    took_ms = models.PositiveIntegerField(default=0)
    orders = models.PositiveIntegerField(default=0, help_text="Our open orders that were compared.")
    fills = models.PositiveIntegerField(default=0, help_text="New fills of the account that were checked.")
    repaired = models.PositiveIntegerField(default=0, help_text="Differences that were repaired.")
    late = models.PositiveIntegerField(default=0, help_text="Changes whose reports were still in flight.")
    unchecked = models.PositiveIntegerField(default=0, help_text="Symbols whose fills could not be queried.")
    left = models.PositiveIntegerField(default=0, help_text="Differences that could not be repaired.")
    stopped = models.CharField(max_length=300, blank=True, help_text="Why it stopped early.")
    text = models.TextField(blank=True, help_text="One difference per line.")
    task_id = models.CharField(max_length=64, blank=True, help_text="The Celery task, as Flower shows it.")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["venue", "id"], name="reconciliation_last")]

    def __str__(self) -> str:
        return f"{self.venue}: {self.told()}"

    @property
    def differences(self) -> int:
        return self.repaired + self.left

    @property
    def is_well(self) -> bool:
        """Whether it came to its end and nothing is left to do."""
        return not self.left and not self.stopped

    def told(self, is_dry: bool = False) -> str:
        """In words for people; `is_dry`: nothing was changed."""
        words = f"{_count(self.orders, 'open order')} and {_count(self.fills, 'new fill')} compared; "
        if self.repaired:
            words += f"{_count(self.repaired, 'difference')} {'to repair' if is_dry else 'repaired'}"
            words += f", {self.left} unresolved" if self.left else ""
        elif self.left:
            words += f"{_count(self.left, 'difference')} left"
        elif self.stopped or self.unchecked:
            words += "no difference so far" if self.stopped else "no difference in what was checked"
        else:
            words += "records match"
        words += f", {_count(self.late, 'report')} on {'its' if self.late == 1 else 'their'} way" if self.late else ""
        words += f"; {_count(self.unchecked, 'symbol')} not checked" if self.unchecked else ""
        return f"{words}; stopped: {self.stopped}" if self.stopped else words

    def keep(self) -> None:
        """Saves it, and drops what needs no row any more."""
        before = type(self).objects.filter(venue=self.venue).first()
        says = (self.repaired, self.left, self.stopped, self.text)
        if before and not self.repaired and says == (before.repaired, before.left, before.stopped, before.text):
            before.delete()
        self.save()
        too_old = type(self).objects.filter(venue=self.venue).values_list("pk", flat=True)[MAX_KEPT:]
        type(self).objects.filter(pk__in=list(too_old)).delete()


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


class FillMark(models.Model):
    """The last fill of the account in a symbol that was looked at: the next look begins there."""

    venue = venue_field()
    symbol = models.CharField(max_length=32)
    # Both: an exchange that has begun its books anew, as testnet does every month, has another fill of that id.
    trade_id = models.BigIntegerField(default=0, help_text="0: none yet.")
    exchange_order_id = models.BigIntegerField(default=0)
    looked_at = models.DateTimeField(null=True, blank=True, help_text="When its fills were last queried.")
    # Whether the last question failed, so many times in a row; a symbol that the exchange refuses rests meanwhile.
    failures = models.PositiveIntegerField(default=0)
    tried_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["venue", "symbol"], name="one_mark_per_venue_and_symbol")]

    def __str__(self) -> str:
        return f"{self.symbol} at {self.venue}: fill {self.trade_id}"

    def rests(self, now: datetime) -> bool:
        """Whether the exchange has refused it and its next turn is not come. A clock that was set back ends it."""
        return bool(self.retry_at and self.tried_at and self.tried_at <= now < self.retry_at)
