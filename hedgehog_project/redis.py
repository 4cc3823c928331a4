"""One way to Redis for all processes: its address, its time-outs, one connection pool a process."""

from functools import cache

import redis
from django.conf import settings

# What a frozen or missing Redis may cost a caller, in seconds.
SOCKET_TIMEOUT_S = 5.0


@cache
def connect() -> "redis.Redis":
    """The client that the process's threads share, with its pool."""
    return new_client()


def new_client() -> "redis.Redis":
    """A client of one's own. Replies are bytes. Connects on first use."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        socket_keepalive=True,
        health_check_interval=15,
    )
