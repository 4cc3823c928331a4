"""Where the other slots of a trader's symbol stand on the ladder, and who looks again when that changes."""

from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import BigIntegerField, Min, Q, QuerySet, Value

from hedgehog_project.database.compiled import Compiled
from trading.core import ladder
from trading.core.ladder import Rung
from trading.core.money import EXACT, ONE
from trading.core.orders import OPEN, OrderType, Side
from trading.models import Order, Trader
from trading.models.fields import to_units
from trading.models.orders import COULD_TRADE
from trading.models.symbols import Slots
from trading.strategies.registry import UnknownStrategy
from trading.strategies.typed import BadSettings
from trading.symbols import resting


def _others(venue: str, symbol_id: int, trader_id: int) -> "QuerySet[Order, Any]":
    """Buys that traded or still may, of the symbol's other active traders; with the lowest price of their fills."""
    mine = Q(trader__venue=venue, trader__symbol=symbol_id, trader__finished_at__isnull=True)
    # A holding that was taken over stands on no rung: it may have cost anything.
    bought = Order.objects.filter(COULD_TRADE, mine, side=Side.BUY).exclude(type=OrderType.TAKEOVER)
    rows = bought.exclude(trader=trader_id).order_by()
    return rows.annotate(lowest=Min("fills__price")).values_list(
        "trader__slot", "price", "status", "executed", "lowest"
    )


_OTHERS: Compiled[Any] = Compiled(_others, str, int, int)


def _buying_above(venue: str, symbol_id: int, units: int) -> "QuerySet[Order, int]":
    """The traders of the symbol's open buys above a price in units, where nothing has filled yet."""
    rows = Order.objects.filter(venue=venue, symbol=symbol_id, status__is_open=True, side=Side.BUY)
    rows = rows.filter(price__gt=Value(units, BigIntegerField()), executed=Decimal(0)).order_by()
    return rows.values_list("trader", flat=True)


_BUYING_ABOVE: Compiled[int] = Compiled(_buying_above, str, int, int)


def step_of(trader: Trader) -> Decimal | None:
    """The distance that it keeps from other slots, a fraction; None where its symbol's slots buy all together.

    To be called with its row claimed.
    """
    if trader.claimed is None or trader.claimed.slots != Slots.LADDER:
        return None
    try:
        _, settings = trader.by()
    except (UnknownStrategy, BadSettings):
        return None  # It buys nothing.
    return ladder.step_of(settings)


def rungs(trader: Trader) -> list[Rung]:
    """What the other slots hold and are buying.

    Of two that ask side by side one sees what the other has saved only where the symbol's row is locked: see
    figures.lock_symbol.
    """
    found = []
    for slot, price, status, executed, lowest in _OTHERS(trader.venue, trader.symbol_id, trader.pk):
        if executed:
            # In a fall it may have filled below its own price.
            found.append(Rung(slot, min(price, lowest or price), is_held=True))
        if status in OPEN:
            found.append(Rung(slot, price, is_held=False))
    return found


def has_moved(trader: Trader) -> None:
    """To be called where a cycle ends or a buy ends unfilled: whoever rests may buy at a higher price by now.

    They look again once that is committed. Where this process dies before, they rest on until the next such moment.
    """
    if trader.claimed is None or trader.claimed.slots == Slots.LADDER:
        transaction.on_commit(partial(resting.look_again, trader.venue, trader.symbol_id))


def has_bought(trader: Trader, price: Decimal) -> None:
    """To be called where a trader holds something for the first time: open buys above it may have lost their ground.

    Their traders look again once that is committed.
    """
    step = step_of(trader)
    if step is not None:
        units = to_units(EXACT.multiply(price, ONE - step))
        above = partial(_BUYING_ABOVE, trader.venue, trader.symbol_id, units)
        transaction.on_commit(lambda: resting.make_due(above()))
