"""A filter of the logs: what Redis does to everybody at once is said once, and again each minute while it lasts.

A Redis that is away or refuses writes fails each task, each call that queues one and each copy, every second, and
libraries print a traceback for each. Whoever logs needs not know of this: a record that has an error of Redis among
its arguments, or as its cause, is such a one.
"""

import logging
import time
from collections.abc import Iterator

import redis
from kombu.exceptions import OperationalError

AGAIN_S = 60.0
# Celery says at each lost connection that a default will be another one some day. It is meant as it is.
MEANT = "In Celery 5.1 we introduced an optional breaking change"


class OnceWhileRedisFails(logging.Filter):
    """Lets the first of a kind through, in one line; of those after it each minute one, with their number."""

    def __init__(self) -> None:
        super().__init__()
        # By logger and kind of error: until when others are kept, and how many were.
        self._kept: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "py.warnings" and MEANT in record.getMessage():
            return False
        error = _of_redis(record)
        if error is None:
            return True
        kind = (record.name, type(error).__name__)
        until, count = self._kept.get(kind, (0.0, 0))
        now = time.monotonic()
        if now < until:
            self._kept[kind] = (until, count + 1)
            return False
        self._kept[kind] = (now + AGAIN_S, 0)
        line = record.getMessage().partition("\n")[0]
        record.msg = f"{line} (and so {count} times more in the last minutes)" if count else line
        record.args = ()
        # A traceback through five libraries tells no more.
        record.exc_info = record.exc_text = None
        return True


def _of_redis(record: logging.LogRecord) -> BaseException | None:
    for error in _errors(record):
        if isinstance(error, redis.RedisError | OperationalError):
            return error
    return None


def _errors(record: logging.LogRecord) -> Iterator[BaseException]:
    """The errors that a record tells of, each with what caused it."""
    of_record: list[BaseException | None] = [record.exc_info[1]] if record.exc_info else []
    if isinstance(record.args, tuple):
        of_record += [each for each in record.args if isinstance(each, BaseException)]
    for error in of_record:
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            yield error
            error = error.__cause__ or (error.__context__ if _is_of_beat(error) else None)


def _is_of_beat(error: BaseException) -> bool:
    """Whether it is a SchedulingError, raised in the other's place without naming it as the cause.

    By its name: to import it is to import Celery, which some processes never use.
    """
    return f"{type(error).__module__}.{type(error).__name__}" == "celery.beat.SchedulingError"
