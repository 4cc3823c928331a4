"""What the exchange takes of a fill: commission_faq.md of Binance's API documents."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from binance_mock.amounts import quotient, times

BNB = "BNB"
# What is taken off the commission where it is paid in BNB. (The FAQ's own example multiplies by it instead.)
BNB_DISCOUNT = Decimal("0.25")


@dataclass(frozen=True)
class Rates:
    """Commission as a share of what is received."""

    maker: Decimal = Decimal("0.001")
    taker: Decimal = Decimal("0.001")


def in_bnb(quote: str, worth: Decimal, last_price: Callable[[str], Decimal | None]) -> Decimal | None:
    """A commission of this worth in quote as discounted BNB; None where BNB has no price in that quote."""
    discounted = times(worth, 1 - BNB_DISCOUNT)
    if quote == BNB:
        return discounted
    if price := last_price(BNB + quote):
        return quotient(discounted, price)
    if price := last_price(quote + BNB):
        return times(discounted, price)
    return None
