"""What assets are worth in one of them: by the pair of both or its inverse, else by way of another asset."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from trading.core.money import EXACT, ONE

# By way of which assets, where two have no pair with each other.
WAYS = ("USDT", "BTC")


def rate(asset: str, unit: str, prices: Mapping[str, Decimal]) -> Decimal | None:
    """What one of `asset` is worth in `unit`, by the prices of pairs; None where no pair tells.

    >>> rate("EUR", "USDT", {"EURUSDT": Decimal("1.1")})
    Decimal('1.1')
    >>> rate("TRY", "USDT", {"USDTTRY": Decimal("40")})
    Decimal('0.025')
    """
    if asset == unit:
        return ONE
    direct = _between(asset, unit, prices)
    if direct is not None:
        return direct
    for way in WAYS:
        if way in (asset, unit):
            continue
        one, other = _between(asset, way, prices), _between(unit, way, prices)
        if one is not None and other is not None:
            return EXACT.divide(one, other)
    return None


def pairs(assets: Iterable[str], unit: str) -> set[str]:
    """The names of all pairs that `rate` may look at."""
    return {name for asset in assets for pair in _pairs(asset, unit) for name in pair}


def _pairs(asset: str, unit: str) -> Iterator[tuple[str, str]]:
    for one, other in ((asset, unit), *((each, way) for way in WAYS for each in (asset, unit))):
        if one != other:
            yield one + other, other + one


def _between(asset: str, other: str, prices: Mapping[str, Decimal]) -> Decimal | None:
    if asset == other:
        return ONE
    price, inverse = prices.get(asset + other), prices.get(other + asset)
    if price:
        return price
    return EXACT.divide(ONE, inverse) if inverse else None
