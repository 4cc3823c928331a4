"""The limits that real money begins with, until a person sets others: little at stake, and an end to a bad day."""

from decimal import Decimal

from hedgehog_project.venues import Venue
from trading.models import AccountProtections
from trading.models.switch import TradingMode

QUOTE_ASSET = "USDT"
LIMITS = {
    "max_exposure": Decimal(100),  # USDT in all symbols together
    "max_orders_per_minute": 60,
    "max_drawdown": Decimal("0.05"),
    "drawdown_mode": TradingMode.REDUCING,
    "drawdown_cancels_buys": True,
}
IN_WORDS = (
    "at most 100 USDT in open buys and positions, 60 orders a minute, and no more buys after a loss of 5 % of the "
    "budgets in use"
)


def begin_with(venue: Venue) -> bool:
    """Sets the limits where nobody has set any at this venue; whether it did. Emptied ones stay empty."""
    _, is_new = AccountProtections.objects.get_or_create(venue=venue, defaults={"quote_asset": QUOTE_ASSET, **LIMITS})
    return is_new
