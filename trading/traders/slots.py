"""Which slots of a symbol are open: the leader keeps a trader in each of them.

A symbol that is turned on begins with one. A request opens the next, up to max slots; turning it off closes all, and
whoever trades there lives out its cycle. Two leaders at once are harmless: constraints, not luck.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from hedgehog_project.venues import Venue
from trading.core.journal import Cause, Kind, Source
from trading.models import Slot, Trader, TradingSettings
from trading.models.journal import write
from trading.models.symbols import TradingStatus


def close_unwanted(venue: Venue) -> None:
    """Closes slots where the symbol is not on, it may have fewer by now, or the switch was turned."""
    is_on = Q(symbol__settings__status=TradingStatus.ON)
    unwanted = Slot.objects.filter(~Q(venue=venue) | ~is_on | Q(number__gt=F("symbol__settings__max_slots")))
    if unwanted.exists():
        unwanted.delete()


def empty_slots(venue: Venue, wanted: Sequence[TradingSettings]) -> list[tuple[TradingSettings, int]]:
    """The open slots without a trader, of the symbols that are on; opens the first ones of a symbol."""
    taken, opened = _taken(venue), _opened(venue)
    missing, empty = [], []
    for settings in wanted:
        mine = opened[settings.symbol_id]
        numbers = mine | {number for number in taken[settings.symbol_id] if number <= settings.max_slots}
        if not settings.begins_with_one:
            numbers |= set(range(1, settings.max_slots + 1))
        numbers = numbers or {1}
        missing += [Slot(symbol_id=settings.symbol_id, venue=venue, number=number) for number in numbers - mine]
        empty += [(settings, number) for number in sorted(numbers - taken[settings.symbol_id])]
    Slot.objects.bulk_create(missing, ignore_conflicts=True)
    return empty


def open_requested_slots(venue: Venue) -> int:
    """Opens a slot for each trader that has asked for another one beside it; how many. One asks and is heard once.

    Where all slots are open it waits for one that is closed again, for as long as it lives.
    """
    asking = Trader.objects.filter(slot_requested_at__isnull=False, slot_opened_at=None, finished_at=None)
    pks = list(asking.values_list("pk", flat=True))
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
        if _free(settings.max_slots, taken[requester.symbol_id] | opened[requester.symbol_id]) is None:
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
    number = _free(max_slots, used)
    if number is None:
        return False
    unopened = Trader.objects.filter(pk=requester.pk, slot_opened_at=None)
    if not unopened.update(slot_opened_at=timezone.now()):
        return False  # Another leader was quicker.
    Slot.objects.create(symbol=requester.symbol, venue=venue, number=number)
    text = f"slot {number} of {max_slots} opened"
    write(requester, Cause(Source.LEADER), Kind.SLOT_OPENED, "slot opened", text)
    return True


def _free(max_slots: int, used: set[int]) -> int | None:
    return next((number for number in range(1, max_slots + 1) if number not in used), None)


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
