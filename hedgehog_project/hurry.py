"""Short time-outs for what must not wait: a halt, and whoever presses its button."""

from collections.abc import Iterator
from contextlib import contextmanager

from celery import current_app
from django.db import connection, transaction

from hedgehog_project import redis

# How long a lock that somebody else holds is waited for, a connection to the database, and Redis.
LOCK_WAIT_S, CONNECT_WAIT_S, REDIS_WAIT_S = 1.5, 2, 0.5
# Longer than that for a lock: its words say what is wrong.
STATEMENT_MORE_MS = 300


@contextmanager
def hurried(lock_wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """A transaction in which nothing waits longer for a lock. Raises Django's database errors."""
    milliseconds = round(lock_wait_s * 1000)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            (before,) = cursor.fetchone()
            cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
        try:
            with transaction.atomic():
                yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"PRAGMA busy_timeout = {before}")
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            # For this transaction alone: a pool may give the session to somebody else afterwards.
            cursor.execute(f"SET LOCAL lock_timeout = {milliseconds}")
            cursor.execute(f"SET LOCAL statement_timeout = {milliseconds + STATEMENT_MORE_MS}")
        yield


@contextmanager
def hurried_look() -> Iterator[None]:
    """The same for who only reads. SQLite's readers wait for no writer, and a transaction would want its lock."""
    if connection.vendor == "sqlite":
        yield
    else:
        with hurried():
            yield


def hurry() -> None:
    """From now on this whole process waits for nobody long."""
    options = connection.settings_dict["OPTIONS"]
    if connection.vendor == "sqlite":
        wait_ms = round(LOCK_WAIT_S * 1000)
        options["timeout"] = LOCK_WAIT_S
        options["init_command"] = f"{options['init_command']} PRAGMA busy_timeout={wait_ms};"
    else:
        options["connect_timeout"] = CONNECT_WAIT_S
    redis.hurry(REDIS_WAIT_S)
    waits = {"socket_timeout": REDIS_WAIT_S, "socket_connect_timeout": REDIS_WAIT_S}
    current_app.conf.broker_transport_options = {**current_app.conf.broker_transport_options, **waits}
