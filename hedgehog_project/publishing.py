"""Queues tasks by name for a tenth of what Celery and kombu take for it, by the message that they would write.

Celery's own `send_task` finds a route, a producer, a channel and an exchange for each task, and writes each by
itself; a dispatcher queues hundreds a second. What is not plain (an argument by its place, a countdown, a link) goes
Celery's way.
"""

import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any
from uuid import uuid4

import msgspec
import redis
from celery import Celery
from celery.result import AsyncResult
from celery.utils.nodenames import anon_nodename
from kombu.exceptions import OperationalError
from kombu.utils import json

from hedgehog_project import shared_clock
from hedgehog_project.queues import ENQUEUED_AT
from hedgehog_project.redis import new_client

# The options of a task that is written here.
PLAIN = frozenset({"headers", "queue", "retry", "argsrepr", "kwargsrepr"})

Message = tuple[str, bytes]  # of which queue, and what


class App(Celery):
    """Celery, but for how a plain task is queued."""

    @cached_property
    def _routes(self) -> dict[str, str]:
        return {name: route["queue"] for name, route in (self.conf.task_routes or {}).items()}

    def send_task(  # type: ignore[override]  # its forty options by their names
        self, name: str, args: Any = None, kwargs: Any = None, **options: Any
    ) -> "AsyncResult[Any]":
        """As Celery's; a plain task that is not to be retried is written here. Raises kombu's OperationalError."""
        if args or not PLAIN.issuperset(options) or options.get("retry", True):
            return super().send_task(name, args, kwargs, **options)
        task_id = str(uuid4())
        queue = options.get("queue") or self._routes.get(name) or str(self.conf.task_default_queue)
        message = (queue, _message(name, task_id, kwargs or {}, queue, self.current_worker_task, options))
        if _waiting.messages is None:
            _push([message])
        else:
            _waiting.messages.append(message)
        return AsyncResult(task_id, app=self)


class _Waiting(threading.local):
    """What this thread has queued and not written yet; None outside `together`."""

    messages: list[Message] | None = None


_waiting = _Waiting()


@contextmanager
def together() -> Iterator[None]:
    """What this thread queues within it is written at its end, in one round trip; also where it fails.

    Raises kombu's OperationalError; of what was queued some may be lost then, or all.
    """
    if _waiting.messages is not None:
        yield  # The outer one writes.
        return
    messages = _waiting.messages = []
    try:
        yield
    finally:
        _waiting.messages = None
        if messages:
            _push(messages)


def _message(
    name: str, task_id: str, kwargs: dict[str, Any], queue: str, parent: Any, options: dict[str, Any]
) -> bytes:
    """Version 2 of Celery's message protocol, in the envelope of kombu's virtual transports."""
    request = parent.request if parent else None
    headers = {
        "lang": "py",
        "task": name,
        "id": task_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": (request and (request.root_id or request.id)) or task_id,
        "parent_id": request and request.id,
        "argsrepr": options.get("argsrepr", "()"),
        "kwargsrepr": options.get("kwargsrepr") or repr(kwargs),
        "origin": anon_nodename(),
        "ignore_result": None,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
        ENQUEUED_AT: shared_clock.now(),
        **(options.get("headers") or {}),
    }
    body = json.dumps(((), kwargs, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}))
    envelope = {
        "body": b64encode(body.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }
    return msgspec.json.encode(envelope)


def _push(messages: Sequence[Message]) -> None:
    """The first of a queue is taken first. Raises kombu's OperationalError, as a task's publisher does."""
    by_queue: dict[str, list[bytes]] = {}
    for queue, message in messages:
        by_queue.setdefault(queue, []).append(message)
    try:
        if len(by_queue) == 1:
            ((queue, found),) = by_queue.items()
            _client().lpush(queue, *found)
            return
        pipeline = _client().pipeline(transaction=False)
        for queue, found in by_queue.items():
            pipeline.lpush(queue, *found)
        pipeline.execute()
    except redis.RedisError as error:
        raise OperationalError(str(error)) from error


@cache
def _client() -> "redis.Redis":
    # A broker that is away is the caller's to wait for. Once more: nobody may have used the connection for long.
    return new_client(tries=2)
