"""Totals of ended cycles, kept in the transaction that ends a cycle: what they cost to ask does not grow with them.

Each cycle counts in three rows of its slot: of all time, of its day and of its hour, by the time at which it ended,
in UTC. A question since some moment reads the whole hours and days after it, and only the cycles before those.
"""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Self

from django.db import connection, transaction
from django.db.models import CharField, Count, Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Cast, Substr
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.core.money import ZERO, plain
from trading.core.strategy import TraderState
from trading.models import CycleTotal, Symbol, Trader
from trading.models.totals import BEGINNING, HOURS_KEPT, Span
from trading.models.traders import ENDED, UNKNOWN

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# An ended trader's time as text, "2026-11-22 13:05…" in UTC on both databases, up to its day and its hour: on SQLite
# TruncDate calls Python for every row.
_LETTERS = {Span.DAY: 10, Span.HOUR: 13}


@dataclass(frozen=True)
class Total:
    """What some ended cycles come to. Amounts are in the quote asset of their symbol."""

    cycles: int = 0
    finished: int = 0  # those that sold what they had bought
    unvalued: int = 0  # those with commissions of unknown value, which `profit` leaves out
    profit: Decimal = ZERO
    budget: Decimal = ZERO
    wins: int = 0
    losses: int = 0
    won: Decimal = ZERO  # by the wins; by the losses: profit - won
    held_s: int = 0
    fees: Decimal = ZERO  # as far as their value is known

    def __add__(self, other: Self) -> "Total":
        return Total(*(mine + others for mine, others in zip(astuple(self), astuple(other), strict=True)))

    def __neg__(self) -> "Total":
        return Total(*(-mine for mine in astuple(self)))


NONE = Total()
_COLUMNS = tuple(Total.__dataclass_fields__)


def of(trader: Trader) -> Total:
    """What one trader counts as: nothing before its end, or where it ended before its first order."""
    if not trader.has_ended or trader.state == TraderState.RETIRED:
        return NONE
    is_finished, profit = trader.state == TraderState.FINISHED, trader.profit or ZERO
    return Total(
        1,
        int(is_finished),
        int(trader.has_unvalued_fees),
        profit,
        trader.budget,
        wins=int(profit > 0),
        losses=int(profit < 0),
        won=max(profit, ZERO),
        held_s=trader.held_s or 0,
        fees=trader.fees or ZERO,
    )


def count(trader: Trader, before: Total = NONE) -> None:
    """Counts an ended trader, in the transaction that saves it; `before`: what it has counted as until now."""
    change = of(trader) + -before
    if change == NONE or trader.finished_at is None:
        return
    _add(trader, _spans(trader.finished_at), change)


def _spans(ended_at: datetime) -> list[tuple[Span, datetime]]:
    """The totals in which a cycle of that end counts, and when each begins."""
    # In this order everywhere: whoever has a slot's first row has the others, too.
    spans = [(Span.ALL, BEGINNING), (Span.DAY, begin_of(Span.DAY, ended_at))]
    hour = begin_of(Span.HOUR, ended_at)
    return [*spans, (Span.HOUR, hour)] if hour > _oldest_hour() else spans


def begin_of(span: Span, at: datetime) -> datetime:
    """The beginning of the hour or the day, in UTC, which a moment belongs to."""
    at = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return at if span == Span.HOUR else at.replace(hour=0)


def _add(trader: Trader, spans: list[tuple[Span, datetime]], change: Total) -> None:
    whose = {"venue": trader.venue, "symbol_id": trader.symbol_id, "slot": trader.slot, "strategy": trader.strategy}
    with connection.cursor() as cursor:
        values: list[Any] = []
        for span, begins in spans:
            row = CycleTotal(**whose, span=span, begins=begins, **_as_values(change))
            values += [each.get_db_prep_save(getattr(row, each.attname), connection) for each in _fields()]
        cursor.execute(_upsert(len(spans)), values)


def _as_values(total: Total) -> dict[str, Any]:
    return dict(zip(_COLUMNS, astuple(total), strict=True))


@cache
def _fields() -> list[Any]:
    return [each for each in CycleTotal._meta.concrete_fields if not each.primary_key]


@cache
def _upsert(rows: int) -> str:
    """Adds to the rows that are there and inserts the others, in one statement: Django can only overwrite them."""
    table = CycleTotal._meta.db_table
    row = f"({', '.join('%s' for _ in _fields())})"
    return (
        f"INSERT INTO {table} ({', '.join(each.column for each in _fields())}) VALUES {', '.join([row] * rows)} "
        "ON CONFLICT (venue, span, begins, symbol_id, slot, strategy) DO UPDATE SET "
        + ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in _COLUMNS)
    )


# --- asking ---------------------------------------------------------------------------------------
_SUMS = {f"sum_of_{name}": Sum(name) for name in _COLUMNS}
_OF_TRADERS = {
    "sum_of_cycles": Count("pk"),
    "sum_of_finished": Count("pk", filter=Q(state=TraderState.FINISHED)),
    "sum_of_unvalued": Count("pk", filter=UNKNOWN),
    "sum_of_profit": Sum("profit"),
    "sum_of_budget": Sum("budget"),
    "sum_of_wins": Count("pk", filter=Q(profit__gt=ZERO)),
    "sum_of_losses": Count("pk", filter=Q(profit__lt=ZERO)),
    "sum_of_won": Sum("profit", filter=Q(profit__gt=ZERO)),
    "sum_of_held_s": Sum("held_s"),
    "sum_of_fees": Sum("fees"),
}
_ASSET = "symbol__quote_asset"
Key = tuple[Any, ...]


def by_slot(
    venue: Venue, since: datetime | None = None, until: datetime | None = None
) -> dict[tuple[int, int], Total]:
    """What the cycles at a venue that ended since then, and before `until`, come to, by symbol's key and slot."""
    found = _by(venue, since, "symbol_id", "slot", until=until)
    return {(symbol_id, slot): each for (symbol_id, slot), each in found.items()}


def by_strategy(
    venue: Venue, since: datetime | None = None, until: datetime | None = None
) -> dict[tuple[str, str], Total]:
    """The same by strategy and quote asset."""
    found = _by(venue, since, "strategy", _ASSET, until=until)
    return {(strategy, asset): each for (strategy, asset), each in found.items()}


def by_symbol(venue: Venue, since: datetime | None = None, until: datetime | None = None) -> dict[int, Total]:
    """The same by the symbol's key."""
    return {symbol_id: each for (symbol_id,), each in _by(venue, since, "symbol_id", until=until).items()}


def by_asset(venue: Venue, since: datetime | None = None, until: datetime | None = None) -> dict[str, Total]:
    """The same by quote asset."""
    return {asset: each for (asset,), each in _by(venue, since, _ASSET, until=until).items()}


def by_day(
    venue: Venue, since: datetime | None = None, until: datetime | None = None
) -> dict[tuple[str, str], Total]:
    """The same by day (UTC), as 2026-11-22, and quote asset."""
    found = _by(venue, since or BEGINNING, "day", _ASSET, until=until)
    return {(day, asset): each for (day, asset), each in found.items()}


def of_symbol(symbol_id: int, venue: Venue, since: datetime | None = None) -> Total:
    """The same of one symbol, all together."""
    return _by(venue, since, "symbol_id", symbol=symbol_id).get((symbol_id,), NONE)


def _by(
    venue: Venue, since: datetime | None, *keys: str, until: datetime | None = None, **of: int
) -> dict[Key, Total]:
    found: dict[Key, Total] = {}
    for rows, sums in _parts(venue, since, until, of):
        time = "finished_at" if rows.model is Trader else "begins"
        rows = rows.annotate(day=Substr(Cast(time, CharField()), 1, _LETTERS[Span.DAY])) if "day" in keys else rows
        _gather(found, rows, keys, sums)
    return found


def _gather(found: dict[Key, Total], rows: QuerySet[Any], keys: Sequence[str], sums: dict[str, Any]) -> None:
    """Adds what the rows come to, by these columns."""
    for row in rows.values_list(*keys).annotate(**sums).values_list(*keys, *sums):
        key, summed = row[: len(keys)], row[len(keys) :]
        # A sum of no rows is None.
        total = Total(*(each or zero for each, zero in zip(summed, astuple(NONE), strict=True)))
        found[key] = found.get(key, NONE) + total


def _parts(
    venue: Venue, since: datetime | None, until: datetime | None, of: dict[str, int]
) -> Iterator[tuple[QuerySet[Any], dict[str, Any]]]:
    """The rows that together are all cycles since then and before `until`, and how to sum each kind."""
    kept = CycleTotal.objects.filter(venue=venue, **of).order_by()
    if since is None and until is None:
        yield kept.filter(span=Span.ALL), _SUMS
        return
    since = since or BEGINNING
    first, last = _next(Span.DAY, since), None if until is None else begin_of(Span.DAY, until)
    if last is not None and until is not None and last <= first:
        last = first = max(first, last) if until >= first else until
    days = kept.filter(span=Span.DAY, begins__gte=first)
    if last is None or first < last:
        yield (days if last is None else days.filter(begins__lt=last)), _SUMS
    for begins, ends in ((since, first), (last, until)):
        if begins is not None and ends is not None and begins < ends:
            yield from _edge(venue, kept, begins, ends, of)


def _edge(
    venue: Venue, kept: QuerySet[CycleTotal], since: datetime, until: datetime, of: dict[str, int]
) -> Iterator[tuple[QuerySet[Any], dict[str, Any]]]:
    """The same of less than a day, by its whole hours where those are kept."""
    first, last = _next(Span.HOUR, since), begin_of(Span.HOUR, until)
    if first <= _oldest_hour() or first >= last:
        first = last = until
    if first < last:
        yield kept.filter(span=Span.HOUR, begins__gte=first, begins__lt=last), _SUMS
    for begins, ends in ((since, first), (last, until)):
        if begins < ends:
            yield ended(venue, **of).filter(finished_at__gte=begins, finished_at__lt=ends), _OF_TRADERS


def _next(span: Span, at: datetime) -> datetime:
    """The first beginning of an hour or a day at or after a moment."""
    begins = begin_of(span, at)
    return begins if begins == at else begins + (HOUR if span == Span.HOUR else DAY)


def ended(venue: Venue, **of: int) -> QuerySet[Trader]:
    """The cycles at a venue that count, in no order; `of`: only those of a symbol."""
    return Trader.objects.filter(ENDED, venue=venue, **of).exclude(state=TraderState.RETIRED).order_by()


# --- counting again -------------------------------------------------------------------------------
Place = tuple[Span, datetime, int, str]  # and the slot and the strategy


def differences(venue: Venue) -> list[str]:
    """Where the kept totals are not what the cycles come to, in words. Correct while cycles end meanwhile, too."""
    told = []
    for symbol_id, name in _symbols(venue):
        before, real, kept = _kept(venue, symbol_id), _counted(venue, symbol_id), _kept(venue, symbol_id)
        for place in sorted(real.keys() | kept.keys()):
            there = kept.get(place, NONE)
            # One that has changed meanwhile may have counted a cycle more than was seen.
            if there == before.get(place, NONE) and there != real.get(place, NONE):
                told.append(_says(name, place, there, real.get(place, NONE)))
    return told


def rebuild(venue: Venue, symbol_id: int) -> int:
    """Counts the cycles of a symbol at a venue anew. Returns how many totals were wrong.

    Cycles that end meanwhile wait for it: a second for each 200,000 that have ended.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            # Whoever has counted a cycle commits first. On SQLite the transaction is the lock.
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {CycleTotal._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
        kept, real = _kept(venue, symbol_id), _counted(venue, symbol_id)
        wrong = [place for place in kept.keys() | real.keys() if kept.get(place) != real.get(place)]
        if wrong:
            CycleTotal.objects.filter(venue=venue, symbol=symbol_id).delete()
            CycleTotal.objects.bulk_create(
                (
                    CycleTotal(
                        venue=venue,
                        symbol_id=symbol_id,
                        slot=slot,
                        strategy=strategy,
                        span=span,
                        begins=begins,
                        **_as_values(each),
                    )
                    for (span, begins, slot, strategy), each in real.items()
                ),
                batch_size=500,
            )
    return len(wrong)


def rebuild_all(venue: Venue) -> int:
    """The same for every symbol, each in a transaction of its own."""
    return sum(rebuild(venue, symbol_id) for symbol_id, _ in _symbols(venue))


def thin(now: datetime) -> None:
    """Drops the totals of hours that are no longer kept."""
    CycleTotal.objects.filter(span=Span.HOUR, begins__lt=begin_of(Span.HOUR, now - HOURS_KEPT)).delete()


def _symbols(venue: Venue) -> list[tuple[int, str]]:
    """Those with cycles or totals at a venue, by name."""
    has_ended = Exists(Trader.objects.filter(ENDED, venue=venue, symbol=OuterRef("pk")))
    kept = Exists(CycleTotal.objects.filter(venue=venue, symbol=OuterRef("pk")))
    return list(Symbol.objects.filter(has_ended | kept).order_by("name").values_list("pk", "name"))


def _kept(venue: Venue, symbol_id: int) -> dict[Place, Total]:
    """As they are in the database, those of hours that are no longer kept excepted."""
    dropped = Q(span=Span.HOUR, begins__lte=_oldest_hour())
    rows = CycleTotal.objects.filter(venue=venue, symbol=symbol_id).exclude(dropped)
    return {
        (Span(span), begins, slot, strategy): Total(*sums)
        for span, begins, slot, strategy, *sums in rows.values_list("span", "begins", "slot", "strategy", *_COLUMNS)
    }


def _counted(venue: Venue, symbol_id: int) -> dict[Place, Total]:
    """As the cycles say."""
    hours = ended(venue, symbol=symbol_id).annotate(
        hour=Substr(Cast("finished_at", CharField()), 1, _LETTERS[Span.HOUR])
    )
    rows: dict[Key, Total] = {}
    _gather(rows, hours, ("hour", "slot", "strategy"), _OF_TRADERS)
    found: dict[Place, Total] = {}
    for (text, slot, strategy), each in rows.items():
        for span, begins in _spans(datetime.strptime(text, "%Y-%m-%d %H").replace(tzinfo=UTC)):
            place = span, begins, slot, strategy
            found[place] = found.get(place, NONE) + each
    return found


def _oldest_hour() -> datetime:
    """The last hour of which nothing is promised: it is about to be dropped."""
    return begin_of(Span.HOUR, timezone.now() - HOURS_KEPT)


def _says(name: str, place: Place, kept: Total, real: Total) -> str:
    span, begins, slot, _ = place
    when = {Span.ALL: "of all time", Span.DAY: f"of {begins:%Y-%m-%d}", Span.HOUR: f"of {begins:%Y-%m-%d %H:00}"}[
        span
    ]
    wrong = [
        f"{column} {plain(Decimal(is_kept))} instead of {plain(Decimal(is_real))}"
        for column, is_kept, is_real in zip(_COLUMNS, astuple(kept), astuple(real), strict=True)
        if is_kept != is_real
    ]
    return f"the total of {name} slot {slot} {when} says {', '.join(wrong)}"
