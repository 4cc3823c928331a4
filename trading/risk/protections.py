"""Risk limits, in rows: what is set, what the rules (rules.py) look at, and the orders that they have denied.

An order passes `denial` in the transaction that saves it. Limits that two workers could pass together, each seeing
room for one, are asked with the row of their protections locked until that transaction ends. Exits pass always.
"""

import logging
import time
from collections.abc import Callable, Collection
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import TypeVar

from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.core.denials import Denial, Rule
from trading.core.journal import Kind
from trading.core.money import quote_of
from trading.core.orders import Side
from trading.models import AccountProtections, DeniedOrder, JournalEntry, SymbolProtections, Trader
from trading.models.times import at_of, now_ms
from trading.risk import balances, rules
from trading.risk.figures import Queries, account_limits, symbol_limits
from trading.risk.rules import Buy

log = logging.getLogger(__name__)

# A change is heeded within this time; until then no order asks the database for it.
KEPT_S = 1.0
# A denied trader has tried again so long after its rest, where its symbol is traded at all.
ASKED_AGAIN_WITHIN = timedelta(seconds=10)
MAX_DENIAL = rules.LONG + ASKED_AGAIN_WITHIN

Row = TypeVar("Row", AccountProtections, SymbolProtections)


def denial(trader: Trader, side: Side, price: Decimal, quantity: Decimal) -> Denial | None:
    """What denies an order; None where it may be placed. To be called in the transaction that saves it."""
    if side == Side.SELL:
        return None
    buy = _buy(trader, price, quantity)
    found = _found(trader, buy)
    if found is not None:
        _note(trader, buy, found)
    return found


def would_deny(trader: Trader, price: Decimal, quantity: Decimal) -> Denial | None:
    """As denial, of a buy that nobody places yet: nothing is noted. To be called in a transaction."""
    return _found(trader, _buy(trader, price, quantity))


def _buy(trader: Trader, price: Decimal, quantity: Decimal) -> Buy:
    symbol = trader.symbol
    return Buy(symbol.name, symbol.quote_asset, Venue(trader.venue), quote_of(price, quantity), now_ms())


def _found(trader: Trader, buy: Buy) -> Denial | None:
    of_symbol, of_account = _of_symbol(trader.symbol_id), _of_account(trader.venue)
    if of_symbol is None and of_account is None:
        return None
    figures = Queries(trader, buy.now_ms, of_symbol, of_account)
    found = rules.denial(buy, symbol_limits(of_symbol), account_limits(of_account), figures)
    if found is not None and found.by == Rule.RESERVE:
        # It may have become more since; the answer is there when the trader looks again.
        balances.ask_again(trader.venue)
    return found


# --- what is set ----------------------------------------------------------------------------------
_kept: dict[tuple[type, int | str], tuple[float, AccountProtections | SymbolProtections | None]] = {}


def _of_symbol(symbol_id: int) -> SymbolProtections | None:
    return _keep(SymbolProtections, symbol_id, lambda: SymbolProtections.objects.filter(symbol=symbol_id).first())


def _of_account(venue: str) -> AccountProtections | None:
    return _keep(AccountProtections, str(venue), lambda: AccountProtections.objects.filter(venue=venue).first())


def _keep(model: type[Row], key: int | str, read: Callable[[], Row | None]) -> Row | None:
    """The row where any limit of it is set, up to KEPT_S old."""
    until, row = _kept.get((model, key), (0.0, None))
    if time.monotonic() < until:
        return row  # type: ignore[return-value]
    found = read()
    found = found if found is not None and found.is_any_set else None
    _kept[model, key] = (time.monotonic() + KEPT_S, found)
    return found


def forget() -> None:
    """The next order asks the database for what is set."""
    _kept.clear()


def has_changed(venue: Venue | str | None = None, symbol_ids: Collection[int] | None = None) -> None:
    """To be called when protections were edited, once that is committed: whoever they deny tries again soon."""
    forget()
    wanted = {"venue": venue, "symbol__in": symbol_ids}
    mine = Q(**{name: value for name, value in wanted.items() if value is not None})
    now = timezone.now()
    DeniedOrder.objects.filter(mine, denies_until__gt=now).update(denies_until=now)
    # The leader nudges whoever is due, within a second.
    Trader.objects.filter(mine, finished_at__isnull=True, retry_at__gt=now, error="").update(retry_at=now)


# --- denied orders --------------------------------------------------------------------------------
def _note(trader: Trader, buy: Buy, denial: Denial) -> None:
    """Counts it, a trader that waits for one rule once; its line of the journal is a note of core/waits.py."""
    last = JournalEntry.objects.filter(trader=trader).order_by("-id").values_list("kind", "denied_by").first()
    is_new, now = last != (Kind.DENIED, denial.by), at_of(buy.now_ms)
    values = {
        "count": F("count") + int(is_new),
        "reason": denial.reason[:300],
        "last_at": now,
        "denies_until": now + denial.wait + ASKED_AGAIN_WITHIN,
    }
    key = {"venue": trader.venue, "symbol_id": trader.symbol_id, "rule": denial.by, "day": rules.day_of(buy.now_ms)}
    if not DeniedOrder.objects.filter(**key).update(**values):
        DeniedOrder.objects.get_or_create(**key, defaults={**values, "count": 0})
        DeniedOrder.objects.filter(**key).update(count=F("count") + 1)


def active_denials(venue: Venue | None = None) -> QuerySet[DeniedOrder]:
    """What denies buys now, the last one first."""
    rows = DeniedOrder.objects.filter(denies_until__gt=timezone.now()).select_related("symbol").order_by("-last_at")
    return rows if venue is None else rows.filter(venue=venue)


def rows_of_day(venue: Venue | str, day: date | None = None) -> QuerySet[DeniedOrder]:
    """What denied buys on a day (UTC; today by default), the largest count first."""
    rows = DeniedOrder.objects.filter(venue=venue, day=day or timezone.now().astimezone(UTC).date())
    return rows.select_related("symbol").order_by("-count", "symbol__name")


def of_day(venue: Venue | str, day: date | None = None) -> dict[str, int]:
    """How many orders each rule has denied on a day (UTC; today by default), for rules that denied any."""
    rows = rows_of_day(venue, day).order_by()
    return {rule: total for rule, total in rows.values_list("rule").annotate(total=Sum("count")) if total}
