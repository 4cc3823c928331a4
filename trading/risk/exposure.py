"""What is bound: open buys at their price, what live traders hold, and left-overs, at their cost. In quote."""

from collections import defaultdict
from decimal import Decimal

from django.db.models import BigIntegerField, F, QuerySet
from django.db.models.functions import Cast

from hedgehog_project.venues import Venue
from trading.books import leftovers
from trading.core.money import EXACT, QUOTE_UNIT
from trading.core.orders import OPEN, Side
from trading.models import Order
from trading.models.fields import PLACES
from trading.models.orders import COULD_TRADE

# Amounts are kept in units of 1e-8, so a price times a quantity is in units of 1e-16.
_PRODUCT = Decimal(1).scaleb(-2 * PLACES)
_ONE = 10**PLACES


def of_live_traders(venue: Venue | str, symbol_id: int | None = None) -> QuerySet[Order]:
    """Their orders at a venue, of one symbol or all. By the live traders' index: ended cycles cost nothing."""
    live = Order.objects.filter(trader__venue=venue, trader__finished_at__isnull=True).order_by()
    return live if symbol_id is None else live.filter(trader__symbol=symbol_id)


def bound(venue: Venue | str, symbol_id: int | None = None, quote_asset: str = "") -> Decimal:
    """What is bound of one symbol, or of all that are quoted in an asset, at a venue.

    A buy counts at its own price, which is its maximum cost: what is open of it, and what has executed, less
    the part that is sold or missing. What was left over counts at its cost, whether a trader has taken it along or
    not. Commissions do not count. Two queries, whatever has ended.
    """
    rows = of_live_traders(venue, symbol_id).filter(COULD_TRADE)
    if symbol_id is None:
        rows = rows.filter(trader__symbol__quote_asset=quote_asset)
    cost: dict[int, int] = defaultdict(int)
    bought: dict[int, int] = defaultdict(int)
    sold: dict[int, int] = defaultdict(int)
    still_open = 0
    # Whole numbers: a Decimal for each of thousands of cells would take longer than the query.
    columns = ("price", "quantity", "executed", "trader__carried", "trader__carried_cost", "trader__missing")
    names = tuple(f"units_{column}" for column in columns)
    units = (Cast(F(column), BigIntegerField()) for column in columns)
    rows = rows.annotate(**dict(zip(names, units, strict=True)))
    for trader, side, status, price, quantity, executed, *rest in rows.values_list(
        "trader_id", "side", "status", *names
    ):
        if trader not in bought:
            carried, carried_cost, missing = rest
            bought[trader], cost[trader], sold[trader] = carried, carried_cost * _ONE, missing
        if side == Side.SELL:
            sold[trader] += executed
            continue
        bought[trader] += executed
        cost[trader] += price * executed
        if status in OPEN:
            still_open += price * (quantity - executed)
    # Rounded up, for a limit's sake.
    held = sum(-(-cost[each] * max(bought[each] - sold[each], 0) // bought[each]) for each in bought if bought[each])
    now_bound = EXACT.multiply(Decimal(still_open + held), _PRODUCT) + leftovers.cost(venue, quote_asset, symbol_id)
    return EXACT.quantize(now_bound, QUOTE_UNIT).normalize(EXACT)
