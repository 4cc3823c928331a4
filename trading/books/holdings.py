"""What cycles under way hold, what it has cost, and what selling it at the last price would bring."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Exists, OuterRef

from hedgehog_project.venues import Venue
from trading.books.arithmetic import Arithmetic, arithmetic
from trading.books.booking import positions_of
from trading.core.fees import USUAL_RATE
from trading.core.money import EXACT, ONE, ZERO, quote_of
from trading.models import Listing, Order, Trader
from trading.models.traders import LIVE
from trading.waking.prices import last_trades


@dataclass(frozen=True)
class Holding:
    """One live trader's. Amounts in quote but `terms`' own; None where no price is known."""

    trader: Trader
    terms: Arithmetic
    price: Decimal | None
    value: Decimal | None  # at the last price, less the commission of selling it

    @property
    def unrealised(self) -> Decimal | None:
        """What the cycle would have brought, net of all commissions, were all sold at the last price."""
        return None if self.value is None else self.terms.net + self.value - self.terms.owned_cost


def holdings(venue: Venue, traders: Iterable[int] | None = None) -> list[Holding]:
    """Those of every live trader that has bought anything, by symbol and slot; few queries, one round trip.

    `traders`: of these alone, by their numbers.
    """
    has_bought = Exists(Order.objects.filter(trader=OuterRef("pk"), executed__gt=ZERO))
    live = Trader.objects.filter(LIVE, has_bought, venue=venue).order_by("symbol__name", "slot")
    live = live if traders is None else live.filter(pk__in=list(traders))
    found = list(positions_of(live))
    prices = last_trades(sorted({trader.symbol.name for trader, _ in found}), venue)
    fees = fees_of(venue, (trader.symbol_id for trader, _ in found))
    held = []
    for trader, position in found:
        terms = arithmetic(position, trader.symbol.base_asset, trader.symbol.quote_asset)
        trade = prices.get(trader.symbol.name)
        price = trade.price if trade else None
        held.append(Holding(trader, terms, price, value_of(terms.owned, price, fees[trader.symbol_id])))
    return held


def value_of(quantity: Decimal, price: Decimal | None, fee: Decimal) -> Decimal | None:
    """What selling so much at this price would bring after its commission; None where there is no price."""
    return None if price is None else quote_of(EXACT.multiply(price, ONE - fee), quantity)


def fees_of(venue: Venue, symbol_ids: Iterable[int]) -> dict[int, Decimal]:
    """Our commission of a resting sale in each of these symbols, as a fraction."""
    wanted = set(symbol_ids)
    known = dict(Listing.objects.filter(venue=venue, symbol__in=wanted).values_list("symbol_id", "sell_maker_fee"))
    return {pk: known.get(pk, USUAL_RATE) for pk in wanted}
