"""How enums of the core and the venues become choices of model fields."""

from enum import StrEnum


def choices_of(enum: type[StrEnum]) -> list[tuple[str, str]]:
    """PARTIALLY_FILLED -> ("PARTIALLY_FILLED", "partially filled")."""
    return [(member.value, member.value.replace("_", " ").lower()) for member in enum]
