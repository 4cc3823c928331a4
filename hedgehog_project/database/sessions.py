"""Sessions on PostgreSQL: how long one of ours may keep others waiting, and how soon a dead peer is noticed.

A host that dies sends nothing: without these its open transactions keep their row locks for hours. They are set when
a connection is made, by a statement: pgbouncer refuses them as start-up parameters. For each there may be another
value in DATABASE_URL's query: postgresql://…/hedgehog?lock_timeout=8s
"""

import re
import select
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

# What the server is asked to keep to. Transactions of ours take milliseconds.
DEFAULTS = {
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "4s",
    "tcp_keepalives_idle": "10s",
    "tcp_keepalives_interval": "5s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
}
# Of processes that serve: tasks, web pages. An export or a migration may take its time.
SERVING = {"statement_timeout": "30s"}
# What the client's own side keeps to: seconds, and of the last one milliseconds (libpq's names).
CLIENT = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    # What is asked for the third time on a connection is prepared there: the server reads and plans it no more.
    "server_side_binding": True,
    "prepare_threshold": 3,
}
_VALUE = re.compile(r"\d+(ms|s|min|h)?")

_serves = False


def configure(entry: dict[str, Any]) -> None:
    """Completes a DATABASES entry for PostgreSQL. Raises ImproperlyConfigured for a value that is none."""
    given = dict(entry.get("OPTIONS", {}))
    session: dict[str, str] = dict(DEFAULTS)
    for name in (*DEFAULTS, *SERVING):
        if name in given:
            value = str(given[name] if name == "tcp_user_timeout" else given.pop(name))
            if not _VALUE.fullmatch(value):
                raise ImproperlyConfigured(
                    f"DATABASE_URL: {name} must be a time, for example 8s or 500ms, not {value!r}"
                )
            session[name] = value
    if not str(given.get("tcp_user_timeout", 0)).isdecimal():
        raise ImproperlyConfigured(
            "DATABASE_URL: tcp_user_timeout must be a number of milliseconds, for example 20000"
        )
    if given.get("prepare_threshold") == "off":
        given |= {"prepare_threshold": None, "server_side_binding": False}
    entry["OPTIONS"] = CLIENT | given
    entry["SESSION"] = session


def serve() -> None:
    """From now on this process is one that serves: no statement of its new connections takes longer than a while."""
    global _serves
    _serves = True


def close_unusable() -> None:
    """Closes those of this thread's connections that can't be used any more; to be called before each task.

    Django asks the server, each time. One that is alive and has nothing to say has sent nothing: what a server says
    that ends, or that has ended a session, is there to be read.
    """
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred or not _is_silent(connection):
            connection.close_if_unusable_or_obsolete()


def _is_silent(connection: BaseDatabaseWrapper) -> bool:
    if connection.vendor != "postgresql" or connection.connection is None or connection.connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    return not poll.poll(0)


def _set(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection.vendor != "postgresql":
        return
    session: dict[str, str] = connection.settings_dict.get("SESSION", DEFAULTS)
    values = (SERVING | session) if _serves else {n: v for n, v in session.items() if n not in SERVING}
    pairs = [part for pair in values.items() for part in pair]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(['set_config(%s, %s, false)'] * len(values))}", pairs)


connection_created.connect(_set, dispatch_uid="hedgehog_project.database.sessions")
