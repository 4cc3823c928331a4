"""How a cycle begins: a trader in a free slot, made by the leader or together with the end of the cycle before."""

import logging

from django.db.models import Exists, F, Subquery
from django.utils import timezone

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.venues import Venue
from trading.core import slots
from trading.core.decisions import ANY_PRICE
from trading.core.journal import Cause, Kind, Source
from trading.models import Slot, Switch, Trader, TradingSettings
from trading.models.journal import write
from trading.models.switch import meant_by
from trading.models.symbols import TradingStatus
from trading.risk import sizing
from trading.strategies.registry import UnknownStrategy
from trading.strategies.typed import BadSettings

log = logging.getLogger(__name__)

# What kept a symbol's traders from beginning, as it was logged: not every second again.
_complaints: dict[int, str] = {}

# What is set for a trader's symbol by now, the venue of new traders, and whether its slot is open.
_SET = Compiled(
    lambda symbol_id, trader_id: (
        TradingSettings.objects.select_related("symbol")
        .filter(symbol=symbol_id)
        .annotate(
            venue_now=Subquery(Switch.objects.filter(pk=1).values("venue")),
            is_slot_open=Exists(
                Slot.objects.filter(
                    symbol__traders=trader_id,
                    symbol__traders__venue=F("venue"),
                    symbol__traders__slot=F("number"),
                    is_closed=False,
                )
            ),
        )
    ),
    int,
    int,
)


def begin(settings: TradingSettings, venue: Venue, slot: int) -> Trader | None:
    """The slot's new trader; None where there can be none now. Raises IntegrityError where it has one.

    What it waits for is to be copied to Redis once that is committed.
    """
    size = sizing.next_size(settings, venue)
    if size.budget is None:
        return None  # The symbol's page says why.
    try:
        trader = Trader.born(
            settings,
            venue,
            slot,
            budget=size.budget,
            wake_below=ANY_PRICE,
            armed_at=timezone.now(),
            waits_for="waiting for the next trade",
        )
    except (UnknownStrategy, BadSettings) as error:
        if _complaints.get(settings.symbol_id) != str(error):
            log.warning("no trader started: symbol=%s error=%s", settings.symbol.name, error)
        _complaints[settings.symbol_id] = str(error)
        return None
    text = f"slot {slot} is free; order size from {size.text}"
    write(trader, Cause(Source.LEADER), Kind.BEGAN, "started", text)
    return trader


def follow(ended: Trader) -> Trader | None:
    """The trader of the next cycle in the same slot, to be called once the end is saved, in its transaction.

    None where that is the leader's to decide: the symbol is not on any more, the slot is closed, or another venue is
    switched to.
    """
    settings = _SET.first(ended.symbol_id, ended.pk)
    if settings is None or not _goes_on(settings, ended):
        return None
    return begin(settings, Venue(ended.venue), ended.slot)


def _goes_on(settings: TradingSettings, ended: Trader) -> bool:
    venue: str | None = settings.venue_now  # type: ignore[attr-defined]
    return slots.goes_on(
        ended.slot,
        settings.max_slots,
        is_on=settings.status == TradingStatus.ON,
        is_open=settings.is_slot_open,  # type: ignore[attr-defined]
        is_here=venue is not None and meant_by(venue) == ended.venue,
    )
