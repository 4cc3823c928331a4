"""A trader's row, locked and saved, and the copy of its trigger in Redis."""

import logging
from typing import Any

import redis
from django.db.models import F
from django.utils import timezone

from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue, market_of
from trading import triggers
from trading.models import Trader

log = logging.getLogger(__name__)


def locked(trader_id: int) -> Any:
    """The trader with its symbol, and `trading_status` of its symbol's settings; None where there is none."""
    # SQLite knows no row locks; there the transaction itself is the lock (IMMEDIATE).
    rows = Trader.objects.select_for_update(of=("self",)).select_related("symbol")
    return rows.annotate(trading_status=F("symbol__settings__status")).filter(pk=trader_id).first()


def save(trader: Trader) -> triggers.Trigger:
    """Saves the trader; what it waits for now is to be copied to Redis once that is committed."""
    trader.armed_at = timezone.now() if trader.is_armed else None
    trader.turn += 1
    trader.save()
    return trigger_for(trader)


def trigger_for(trader: Trader) -> triggers.Trigger:
    """What its row says that the trader waits for."""
    market = market_of(Venue(trader.venue))
    return triggers.Trigger(
        trader.pk,
        market,
        trader.symbol.name,
        trader.wake_below,
        trader.turn,
        has_ended=trader.has_ended,
        above=trader.wake_above,
    )


def copy(trigger: triggers.Trigger | None) -> None:
    """Redis may miss it: the leader rebuilds."""
    if trigger is None:
        return
    try:
        triggers.set_trigger(connect(), trigger)
    except redis.RedisError as error:
        log.warning("trigger not copied to Redis: trader=%s error=%s", trigger.trader, error)
