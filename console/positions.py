"""What active traders hold, at which price they sell it, and what it would bring now; data for lists and pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from hedgehog_project.venues import Venue
from trading.books.arithmetic import arithmetic
from trading.books.booking import positions_of
from trading.books.holdings import value_of
from trading.core.fees import USUAL_RATE
from trading.core.money import EXACT, ONE, ZERO
from trading.core.orders import Side
from trading.core.position import Position
from trading.models import Listing, Trader
from trading.waking.prices import LastTrade, last_trades


@dataclass(frozen=True)
class Held:
    """One trader's position. Amounts are in quote, `quantity` in base; None: not known, or there is none."""

    quantity: Decimal
    entry: Decimal | None  # the mean price paid
    cost: Decimal
    price: Decimal | None
    target: Decimal | None  # of the open sell
    unrealised: Decimal | None
    is_unvalued: bool  # commissions of unknown value are left out
    tick_size: Decimal
    step_size: Decimal

    @property
    def distance(self) -> Decimal | None:
        """How far the price has to rise to the target, as a fraction of the price."""
        if self.target is None or not self.price:
            return None
        return EXACT.divide(self.target, self.price) - ONE


def held_by(traders: Iterable[Trader]) -> dict[int, Held]:
    """By trader, of those that are active and have bought anything: a few queries and a round trip, for all."""
    live = [trader for trader in traders if not trader.has_ended]
    if not live:
        return {}
    rows = list(positions_of(Trader.objects.filter(pk__in=[trader.pk for trader in live])))
    found: dict[int, Held] = {}
    for venue in {trader.venue for trader in live}:
        here = [(trader, position) for trader, position in rows if trader.venue == venue and position.bought]
        prices = last_trades(sorted({trader.symbol.name for trader, _ in here}), Venue(venue))
        symbols = {trader.symbol_id for trader, _ in here}
        listings = {row.symbol_id: row for row in Listing.objects.filter(venue=venue, symbol__in=symbols)}
        for trader, position in here:
            trade = prices.get(trader.symbol.name)
            found[trader.pk] = held(trader, position, trade, listings.get(trader.symbol_id))
    return found


def held(trader: Trader, position: Position, trade: LastTrade | None, listing: Listing | None) -> Held:
    """Of one trader, with its symbol, that has bought. Asks nothing."""
    terms = arithmetic(position, trader.symbol.base_asset, trader.symbol.quote_asset)
    fee = listing.sell_maker_fee if listing else USUAL_RATE
    value = value_of(terms.owned, trade.price if trade else None, fee)
    sells = [order for order in position.of(Side.SELL) if order.status.is_open]
    return Held(
        quantity=terms.owned,
        entry=terms.bought_at,
        cost=terms.owned_cost,
        price=trade.price if trade else None,
        target=sells[-1].price if sells else None,
        unrealised=None if value is None else terms.net + value - terms.owned_cost,
        is_unvalued=bool(terms.unvalued),
        tick_size=listing.tick_size if listing else ZERO,
        step_size=listing.step_size if listing else ZERO,
    )
