"""The journal of cycles that ended long ago, moved to the archive in small batches, each with its own transaction.

First a batch is written and on the disk, then one transaction deletes it and says how long the files are now. A
process may die at any moment: whatever it had written is in the journal still, or counts. No line is lost, and none
is there twice.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import Count, Min, Sum
from django.db.models.functions import Length

from trading.archive import files
from trading.archive.files import ArchiveError, Line
from trading.core.journal import Kind
from trading.models import ArchiveFile, Fill, JournalEntry, Trader

# Lines at a time: a transaction of some milliseconds.
BATCH = 500
# Of so many lines some are of ended cycles.
OLDEST = 50
# What a line has; in the file what is empty is left out. `month` is not of the line, but of its cycle's end.
FACTS = (
    *("trader_id", "id", "at", "kind", "source", "status", "denied_by", "trade_id", "event", "decision", "reason"),
    *("order_id", "task_id"),
)
TEXTS = ("kind", "source", "status", "denied_by", "event", "decision", "reason", "task_id")
# Of a row in the database besides its texts, about: ids, times, the index.
ROW_BYTES = 80


class _Gone(Exception):
    """Another host has archived some of these lines meanwhile. Nothing is deleted here."""


@dataclass(frozen=True)
class Due:
    """What is to be archived of one month's cycles. `size`: in the database, about."""

    month: str
    lines: int
    size: int


def due(before: datetime) -> list[Due]:
    """What there is to archive, by month. Reads all of it."""
    texts: Any = sum((Length(name) for name in TEXTS[1:]), Length(TEXTS[0]))
    found = []
    # A question for each month: SQLite has Python tell the month of each line, which takes ten times as long.
    for begin, end in _months(before):
        rows = JournalEntry.objects.filter(trader__finished_at__gte=begin, trader__finished_at__lt=end, at__lt=before)
        sums = rows.aggregate(lines=Count("pk"), size=Sum(texts + ROW_BYTES))
        if sums["lines"]:
            found.append(Due(_month(begin), sums["lines"], sums["size"]))
    return found


def _months(before: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The months in which cycles have ended, from the first one on; the last one ends at this time."""
    first = Trader.objects.filter(finished_at__lt=before).aggregate(first=Min("finished_at"))["first"]
    while first is not None and first < before:
        begin = first.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        first = (begin + timedelta(days=32)).replace(day=1)
        yield begin, min(first, before)


def is_behind(before: datetime) -> bool:
    """Whether lines are left that were to be archived so long ago. Looks at the oldest ones."""
    rows = JournalEntry.objects.order_by("pk").values_list("at", "trader__finished_at")[:OLDEST]
    return any(ended_at and max(at, ended_at) < before for at, ended_at in rows)


def move(before: datetime) -> Iterator[int]:
    """Archives the lines of cycles that ended before this time; gives the number of each batch.

    Raises files.ArchiveError, DatabaseError: the batches before are archived. For one process at a time.
    """
    after = 0
    while True:
        # By their ids, which is nearly by their times: no search through cycles that were archived long ago.
        rows = list(
            JournalEntry.objects.filter(pk__gt=after)
            .order_by("pk")
            .values_list(*FACTS, "trader__finished_at")[:BATCH]
        )
        if not rows:
            return
        lines = [dict(zip((*FACTS, "finished_at"), row, strict=True)) for row in rows]
        after = lines[-1]["id"]
        if all(line["at"] >= before for line in lines):
            return
        # Both times: what is recorded long after the end, such as a late fill, stays as long as other lines.
        old = [line for line in lines if line["finished_at"] and max(line["finished_at"], line["at"]) < before]
        if old:
            yield _move(old)


def _move(lines: list[Line]) -> int:
    """Archives these lines. Returns how many: none where another process was first."""
    ids = [line["id"] for line in lines]
    fills: dict[int, list[int]] = {}
    for entry, trade_id in Fill.objects.filter(entry__in=ids).order_by("trade_id").values_list("entry", "trade_id"):
        fills.setdefault(entry, []).append(trade_id)
    lines.sort(key=lambda line: (_month(line["finished_at"]), line["id"]))
    written = [
        files.append(month, [_told(line, fills.get(line["id"])) for line in of_month], _has_all)
        for month, of_month in groupby(lines, lambda line: _month(line["finished_at"]))
    ]
    with suppress(_Gone), transaction.atomic():
        Fill.objects.filter(entry__in=ids).update(entry=None)
        # Nothing else refers to a line: no need to have Django look for it.
        if JournalEntry.objects.filter(pk__in=ids)._raw_delete("default") != len(ids):
            raise _Gone
        for each in written:
            each.confirm()
        return len(ids)
    for each in written:
        each.withdraw()
    return 0


def _told(line: Line, fills: list[int] | None) -> Line:
    """As the file has it. `fills`: the trade ids of the fills that the line recorded."""
    told: Line = {"trader": line["trader_id"], "id": line["id"], "at": line["at"].isoformat()}
    told |= {name.removesuffix("_id"): line[name] for name in FACTS[3:] if line[name] not in ("", None)}
    return told | ({"fills": fills} if fills else {})


def _has_all(lines: list[Line]) -> bool:
    """Whether the journal has all of these lines of a file, and not only others with their ids."""
    wanted = {(line["id"], line["trader"], line["at"]) for line in lines}
    rows = JournalEntry.objects.filter(pk__in=[line["id"] for line in lines]).values_list("id", "trader_id", "at")
    return wanted == {(pk, trader, at.isoformat()) for pk, trader, at in rows}


def _month(ended_at: datetime) -> str:
    return f"{ended_at.astimezone(UTC):%Y-%m}"


# --- what was archived ------------------------------------------------------------------------------
def where(trader: Trader) -> list[ArchiveFile]:
    """The files that may have lines of the trader; empty where its journal is complete."""
    # Its first line is one of the first to go.
    if trader.finished_at is None or trader.journal.filter(kind=Kind.BEGAN).exists():
        return []
    return list(ArchiveFile.objects.filter(month=_month(trader.finished_at), lines__gt=0))


def lines_of(trader: Trader) -> tuple[list[Line], list[str]]:
    """The trader's archived lines, oldest first; and what keeps a file from being read, a sentence each."""
    found: list[Line] = []
    problems: list[str] = []
    for file in where(trader):
        try:
            found += files.read(file, {"trader": trader.pk})
        except ArchiveError as error:
            problems.append(str(error))
    return sorted(found, key=lambda line: int(line["id"])), problems


def total() -> tuple[int, int]:
    """How many lines are archived, and the bytes of their files."""
    sums = ArchiveFile.objects.aggregate(lines=Sum("lines"), size=Sum("size"))
    return sums["lines"] or 0, sums["size"] or 0
