"""A Redis that answers and takes no writes, for as long as a block lasts."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

FULL = "its memory is full, and maxmemory-policy is noeviction"


@contextmanager
def full(client: "redis.Redis") -> Iterator[None]:
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)


@contextmanager
def read_only(client: "redis.Redis") -> Iterator[None]:
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        client.execute_command("REPLICAOF", "NO", "ONE")
