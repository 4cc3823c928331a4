"""One way to Redis for all processes: its address, its time-outs, one connection pool a process."""

import uuid
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


# KEYS: the key. ARGV: a token, for how many ms. Where more is left than that, Redis's clock was set back.
_TAKE = """
if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('DEL', KEYS[1]) end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
_GIVE_BACK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@cache
def connect() -> "redis.Redis":
    """The client that the process's threads share, with its pool."""
    return new_client()


def new_client(tries: int | None = None) -> "redis.Redis":
    """A client of one's own. Replies are bytes. Connects on first use.

    `tries`: so often a command is sent at most, at once; None: a few times, with growing pauses.
    """
    if _hurried_s is not None:
        return hurried_client(_hurried_s)
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=SOCKET_TIMEOUT_S,
        socket_keepalive=True,
        health_check_interval=15,
        **({} if tries is None else {"retry": Retry(NoBackoff(), tries - 1)}),
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


def take(client: "redis.Redis", key: str, seconds: float) -> str | None:
    """Takes a key for so long at most; None where somebody has it. Raises redis.RedisError."""
    token = uuid.uuid4().hex
    return token if client.eval(_TAKE, 1, key, token, round(seconds * 1000)) else None


def give_back(client: "redis.Redis", key: str, token: str) -> None:
    """Lets others take it, where it was not somebody else's by now. Raises redis.RedisError."""
    client.eval(_GIVE_BACK, 1, key, token)
