"""What the gate says of an order that may not be placed now."""

from dataclasses import dataclass
from datetime import timedelta

# How the journal names it.
HELD_BACK = "is held back"


@dataclass(frozen=True)
class Hold:
    """Why an order may not be placed now. `topic` is the reason without figures that change by the second."""

    reason: str
    wait: timedelta
    topic: str
    is_mode: bool = False  # the mode of trading is what holds it back
    in_the_way: tuple[int, ...] = ()  # the rows of own orders that it would meet
