"""Which lines of the journal are archived, what the files say, and what stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.trading.archive.conftest import days_ago, make_told_cycle
from tests.trading.conftest import make_symbol
from trading.archive import files, journal
from trading.archive.files import Line
from trading.core.journal import Cause, Kind, Source
from trading.models import ArchiveFile, Fill, JournalEntry, Order, Symbol, Trader
from trading.models.journal import write

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases, pytest.mark.usefixtures("home")]

FACTS = ("id", "trader_id", "kind", "source", "status", "event", "decision", "reason", "task_id", "trade_id")


@pytest.fixture
def symbol() -> Symbol:
    return make_symbol()


def archive(days: float = 90) -> int:
    return sum(journal.move(days_ago(days)))


def archived() -> list[Line]:
    return [line for file in ArchiveFile.objects.all() for line in files.read(file)]


def facts_of(trader: Trader) -> list[dict[str, Any]]:
    return [dict(row) for row in trader.journal.order_by("id").values(*FACTS, "order_id")]


def test_lines_of_old_cycles_go_to_the_file_as_they_were(symbol: Symbol) -> None:
    old = make_told_cycle(symbol, days_ago(91))
    before = facts_of(old)
    assert archive() == 4
    lines, problems = journal.lines_of(old)
    assert not problems
    names = {"trader_id": "trader", "order_id": "order", "task_id": "task", "trade_id": "trade"}
    for line, was in zip(lines, before, strict=True):
        assert {name: line.get(names.get(name, name)) or "" for name in was} == {k: v or "" for k, v in was.items()}
    assert [line.get("fills") for line in lines] == [None, None, [old.pk], None]
    assert not old.journal.exists()


def test_orders_fills_and_traders_stay(symbol: Symbol) -> None:
    make_told_cycle(symbol, days_ago(200))
    archive()
    assert (Trader.objects.count(), Order.objects.count(), Fill.objects.count()) == (1, 1, 1)
    assert Fill.objects.get().entry is None


def test_recent_and_active_cycles_keep_their_journal(symbol: Symbol) -> None:
    recent = make_told_cycle(symbol, days_ago(89))
    active = make_told_cycle(symbol, days_ago(300))
    Trader.objects.filter(pk=active.pk).update(finished_at=None, state="SELLING")
    old = make_told_cycle(symbol, days_ago(91))
    assert archive() == 4
    assert (recent.journal.count(), active.journal.count(), old.journal.count()) == (4, 4, 0)


def test_a_late_line_of_an_old_cycle_stays_as_long_as_any_other(symbol: Symbol) -> None:
    old = make_told_cycle(symbol, days_ago(120))
    write(old, Cause(Source.REPORT), Kind.RECOUNTED, "profit recalculated")
    assert archive() == 4
    assert old.journal.get().kind == Kind.RECOUNTED
    JournalEntry.objects.update(at=days_ago(91))
    assert archive() == 1
    assert [line["kind"] for line in journal.lines_of(old)[0]][-1] == Kind.RECOUNTED


def test_each_month_has_a_file_by_the_cycles_end(symbol: Symbol) -> None:
    ends = [datetime(2024, 1, 31, 23, 59, 59, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)]
    for end in ends * 2:
        make_told_cycle(symbol, end)
    assert archive() == 16
    assert {file.name: file.lines for file in ArchiveFile.objects.all()} == {
        "journal-2024-01.jsonl.gz": 8,
        "journal-2024-02.jsonl.gz": 8,
    }


def test_batches_together_have_each_line_once(symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "BATCH", 7)
    for n in range(10):
        make_told_cycle(symbol, days_ago(100 + n))
    ids = set(JournalEntry.objects.values_list("pk", flat=True))
    assert list(journal.move(days_ago(90))) == [7, 7, 7, 7, 7, 5]
    assert sorted(line["id"] for line in archived()) == sorted(ids)
    assert archive() == 0


def test_what_another_host_has_archived_meanwhile_is_not_there_twice(
    symbol: Symbol, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_told_cycle(symbol, days_ago(100))
    append = files.append

    def too_late(*args: Any) -> files.Written:
        written = append(*args)
        Fill.objects.update(entry=None)
        JournalEntry.objects.all().delete()
        return written

    monkeypatch.setattr(files, "append", too_late)
    assert archive() == 0
    assert archived() == []
    [path] = home.glob("archive/*.gz")
    assert path.stat().st_size == 0


def test_what_is_due_is_counted_by_month(symbol: Symbol) -> None:
    make_told_cycle(symbol, datetime(2024, 1, 31, 23, 59, 59, tzinfo=UTC))
    make_told_cycle(symbol, datetime(2024, 2, 1, tzinfo=UTC))
    make_told_cycle(symbol, days_ago(1))
    due = journal.due(days_ago(90))
    assert [(each.month, each.lines) for each in due] == [("2024-01", 4), ("2024-02", 4)]
    assert all(each.size > 4 * journal.ROW_BYTES for each in due)


def test_a_complete_journal_is_looked_for_in_no_file(symbol: Symbol) -> None:
    ended = days_ago(100)
    old = make_told_cycle(symbol, ended)
    archive()
    other = make_told_cycle(symbol, ended + timedelta(seconds=1))
    assert [file.lines for file in journal.where(old)] == [4]
    assert journal.where(other) == []
