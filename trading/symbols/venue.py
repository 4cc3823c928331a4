"""Turning the switch: at which venue new traders trade."""

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils import timezone

from hedgehog_project.outside import sentence
from hedgehog_project.venues import Venue, endpoints
from trading.exchange.client import exchange_at
from trading.exchange.errors import ExchangeError
from trading.models import Switch
from trading.risk import recommended


def why_not(venue: Venue) -> str | None:
    """What keeps new traders from trading at this venue, in words for people."""
    if venue == Venue.LIVE and not settings.HEDGEHOG_ALLOW_LIVE:
        return "Real money requires HEDGEHOG_ALLOW_LIVE=1 in the environment or .env."
    problem = endpoints(venue).why_no_key
    return f"{problem}." if problem else None


def turn_switch(venue: Venue, by: str, may_trade_live: bool, is_confirmed: bool) -> str:
    """Lets new traders trade at this venue; real money begins with limits. What else to tell the person.

    Raises ValidationError where settings or the confirmation are missing, PermissionDenied where the person may not.
    """
    problem = why_not(venue)
    if problem:
        raise ValidationError(problem)
    if venue == Venue.LIVE and not may_trade_live:
        raise PermissionDenied("Trading real money requires the permission “Can trade real money”.")
    if venue == Venue.LIVE and not is_confirmed:
        raise ValidationError("Trading real money must be confirmed.")
    if venue == Venue.LIVE:
        try:
            exchange_at(venue)  # which asks what the key may do
        except ExchangeError as error:
            raise ValidationError(sentence(str(error))) from error
    with transaction.atomic():
        limits = venue == Venue.LIVE and recommended.begin_with(venue)
        Switch.objects.update_or_create(
            pk=1, defaults={"venue": venue, "changed_by": by, "changed_at": timezone.now()}
        )
    return f"Limits were set for it: {recommended.IN_WORDS}. Change them under Account risk limits." if limits else ""
