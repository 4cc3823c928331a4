"""Left-overs: what ended cycles could not sell of a symbol, less than a step each, until a later sale takes it along.

They belong to no trader and stay on the account, with what they have cost. Whoever changes them holds their row
locked, after its trader's own: that order is everybody's.
"""

from decimal import Decimal

from django.db.models import F, Sum, Value

from hedgehog_project.database.compiled import Compiled
from trading.core.money import ZERO
from trading.models import Leftover, Trader
from trading.models.fields import AmountField

_LOCKED = Compiled(
    lambda venue, symbol_id: Leftover.objects.select_for_update().filter(venue=venue, symbol=symbol_id), str, int
)


def add(trader: Trader, quantity: Decimal, cost: Decimal) -> None:
    """Adds what a trader leaves, in base and in quote; negative where a late fill corrects it."""
    if not quantity and not cost:
        return
    rows = Leftover.objects.filter(venue=trader.venue, symbol=trader.symbol)
    more = {name: F(name) + Value(amount, AmountField()) for name, amount in (("quantity", quantity), ("cost", cost))}
    if not rows.update(**more):
        # The symbol's first: two that make it at a time both add to it.
        rows.get_or_create(venue=trader.venue, symbol=trader.symbol)
        rows.update(**more)


def there(trader: Trader) -> Leftover | None:
    """The left-overs of its symbol, locked until the transaction ends; None where there are none."""
    row = _LOCKED.first(trader.venue, trader.symbol_id)
    return row if row is not None and row.quantity > ZERO else None


def take(trader: Trader, row: Leftover) -> None:
    """Gives all of them to a trader. The caller saves the trader."""
    trader.carried += row.quantity
    trader.carried_cost += row.cost
    row.quantity = row.cost = ZERO
    row.save(update_fields=["quantity", "cost"])


def cost(venue: str, quote_asset: str = "", symbol_id: int | None = None) -> Decimal:
    """What they have cost at a venue: of a symbol, or of all symbols that are quoted in an asset."""
    rows = Leftover.objects.filter(venue=venue)
    rows = rows.filter(symbol__quote_asset=quote_asset) if symbol_id is None else rows.filter(symbol=symbol_id)
    return rows.aggregate(total=Sum("cost"))["total"] or ZERO
