"""Whose an order is that only the exchange knows, and what becomes of one that is nobody's.

An order finds its way into the books as any other: a row, then what the exchange reported of it, then its trader
looks again. Nothing is placed here; all that an exchange is told is to cancel.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from hedgehog_project.venues import Venue
from hedgehog_project.venues.codes import NO_SUCH_SYMBOL
from trading.books.booking import book, position_of
from trading.core import orders as core
from trading.core.decisions import Triggers
from trading.core.events import Recheck
from trading.core.journal import Cause, Kind, Source
from trading.core.money import ZERO, floor_to, plain
from trading.core.orders import OrderReport, Side
from trading.core.position import state_of
from trading.exchange.errors import NotFound, Refused
from trading.exchange.order_ids import Name, read, trader_of
from trading.exchange.protocol import Exchange, ExchangeAt
from trading.identity import copies
from trading.identity.names import Names
from trading.identity.verdicts import Judge, Whose
from trading.models import Listing, Order, Orphan, Symbol, Trader
from trading.models.journal import write
from trading.models.orphans import Resolution
from trading.models.symbols import filters_of
from trading.strategies.registry import UnknownStrategy
from trading.strategies.typed import BadSettings
from trading.symbols import listings
from trading.traders import acting
from trading.traders.rejections import is_namesake

# How far the exchange's clock and ours may be apart.
CLOCKS = timedelta(seconds=2)
# What a buy's commission takes of it at most, for telling what is left of a cycle whose fills are not at hand.
MAX_FEE = Decimal("0.002")
BY_ITSELF = "reconciliation"
# An orphan that was seen more lately may be denied for a moment: the next comparison asks again.
GONE_AFTER = timedelta(seconds=90)

# An order as the exchange reports it, or as our books have it: both have a side, a price and quantities.
_Order = OrderReport | core.Order


def unknown_of(reports: Iterable[OrderReport], names: Names) -> list[OrderReport]:
    """Those that may be ours and that no row knows. To be asked after the exchange: rows come before calls."""
    ours = {report.client_order_id: report for report in reports if names.is_ours(report.client_order_id)}
    known = set(Order.objects.filter(client_order_id__in=ours).values_list("client_order_id", flat=True))
    return [report for key, report in ours.items() if key not in known]


def with_fills(report: OrderReport, exchange: Exchange) -> OrderReport:
    """The order with all its fills. Raises the exchange's errors."""
    if report.executed <= sum((fill.quantity for fill in report.fills), ZERO):
        return report
    return replace(report, fills=exchange.fills(report.symbol, report.exchange_order_id))


# --- claimed by its trader ------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """Why the orders can't be the trader's, or, where they are, how many that it had were not up to date."""

    why_not: str = ""
    learned: int = 0


def claim(venue: Venue, reports: Sequence[OrderReport], exchange_at: ExchangeAt, task_id: str = "") -> Claim:
    """Gives unknown orders of one trader and symbol, with their fills, to that trader, if they can be its own.

    The trader goes on from there by itself. Raises the exchange's errors where it could not, its books being right.
    """
    cause = Cause(Source.RECONCILIATION, task_id=task_id)
    number = trader_of(reports[0].client_order_id)
    known = _open_rows_there(number, venue, exchange_at)
    try:
        with transaction.atomic():
            rows = Trader.objects.select_for_update(of=("self",)).select_related("symbol")
            trader = rows.filter(pk=number).first() if number else None
            if trader is None:
                return Claim("its trader is not in the database")
            why = _why_not(trader, venue, reports, known)
            if why:
                return Claim(why)
            learned = _learn(trader, known, cause)
            _take(trader, reports, cause, BY_ITSELF)
    except IntegrityError:
        return Claim("it was being adopted at the same time")
    _wake(trader, cause, exchange_at)
    return Claim(learned=learned)


def _open_rows_there(number: int | None, venue: Venue, exchange_at: ExchangeAt) -> dict[str, OrderReport]:
    """What the exchange says of the orders that the trader's books still hold open, by client order id.

    An old backup holds orders open that have ended since; what was placed after them is what the database lacks.
    """
    found: dict[str, OrderReport] = {}
    for row in Order.objects.filter(trader=number, venue=venue, status__is_open=True).select_related("symbol"):
        exchange = exchange_at(venue)
        try:
            report = exchange.order(row.symbol.name, row.client_order_id)
        except NotFound:
            continue
        if not is_namesake(row, report):
            found[row.client_order_id] = with_fills(report, exchange)
    return found


def _learn(trader: Trader, known: dict[str, OrderReport], cause: Cause) -> int:
    """Books what the exchange says of orders that the trader has; of how many that was news. With its row locked."""
    rows = trader.orders.select_for_update().filter(client_order_id__in=known)
    return sum(book(trader, row, known[row.client_order_id], cause) for row in rows)


def _why_not(trader: Trader, venue: Venue, reports: Sequence[OrderReport], known: dict[str, OrderReport]) -> str:
    """What keeps the orders from being this trader's, its own being as `known` says; empty where they are."""
    first = min(report.placed_ms for report in reports)
    if (trader.venue, trader.symbol.name) != (venue, reports[0].symbol):
        return (
            f"trader {trader.pk} of this database trades {trader.symbol.name} at {trader.venue}: it is a different "
            "trader"
        )
    if datetime.fromtimestamp(first / 1000, UTC) < trader.created_at - CLOCKS:
        return f"trader {trader.pk} of this database started after the order was placed: it is a different trader"
    if trader.has_ended:
        return f"its trader {trader.pk} has finished"
    own = [
        core.fold(order, known[order.client_order_id]) if order.client_order_id in known else order
        for order in position_of(trader).orders
    ]
    together: list[_Order] = [*own, *reports]
    for side in Side:
        if len(_open(together, side)) > 1:
            return f"its trader {trader.pk} has another open {side.lower()}"
    if _bound(together) > trader.budget:
        return f"it exceeds the budget of its trader {trader.pk}"
    if _net(together) < 0:
        return f"it exceeds the position of its trader {trader.pk}"
    return ""


def _take(trader: Trader, reports: Sequence[OrderReport], cause: Cause, by: str) -> None:
    """Writes the orders into the trader's books. To be called with its row locked."""
    for report in sorted(reports, key=lambda report: report.exchange_order_id):
        row = Order.objects.create(
            trader=trader,
            symbol=trader.symbol,
            venue=trader.venue,
            side=report.side,
            price=report.price,
            quantity=report.quantity,
            client_order_id=report.client_order_id,
            status=report.status,
            submitted_at=_placed(report) or timezone.now(),
            is_claimed=True,
        )
        book(trader, row, report, cause, Kind.ADOPTED, f"was missing in the database: {_so_far(report)}")
        orphan = Orphan.objects.filter(venue=trader.venue, client_order_id=report.client_order_id)
        orphan.filter(resolution=Resolution.UNRESOLVED).update(
            resolution=Resolution.ADOPTED,
            resolved_at=timezone.now(),
            resolved_by=by[:150],
            trader=trader,
            status=report.status,
            executed=report.executed,
        )
    # From now on it has orders that could have traded: no trade event may find it waiting for a first buy.
    trader.state = state_of(position_of(trader))
    trader.arm(Triggers())
    # Should this process die before it wakes the trader, the leader does.
    trader.retry_at = timezone.now()
    trader.version += 1
    trader.save(update_fields=["state", "wake_below", "wake_above", "retry_at", "version"])


def _wake(trader: Trader, cause: Cause, exchange_at: ExchangeAt) -> None:
    text = "its orders were found on the exchange"
    text = f"{cause.text}: {text}" if cause.text else text
    acting.wake(trader.pk, Recheck(text, True, cause.source), exchange_at, cause.task_id)


# --- nobody's -------------------------------------------------------------------------------------


def record(venue: Venue, report: OrderReport, why: str = "", is_of_copy: bool = False) -> None:
    """Keeps an order that nobody could claim, as the exchange shows it. What is known already is not undone."""
    orphan, is_new = Orphan.objects.get_or_create(
        venue=venue,
        client_order_id=report.client_order_id,
        defaults={
            "symbol": report.symbol,
            "exchange_order_id": report.exchange_order_id,
            "side": report.side,
            "price": report.price,
            "quantity": report.quantity,
            "executed": report.executed,
            "status": report.status,
            "placed_at": _placed(report),
            "why": why[:300],
            "is_of_copy": is_of_copy,
        },
    )
    if is_new or orphan.is_resolved:
        return
    orphan.executed = max(orphan.executed, report.executed)
    orphan.status = report.status if orphan.is_open else orphan.status
    orphan.why = why[:300] or orphan.why
    orphan.is_of_copy = orphan.is_of_copy or is_of_copy
    orphan.last_seen = timezone.now()
    orphan.save(update_fields=["executed", "status", "why", "is_of_copy", "last_seen"])


def look_again(orphan: Orphan, exchange: Exchange) -> None:
    """Asks what became of an orphan that is not among the open orders any more. Raises the exchange's errors."""
    try:
        record(Venue(orphan.venue), exchange.order(orphan.symbol, orphan.client_order_id))
    except NotFound as error:
        if orphan.last_seen > timezone.now() - GONE_AFTER:
            return
        _resolve(orphan, Resolution.ENDED, BY_ITSELF, f"the exchange did not find it: {error}")


def worth_another_try(venue: Venue, names: Names) -> list[Orphan]:
    """Those that have ended and whose traders may claim them by now: a person may have said whose they are."""
    ended = [orphan for orphan in unresolved(venue) if not orphan.is_open and orphan.executed]
    own = [orphan for orphan in ended if orphan.origin is not None and orphan.origin.identity == names.own]
    return [orphan for orphan in own if not orphan.is_of_copy]


def unresolved(venue: Venue) -> list[Orphan]:
    """The orphans that somebody has to decide about, the oldest first."""
    return list(Orphan.objects.filter(venue=venue, resolution=Resolution.UNRESOLVED).order_by("id"))


def settle(venue: Venue) -> None:
    """Resolves what needs nobody's word: what a trader has, what ended without a fill, and cycles that are over."""
    rows = Order.objects.filter(client_order_id__in=[orphan.client_order_id for orphan in unresolved(venue)])
    for row in rows.select_related("trader"):
        orphan = Orphan.objects.get(venue=venue, client_order_id=row.client_order_id)
        orphan.trader = row.trader
        _resolve(orphan, Resolution.ADOPTED, BY_ITSELF, "")
    groups: dict[tuple[str, Name | None], list[Orphan]] = {}
    for orphan in unresolved(venue):
        groups.setdefault((orphan.symbol, orphan.origin), []).append(orphan)
    for (name, _), group in groups.items():
        for orphan in [orphan for orphan in group if not orphan.is_open and not orphan.executed]:
            _resolve(orphan, Resolution.ENDED, BY_ITSELF, "nothing was filled")
            group.remove(orphan)
        if not group or any(orphan.is_open for orphan in group):
            continue
        bought = sum((orphan.executed for orphan in group if orphan.side == Side.BUY), ZERO)
        left = bought - sum((orphan.executed for orphan in group if orphan.side == Side.SELL), ZERO)
        if left >= 0 and _is_too_little(left - bought * MAX_FEE, name, venue):
            for orphan in group:
                _resolve(orphan, Resolution.CLOSED, BY_ITSELF, "its cycle is finished: what it bought has been sold")


def _is_too_little(quantity: Decimal, name: str, venue: Venue) -> bool:
    symbol = Symbol.objects.filter(name=name).first()
    filters = filters_of(symbol.pk, venue) if symbol else None
    return quantity <= 0 if filters is None else floor_to(quantity, filters.step) <= 0


# --- decided by a person --------------------------------------------------------------------------


def adopt(orphan: Orphan, by: str, exchange_at: ExchangeAt) -> Trader:
    """Gives an orphan, and all unknown orders of its trader and symbol, to a new trader that lives out the cycle.

    Raises ValidationError for people, and the exchange's errors.
    """
    _refuse_unless_ours(orphan)
    venue = Venue(orphan.venue)
    exchange = exchange_at(venue)
    symbol = listings.named(orphan.symbol)
    if not Listing.objects.filter(symbol=symbol, venue=venue).exists():
        listings.refresh(symbol, venue, exchange)
    # Its sale may be known here as an orphan, its buy not at all: the position is whole only with both.
    done = Orphan.objects.filter(venue=venue, symbol=orphan.symbol).exclude(resolution=Resolution.UNRESOLVED)
    done_ids = set(done.values_list("client_order_id", flat=True))
    judge = Judge.at(venue, timezone.now())
    theirs = [
        report
        for report in unknown_of(exchange.orders(orphan.symbol), judge.names)
        if read(report.client_order_id) == orphan.origin
        and judge.verdict(report).whose not in (Whose.COPY, Whose.STRANGER)
        and report.client_order_id not in done_ids
        and (report.executed or report.status.is_open)
    ]
    if orphan.client_order_id not in {report.client_order_id for report in theirs}:
        raise ValidationError(
            "Nothing to adopt: the order has no fills and is not open, or it is already in the database."
        )
    problem = _why_no_trader(theirs)
    if problem:
        raise ValidationError(problem)
    reports = [with_fills(report, exchange) for report in theirs]
    settings = symbol.settings
    try:
        with transaction.atomic():
            trader = Trader.born(
                settings,
                venue,
                # Over the symbol's own slots: the leader lets it live out its cycle, and puts nobody in its place.
                slot=max(settings.max_slots, _highest_slot(symbol, venue)) + 1,
                budget=max(settings.share, _bound(reports)),
            )
            whose = f"trader {orphan.origin.trader}" if orphan.origin else "a trader"
            cause = Cause(Source.PERSON, by)
            write(trader, cause, Kind.BEGAN, "started", f"adopts orphans of {whose}")
            _take(trader, reports, cause, by)
    except (UnknownStrategy, BadSettings) as error:
        raise ValidationError(f"Fix the symbol's settings first: {error}") from error
    except IntegrityError:
        raise ValidationError("Someone else is doing this right now. Reload the page.") from None
    _wake(trader, cause, exchange_at)
    return trader


def _why_no_trader(reports: Sequence[OrderReport]) -> str:
    for side in Side:
        if len(_open(reports, side)) > 1:
            return f"Several open {side.lower()}s have this trader's number: cancel all but one of them first."
    if _net(reports) < 0:
        return (
            "Only the sell is known, not its buy, so no profit can be calculated. Cancel it or let it fill; the "
            "proceeds stay in the account."
        )
    return ""


def cancel(orphan: Orphan, by: str, exchange_at: ExchangeAt) -> str:
    """Cancels an orphan on the exchange, or, where it has ended, leaves what it traded on the account; what is left.

    Raises ValidationError for people, and the exchange's errors.
    """
    _refuse_unless_ours(orphan)
    exchange = exchange_at(Venue(orphan.venue))
    was_cancelled = False
    if orphan.is_open:
        try:
            report: OrderReport | None = exchange.cancel(orphan.symbol, orphan.client_order_id)
            was_cancelled = True
        except NotFound:
            report = exchange.order(orphan.symbol, orphan.client_order_id)  # It has ended meanwhile,
            if report.status.is_open:  # or is denied for a moment.
                raise ValidationError(
                    "The order is still open: the exchange did not find it to cancel. Try again."
                ) from None
        except Refused as error:
            if error.code != NO_SUCH_SYMBOL:
                raise
            report = None  # Its symbol is gone, and nothing can rest there.
        if report is not None:
            orphan.executed, orphan.status = max(orphan.executed, report.executed), report.status
    note = left_of(orphan)
    _resolve(orphan, Resolution.CANCELED if was_cancelled else Resolution.LEFT, by, note)
    return note


def _refuse_unless_ours(orphan: Orphan) -> None:
    if orphan.is_resolved:
        raise ValidationError(f"Already {orphan.resolution.lower()}.")
    copy = copies.copy_at(orphan.venue)
    if copy is not None and orphan.origin is not None and orphan.origin.identity == copy.identity:
        raise ValidationError(
            "A copy of this installation is running and may have placed it. Choose first which one continues: "
            "`manage.py identity`."
        )


def left_of(orphan: Orphan) -> str:
    """What its fills have moved on the account, in words for people."""
    if not orphan.executed:
        return "Nothing was filled."
    listed = Symbol.objects.filter(name=orphan.symbol).first()
    base = (listed.base_asset if listed else "") or f"of {orphan.symbol}"
    verb = "bought" if orphan.side == Side.BUY else "sold"
    rest = "which stays in the account" if orphan.side == Side.BUY else "the proceeds stay in the account"
    return f"{plain(orphan.executed)} {base} was {verb} at about {plain(orphan.price)}, {rest}."


def _resolve(orphan: Orphan, resolution: Resolution, by: str, note: str) -> None:
    orphan.resolution, orphan.resolved_at = resolution, timezone.now()
    orphan.resolved_by, orphan.note = by[:150], note[:300]
    orphan.save()


# --- sums over orders -----------------------------------------------------------------------------


def _open(orders: Iterable[_Order], side: Side) -> list[_Order]:
    return [order for order in orders if order.side == side and order.status.is_open]


def _reach(order: _Order) -> Decimal:
    """What an order has traded, or still may."""
    return order.quantity if order.status.is_open else order.executed


def _net(orders: Iterable[_Order]) -> Decimal:
    """What the orders buy more than they sell."""
    return sum((_reach(order) if order.side == Side.BUY else -_reach(order) for order in orders), ZERO)


def _bound(orders: Iterable[_Order]) -> Decimal:
    """What the buys bind at most, in quote."""
    return sum((order.price * _reach(order) for order in orders if order.side == Side.BUY), ZERO)


def _placed(report: OrderReport) -> datetime | None:
    return datetime.fromtimestamp(report.placed_ms / 1000, UTC) if report.placed_ms else None


def _so_far(report: OrderReport) -> str:
    status = report.status.lower().replace("_", " ")
    return f"{status}, {plain(report.executed)} of {plain(report.quantity)}" if report.executed else status


def _highest_slot(symbol: Symbol, venue: Venue) -> int:
    live = Trader.objects.filter(symbol=symbol, venue=venue, finished_at__isnull=True)
    return live.aggregate(highest=Max("slot"))["highest"] or 0
