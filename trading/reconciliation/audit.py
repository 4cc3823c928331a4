"""Do our books agree with the exchange's, to the last unit? The invariants I1 to I7, each checked against both, and
the totals of ended cycles.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.books import totals
from trading.books.booking import position_of
from trading.core.money import ZERO, plain
from trading.core.orders import Fill, OrderStatus, OrderType, Side
from trading.core.position import Position
from trading.exchange.errors import KeyRejected, Refused
from trading.exchange.protocol import Exchange
from trading.identity.names import Names
from trading.models import Fill as FillRow
from trading.models import Order, Orphan, Symbol, Trader
from trading.models.orders import IN_FLIGHT
from trading.models.orphans import Resolution
from trading.reconciliation.orphans import unresolved

# A trader may sleep through an event that it waits for no longer than this.
MAX_SLEEP = timedelta(seconds=10)


@dataclass(frozen=True)
class Difference:
    """Something that must never be."""

    invariant: str  # I1 ... I7, or what else was checked
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"


@dataclass(frozen=True)
class Findings:
    """What is wrong, and the symbols whose fills could not be checked, with the reason."""

    differences: list[Difference]
    unchecked: dict[str, str]


def audit(venue: Venue, exchange: Exchange, start: dict[str, Decimal] | None = None) -> list[Difference]:
    """As `examine`; what could not be checked counts as a difference."""
    found = examine(venue, exchange, start)
    return [*found.differences, *(Difference("I4", f"{name}: {why}") for name, why in found.unchecked.items())]


def examine(venue: Venue, exchange: Exchange, start: dict[str, Decimal] | None = None) -> Findings:
    """Everything that is wrong, while nothing trades: a fill between two looks would count as a difference.

    `start`: the account's balances before our first order, where only we have traded on it since; checks I5.
    A symbol that the exchange refuses, as one that it lists no more, is left out; other errors of its are raised.
    """
    found = [*_slots(venue), *_own_orders(venue), *_open_orders(venue, exchange)]
    booked = _booked(venue)
    theirs, unchecked = _trades(exchange, _symbols(venue))
    found += _fills(venue, {key: fills for key, fills in booked.items() if key[0] not in unchecked}, theirs)
    if start is not None:
        found += _balances(venue, exchange, start, theirs, unchecked)
    kept = (Difference("totals", what) for what in totals.differences(venue))
    return Findings([*found, *_sleepers(venue, timezone.now()), *_budgets(venue), *kept], unchecked)


def _trades(exchange: Exchange, symbols: Iterable[str]) -> tuple[dict[str, list[tuple[int, Fill]]], dict[str, str]]:
    """The account's fills by symbol, and of which symbols the exchange refused to tell them, and why."""
    told, refused = {}, {}
    for name in symbols:
        try:
            told[name] = exchange.trades(name)
        except KeyRejected:
            raise  # Refused as well, and nothing is said of the symbol.
        except Refused as error:
            refused[name] = str(error)
    return told, refused


def _slots(venue: Venue) -> Iterable[Difference]:
    live = Trader.objects.filter(venue=venue, finished_at__isnull=True)
    for symbol, slot in (
        live.values_list("symbol__name", "slot")
        .annotate(n=Count("id"))
        .filter(n__gt=1)
        .values_list("symbol__name", "slot")
    ):
        yield Difference("I1", f"{symbol} #{slot} has more than one active trader")


def _own_orders(venue: Venue) -> Iterable[Difference]:
    is_open = Q(orders__venue=venue, orders__status__is_open=True)
    for side in Side:
        twice = Trader.objects.annotate(n=Count("orders", filter=is_open & Q(orders__side=side))).filter(n__gt=1)
        for trader in twice.select_related("symbol"):
            yield Difference("I2", f"{trader} has more than one open {side.lower()}")


def _open_orders(venue: Venue, exchange: Exchange) -> Iterable[Difference]:
    there = {report.client_order_id: report for report in exchange.open_orders()}
    here = {row.client_order_id: row for row in Order.objects.filter(venue=venue, status__is_open=True)}
    orphans = {row.client_order_id: row for row in unresolved(venue)}
    let_go = set(_let_go(venue).values_list("client_order_id", flat=True))
    names = Names.now()
    for key in sorted(there.keys() - here.keys() - orphans.keys() - let_go):
        if names.is_ours(key):
            yield Difference("I3", f"order {key} is open at {venue} but not in the database")
    for key, orphan in sorted(orphans.items()):
        yield Difference("I3", f"orphan {key}, {orphan}, must be adopted or cancelled: {orphan.why}")
    for key in sorted(here.keys() - there.keys()):
        yield Difference("I3", f"order {key} is open in the database ({here[key].status}) but not at {venue}")


def _let_go(venue: Venue) -> "QuerySet[Order]":
    return Order.objects.filter(venue=venue, status=OrderStatus.LET_GO)


def _booked(venue: Venue) -> dict[tuple[str, int], list[Fill]]:
    """Our fills by symbol and the exchange's order id."""
    booked: dict[tuple[str, int], list[Fill]] = {}
    rows = _fills_there(venue).exclude(order__status=OrderStatus.LET_GO)
    for row in rows.select_related("order__symbol").iterator():
        booked.setdefault((row.order.symbol.name, row.order.exchange_order_id or 0), []).append(row.as_core())
    return booked


def _fills_there(venue: Venue) -> "QuerySet[FillRow]":
    """What was traded at the venue. What was taken over was on the account already, and no trade."""
    return FillRow.objects.filter(order__venue=venue).exclude(order__type=OrderType.TAKEOVER)


def _fills(
    venue: Venue, booked: dict[tuple[str, int], list[Fill]], theirs: dict[str, list[tuple[int, Fill]]]
) -> Iterable[Difference]:
    # What was let go of may trade on, and nobody here hears of it.
    rows = Order.objects.filter(venue=venue, exchange_order_id__isnull=False).exclude(status=OrderStatus.LET_GO)
    ours = {
        (symbol, order_id): executed
        for symbol, order_id, executed in rows.values_list("symbol__name", "exchange_order_id", "executed")
        if symbol in theirs
    }
    traded = dict.fromkeys(ours, ZERO)
    for symbol, trades in theirs.items():
        for order_id, fill in trades:
            if (symbol, order_id) in ours:
                traded[symbol, order_id] += fill.quantity
    for key, executed in ours.items():
        if executed != traded[key]:
            yield Difference(
                "I4", f"order {key[1]} ({key[0]}) filled {plain(executed)} here, {plain(traded[key])} at the exchange"
            )
    here = Counter((key, _essence(fill)) for key, fills in booked.items() for fill in fills)
    there = Counter(
        ((symbol, order_id), _essence(fill))
        for symbol, rows in theirs.items()
        for order_id, fill in rows
        if (symbol, order_id) in ours
    )
    for (key, essence), _ in (there - here).items():
        yield Difference("I4", f"{venue} has a fill of order {key[1]} ({key[0]}) missing in the database: {essence}")
    for (key, essence), _ in (here - there).items():
        yield Difference("I4", f"a fill of order {key[1]} ({key[0]}) not found at {venue}: {essence}")


def _essence(fill: Fill) -> tuple[int, str, str, str, str]:
    """What must agree of a fill. Whether it was maker is not told by every message, nor is its millisecond."""
    numbers = (fill.price, fill.quantity, fill.commission)
    price, quantity, commission = (plain(number) for number in numbers)
    return (fill.trade_id, price, quantity, commission, fill.commission_asset if fill.commission else "")


def _balances(
    venue: Venue,
    exchange: Exchange,
    start: dict[str, Decimal],
    theirs: dict[str, list[tuple[int, Fill]]],
    unchecked: Iterable[str],
) -> Iterable[Difference]:
    expected = dict(start)

    def move(asset: str, amount: Decimal) -> None:
        expected[asset] = expected.get(asset, ZERO) + amount

    def count(symbol: Symbol, side: str, fill: Fill) -> None:
        sign = 1 if side == Side.BUY else -1
        move(symbol.base_asset, sign * fill.quantity)
        move(symbol.quote_asset, -sign * fill.quote)
        if fill.commission:
            # Also in a third asset: what is paid in BNB is BNB less on the account.
            move(fill.commission_asset, -fill.commission)

    for row in _fills_there(venue).select_related("order__symbol").iterator():
        count(row.order.symbol, row.order.side, row.as_core())
    # Orphans were ours as well: what is known of those that no trader has stands in the exchange's books alone.
    symbols = {symbol.name: symbol for symbol in Symbol.objects.filter(name__in=theirs)}
    nobodys = Orphan.objects.filter(venue=venue, symbol__in=symbols).exclude(resolution=Resolution.ADOPTED)
    sides = {(orphan.symbol, orphan.exchange_order_id): orphan.side for orphan in nobodys}
    for name, pairs in theirs.items():
        for order_id, fill in pairs:
            if (name, order_id) in sides:
                count(symbols[name], sides[name, order_id], fill)
    # What orphans of a symbol have moved that can't be asked about is not known.
    vague = Symbol.objects.filter(name__in=Orphan.objects.filter(venue=venue, symbol__in=unchecked).values("symbol"))
    unknown = {asset for symbol in vague for asset in (symbol.base_asset, symbol.quote_asset)}
    actual = {asset: free + locked for asset, (free, locked) in exchange.balances().items()}
    for asset in sorted((expected.keys() | actual.keys()) - unknown):
        if expected.get(asset, ZERO) != actual.get(asset, ZERO):
            yield Difference(
                "I5",
                (
                    f"{asset}: {actual.get(asset, ZERO)} in the account, {expected.get(asset, ZERO)} expected from "
                    "fills"
                ),
            )


def _sleepers(venue: Venue, now: datetime) -> Iterable[Difference]:
    live = Trader.objects.filter(venue=venue, finished_at__isnull=True).select_related("symbol")
    late = now - MAX_SLEEP
    for trader in live.filter(retry_at=None, wake_below=None, wake_above=None, created_at__lt=late).exclude(
        orders__status__is_open=True
    ):
        yield Difference("I6", f"{trader} has no trigger, open order or retry time")
    for trader in live.filter(retry_at__lt=late):
        yield Difference("I6", f"{trader} should have retried at {trader.retry_at:%H:%M:%S}")
    stuck = Order.objects.filter(IN_FLIGHT, venue=venue, submitted_at__lt=late)
    for order in stuck.filter(Q(asked_at=None) | Q(asked_at__lt=late)):
        yield Difference("I6", f"{order.client_order_id} is unconfirmed and not being queried")


def _budgets(venue: Venue) -> Iterable[Difference]:
    late = set(Order.objects.filter(venue=venue, is_late=True).values_list("client_order_id", flat=True))
    for trader in Trader.objects.filter(venue=venue, orders__side=Side.BUY).select_related("symbol").distinct():
        # One that showed after it had been taken for never placed was bought beside another.
        orders = tuple(order for order in position_of(trader).orders if order.client_order_id not in late)
        bound = Position(orders, carried=trader.carried).spent
        if bound > trader.budget:
            yield Difference("I7", f"{trader} uses {plain(bound)} of a budget of {plain(trader.budget)}")


def _symbols(venue: Venue) -> list[str]:
    rows = Order.objects.filter(venue=venue, exchange_order_id__isnull=False)
    orphans = Orphan.objects.filter(venue=venue).order_by().values_list("symbol", flat=True)
    return sorted({*rows.order_by().values_list("symbol__name", flat=True).distinct(), *orphans.distinct()})
