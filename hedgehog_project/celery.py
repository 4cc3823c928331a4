"""The Celery app. Its settings are the CELERY_ names of settings.py."""

import os
from functools import cache
from typing import Any

from celery import Celery
from celery.signals import heartbeat_sent, task_prerun
from django.db import close_old_connections
from kombu.transport import TRANSPORT_ALIASES

from hedgehog_project.heartbeats import Heart
from hedgehog_project.redis import connect

# By the name: the broker's address stays what it is.
TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "hedgehog_project.broker:Transport"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hedgehog_project.settings")

app = Celery("hedgehog", amqp="hedgehog_project.broker:AMQP")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@cache
def _worker_heart() -> Heart:
    return Heart(connect(), "worker")


@heartbeat_sent.connect
def _worker_is_alive(**_: Any) -> None:
    """Sent every two seconds by the loop that fetches tasks: it stops when the loop hangs or has lost the broker."""
    _worker_heart().beat()


@task_prerun.connect
def _drop_dead_connections(**_: Any) -> None:
    """Connections are used again by the next task (CELERY_DB_REUSE_MAX); one that the database has closed is not."""
    close_old_connections()
