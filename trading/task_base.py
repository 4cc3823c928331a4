"""What all tasks have in common: when one is too late to be of use, and what if the database is busy."""

import contextlib
import logging
from typing import Any

import redis
from celery import Task
from django.db import Error as DatabaseError
from kombu.exceptions import OperationalError

from hedgehog_project import queues, shared_clock
from hedgehog_project.database.errors import passes
from hedgehog_project.outside import one_line
from hedgehog_project.queues import ENQUEUED_AT, IS_AGAIN, OF_USE_S
from hedgehog_project.redis import connect
from trading.waking import enqueue

log = logging.getLogger(__name__)


class BaseTask(Task[Any, Any]):
    """The base of the tasks.

    A lock that did not come in time, a deadlock, a connection that was lost: nothing of that is the fault of what was
    to be done. The task is queued again once, at once; after that its sender queues it if it is still due.
    """

    # For how many seconds after it was queued it is of use, unless its sender says; None: however late it comes.
    of_use_s: float | None = None
    # After so many seconds it is stuck, and people are told.
    takes_s = 60.0
    # Of what the schedule queues the next one comes by itself.
    is_enqueued_again = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._is_late():
            self._note_given_up()
            return None
        try:
            return self.run(*args, **kwargs)
        except DatabaseError as error:
            if not passes(error):
                raise
            self._enqueue_again(kwargs, error)
            return None

    def _note_given_up(self) -> None:
        # Given up it is all the same.
        with contextlib.suppress(redis.RedisError):
            queues.note_given_up(connect(), queue_of(self) or queues.ENTRIES, shared_clock.now())

    def _is_late(self) -> bool:
        of_use_s = self.request.get(OF_USE_S, self.of_use_s)
        return of_use_s is not None and waited_s(self) > float(of_use_s)

    def _enqueue_again(self, kwargs: dict[str, Any], error: DatabaseError) -> None:
        is_again = bool(self.request.get(IS_AGAIN)) or not self.is_enqueued_again
        done = "postponed" if is_again else "retried"
        log.warning("%s is %s: the database says %s", self.name, done, one_line(error))
        if is_again:
            return
        try:
            enqueue.again(self.name, kwargs, self.request.get(OF_USE_S), queue_of(self))
        except OperationalError as away:
            log.warning("%s is postponed: %s", self.name, away)


def queue_of(task: Task[Any, Any]) -> str | None:
    """The queue from which the task was taken that is running now; None where it was called without one."""
    return (task.request.delivery_info or {}).get("routing_key")


def waited_s(task: Task[Any, Any]) -> float:
    """How long ago the task was queued that is running now, by the clock that all hosts share."""
    enqueued_at = task.request.get(ENQUEUED_AT)
    return 0.0 if enqueued_at is None else max(0.0, shared_clock.now() - float(enqueued_at))
