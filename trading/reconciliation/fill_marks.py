"""The account's fills since the last one that was looked at, symbol by symbol, and which of ours our books lack.

Reports tell of fills; this finds those that no report and no open order tells of any more: of orders that we hold
for ended, or that the database lacks. A look weighs 20 of the address's requests: only symbols are looked at whose
orders have moved since, and every other one once an hour. A symbol may be gone there: its question fails for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db.models import Exists, Max, OuterRef
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.core.orders import Fill, OrderReport, OrderStatus
from trading.exchange.errors import ExchangeError, Refused
from trading.exchange.protocol import Exchange
from trading.identity.names import Names
from trading.models import Fill as FillRow
from trading.models import FillMark, Order, Orphan, Switch, Symbol, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.models.traders import ENDED

EVERY = timedelta(hours=1)
# Max symbols of one comparison, those first that have waited longest: the rest have their turn in the next.
MAX_SYMBOLS = 25
# After so many questions in a row without an answer the exchange is away, not a symbol wrong.
MAX_UNANSWERED = 3
# How long a symbol rests that the exchange has refused; each time twice as long.
FIRST_REST, MAX_REST = timedelta(minutes=1), timedelta(hours=1)

# Orders that are asked for with one query.
IDS_AT_ONCE = 500

Pairs = list[tuple[int, Fill]]


@dataclass(frozen=True)
class Look:
    """What one look at a symbol's fills has found."""

    symbol: str
    began_at: datetime
    fills: int = 0  # new ones of the account, not of ours alone
    missing: tuple[OrderReport, ...] = field(default=())  # orders of ours with the fills that our books lack
    strangers: tuple[OrderReport, ...] = field(default=())  # orders of other installations that have traded
    mark: tuple[int, int] = (0, 0)  # the newest fill and its order; 0: there is none yet


def due(venue: Venue, news: set[str], is_thorough: bool) -> list[str]:
    """The symbols to look at now; `news` are those where something unknown was seen.

    Those whose last question failed come last, and those that the exchange has refused not before their time.
    """
    rows = {row.symbol: row for row in FillMark.objects.filter(venue=venue)}
    marks = {symbol: row.looked_at for symbol, row in rows.items() if row.looked_at}
    if is_thorough:
        # By its ended traders: those have an index that says so of each symbol at once.
        traded = Exists(Trader.objects.filter(ENDED, venue=venue, symbol=OuterRef("pk")))
        ever = Symbol.objects.filter(traded).order_by().values_list("name", flat=True)
        return sorted({*ever, *rows, *news, *_in_use(venue)})
    now = timezone.now()
    long_ago = now - EVERY
    since = min((looked_at for looked_at in marks.values() if looked_at > long_ago), default=long_ago)
    moves = Order.objects.filter(venue=venue, updated_at__gte=since).order_by().values_list("symbol__name")
    moved = dict(moves.annotate(Max("updated_at")))
    waiting = {
        symbol: marks.get(symbol, long_ago)
        for symbol in {*rows, *moved, *_in_use(venue)}
        if symbol not in marks or marks[symbol] <= long_ago or moved.get(symbol, long_ago) >= marks[symbol]
    }
    failing = {row.symbol: row for row in rows.values() if row.failures}
    healthy = sorted(waiting.keys() - news - failing.keys(), key=lambda symbol: (waiting[symbol], symbol))
    again = [row for row in failing.values() if row.symbol in {*waiting, *news} and not row.rests(now)]
    again.sort(key=lambda row: (row.tried_at or long_ago, row.symbol))
    return [*sorted(news - failing.keys()), *healthy, *(row.symbol for row in again)][:MAX_SYMBOLS]


def note_failure(venue: Venue, symbol: str, error: ExchangeError) -> None:
    """Moves a symbol's turn to the end of the line. What the exchange refuses rests, longer each time."""
    now = timezone.now()
    row = FillMark.objects.filter(venue=venue, symbol=symbol).first() or FillMark(venue=venue, symbol=symbol)
    row.failures += 1
    row.tried_at, row.error = now, str(error)[:300]
    is_refused = isinstance(error, Refused)
    row.retry_at = now + min(MAX_REST, FIRST_REST * 2 ** min(row.failures - 1, 10)) if is_refused else None
    row.save()


def note_answers(venue: Venue, symbols: Sequence[str]) -> None:
    """These have been answered: whatever failed before is over."""
    failed = FillMark.objects.filter(venue=venue, symbol__in=symbols, failures__gt=0)
    failed.update(failures=0, error="", retry_at=None)


def unchecked(venue: Venue) -> dict[str, str]:
    """The symbols whose last question failed, and why."""
    return dict(FillMark.objects.filter(venue=venue, failures__gt=0).values_list("symbol", "error"))


def _in_use(venue: Venue) -> set[str]:
    """Symbols with live traders or open orders, and those that are on."""
    live = Trader.objects.filter(venue=venue, finished_at__isnull=True).order_by()
    opened = Order.objects.filter(venue=venue, status__is_open=True).order_by()
    names = {*live.values_list("symbol__name", flat=True), *opened.values_list("symbol__name", flat=True)}
    if venue == Switch.current():
        on = TradingSettings.objects.filter(status=TradingStatus.ON)
        names |= set(on.values_list("symbol__name", flat=True))
    return names


def look(exchange: Exchange, venue: Venue, symbol: str, names: Names) -> Look:
    """Asks for the fills since the last look. Raises the exchange's errors."""
    began_at = timezone.now()
    row = FillMark.objects.filter(venue=venue, symbol=symbol).first()
    mark = (row.trade_id, row.exchange_order_id) if row else (0, 0)
    # From the last one on, and with it: if that is another one now, the exchange has begun its books anew.
    pairs = exchange.trades(symbol, mark[0])
    if mark[0] and (not pairs or (pairs[0][1].trade_id, pairs[0][0]) != mark):
        mark, pairs = (0, 0), exchange.trades(symbol, 0)
    news = pairs[1:] if mark[0] else pairs
    if not news:
        return Look(symbol, began_at, mark=mark)
    newest = (news[-1][1].trade_id, news[-1][0])
    traded = _not_booked(exchange, venue, symbol, news)
    gone = Order.objects.filter(client_order_id__in=[report.client_order_id for report in traded])
    let_go = set(gone.filter(status=OrderStatus.LET_GO).values_list("client_order_id", flat=True))
    missing = tuple(
        report for report in traded if names.is_ours(report.client_order_id) and report.client_order_id not in let_go
    )
    strangers = tuple(report for report in traded if names.stranger(report.client_order_id))
    return Look(symbol, began_at, len(news), missing, strangers, newest)


def _not_booked(exchange: Exchange, venue: Venue, symbol: str, pairs: Pairs) -> tuple[OrderReport, ...]:
    """The account's orders of these fills that our books lack, each with them."""
    booked = set[tuple[int | None, int]]()
    ids = sorted({order_id for order_id, _ in pairs})
    for begin in range(0, len(ids), IDS_AT_ONCE):
        # By the exchange's ids, which few orders of other symbols share; by symbol it would be all of its orders.
        rows = FillRow.objects.filter(order__exchange_order_id__in=ids[begin : begin + IDS_AT_ONCE]).order_by()
        booked.update(
            (order_id, trade_id)
            for where, name, order_id, trade_id in rows.values_list(
                "order__venue", "order__symbol__name", "order__exchange_order_id", "trade_id"
            )
            if (where, name) == (venue, symbol)
        )
    fills: dict[int, list[Fill]] = {}
    for order_id, fill in pairs:
        if (order_id, fill.trade_id) not in booked:
            fills.setdefault(order_id, []).append(fill)
    if not fills:
        return ()
    # Fills carry no client order id: the orders do.
    orders = {report.exchange_order_id: report for report in exchange.orders(symbol, min(fills))}
    return tuple(
        replace(orders[order_id], fills=tuple(news)) for order_id, news in fills.items() if order_id in orders
    )


def move(venue: Venue, looks: Sequence[Look]) -> None:
    """Begins the next look after what this one has found; where some of it is in no book yet, with it again."""
    for each in looks:
        if each.missing and _is_lacking(venue, each):
            continue
        trade_id, order_id = each.mark
        values = {"trade_id": trade_id, "exchange_order_id": order_id, "looked_at": each.began_at, "failures": 0}
        FillMark.objects.update_or_create(venue=venue, symbol=each.symbol, defaults=values)


def _is_lacking(venue: Venue, found: Look) -> bool:
    """Whether a fill of ours that was found is neither booked nor one of an orphan."""
    ids = [report.client_order_id for report in found.missing]
    kept = set(Orphan.objects.filter(venue=venue, client_order_id__in=ids).values_list("client_order_id", flat=True))
    rows = FillRow.objects.filter(order__client_order_id__in=ids)
    booked = set(rows.values_list("order__client_order_id", "trade_id"))
    return any(
        report.client_order_id not in kept and (report.client_order_id, fill.trade_id) not in booked
        for report in found.missing
        for fill in report.fills
    )
