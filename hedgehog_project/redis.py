"""One way to Redis for all processes: its address, its time-outs, one connection pool a process."""

from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

# What a frozen or missing Redis may cost a caller, in seconds; and one that can do without it.
SOCKET_TIMEOUT_S, HURRIED_TIMEOUT_S = 5.0, 0.2
# What it may cost everybody in this process, where that is in a hurry.
_hurried_s: float | None = None


def hurry(seconds: float) -> None:
    """From now on nobody in this process waits longer for Redis, nor tries for long."""
    global _hurried_s
    _hurried_s = seconds
    connect.cache_clear()


@cache
def connect() -> "redis.Redis":
    """The client that the process's threads share, with its pool."""
    return new_client()


def new_client() -> "redis.Redis":
    """A client of one's own. Replies are bytes. Connects on first use."""
    if _hurried_s is not None:
        return hurried_client(_hurried_s)
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        socket_keepalive=True,
        health_check_interval=15,
    )


def hurried_client(timeout_s: float = HURRIED_TIMEOUT_S) -> "redis.Redis":
    """A client for those who can do without Redis and may not be held up by it: nothing is tried for long."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        # Once more, for a connection that was closed while nobody used it.
        retry=Retry(NoBackoff(), 1),
    )
