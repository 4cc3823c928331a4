"""Traders that have not bought yet: they look again where what they wait for has changed other than by a price."""

from collections.abc import Collection, Iterable

from django.db.models import QuerySet
from django.utils import timezone

from hedgehog_project.database.compiled import Compiled
from trading.core.decisions import ANY_PRICE
from trading.core.position import TraderState
from trading.models import Trader


def _resting(venue: str, symbol_id: int) -> "QuerySet[Trader, int]":
    """Those that wait for a certain price."""
    waiting = Trader.objects.filter(venue=venue, symbol=symbol_id, finished_at__isnull=True)
    return waiting.filter(state=TraderState.WAITING, wake_below__lt=ANY_PRICE).order_by().values_list("pk", flat=True)


_RESTING: Compiled[int] = Compiled(_resting, str, int)


def look_again(venue: str, symbol_id: int) -> None:
    """Has those of a symbol look again who wait for a price."""
    make_due(_RESTING(venue, symbol_id))


def make_due(traders: Iterable[int]) -> None:
    """The leader has them look again within a second."""
    pks = set(traders)
    if pks:
        Trader.objects.filter(pk__in=pks, finished_at__isnull=True).update(retry_at=timezone.now())


def slots_have_changed(symbol_ids: Collection[int]) -> None:
    """To be called when it was changed how far apart slots buy: it applies at once to whoever has not bought yet."""
    early = Trader.objects.filter(symbol__in=symbol_ids, finished_at__isnull=True)
    early.filter(state__in=(TraderState.WAITING, TraderState.BUYING)).update(retry_at=timezone.now())
