"""`manage.py archive`: moves old journals to compressed files, and deletes rows that are kept no longer."""

import json
import math
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from hedgehog_project.tables import size, table
from trading.archive import journal, runs, spans
from trading.archive.files import ArchiveError, Line
from trading.models import ArchiveFile, Trader

BAR = 30


class Command(BaseCommand):
    help = (
        "Moves the journal of cycles that ended more than KEEP_JOURNAL_DAYS ago to HEDGEHOG_HOME/archive. There each "
        "month has a compressed file of JSON lines, by the end of the cycle (UTC). Deletes other rows after their "
        "own spans (KEEP_… in .env.example). Orders, fills and traders stay. Runs each night by itself, in small "
        "batches while trading goes on. Can be interrupted at any moment and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--dry-run", action="store_true", help="show rows and sizes, change nothing")
        what.add_argument(
            "--show", type=int, metavar="TRADER", help="print the archived journal of a trader, by its id"
        )
        parser.add_argument("--json", action="store_true", help="with --show: the lines as they are in the file")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["show"] is not None:
            self._show(options["show"], options["json"])
        elif options["dry_run"]:
            self._dry_run(now)
        else:
            self._run(now)

    # --- archiving ------------------------------------------------------------------------------
    def _run(self, now: datetime) -> None:
        of = self._rows(now) if self.stderr.isatty() else 0
        done: dict[str, int] = {}
        try:
            for batch in runs.run(now):
                done[batch.what] = done.get(batch.what, 0) + batch.rows
                if of:
                    self.stderr.write(f"\r{bar(sum(done.values()), of)}\x1b[K", style_func=str, ending="")
                    self.stderr.flush()
        except (ArchiveError, runs.Busy) as error:
            raise CommandError(f"{str(error).rstrip('.')}.") from None
        finally:
            if of:
                self.stderr.write("")
            for what, rows in done.items():
                verb = "archived" if what == runs.LINES else "deleted"
                self.stdout.write(f"{what}: {rows:,} {verb}")
        if not done:
            self.stdout.write("Nothing is old enough.")

    def _rows(self, now: datetime) -> int:
        before = spans.before(spans.JOURNAL, now)
        lines = sum(each.lines for each in journal.due(before)) if before else 0
        return lines + sum(each.rows.count() for each in spans.old(now))

    def _dry_run(self, now: datetime) -> None:
        before = spans.before(spans.JOURNAL, now)
        months = journal.due(before) if before else []
        rows = [["TO ARCHIVE", "LINES", "SIZE IN THE DATABASE"]]
        rows += [[each.month, f"{each.lines:,}", size(each.size)] for each in months]
        if len(months) > 1:
            rows.append(["total", f"{sum(each.lines for each in months):,}", size(sum(each.size for each in months))])
        if months:
            self._table(rows)
        elif before is None:
            self.stdout.write(f"{spans.JOURNAL}=0: no journal is archived.")
        else:
            self.stdout.write(f"No journal to archive: no cycle ended before {before:%Y-%m-%d %H:%M} UTC.")
        old = [(each.name, each.rows.count()) for each in spans.old(now)]
        if any(count for _, count in old):
            self._table([["TO DELETE", "ROWS"], *([name, f"{count:,}"] for name, count in old if count)])
        if files := list(ArchiveFile.objects.filter(lines__gt=0)):
            rows = [[each.name, f"{each.lines:,}", size(each.size), f"{each.host}:{each.folder}"] for each in files]
            self._table([["ARCHIVED", "LINES", "SIZE", "FOLDER"], *rows])
        self.stdout.write(f"{database_size()}Dry run: nothing was changed.")

    def _table(self, rows: list[list[str]]) -> None:
        self.stdout.write("\n".join([*table(rows, right={1, 2}), ""]))

    # --- what was archived ----------------------------------------------------------------------
    def _show(self, pk: int, as_json: bool) -> None:
        trader = Trader.objects.select_related("symbol").filter(pk=pk).first()
        if trader is None:
            raise CommandError(f"There is no trader {pk}. Its id is in the address of its page.")
        lines, problems = journal.lines_of(trader)
        for line in lines:
            self.stdout.write(json.dumps(line, ensure_ascii=False) if as_json else in_words(line))
        if problems:
            raise CommandError("; ".join(problems))
        if not lines:
            where = "its page shows it" if trader.journal.exists() else "it has none"
            raise CommandError(f"Nothing of the journal of trader {pk} is archived: {where}.")


def bar(done: int, of: int) -> str:
    """How far it is, as a bar; what has become old meanwhile makes it no longer."""
    share = min(1.0, done / of)
    return f"[{'#' * math.floor(share * BAR):<{BAR}}] {share:4.0%}  {done:,} of {max(of, done):,} rows"


def in_words(line: Line) -> str:
    """2026-08-01 12:00:00.123  TRADE at 3000  places …: its reason."""
    at = datetime.fromisoformat(line["at"])
    event = f" {line['event']}" if line.get("event") else ""
    reason = f": {line['reason']}" if line.get("reason") else ""
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}  {line['source']}{event}  {line['decision']}{reason}"


def database_size() -> str:
    """Of SQLite's file, and what of it is free for new rows; empty on PostgreSQL, which tells it itself."""
    if connection.vendor != "sqlite":
        return ""
    with connection.cursor() as cursor:
        pages, free, of = (
            cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    path = settings.DATABASES["default"]["NAME"]
    return f"{path}: {size(pages * of)}, of which {size(free * of)} are free for new rows. "
