"""What becomes of the times in the rows when a host's clock is set back: those in the future are made to be now.

Every such time is compared with now. Left as it is, what was tried a moment ago would be tried again only when the
old time has come once more. A clock that is set forward makes what waits due, and nothing else: no wait is there to
keep something from being done, but for the proof that an order was never placed (traders/acting.py).
"""

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.venues import Venue, mock_world
from trading.books import totals
from trading.models import DeniedOrder, FillMark, HighWater, Listing, Order, Orphan, Trader
from trading.risk.protections import MAX_DENIAL
from trading.traders.cycles import MAX_WAIT_WITH_SPREAD

log = logging.getLogger(__name__)

EVERY_S = 10.0
# Hosts' clocks differ by a little, and a row may be written by another one.
CLOCKS = timedelta(seconds=10)
NOTHING = timedelta(0)

_looked_at: float | None = None


def mend(now: datetime) -> None:
    """Looks every EVERY_S seconds. For the leader; several at once do no harm."""
    global _looked_at
    if _looked_at is not None and 0 <= time.monotonic() - _looked_at < EVERY_S:
        return
    _looked_at = time.monotonic()
    found = {}
    for is_any, rows, field, longest in _queries(mock_world()):
        last = now + longest + CLOCKS
        # Usually there are none, and an update would take the database's lock for that.
        if is_any(last):
            ahead = _ahead(rows, field, last)
            found[f"{rows.model._meta.verbose_name} {field}"] = ahead.update(**{field: now})
    if ended := _mend_ends(now):
        found["trader finished_at"] = ended
    if found:
        words = ", ".join(f"{count} of {name}" for name, count in found.items())
        log.warning("a clock was set back, times in the future set to now: %s", words)


def forget() -> None:
    """The next one looks."""
    global _looked_at
    _looked_at = None


def _mend_ends(now: datetime) -> int:
    """The same of ended cycles, which count in totals by that time."""
    places = set(_ENDED_AHEAD(now + CLOCKS))
    if not places:
        return 0
    ahead = Trader.objects.filter(finished_at__gt=now + CLOCKS).order_by()
    with transaction.atomic():
        count = ahead.update(finished_at=now)
        for venue, symbol_id in sorted(places):
            totals.rebuild(Venue(venue), symbol_id)
    return count


def _times(world: Venue) -> Iterator[tuple[QuerySet[Any], str, timedelta]]:
    """Rows, one of their times, and how far ahead of now it may lie."""
    live = Trader.objects.filter(finished_at__isnull=True)
    yield live, "retry_at", MAX_WAIT_WITH_SPREAD
    yield live, "armed_at", NOTHING
    for field in ("asked_at", "not_found_at"):
        yield Order.objects.filter(status__is_open=True), field, NOTHING
    # As the indexes begin with it. Those of worlds that rest are repaired when they run again.
    for venue in (Venue.LIVE, Venue.TESTNET, Venue.DEMO, world):
        for field in ("submitted_at", "updated_at"):
            yield Order.objects.filter(venue=venue), field, NOTHING
    for field in ("refreshed_at", "fee_asked_at", "not_found_at"):
        yield Listing.objects.all(), field, NOTHING
    yield HighWater.objects.all(), "looked_at", NOTHING
    yield DeniedOrder.objects.all(), "denies_until", MAX_DENIAL
    yield FillMark.objects.all(), "looked_at", NOTHING
    yield Orphan.objects.all(), "last_seen", NOTHING


def _ahead(rows: QuerySet[Any], field: str, at: datetime) -> QuerySet[Any]:
    return rows.filter(**{f"{field}__gt": at})


def _any(rows: QuerySet[Any], field: str) -> Compiled[int]:
    return Compiled(lambda at: _ahead(rows, field, at).order_by().values_list("pk", flat=True)[:1], datetime)


@cache
def _queries(world: Venue) -> list[tuple[Compiled[int], QuerySet[Any], str, timedelta]]:
    return [(_any(rows, field), rows, field, longest) for rows, field, longest in _times(world)]


_ENDED_AHEAD: Compiled[tuple[str, int]] = Compiled(
    lambda at: Trader.objects.filter(finished_at__gt=at).order_by().values_list("venue", "symbol_id"), datetime
)
