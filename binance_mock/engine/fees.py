"""What the exchange takes of a fill: commission_faq.md of Binance's API documents."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from binance_mock.engine.amounts import ZERO, quotient, times
from hedgehog_project.commission import SIDES, USUAL

BNB = "BNB"
# What is taken off the standard commission where it is paid in BNB. (The FAQ's own example multiplies by it instead.)
BNB_DISCOUNT = Decimal("0.25")


@dataclass(frozen=True)
class Part:
    """One of the kinds of commission. A fill pays for being maker or taker, and for being buyer or seller."""

    maker: Decimal = ZERO
    taker: Decimal = ZERO
    buyer: Decimal = ZERO
    seller: Decimal = ZERO

    def rate(self, *, is_buyer: bool, is_maker: bool) -> Decimal:
        return (self.maker if is_maker else self.taker) + (self.buyer if is_buyer else self.seller)


@dataclass(frozen=True)
class Rates:
    """The account's commissions as shares of what a fill brings. All are added up; see BNB_DISCOUNT."""

    standard: Part = field(default_factory=lambda: Part(**USUAL))
    special: Part = field(default_factory=Part)
    tax: Part = field(default_factory=Part)

    def of(self, received: Decimal, *, is_buyer: bool, is_maker: bool) -> tuple[Decimal, Decimal]:
        """The standard commission on what a fill brings, and the others, in the same asset."""
        rates = [part.rate(is_buyer=is_buyer, is_maker=is_maker) for part in (self.standard, self.special, self.tax)]
        standard, *others = (times(received, rate) for rate in rates)
        return standard, sum(others, ZERO)


def rates_of(named: Mapping[str, Decimal]) -> Rates:
    """The rates from those by name: maker, special_taker, tax_buyer ..."""

    def part(prefix: str) -> Part:
        return Part(**{side: named.get(prefix + side, ZERO) for side in SIDES})

    return Rates(part(""), part("special_"), part("tax_"))


def in_bnb(
    quote: str,
    standard: Decimal,
    others: Decimal,
    last_price: Callable[[str], Decimal | None],
    assets: Collection[str],
) -> Decimal | None:
    """A commission of this worth in quote as BNB, the standard part discounted; None where BNB has no price there.

    Priced by the pair of both assets, else by way of the first of `assets` that has a pair with each.
    """
    worth = times(standard, 1 - BNB_DISCOUNT) + others
    if quote == BNB:
        return worth
    for way in (None, *assets):
        if way is None:
            found = _exchanged(worth, quote, BNB, last_price)
        else:
            between = _exchanged(worth, quote, way, last_price)
            found = None if between is None else _exchanged(between, way, BNB, last_price)
        if found is not None:
            return found
    return None


def _exchanged(
    amount: Decimal, asset: str, other: str, last_price: Callable[[str], Decimal | None]
) -> Decimal | None:
    """What an amount of one asset comes to in another, by the last price of their pair, either way round."""
    if price := last_price(other + asset):
        return quotient(amount, price)
    if price := last_price(asset + other):
        return times(amount, price)
    return None
