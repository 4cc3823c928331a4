"""What ended cycles have left over, for whoever shows a profit: how much, what it has cost, what it is worth now.

Too little to be sold by itself, it goes into a later sale: until then it is owned, and neither profit nor loss.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from hedgehog_project.venues import Venue
from trading.books.holdings import fees_of, value_of
from trading.core.money import ZERO, plain, rounded
from trading.models import Leftover
from trading.waking.prices import LastTrade, last_trades


@dataclass(frozen=True)
class LeftOver:
    """One symbol's. `cost` and `value` are in the quote asset; `value` is None where no price is known."""

    symbol_id: int
    symbol: str
    base_asset: str
    quote_asset: str
    quantity: Decimal
    cost: Decimal
    value: Decimal | None  # at the last price, less the commission of selling it

    def __str__(self) -> str:
        return f"left over: {self.in_short}"

    @property
    def in_short(self) -> str:
        now = "price unknown" if self.value is None else f"now {rounded(self.value)} {self.quote_asset}"
        what = f"{rounded(self.quantity)} {self.base_asset}"
        return f"{what}, cost {rounded(self.cost)} {self.quote_asset}, {now}"

    @property
    def as_json(self) -> dict[str, str | None]:
        """For programs: exact, decimals as strings."""
        return {
            "quantity": plain(self.quantity),
            "asset": self.base_asset,
            "cost": plain(self.cost),
            "value": None if self.value is None else plain(self.value),
        }


@dataclass(frozen=True)
class Total:
    """All of one quote asset. What has no known price counts at its cost in `value`."""

    asset: str
    found: tuple[LeftOver, ...]

    @property
    def cost(self) -> Decimal:
        return sum((each.cost for each in self.found), ZERO)

    @property
    def value(self) -> Decimal:
        return sum((each.cost if each.value is None else each.value for each in self.found), ZERO)

    @property
    def gain(self) -> Decimal:
        """What they would bring over their cost."""
        return self.value - self.cost

    def __str__(self) -> str:
        if len(self.found) == 1:
            return str(self.found[0])
        unpriced = sum(each.value is None for each in self.found)
        text = f"left over of {len(self.found)} symbols: cost {rounded(self.cost)} {self.asset}, "
        text += f"now {rounded(self.value)} {self.asset}"
        return f"{text} ({unpriced} at cost: price unknown)" if unpriced else text


def left_over(
    venue: Venue, prices: Mapping[str, LastTrade] | None = None, symbol_id: int | None = None
) -> dict[int, LeftOver]:
    """By symbol, of those that have any; or of one symbol. `prices`: by name, where the caller knows them all.

    Two queries and at most one round trip to Redis, however many cycles have ended.
    """
    rows = Leftover.objects.filter(venue=venue, quantity__gt=ZERO).select_related("symbol").order_by("symbol__name")
    found = list(rows if symbol_id is None else rows.filter(symbol=symbol_id))
    if not found:
        return {}
    if prices is None:
        prices = last_trades([row.symbol.name for row in found], venue)
    fees = fees_of(venue, (row.symbol_id for row in found))
    return {
        row.symbol_id: LeftOver(
            row.symbol_id,
            row.symbol.name,
            row.symbol.base_asset,
            row.symbol.quote_asset,
            row.quantity,
            row.cost,
            value_of(
                row.quantity, trade.price if (trade := prices.get(row.symbol.name)) else None, fees[row.symbol_id]
            ),
        )
        for row in found
    }


def by_quote_asset(found: Iterable[LeftOver]) -> dict[str, Total]:
    """By quote asset, as profits are."""
    groups: dict[str, list[LeftOver]] = {}
    for each in found:
        groups.setdefault(each.quote_asset, []).append(each)
    return {asset: Total(asset, tuple(group)) for asset, group in sorted(groups.items())}
