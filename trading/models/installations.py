"""This installation: its identity, when it ran, and the other installations that were seen on its keys."""

from datetime import datetime

from django.db import models
from django.utils import timezone

from hedgehog_project.database.compiled import Compiled
from trading.exchange.order_ids import IDENTITY_LENGTH, new_identity
from trading.models.choices import venue_field


class Installation(models.Model):
    """One row. A restored backup keeps the identity, and so does a copied home."""

    identity = models.CharField(max_length=IDENTITY_LENGTH, default=new_identity)
    made_at = models.DateTimeField(default=timezone.now)
    kept_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Orders that a copy placed before this time are adopted, as a person decided.",
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="only_one_installation")]

    def __str__(self) -> str:
        return f"Identity {self.identity}"

    @classmethod
    def own(cls) -> "Installation":
        """The row, made where there is none yet."""
        return _OWN.first() or cls.objects.get_or_create(pk=1)[0]

    @classmethod
    def identity_if_any(cls) -> str:
        """Empty where nothing was ever placed: asking makes none."""
        return _IDENTITY.first() or ""


# Each order's name asks.
_OWN = Compiled(lambda: Installation.objects.filter(pk=1))
_IDENTITY: Compiled[str] = Compiled(lambda: Installation.objects.filter(pk=1).values_list("identity", flat=True))


class Run(models.Model):
    """A time in which this database was traded by without a break. identity/runs.py keeps the rows."""

    began_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now, help_text="When it was last seen.")
    is_over = models.BooleanField(default=False, help_text="The run has ended; the next one is a new run.")
    uptime_s = models.FloatField(null=True, help_text="How long the host had been up by then, seconds.")
    clock_set_by = models.DurationField(
        null=True, help_text="It began because the clock was set by so much: the run before had not ended."
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.began_at:%Y-%m-%d %H:%M:%S} to {self.last_at:%Y-%m-%d %H:%M:%S} UTC"


class OtherInstallation(models.Model):
    """Another Hedgehog whose orders were seen at a venue. With our own identity: a copy of this installation."""

    venue = venue_field()
    identity = models.CharField(max_length=IDENTITY_LENGTH)
    first_seen = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(default=timezone.now)
    placed_at = models.DateTimeField(null=True, blank=True, help_text="When its newest order was placed.")
    last_order = models.CharField(max_length=36, blank=True, help_text="The client order id of its newest order.")
    open_orders = models.PositiveIntegerField(default=0, help_text="At the last reconciliation.")
    was_ours_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then this installation had that identity."
    )
    taken_over_at = models.DateTimeField(
        null=True, blank=True, help_text="Its earlier orders can be adopted or cancelled here."
    )

    class Meta:
        ordering = ["venue", "first_seen"]
        constraints = [
            models.UniqueConstraint(fields=["venue", "identity"], name="each_other_installation_once_per_venue")
        ]

    def __str__(self) -> str:
        return f"{self.identity} at {self.venue}"

    def note(self, client_order_id: str, placed_at: datetime | None) -> None:
        """Changes the row; the caller saves it."""
        if not self.last_order or (placed_at and (self.placed_at is None or placed_at > self.placed_at)):
            self.last_order, self.placed_at = client_order_id, placed_at
