"""The Celery app. Its settings are the CELERY_ names of settings.py."""

import logging
import os
from functools import cache
from typing import Any

import redis
from celery.signals import (
    before_task_publish,
    heartbeat_sent,
    task_postrun,
    task_prerun,
    worker_init,
    worker_ready,
    worker_shutdown,
)
from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

from hedgehog_project import queues, shared_clock
from hedgehog_project.database import sessions
from hedgehog_project.heartbeats import Heart
from hedgehog_project.pool import TASKS, LeaderStep, TaskPool
from hedgehog_project.progress import running
from hedgehog_project.publishing import App
from hedgehog_project.redis import connect
from hedgehog_project.watchdog import Watchdog

# By the name: the broker's address stays what it is.
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "hedgehog_project.broker:Transport"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hedgehog_project.settings")

log = logging.getLogger(__name__)

app = App("hedgehog", amqp="hedgehog_project.broker:AMQP")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(LeaderStep)

# A task that runs for longer is stuck, unless it says of itself how long it may take.
TAKES_S = 60.0
# Of this worker's queues, for people.
_serves: list[str] = []
_watchdogs: list[Watchdog] = []


@before_task_publish.connect
def _say_when(headers: dict[str, Any], **_: Any) -> None:
    """Every task carries the time at which it was queued; those that Celery writes by itself, from here."""
    headers[queues.ENQUEUED_AT] = shared_clock.now()


@worker_init.connect
def _begin(sender: Any, **_: Any) -> None:
    """What waits from before is dropped: the database knows what is due, and its task is queued again."""
    sessions.serve()
    _serves[:] = sorted(sender.app.amqp.queues.consume_from)
    for name in _serves:
        try:
            queues.drop_stale(connect(), name, shared_clock.now())
        except redis.RedisError as error:
            log.warning("stale tasks of the queue %s not dropped: %s", name, error)


@worker_ready.connect
def _watch(sender: Any, **_: Any) -> None:
    """Threads that no task gives back take the worker with them; other pools have their own ways."""
    if isinstance(sender.pool, TaskPool):
        _watchdogs.append(Watchdog(_name(), settings.HEDGEHOG_HOME, sender.pool.limit, dict.fromkeys(TASKS, 1)))
        _watchdogs[-1].start()


def _name() -> str:
    return "worker" if queues.ENTRIES in _serves else "worker_exits"


@cache
def _worker_heart() -> Heart:
    return Heart(connect(), _name())


@heartbeat_sent.connect
def _worker_is_alive(**_: Any) -> None:
    """Sent every two seconds by the loop that fetches tasks: it stops when the loop hangs or has lost the broker."""
    facts = running.facts()
    for watchdog in _watchdogs:
        facts |= watchdog.facts()
    _worker_heart().beat(queues=" ".join(_serves), **facts)


@worker_shutdown.connect
def _worker_ends(**_: Any) -> None:
    for watchdog in _watchdogs:
        watchdog.stop()
    _worker_heart().stop()


@task_prerun.connect
def _task_begins(task_id: str, task: Any, kwargs: dict[str, Any], **_: Any) -> None:
    about = kwargs.get("symbol") or kwargs.get("venue") or ""
    running.begins(task_id, task.name, getattr(task, "takes_s", TAKES_S), str(about))
    # Connections are used again by the next task (CELERY_DB_REUSE_MAX); one that the database has closed is not.
    sessions.close_unusable()


@task_postrun.connect
def _task_ends(task_id: str, **_: Any) -> None:
    running.ends(task_id)
