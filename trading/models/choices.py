"""How enums of the core become choices of model fields, and how rows name their venue."""

from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from hedgehog_project.venues import Venue, mock_world
from hedgehog_project.venues.worlds import MAX_LENGTH


def choices_of(enum: type[StrEnum]) -> list[tuple[str, str]]:
    """PARTIALLY_FILLED -> ("PARTIALLY_FILLED", "partially filled")."""
    return [(member.value, member.value.replace("_", " ").lower()) for member in enum]


def validate_venue(value: str) -> None:
    try:
        Venue(value)
    except ValueError:
        raise ValidationError("“%(value)s” is no venue.", params={"value": value}) from None


def venue_field(**options: Any) -> "models.CharField[str, str]":
    """The world that a row belongs to: each replay is one, so there is no end of them."""
    return models.CharField(max_length=MAX_LENGTH, validators=[validate_venue], **options)


def of_running(world: str = "") -> models.Q:
    """Rows of what runs now; the mock's other worlds rest, and nobody asks about what they hold.

    `world`: the mock's that runs, as a value of a compiled query, which outlives a setting.
    """
    # In words of which no index begins: that of all orders by their venue is not the one that is meant.
    return models.Q(venue=world or mock_world().value) | ~models.Q(venue__startswith=Venue.MOCK.value)
