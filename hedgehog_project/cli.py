"""The command line: what an operator can mend is one line that says how, not a traceback."""

import sys

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError, ProgrammingError

from hedgehog_project.last_run import recall


def advice(error: Exception) -> str:
    """One line for the operator: what is wrong, and what to do."""
    words = " ".join(str(error).split())
    match error:
        case redis.RedisError():
            return f"Redis does not answer: {words}. Start everything with `make run`, or set REDIS_URL."
        case OperationalError() | ProgrammingError() if "no such table" in words or "does not exist" in words:
            return f"The database is not prepared: {words}. Run `manage.py migrate`, or `make run`, which does."
        case OperationalError() | ProgrammingError():
            entry = settings.DATABASES["default"]
            where = (
                f"{entry['HOST'] or 'localhost'}:{entry.get('PORT') or 5432}" if entry.get("HOST") else entry["NAME"]
            )
            return f"The database ({where}) cannot be used: {words}. See DATABASE_URL."
        case _:
            return words


def main() -> None:
    """manage.py: exits with 1 after one line. With --traceback, errors come through as they are."""
    try:
        recall()
        execute_from_command_line(sys.argv)
    except (
        ImproperlyConfigured,
        OperationalError,
        ProgrammingError,
        redis.ConnectionError,
        redis.TimeoutError,
    ) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"hedgehog: {advice(error)}")
