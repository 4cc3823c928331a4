"""One way to Redis for all processes: its address, its time-outs, one connection pool a process."""

from functools import cache

import redis
from django.conf import settings

# What a frozen or missing Redis may cost a caller, in seconds.
SOCKET_TIMEOUT_S = 5.0


@cache
def connect(url: str | None = None) -> "redis.Redis":
    """A client with its pool, shared by the process's threads. Replies are bytes. Connects on first use."""
    return redis.Redis.from_url(
        url or settings.REDIS_URL,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        socket_keepalive=True,
        health_check_interval=15,
    )
