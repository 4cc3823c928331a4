"""What is bound: open buys at their price, what live traders hold, and left-overs, at their cost. In quote."""

from decimal import Decimal

from django.db.models import BigIntegerField, F, QuerySet
from django.db.models.functions import Cast

from hedgehog_project.venues import Venue
from trading.books import leftovers
from trading.core.orders import OPEN
from trading.models import Order
from trading.models.orders import COULD_TRADE
from trading.risk import rules


def of_live_traders(venue: Venue | str, symbol_id: int | None = None) -> QuerySet[Order]:
    """Their orders at a venue, of one symbol or all. By the live traders' index: ended cycles cost nothing."""
    live = Order.objects.filter(trader__venue=venue, trader__finished_at__isnull=True).order_by()
    return live if symbol_id is None else live.filter(trader__symbol=symbol_id)


def bound(venue: Venue | str, symbol_id: int | None = None, quote_asset: str = "") -> Decimal:
    """What is bound of one symbol, or of all that are quoted in an asset, at a venue; see rules.bound. Two queries,
    whatever has ended.
    """
    rows = of_live_traders(venue, symbol_id).filter(COULD_TRADE)
    if symbol_id is None:
        rows = rows.filter(trader__symbol__quote_asset=quote_asset)
    # Whole numbers: a Decimal for each of thousands of cells would take longer than the query.
    columns = ("price", "quantity", "executed", "trader__carried", "trader__carried_cost", "trader__missing")
    names = tuple(f"units_{column}" for column in columns)
    units = (Cast(F(column), BigIntegerField()) for column in columns)
    rows = rows.annotate(**dict(zip(names, units, strict=True)))
    found = rows.values_list("trader_id", "side", "status", *names)
    orders = [rules.Binding(trader, side, status in OPEN, *amounts) for trader, side, status, *amounts in found]
    return rules.bound(orders, leftovers.cost(venue, quote_asset, symbol_id))
