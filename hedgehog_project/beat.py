"""Celery beat's scheduler: the schedule of the admin, with a heartbeat.

Of several beats one queues tasks, the others stand by (leases.py). None sleeps because a clock was set: what a wall
clock says of the future is no reason to wait for longer than a schedule's own period.
"""

import logging
import time
from datetime import datetime
from typing import Any

import redis
from django.db import DatabaseError, InterfaceError, close_old_connections
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from hedgehog_project import queues
from hedgehog_project.database import sessions
from hedgehog_project.heartbeats import Heart
from hedgehog_project.leases import Leaseholder
from hedgehog_project.redis import connect

log = logging.getLogger(__name__)

# How often one that stands by looks whether it has to lead.
STAND_BY_S = 1.0
# Our wall clock and our steady one part by more than this only when somebody sets the former.
SET_S = 2.0


class ScheduledTask(ModelEntry):
    """A row of the schedule. A last run in the future is one of before the clock was set back: it counts as now."""

    last_run_at: datetime

    def is_due(self) -> Any:
        now = self._default_now()
        if self.last_run_at > now:
            self.last_run_at = self.model.last_run_at = now
        return super().is_due()


class Scheduler(DatabaseScheduler):
    """Has a heartbeat at each tick, queues tasks while it has the lease, and survives a restart of the database."""

    Entry = ScheduledTask

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        sessions.serve()
        self._heart = Heart(connect(), "beat")
        self._lease = Leaseholder("beat")
        self._leads: bool | None = None
        self._wall_ahead_s = time.time() - time.monotonic()
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        close_old_connections()
        leads = self._may_lead()
        self._heart.beat(leads="yes" if leads else "no, standing by")
        if not leads:
            return STAND_BY_S
        if self._clock_was_set():
            self._read_anew()
        seconds: float = super().tick(*args, **kwargs)
        return seconds

    def close(self) -> None:
        super().close()
        self._heart.stop()
        try:
            self._lease.give_up()
        except (DatabaseError, InterfaceError) as error:
            log.warning("another beat takes over in some seconds, not now: %s", error)

    def apply_async(self, entry: Any, producer: Any = None, advance: bool = True, **kwargs: Any) -> Any:
        """Queues a task, unless it is for the leader and one waits there already: a second would do nothing more."""
        task = self.app.tasks.get(entry.task)
        if task is not None and self.app.conf.task_routes.get(entry.task, {}).get("queue") == queues.LEADER:
            try:
                if queues.length(connect(), queues.LEADER):
                    return None
            except redis.RedisError:
                pass  # Queueing fails as well, and says so.
        return super().apply_async(entry, producer=producer, advance=advance, **kwargs)

    def schedule_changed(self) -> bool:
        """Also where the clock was set back between two changes."""
        before = self._last_timestamp
        is_later: bool = super().schedule_changed()
        return is_later or (before is not None and self._last_timestamp != before)

    def sync(self) -> None:
        """Writes down when each task was last queued, while it leads: it is another one's to say afterwards."""
        if self._leads:
            super().sync()
        else:
            self._dirty.clear()

    def _may_lead(self) -> bool:
        try:
            leads = self._lease.has_it()
        except (DatabaseError, InterfaceError) as error:
            if self._leads is not False:
                log.warning("no tasks are queued while the database does not answer: %s", error)
            leads = False
        if leads and not self._leads:
            log.info("this beat leads")
            self._read_anew()
        elif not leads and self._leads is not False:
            log.info("another beat leads, this one is standing by")
        self._leads = leads
        return leads

    def _read_anew(self) -> None:
        """Forgets what it knew of the schedule, and when what is due."""
        self._dirty.clear()
        self._initial_read = True
        self._heap = None

    def _clock_was_set(self) -> bool:
        ahead_s = time.time() - time.monotonic()
        was_set = abs(ahead_s - self._wall_ahead_s) > SET_S
        if was_set:
            log.warning("the clock was set by %.0f s: the schedule starts again", ahead_s - self._wall_ahead_s)
        # Slewed by NTP it parts slowly, and for good.
        self._wall_ahead_s = ahead_s
        return was_set
