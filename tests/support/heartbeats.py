"""Heartbeats of processes that there are none of."""

import json
import re
import time
from typing import Any

import redis

from hedgehog_project import progress, queues
from hedgehog_project.heartbeats import KEY


def plant(
    client: "redis.Redis",
    name: str,
    host: str = "here",
    pid: int = 7,
    age_s: float = 0.0,
    up_s: float = 60.0,
    **facts: Any,
) -> None:
    """The last sign of life of a process that had run for `up_s` by then."""
    at = time.time() - age_s
    value = {"name": name, "host": host, "pid": pid, "at": at, "since": at - up_s, "facts": facts}
    client.hset(KEY, f"{name}@{host}:{pid}", json.dumps(value))


def in_tens(text: str) -> str:
    """Seconds to the ten, down: a busy machine takes its time between a sign of life and the look at it."""
    return re.sub(r"\b(\d)\d s\b", r"\g<1>0 s", text)


def all_well(client: "redis.Redis") -> None:
    """As if every process were up and had just done what it does."""
    for name in ("streamer", "dispatcher", "beat"):
        plant(client, name)
    plant(client, "worker", queues=queues.ENTRIES)
    plant(client, "worker_exits", queues=f"{queues.EXITS} {queues.LEADER}")
    progress.note(client, progress.LED)
