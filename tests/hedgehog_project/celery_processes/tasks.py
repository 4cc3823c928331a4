"""Tasks for a real worker (`celery worker -I tests.hedgehog_project.celery_processes.tasks`)."""

import ctypes
import json
import threading
import time
from typing import Any

from celery import Task, shared_task
from django.db import connection

from hedgehog_project.redis import connect


@shared_task(name="tests.tell_connection")
def tell_connection(key: str) -> None:
    """Adds [thread, the database server's process behind its connection] to the Redis list `key`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    time.sleep(0.02)  # long enough for the other threads to get some
    connect().rpush(key, json.dumps([threading.get_ident(), backend]))


@shared_task(name="tests.keep_busy")
def keep_busy(key: str) -> None:
    """Keeps a thread busy until the Redis key is there."""
    connect().incr(f"{key}:busy")
    while not connect().exists(key):
        time.sleep(0.02)
    connect().incr(f"{key}:done")


@shared_task(name="tests.take_a_while")
def take_a_while(key: str) -> None:
    """Is under way for a moment, then counts itself in the Redis key."""
    time.sleep(0.02)
    connect().incr(key)


class Brief(Task[Any, Any]):
    """Ends within half a second."""

    takes_s = 0.5


@shared_task(name="tests.take_a_thread", base=Brief)
def take_a_thread(key: str, symbol: str = "") -> None:
    """Does not end until the Redis key is there."""
    connect().incr(f"{key}:taken")
    while not connect().exists(key):
        time.sleep(0.02)


@shared_task(name="tests.hold_the_lock")
def hold_the_lock() -> None:
    """Lets no other thread of Python run, for a minute. Only once: it would come back."""
    if connect().incr("held") == 1:
        ctypes.PyDLL(None).sleep(60)


@shared_task(name="tests.say")
def say(key: str) -> None:
    """Sets the Redis key."""
    connect().set(key, 1)
