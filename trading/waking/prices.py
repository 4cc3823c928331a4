"""What symbols cost just now, by the topics of trades."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from hedgehog_project.venues import Venue, market_of
from streamer import topics

# What a frozen Redis may cost a page.
READ_S = 0.8


@dataclass(frozen=True)
class LastTrade:
    """The newest trade of a symbol's topic, and how long ago the exchange made it."""

    price: Decimal
    age_s: float


def last_trades(names: Iterable[str], venue: Venue) -> dict[str, LastTrade]:
    """The newest trade of each symbol that has one, in one round trip; empty where Redis does not answer."""
    wanted = list(names)
    try:
        events = topics.last_trades(reader(), market_of(venue), wanted) if wanted else {}
    except redis.RedisError:
        return {}  # The processes' list says that Redis is down; here the price is just not known.
    return {name: LastTrade(Decimal(event.price), event.age_s) for name, event in events.items()}


def reader() -> "redis.Redis":
    """For whoever shows what Redis holds, and shows it as unknown where Redis does not answer at once."""
    return _reader(settings.REDIS_URL)


@cache
def _reader(url: str) -> "redis.Redis":
    # Not redis.connect(), whose patience suits processes that need Redis: a page waits for nobody.
    never = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(url, socket_timeout=READ_S, socket_connect_timeout=READ_S, retry=never)
