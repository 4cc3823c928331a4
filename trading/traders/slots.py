"""Which slots of a symbol are open, in rows: the leader keeps a trader in each of them. The rules: core/slots.py.

The database finds where anything is to be done; its queries say of sets what core says. Two leaders at once are
harmless: constraints, not luck.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.venues import Venue
from trading.core import slots as core
from trading.core.journal import Cause, Kind, Source
from trading.models import Slot, Trader, TradingSettings
from trading.models.journal import write
from trading.models.symbols import TradingStatus

# The status of the symbols whose slots are kept filled.
WANTED = (TradingStatus.ON,)


def _unwanted(venue: str) -> QuerySet[Slot]:
    is_on = Q(symbol__settings__status=TradingStatus.ON)
    # What a person has closed stays so when another world runs for a while.
    elsewhere = ~Q(venue=venue) & Q(is_closed=False)
    return Slot.objects.filter(elsewhere | ~is_on | Q(number__gt=F("symbol__settings__max_slots")))


_ANY_UNWANTED: Compiled[int] = Compiled(lambda venue: _unwanted(venue).values_list("pk", flat=True)[:1], str)


def close_unwanted(venue: Venue) -> None:
    """Closes slots where the symbol is not on, it may have fewer by now, or the switch was turned."""
    if _ANY_UNWANTED(venue.value):
        _unwanted(venue.value).delete()


def empty_slots(venue: Venue) -> list[tuple[TradingSettings, int]]:
    """The open slots without a trader, of the symbols that are on; opens those that a symbol begins with.

    What is in order is found so by the database: the leader asks each second, of any number of symbols.
    """
    _open(venue, _WITH_TRADERS(venue.value))
    _open_first(venue)
    empty = _EMPTY(venue.value)
    if not empty:
        return []
    rows = TradingSettings.objects.filter(symbol__in={symbol_id for symbol_id, _ in empty}).select_related("symbol")
    settings = {each.symbol_id: each for each in rows}
    return [(settings[symbol_id], number) for symbol_id, number in empty if symbol_id in settings]


def _empty(venue: str) -> "QuerySet[Slot, tuple[int, int]]":
    """Open slots in which no trader lives."""
    trader = Trader.objects.filter(
        venue=venue, finished_at__isnull=True, symbol=OuterRef("symbol"), slot=OuterRef("number")
    )
    rows = Slot.objects.filter(venue=venue, is_closed=False, symbol__settings__status__in=WANTED)
    rows = rows.exclude(Exists(trader))
    return rows.order_by("symbol", "number").values_list("symbol_id", "number")


def _with_traders(venue: str) -> "QuerySet[Trader, tuple[int, int]]":
    """Closed slots in which traders live of a symbol that was turned on again: it goes on in these."""
    slot = Slot.objects.filter(venue=venue, symbol=OuterRef("symbol"), number=OuterRef("slot"))
    live = Trader.objects.filter(
        venue=venue,
        finished_at__isnull=True,
        symbol__settings__status__in=WANTED,
        slot__lte=F("symbol__settings__max_slots"),
    )
    return live.exclude(Exists(slot)).order_by().values_list("symbol_id", "slot")


def _with_closed_slots(venue: str) -> "QuerySet[TradingSettings, tuple[int, str, str, int, int]]":
    """Symbols of whose slots not all are open, with what decides how many they begin with, and how many are open."""
    slots = Slot.objects.filter(venue=venue, symbol=OuterRef("symbol")).order_by()
    count = Coalesce(Subquery(slots.values("symbol").annotate(count=Count("pk")).values("count")), 0)
    wanted = TradingSettings.objects.filter(status__in=WANTED).annotate(open_slots=count)
    # As text: those that have not asked for all of their slots are looked at each second.
    rows = wanted.filter(open_slots__lt=F("max_slots")).annotate(text=Cast("strategy_settings", TextField()))
    return rows.values_list("symbol_id", "strategy", "text", "max_slots", "open_slots")


_EMPTY: Compiled[tuple[int, int]] = Compiled(_empty, str)
_WITH_TRADERS: Compiled[tuple[int, int]] = Compiled(_with_traders, str)
_WITH_CLOSED_SLOTS: Compiled[tuple[int, str, str, int, int]] = Compiled(_with_closed_slots, str)


def _open_first(venue: Venue) -> None:
    """With one slot begins a symbol whose traders ask for others beside them, any other with all."""
    for symbol_id, strategy, text, max_slots, count in _WITH_CLOSED_SLOTS(venue.value):
        numbers = core.first(count, max_slots, _begins_with_one(strategy, text))
        if numbers:
            _open(venue, [(symbol_id, number) for number in numbers])


def _open(venue: Venue, pairs: Iterable[tuple[int, int]]) -> None:
    missing = [Slot(symbol_id=symbol_id, venue=venue, number=number) for symbol_id, number in pairs]
    if missing:
        Slot.objects.bulk_create(missing, ignore_conflicts=True)


@lru_cache(maxsize=10_000)
def _begins_with_one(strategy: str, strategy_settings: str) -> bool:
    return TradingSettings(strategy=strategy, strategy_settings=json.loads(strategy_settings)).begins_with_one


def _asking() -> QuerySet[Trader]:
    return Trader.objects.filter(slot_requested_at__isnull=False, slot_opened_at=None, finished_at=None)


_ASKING: Compiled[int] = Compiled(lambda: _asking().values_list("pk", flat=True))


def open_requested_slots(venue: Venue) -> int:
    """Opens a slot for each trader that has asked for another one beside it; how many. One asks and is heard once.

    Where all slots are open it waits for one that is closed again, for as long as it lives.
    """
    asking = _asking()
    pks = _ASKING()
    if not pks:
        return 0
    requesters = asking.filter(pk__in=pks, symbol__settings__isnull=False).select_related("symbol__settings")
    taken, opened = _taken(venue), _opened(venue)
    count = 0
    for requester in requesters:
        settings = requester.symbol.settings
        if settings.status != TradingStatus.ON or requester.venue != venue:
            # Not heard now, and not later either: it asked for what nobody wants any more.
            asking.filter(pk=requester.pk).update(slot_opened_at=timezone.now())
            continue
        if core.next_free(settings.max_slots, taken[requester.symbol_id] | opened[requester.symbol_id]) is None:
            continue  # So waits the last trader of each symbol after a fall: no transaction for each, each second.
        try:
            with transaction.atomic():
                count += _open_for(requester, venue)
        except IntegrityError:
            continue  # Another leader has just opened that slot: the next beat finds the one after it.
    return count


def _open_for(requester: Trader, venue: Venue) -> bool:
    max_slots = requester.symbol.settings.max_slots
    used = (
        _taken(venue, requester.symbol_id)[requester.symbol_id]
        | _opened(venue, requester.symbol_id)[requester.symbol_id]
    )
    number = core.next_free(max_slots, used)
    if number is None:
        return False
    unopened = Trader.objects.filter(pk=requester.pk, slot_opened_at=None)
    if not unopened.update(slot_opened_at=timezone.now()):
        return False  # Another leader was quicker.
    Slot.objects.create(symbol=requester.symbol, venue=venue, number=number)
    text = f"slot {number} of {max_slots} opened"
    write(requester, Cause(Source.LEADER), Kind.SLOT_OPENED, "slot opened", text)
    return True


def _taken(venue: Venue, symbol_id: int | None = None) -> dict[int, set[int]]:
    """The slots in which a trader lives, by symbol."""
    live = Trader.objects.filter(venue=venue, finished_at__isnull=True)
    if symbol_id is not None:
        live = live.filter(symbol=symbol_id)
    return _by_symbol(live.order_by().values_list("symbol_id", "slot"))


def _opened(venue: Venue, symbol_id: int | None = None) -> dict[int, set[int]]:
    rows = Slot.objects.filter(venue=venue)
    if symbol_id is not None:
        rows = rows.filter(symbol=symbol_id)
    return _by_symbol(rows.order_by().values_list("symbol_id", "number"))


def _by_symbol(pairs: Iterable[tuple[int, int]]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for symbol_id, number in pairs:
        found[symbol_id].add(number)
    return found
