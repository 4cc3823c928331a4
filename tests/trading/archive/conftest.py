"""A home of its own for each test's archive, and cycles with a journal."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from tests.support.rows import make_cycle, make_fill, make_order
from trading.core.journal import Cause, Kind, Source
from trading.models import JournalEntry, Symbol, Trader
from trading.models.journal import write


@pytest.fixture
def home(tmp_path: Path, settings: Settings) -> Path:
    settings.HEDGEHOG_HOME = tmp_path
    return tmp_path


def make_told_cycle(symbol: Symbol, ended: datetime) -> Trader:
    """A finished cycle with four lines, of which the third has recorded a fill."""
    trader = make_cycle(symbol, "0.1", ended)
    order = make_order(trader)
    fill = make_fill(order, trade_id=trader.pk)
    write(trader, Cause(Source.LEADER), Kind.BEGAN, "started", "slot 1 is free")
    write(
        trader, Cause(Source.TRADE, "3000", "task-1", 7), Kind.ORDERED, f"places {order}", "0.1 % below ≤ 3000", order
    )
    fill.entry = write(trader, Cause(Source.REPORT, "buy filled", "task-2"), Kind.BOOKED, "buy filled", order=order)
    fill.save()
    write(trader, Cause(Source.REPORT), Kind.ENDED, "finished")
    JournalEntry.objects.filter(trader=trader).update(at=ended)
    return trader


def days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)
