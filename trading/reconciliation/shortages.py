"""Whether the account holds what our live traders own by our books. Its owner's other coins are not looked at."""

from collections import defaultdict
from decimal import Decimal

from hedgehog_project.venues import Venue
from trading.books.booking import positions_of
from trading.core.money import ZERO, plain
from trading.core.orders import Side
from trading.identity import others
from trading.models import Trader

MAX_NAMED = 3


def shortages(venue: Venue, balances: dict[str, tuple[Decimal, Decimal]]) -> dict[str, str]:
    """What is missing, in words for people, by asset; `balances` are free and locked, asked for after our last fill.

    A sale that has just filled and is not booked yet looks like a shortage: who asks looks twice.
    """
    owned: dict[str, Decimal] = defaultdict(Decimal)
    selling: dict[str, Decimal] = defaultdict(Decimal)
    owners: dict[str, list[str]] = defaultdict(list)
    live = Trader.objects.filter(venue=venue, finished_at__isnull=True)
    for trader, position in positions_of(live):
        base = trader.symbol.base_asset
        amount = position.owned(base)
        if amount <= 0:
            continue
        owned[base] += amount
        owners[base].append(f"{trader.symbol.name} #{trader.slot}")
        sells = [order for order in position.of(Side.SELL) if order.status.is_open]
        selling[base] += sum((order.quantity - order.executed for order in sells), ZERO)
    found = {}
    perhaps = others.perhaps_the_reason(venue)
    for asset, amount in sorted(owned.items()):
        free, locked = balances.get(asset, (ZERO, ZERO))
        if free + locked < amount:
            found[asset] = (
                f"{asset}: traders hold {plain(amount)}, the account has {plain(free + locked)}. "
                f"{plain(amount - free - locked)} {asset} is missing (sold, spent or withdrawn?).{perhaps} "
                f"Deposit it, or abandon traders that can no longer sell ({_some(owners[asset])})."
            )
        elif free < amount - selling[asset]:
            found[asset] = (
                f"{asset}: traders still have {plain(amount - selling[asset])} to sell, but only {plain(free)} is "
                f"free. Other open orders lock the rest: cancel them or wait.{perhaps}"
            )
    return found


def _some(names: list[str]) -> str:
    rest = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {rest} more" if rest > 0 else "")
