"""What is going on, in a few queries: the figures that the admin and `manage.py status` show. See also diagnosis.py.

Figures are those of one venue, the switch's: play money and real money are never added up. What still goes on
elsewhere is told apart (`elsewhere`). Where Redis does not answer, prices are unknown (None), never an error.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Aggregate, Count, Exists, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from hedgehog_project.queues import Queue
from hedgehog_project.venues import Venue, market_of, rests, why_it_rests
from streamer.models import StreamedSymbol
from trading.core.money import plain
from trading.core.orders import UNVALUED, OrderStatus
from trading.core.strategy import TraderState
from trading.models import CycleTotal, Order, Symbol, Trader
from trading.models.fields import NOTHING
from trading.models.symbols import TradingStatus
from trading.models.totals import BEGINNING, Span
from trading.models.traders import ENDED, LIVE
from trading.symbols import said
from trading.waking.prices import LastTrade, last_trades

# A market that is traded this seldom, or a feed that is this late, deserves a word.
OLD_S = 60


@dataclass(frozen=True)
class SymbolLine:
    """A symbol at the switch's venue."""

    pk: int
    name: str
    quote_asset: str
    is_streaming: bool
    is_trading: bool
    last_trade: LastTrade | None  # None: no trade yet, or Redis does not answer
    traders: int  # live ones
    cycles_finished: int
    profit: Decimal
    unvalued: int  # ended cycles with commissions of unknown value, which the profit leaves out
    said: str = ""  # by the exchange, of a symbol that is on and can't be traded there
    symbol: Symbol | None = None  # with its settings


def with_figures(symbols: QuerySet[Symbol], venue: Venue) -> QuerySet[Any]:
    """Gives each symbol `is_streaming`, `live_traders`, `cycles_finished`, `profit` and `unvalued` (the cycles whose
    commissions it leaves out) at the venue, in one query.
    """
    streamed = StreamedSymbol.objects.filter(market=market_of(venue), symbol=OuterRef("name"), is_on=True)
    live = Trader.objects.filter(LIVE, venue=venue, symbol=OuterRef("pk"))
    ended = CycleTotal.objects.filter(venue=venue, span=Span.ALL, begins=BEGINNING, symbol=OuterRef("pk"))

    # Subqueries: one join of all traders takes three times as long.
    def of(rows: QuerySet[Any], figure: Aggregate, instead: Value) -> Coalesce:
        sums = rows.order_by().values("symbol").annotate(figure=figure).values("figure")
        return Coalesce(Subquery(sums), instead)

    return symbols.select_related("settings").annotate(
        is_streaming=Exists(streamed),
        live_traders=of(live, Count("pk"), Value(0)),
        cycles_finished=of(ended, Sum("finished"), Value(0)),
        profit=of(ended, Sum("profit"), NOTHING),
        unvalued=of(ended, Sum("unvalued"), Value(0)),
    )


def is_trading(symbol: Symbol) -> bool:
    """Whether new traders are wanted; a symbol that never had settings is off."""
    return hasattr(symbol, "settings") and symbol.settings.is_on


def is_shutting_down(symbol: Symbol) -> bool:
    """Whether its cycles under way end and no other begins."""
    return hasattr(symbol, "settings") and symbol.settings.status == TradingStatus.SHUTDOWN


def symbol_lines(venue: Venue, symbol: Symbol | None = None) -> list[SymbolLine]:
    """Every symbol that somebody cares for, by name: of thousands that are listed most are off. Or this one alone."""
    streamed = StreamedSymbol.objects.filter(is_on=True).values("symbol")
    traded = Trader.objects.filter(venue=venue, symbol=OuterRef("pk"))
    wanted = (
        Q(settings__status__in=[TradingStatus.ON, TradingStatus.SHUTDOWN])
        | Q(name__in=streamed)
        # Two, each with an index of its own: a symbol may have a million traders, and all of them elsewhere.
        | Exists(traded.filter(LIVE))
        | Exists(traded.filter(ENDED))
    )
    rows = Symbol.objects.filter(wanted) if symbol is None else Symbol.objects.filter(pk=symbol.pk)
    symbols = list(with_figures(rows.order_by("name"), venue))
    trades = last_trades([symbol.name for symbol in symbols], venue)
    told = said.of(venue, (each for each in symbols if is_trading(each)))
    if symbol is not None and not told:
        told = said.of(venue, [symbol], with_listings=False)  # That of one that is off may be out of date.
    return [
        SymbolLine(
            pk=symbol.pk,
            name=symbol.name,
            quote_asset=symbol.quote_asset,
            is_streaming=symbol.is_streaming,
            is_trading=is_trading(symbol),
            last_trade=trades.get(symbol.name),
            traders=symbol.live_traders,
            cycles_finished=symbol.cycles_finished,
            profit=symbol.profit,
            unvalued=symbol.unvalued,
            said=told.get(symbol.pk, ""),
            symbol=symbol,
        )
        for symbol in symbols
    ]


def open_orders(venue: Venue) -> QuerySet[Order]:
    """Orders of which more can still trade, SUBMITTING among them."""
    return Order.objects.filter(venue=venue, status__is_open=True)


def order_counts(venue: Venue) -> tuple[int, int]:
    """How many orders are open, and how many of those have no answer of the exchange yet."""
    counts = open_orders(venue).aggregate(
        open=Count("pk"), submitting=Count("pk", filter=Q(status=OrderStatus.SUBMITTING))
    )
    return counts["open"], counts["submitting"]


def elsewhere(venue: Venue) -> list[str]:
    """What goes on, or rests, at other venues than the switch's, one sentence for each."""
    live = Trader.objects.filter(LIVE).exclude(venue=venue).order_by()
    return [
        f"{count(number, 'trader')} of another world: {why_it_rests(other)}"
        if rests(other)
        else f"{count(number, 'active trader')} still on {other}, until the cycle ends."
        for other, number in live.values_list("venue").annotate(Count("pk"))
    ]


def missing(venue: Venue, symbol_id: int | None = None, now: datetime | None = None) -> list[str]:
    """What the account lacks of what traders bought: of those that live, or ended within the last day."""
    ended = Q(finished_at__gte=(now or timezone.now()) - timedelta(days=1))
    rows = Trader.objects.filter(LIVE | ended, missing__is_positive=True).order_by().select_related("symbol")
    # What they lack is an index of its own; venue and order are left to us, for SQLite would take others for them.
    found = [trader for trader in rows if trader.venue == venue and symbol_id in (None, trader.symbol_id)]
    return [_lacks(trader) for trader in sorted(found, key=lambda each: (each.symbol.name, each.slot, each.pk))]


def _lacks(trader: Trader) -> str:
    what = f"{plain(trader.missing)} {trader.symbol.base_asset}"
    text = f"{trader.symbol.name} slot {trader.slot}: {what} of its position is missing in the account"
    if trader.state == TraderState.MISSING:
        return f"{text}, which is all of it: the cycle is finished."
    return f"{text}. The rest {'was' if trader.has_ended else 'is'} sold."


def marked(text: str, unvalued: int | bool) -> str:
    """A sum, with what it leaves out."""
    return f"{text} {UNVALUED}" if unvalued else text


def given_up(queues: Iterable[Queue]) -> list[str]:
    """Of each queue of which tasks were given up: how many came too late, and when the last one did."""
    return [
        f"{each.given_up} task{'' if each.given_up == 1 else 's'} of the queue {each.name} waited too long, "
        f"the last {age(each.given_up_s or 0.0)} ago"
        for each in queues
        if each.given_up
    ]


def age(seconds: float) -> str:
    """How long, in one unit: 4 s, 12 min, 3 h, 5 d."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
