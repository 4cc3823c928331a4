"""Celery beat's scheduler: the schedule of the admin, with a heartbeat."""

from typing import Any

from django.db import close_old_connections
from django_celery_beat.schedulers import DatabaseScheduler

from hedgehog_project.heartbeats import Heart
from hedgehog_project.redis import connect


class Scheduler(DatabaseScheduler):
    """Says that it is alive at each tick, and survives a restart of the database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._heart = Heart(connect(), "beat")

    def tick(self, *args: Any, **kwargs: Any) -> float:
        self._heart.beat()
        close_old_connections()
        seconds: float = super().tick(*args, **kwargs)
        return seconds
