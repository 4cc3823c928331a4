"""The switch: at which venue new traders trade."""

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.utils import timezone

from hedgehog_project.venues import Venue, place
from trading.models.choices import choices_of


class Switch(models.Model):
    """One row. A trader and its orders keep their venue for life; only new traders look here."""

    venue = models.CharField(max_length=8, choices=choices_of(Venue), default=Venue.MOCK)
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.CharField(max_length=150, blank=True)

    class Meta:
        verbose_name_plural = "switch"
        permissions = [("trade_live", "Can let traders trade real money")]
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="only_one_switch")]

    def __str__(self) -> str:
        return f"New traders trade on {self.venue}"

    @classmethod
    def current(cls) -> Venue:
        """Where new traders trade."""
        row = cls.objects.filter(pk=1).values_list("venue", flat=True).first()
        return Venue(row) if row else Venue.MOCK


def why_not(venue: Venue) -> str | None:
    """What keeps new traders from trading at this venue, in words for people."""
    if venue == Venue.LIVE and not settings.HEDGEHOG_ALLOW_LIVE:
        return "Real money needs HEDGEHOG_ALLOW_LIVE=1 in the environment or .env."
    where = place(venue)
    return None if where.key else f"{where.why_no_key}."


def turn_switch(venue: Venue, by: str, may_trade_live: bool, is_confirmed: bool) -> None:
    """Lets new traders trade at this venue.

    Raises ValidationError where settings or the confirmation are missing, PermissionDenied where the person may not.
    """
    problem = why_not(venue)
    if problem:
        raise ValidationError(problem)
    if venue == Venue.LIVE and not may_trade_live:
        raise PermissionDenied("Trading real money needs the permission “Can let traders trade real money”.")
    if venue == Venue.LIVE and not is_confirmed:
        raise ValidationError("Trading real money must be confirmed.")
    Switch.objects.update_or_create(pk=1, defaults={"venue": venue, "changed_by": by, "changed_at": timezone.now()})
