"""All that a page's topics say now: for one that opens, comes back, or polls because no stream reaches it."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import tzinfo

import redis

from console.chart import market
from console.chart.market import NoAnswer
from console.chart.standing import Standing, Value, standing, today
from console.live.reader import SYMBOL
from hedgehog_project.venues import market_of
from trading.models import Switch, Symbol
from trading.waking import prices


def values_of(topics: Iterable[str], zone: tzinfo) -> dict[str, Value]:
    """Their symbols' texts by their names. What a market that does not answer knows is left out."""
    names = [topic.removeprefix(SYMBOL) for topic in topics if topic.startswith(SYMBOL)]
    venue = Switch.current()
    found: dict[str, Value] = {}
    for symbol in Symbol.objects.filter(name__in=names).select_related("settings"):
        found |= of_symbol(standing(symbol, venue), zone, waits=True)
    return found


def of_symbol(of: Standing, zone: tzinfo, waits: bool) -> dict[str, Value]:
    """One symbol's. `waits`: whether its market may be asked, which may take seconds."""
    trade = prices.last_trades([of.symbol.name], of.venue).get(of.symbol.name)
    price, where = (trade.price if trade else None), market_of(of.venue)
    day = market.known_day(where, of.symbol.name)
    if waits:
        with suppress(NoAnswer):
            day = market.day(where, of.symbol.name)
    return of.values(price, day) | of.today_values(today(of, zone), price)


def problems() -> dict[str, str]:
    """What does not answer, in words."""
    try:
        prices.reader().ping()
    except redis.RedisError:
        return {"redis": "Redis does not answer: prices stand still."}
    return {}
