"""How a symbol stands at a venue: what is held, what it brought in total and today. In money, for one price."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from decimal import Decimal

from django.db.models import Prefetch
from django.utils import timezone

from console import numbers
from console.chart.market import Day
from console.viewer_zone import midnight
from hedgehog_project.venues import Venue
from trading.books import totals
from trading.books.arithmetic import Arithmetic, arithmetic
from trading.books.booking import as_core, position_with
from trading.books.holdings import fees_of, value_of
from trading.core.filters import SymbolFilters
from trading.core.money import ZERO
from trading.core.position import Position
from trading.models import Order, Symbol, Trader
from trading.models.orders import COULD_TRADE
from trading.models.symbols import filters_of
from trading.models.traders import ENDED, LIVE

# A text, and the sign of what it says: 1, -1 or 0; None where it has none.
Value = tuple[str, int | None]
NONE: Value = (numbers.NONE, None)


@dataclass(frozen=True)
class Slot:
    """A live trader, and how it stands."""

    trader: Trader
    position: Position
    terms: Arithmetic
    orders: tuple[Order, ...]  # those that could have traded, oldest first


@dataclass(frozen=True)
class Today:
    """Since midnight of a zone. `realised`: by sales; `held_before`: what was held at midnight, and its cost then."""

    since: datetime
    cycles: int
    realised: Decimal
    held_before: Decimal  # base
    cost_before: Decimal


@dataclass(frozen=True)
class Listed:
    """One symbol at one venue, and how its prices and quantities are written there."""

    symbol: Symbol
    venue: Venue
    filters: SymbolFilters | None

    @property
    def tick(self) -> Decimal:
        return self.filters.tick if self.filters else ZERO

    @property
    def step(self) -> Decimal:
        return self.filters.step if self.filters else ZERO

    @property
    def decimals(self) -> int:
        """Of its prices."""
        return numbers.decimals_of(self.tick) if self.filters else 8

    def price_text(self, price: Decimal) -> str:
        return numbers.price(price, self.tick) if self.filters else numbers.exact(price)


@dataclass(frozen=True)
class Standing(Listed):
    """Of one symbol at one venue, as its rows were when they were read."""

    fee: Decimal
    slots: tuple[Slot, ...]
    ended: totals.Total
    since: datetime | None  # when its first cycle began

    @property
    def quantity(self) -> Decimal:
        return sum((slot.terms.owned for slot in self.slots), ZERO)

    @property
    def cost(self) -> Decimal:
        return sum((slot.terms.owned_cost for slot in self.slots), ZERO)

    @property
    def realised(self) -> Decimal:
        return self.ended.profit + sum((slot.terms.net for slot in self.slots), ZERO)

    def unrealised(self, price: Decimal | None) -> Decimal | None:
        """What is held, sold at this price after commission, less its cost."""
        value = value_of(self.quantity, price, self.fee)
        return None if value is None else value - self.cost

    def values(self, price: Decimal | None, day: Day | None) -> dict[str, Value]:
        """The head line's figures by their names, but today's; and those of each slot."""
        quote, name = self.symbol.quote_asset, f"sym.{self.symbol.name}"
        unrealised = self.unrealised(price)
        found: dict[str, Value] = {
            "price": NONE if price is None else (self.price_text(price), None),
            "change": NONE,
            "range": ("", None),
            "position": (numbers.quantity(self.quantity, self.step) if self.filters else str(self.quantity), None),
            "cost": (f"cost {numbers.money(self.cost, quote)} {quote}" if self.quantity else "nothing held", None),
            "unrealised": _signed(unrealised if self.quantity else ZERO, quote),
            "unrealised_share": (_share(unrealised, self.cost, "of cost"), None),
            "total": _signed(None if unrealised is None else self.realised + unrealised, quote),
            "total_of": (f"realised {numbers.signed(self.realised, quote)}, {_cycles(self.ended.finished)}", None),
        }
        if price is not None and day is not None and day.open:
            change = price / day.open - 1
            found["change"] = (numbers.percent(change), _sign(change))
            low, high = min(day.low, price), max(day.high, price)
            found["range"] = (f"{self.price_text(low)} to {self.price_text(high)}", None)
        for slot in self.slots:
            found |= self._of_slot(slot, price)
        return {f"{name}.{key}": value for key, value in found.items()}

    def today_values(self, today: Today, price: Decimal | None, price_before: Decimal | None) -> dict[str, Value]:
        """Today's figures by their names. `price_before`: at midnight; not needed where nothing was held then."""
        quote, name = self.symbol.quote_asset, f"sym.{self.symbol.name}"
        before: Decimal | None = ZERO
        if today.held_before:
            value = value_of(today.held_before, price_before, self.fee)
            before = None if value is None else value - today.cost_before
        now = self.unrealised(price) if self.quantity else ZERO
        net = None if now is None or before is None else today.realised + now - before
        of = f"realised {numbers.signed(today.realised, quote)}, {_cycles(today.cycles)}"
        return {f"{name}.today": _signed(net, quote), f"{name}.today_of": (of, None)}

    def _of_slot(self, slot: Slot, price: Decimal | None) -> dict[str, Value]:
        key, quote = f"slot.{slot.trader.pk}", self.symbol.quote_asset
        found: dict[str, Value] = {}
        if slot.terms.owned:
            value = value_of(slot.terms.owned, price, self.fee)
            gain = None if value is None else value - slot.terms.owned_cost
            found[f"{key}.unrealised"] = _signed(gain, quote)
            found[f"{key}.share"] = (_share(gain, slot.terms.owned_cost), None)
        return found


def listed(symbol: Symbol, venue: Venue) -> Listed:
    """For what shows its market alone: no trader's rows are read."""
    return Listed(symbol, venue, filters_of(symbol.pk, venue))


def standing(symbol: Symbol, venue: Venue) -> Standing:
    """As its rows are now, in a handful of queries."""
    rows = Order.objects.filter(COULD_TRADE).order_by("id").prefetch_related("fills")
    live = Trader.objects.filter(LIVE, venue=venue, symbol=symbol).order_by("slot")
    slots = [_slot(trader, symbol) for trader in live.prefetch_related(Prefetch("orders", rows, to_attr="traded"))]
    first = Trader.objects.filter(symbol=symbol, venue=venue).order_by("id").values_list("created_at", flat=True)
    return Standing(
        symbol=symbol,
        venue=venue,
        filters=filters_of(symbol.pk, venue),
        fee=fees_of(venue, [symbol.pk])[symbol.pk],
        slots=tuple(slots),
        ended=totals.of_symbol(symbol.pk, venue),
        since=first.first(),
    )


def today(of: Standing, zone: tzinfo, now: datetime | None = None) -> Today:
    """Since the last midnight of the zone."""
    since = midnight(zone, now or timezone.now())
    ended = totals.of_symbol(of.symbol.pk, of.venue, since)
    realised = ended.profit + sum((slot.terms.net for slot in of.slots), ZERO)
    held = cost = ZERO
    for terms in _at(since, of):
        # What these had brought by then counts for the days before.
        realised -= terms.net
        held += terms.owned
        cost += terms.owned_cost
    return Today(since, ended.finished, realised, held, cost)


def _slot(trader: Trader, symbol: Symbol) -> Slot:
    orders: tuple[Order, ...] = tuple(trader.traded)  # type: ignore[attr-defined]
    position = position_with(trader, (as_core(row) for row in orders))
    return Slot(trader, position, arithmetic(position, symbol.base_asset, symbol.quote_asset), orders)


def _at(since: datetime, of: Standing) -> Iterable[Arithmetic]:
    """How the cycles stood at that moment that had begun before it and went on after it."""
    positions = [slot.position for slot in of.slots if slot.trader.created_at < since]
    rows = Order.objects.filter(COULD_TRADE).order_by("id").prefetch_related("fills")
    # A cycle of many days is rare; those of the last weeks are found by their end.
    ended = Trader.objects.filter(
        ENDED, venue=of.venue, symbol=of.symbol, finished_at__gte=since, created_at__lt=since
    )
    # By their end alone: in the order of their numbers SQLite would read them all.
    for trader in ended.order_by().prefetch_related(Prefetch("orders", rows, to_attr="traded")):
        positions.append(_slot(trader, of.symbol).position)
    at_ms = round(since.timestamp() * 1000)
    for position in positions:
        before = _before(position, at_ms)
        if before.orders:
            yield arithmetic(before, of.symbol.base_asset, of.symbol.quote_asset)


def _before(position: Position, at_ms: int) -> Position:
    orders = []
    for order in position.orders:
        fills = tuple(fill for fill in order.fills if fill.at_ms < at_ms)
        if fills:
            executed = sum((fill.quantity for fill in fills), ZERO)
            orders.append(replace(order, fills=fills, executed=executed))
    return replace(position, orders=tuple(orders), missing=ZERO)


def _sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)


def _signed(value: Decimal | None, asset: str) -> Value:
    return NONE if value is None else (numbers.signed(value, asset), _sign(value))


def _share(part: Decimal | None, whole: Decimal, of: str = "") -> str:
    return "" if part is None or not whole else f"{numbers.percent(part / whole)} {of}".strip()


def _cycles(count: int) -> str:
    return f"{count:,} cycle{'' if count == 1 else 's'}"
