"""What a world is like before its dice are thrown: how likely each misfortune is, and what is given, not drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.simulation.surroundings.luck import Luck


@dataclass(frozen=True)
class Conditions:
    luck: Luck = field(default_factory=Luck)
    # Of each symbol and its strategy; all others are drawn.
    settings: Mapping[str, Any] = field(default_factory=dict)
    min_notional: str = ""  # from the beginning; empty: as the exchange lists it
    min_notionals: tuple[str, ...] = ("5", "10", "150", "199")  # one of them comes with each change of the filters
    # What the owner holds of the traded assets beside what the traders buy.
    coins: Mapping[str, Decimal] = field(default_factory=dict)
    hands: bool = False  # people act by hand in each of the worlds


USUAL = Conditions()
