"""`manage.py move-database URL`: all data from SQLite to PostgreSQL or back."""

import contextlib
import os
from argparse import ArgumentParser
from typing import Any

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from console import moving
from hedgehog_project.env import database_at, env
from hedgehog_project.heartbeats import SILENT_S, beats
from hedgehog_project.hiding import hidden
from hedgehog_project.launch.preflight import Refusal, only_one
from hedgehog_project.outside import one_line
from hedgehog_project.redis import hurried_client
from trading.core.money import plain


class Command(BaseCommand):
    help = (
        "Copies every row to another, empty database (postgresql://user:password@host:5432/name or "
        "sqlite:////path/to/file) and compares both. Stop Hedgehog first, on every machine. The current database is "
        "only read; the new one is used once DATABASE_URL names it. The mock exchange's own file stays where it is."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "url", metavar="URL", help="address of the new database; @NAME: the setting or variable that holds it"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="check both databases and count the rows, change nothing"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        entry = _entry(options["url"])
        run = settings.HEDGEHOG_HOME / "run"
        run.mkdir(parents=True, exist_ok=True)
        try:
            # Held until all is done: `make run` does not start meanwhile.
            with only_one(settings.HEDGEHOG_HOME, os.getpid()):
                _nobody_runs()
                if options["dry_run"]:
                    self._dry_run(entry)
                else:
                    self._move(entry)
        except (Refusal, moving.CannotMove) as error:
            raise CommandError(hidden(str(error), entry)) from None
        except DatabaseError as error:
            raise CommandError(f"A database cannot be used: {hidden(one_line(error), entry)}") from None

    def _dry_run(self, entry: dict[str, Any]) -> None:
        counts = moving.check(entry)
        for name, count in counts.items():
            if count:
                self.stdout.write(f"{name:<44} {count:>10}")
        self.stdout.write(f"{sum(counts.values())} rows would be moved. Dry run: nothing was changed.")

    def _move(self, entry: dict[str, Any]) -> None:
        sums = moving.move(entry, self._progress)
        for each in sums:
            if each.rows:
                amounts = ", ".join(f"{name} {plain(each.amount(name))}" for name in each.amounts)
                self.stdout.write(f"{each.table:<44} {each.rows:>10}" + (f"   sums: {amounts}" if amounts else ""))
        self.stdout.write(
            f"{sum(each.rows for each in sums)} rows moved; all rows and the sums above match. Set DATABASE_URL to "
            "the new database on every machine, then start. Keep the old database as a backup and never start from "
            "it again: it would trade on outdated records."
        )

    def _progress(self, table: str, done: int, of: int) -> None:
        """Only for people: a log needs the result alone."""
        if self.stderr.isatty() and of > moving.BATCH:
            self.stderr.write(f"\r{table}: {done} of {of}\x1b[K", ending="\n" if done >= of else "")
            self.stderr.flush()


def _entry(url: str) -> dict[str, Any]:
    """Raises CommandError."""
    # A password on a command line shows in `ps`: a variable may hold the address instead.
    address = env.secret(url[1:]) if url.startswith("@") else url
    try:
        return database_at(address, url if url.startswith("@") else "URL")
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None


def _nobody_runs() -> None:
    """Raises CommandError while a process lives, here or on another machine, or nobody could tell."""
    with contextlib.closing(hurried_client()) as client:
        try:
            alive = [beat for beat in beats(client) if beat.is_fresh]
        except redis.RedisError:
            if env.secret("REDIS_URL"):
                raise CommandError(
                    "REDIS_URL does not answer, so processes on other machines cannot be seen. Start Redis; or, if "
                    "nothing runs anywhere, pass an empty REDIS_URL= to this command."
                ) from None
            return  # The embedded one runs with `make run` alone.
    for beat in alive:
        raise CommandError(
            f"The {beat.name} on {beat.host} (process {beat.pid}) is still running: stop Hedgehog first, on every "
            f"machine. A killed process counts as running for {SILENT_S:g} s."
        )
