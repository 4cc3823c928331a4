"""The client of a venue, mock or real, and what is shared by all that use it: its budget and its clock."""

import threading
from datetime import timedelta
from typing import cast

from hedgehog_project.venues import Endpoints, Venue, endpoints, why_it_rests
from hedgehog_project.venues.keys import Key
from hedgehog_project.venues.rate_limits import RateLimits, rate_limits_at
from trading.core.orders import Side
from trading.exchange.clock import clock_at
from trading.exchange.errors import KeyRejected, NotSent
from trading.exchange.protocol import Exchange
from trading.exchange.remote import RemoteExchange
from trading.exchange.rights import refuse_withdraw_key

_of_thread = threading.local()


def exchange_at(venue: Venue) -> Exchange:
    """This thread's client of a venue; it keeps its connection. In a process without keys, a worker's.

    Raises KeyRejected where there is no key for it or a live key may withdraw, Throttled or NotSent where that can't
    be asked, and NotSent for a world that rests: the mock exchange would answer for another account.
    """
    if why := why_it_rests(venue):
        raise NotSent(why.rstrip("."))
    clients: dict[Venue, Exchange] = _of_thread.__dict__.setdefault("clients", {})
    if venue not in clients:
        where = endpoints(venue)
        if where.why_no_key:
            raise KeyRejected(where.why_no_key)
        clients[venue] = _remote(venue) if where.key is None else _signing(venue, where, where.key)
    return clients[venue]


def clock_offset(venue: Venue) -> timedelta:
    """What to add to our time to have the venue's, as far as this process had to learn it."""
    return timedelta(milliseconds=clock_at(endpoints(venue).rest_url).offset_ms)


def _signing(venue: Venue, where: Endpoints, key: Key) -> Exchange:
    # Here: python-binance takes a third of the time in which a process starts, and most never call the exchange.
    from trading.exchange.binance import BinanceExchange

    exchange = BinanceExchange(where.rest_url, key, where.headers)
    if venue == Venue.LIVE:
        refuse_withdraw_key(where, exchange.key_rights)
    return exchange


def _remote(venue: Venue) -> Exchange:
    """Another process has the key."""
    exchange = RemoteExchange(venue)
    if venue == Venue.LIVE:
        exchange.check()
    return cast(Exchange, exchange)


def rate_limits_of(venue: Venue) -> RateLimits:
    """The budget of a venue's address and of our key there; `.state()` is for people."""
    where = endpoints(venue)
    return (
        rate_limits_at(where.rest_url, where.api_key)
        if where.key
        else rate_limits_at(where.rest_url, "", where.account)
    )


def why_wait(venue: Venue, side: str) -> tuple[str, float] | None:
    """Why an order of this side would have to wait now, and for how many seconds; None where it may go."""
    return rate_limits_of(venue).why_wait(is_exit=side == Side.SELL)
