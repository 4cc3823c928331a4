"""A trader's row: read, locked and saved; and the copy of its trigger in Redis.

Whoever changes what a trader's decision depends on (the row, or an order of it) counts its version up by `save`.
"""

import logging
from collections.abc import Sequence
from typing import Any

import redis
from django.db.models import Exists, F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from hedgehog_project.database.compiled import Compiled
from hedgehog_project.database.writing import update
from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue, market_of
from trading.core import moves
from trading.models import Installation, OtherInstallation, Switch, Trader
from trading.models.traders import Claimed
from trading.waking import triggers

log = logging.getLogger(__name__)


# What a look at a trader may change. Other columns are others' to write, at any moment.
COLUMNS = (
    "state",
    "holds",
    "memory",
    "wake_below",
    "wake_above",
    "armed_at",
    "moves",
    "version",
    "waits_for",
    "error",
    "failures",
    "retry_at",
    "slot_requested_at",
    "finished_at",
    "profit",
    "leftover",
    "leftover_cost",
    "carried",
    "carried_cost",
    "missing",
    "has_unvalued_fees",
    "fees",
    "held_s",
    "told",
    "target",
)


def _with_status(rows: QuerySet[Trader], trader_id: int) -> Any:
    return rows.annotate(**of_symbol("symbol")).filter(pk=trader_id)


def of_symbol(path: str) -> dict[str, F]:
    """What of its symbol's settings is read with a trader."""
    return {
        "trading_status": F(f"{path}__settings__status"),
        "symbol_paused_by": F(f"{path}__settings__paused_by"),
    }


_BY_ID: Compiled[Any] = Compiled(lambda pk: _with_status(Trader.objects.select_related("symbol"), pk), int)
# SQLite knows no row locks; there the transaction itself is the lock (IMMEDIATE).
_LOCKED: Compiled[Any] = Compiled(
    lambda pk: _with_status(Trader.objects.select_related("symbol").select_for_update(of=("self",)), pk), int
)
_COPY = OtherInstallation.objects.filter(
    venue=OuterRef("venue"), identity__in=Installation.objects.values("identity")
)
_OF_VERSION: Compiled[Any] = Compiled(
    lambda pk, version: (
        _with_status(Trader.objects.select_for_update(of=("self",)).only("pk"), pk)
        .filter(version=version)
        .annotate(
            mode=Subquery(Switch.objects.filter(pk=1).values("mode")),
            is_copied=Exists(_COPY),
            identity=Subquery(Installation.objects.filter(pk=1).values("identity")),
            slots=F("symbol__settings__slots"),
        )
    ),
    int,
    int,
)


def read(trader_id: int) -> Any:
    """The trader with its symbol, and `trading_status` of its symbol's settings; None where there is none."""
    return _BY_ID.first(trader_id)


def locked(trader_id: int) -> Any:
    """As `read`, with its row locked until the transaction ends."""
    return _LOCKED.first(trader_id)


def claim(trader: Any) -> bool:
    """Locks the row of a trader that was read before; False where somebody has changed it since, or has turned its
    symbol. What every order asks besides is read with it, into `trader.claimed`.
    """
    found = _OF_VERSION.first(trader.pk, trader.version)
    if found is None or found.trading_status != trader.trading_status:
        return False
    if found.symbol_paused_by != trader.symbol_paused_by:
        return False
    trader.claimed = Claimed(found.mode or "", found.is_copied, found.identity or "", found.slots or "")
    return True


def save(trader: Trader) -> triggers.Trigger:
    """Saves the trader; what it waits for now is to be copied to Redis once that is committed."""
    now = timezone.now()
    trader.armed_at = now if trader.is_armed else None
    trader.moves = moves.moved(trader.moves or (), int(now.timestamp()), trader.wake_below, trader.wake_above)
    trader.version += 1
    update(trader, COLUMNS)
    return trigger_for(trader)


def trigger_for(trader: Trader) -> triggers.Trigger:
    """What its row says that the trader waits for."""
    market = market_of(Venue(trader.venue))
    return triggers.Trigger(
        trader.pk,
        market,
        trader.symbol.name,
        trader.wake_below,
        trader.version,
        has_ended=trader.has_ended,
        above=trader.wake_above,
        holds=trader.holds,
    )


def copy(changed: triggers.Trigger | None) -> None:
    """Redis may miss it: the leader rebuilds."""
    copy_all([] if changed is None else [changed])


def copy_all(changed: Sequence[triggers.Trigger]) -> None:
    """As copy, for traders of one symbol and market."""
    if not changed:
        return
    try:
        triggers.set_triggers(connect(), changed)
    except redis.RedisError as error:
        names = " ".join(str(each.trader) for each in changed)
        log.warning("triggers not copied to Redis: traders=%s error=%s", names, error)
