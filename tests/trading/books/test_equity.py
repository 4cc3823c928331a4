"""Equity: an hour's row, and how few rows stay."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest

from hedgehog_project.venues import Venue
from tests.console.test_overview import publish
from tests.support.rows import make_cycle, make_story, make_trader
from trading.books import equity
from trading.models import Equity, Symbol
from trading.models.equity import HOURS_KEPT

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

NOW = datetime(2026, 11, 22, 13, 20, tzinfo=UTC)


def test_row_says_what_ended_and_what_is_held_would_bring(symbol: Symbol) -> None:
    publish("ETHUSDT", "3100")
    make_cycle(symbol, "2.5")
    make_cycle(symbol, "100", venue=Venue.LIVE)
    make_story(symbol)
    make_trader(symbol, 2)
    equity.record(Venue.MOCK, NOW)
    row = Equity.objects.get()
    assert (row.asset, row.hour, row.measured_at) == ("USDT", NOW.replace(minute=0), NOW)
    assert (row.realised, row.unrealised, row.equity) == (D("2.5"), D("6.45676677"), D("8.95676677"))
    assert (row.held_cost, row.held_value) == (D("199.8999"), D("206.35666677"))
    assert row.equity == row.realised + row.held_value - row.held_cost
    assert (row.budget, row.unpriced) == (D(400), 0)


def test_hour_keeps_its_last_measurement(symbol: Symbol) -> None:
    make_cycle(symbol, "1")
    equity.record(Venue.MOCK, NOW)
    make_cycle(symbol, "1")
    equity.record(Venue.MOCK, NOW + timedelta(minutes=39))
    equity.record(Venue.MOCK, NOW + timedelta(minutes=40))
    rows = [(row.hour.hour, row.realised) for row in equity.course(Venue.MOCK, "USDT", NOW - timedelta(days=1))]
    assert rows == [(13, D(2)), (14, D(2))]


def test_holding_without_a_price_counts_at_its_cost_and_is_counted(symbol: Symbol) -> None:
    make_story(symbol)
    equity.record(Venue.MOCK, NOW)
    row = Equity.objects.get()
    assert (row.unrealised, row.held_value, row.unpriced) == (D(0), row.held_cost, 1)


def test_where_nothing_was_ever_traded_there_is_no_row(symbol: Symbol) -> None:
    equity.record(Venue.MOCK, NOW)
    assert not Equity.objects.exists()


def test_old_hours_are_thinned_to_the_last_of_each_day(symbol: Symbol) -> None:
    make_cycle(symbol, "1")
    old = (NOW - HOURS_KEPT - timedelta(days=2)).replace(hour=5)
    kept = NOW - HOURS_KEPT + timedelta(days=1)
    for first in (old, kept):
        for hours in range(3):
            equity.record(Venue.MOCK, first + timedelta(hours=hours))
    other = Equity.objects.create(
        venue=Venue.LIVE,
        asset="USDT",
        hour=old,
        measured_at=old,
        realised=D(1),
        unrealised=D(0),
        equity=D(1),
        held_cost=D(0),
        held_value=D(0),
        budget=D(0),
    )
    equity.record(Venue.MOCK, NOW)
    left = list(Equity.objects.filter(venue=Venue.MOCK).order_by("hour").values_list("hour", flat=True))
    begin = [
        at.replace(minute=0) for at in (old + timedelta(hours=2), *(kept + timedelta(hours=n) for n in range(3)))
    ]
    assert left == [*begin, NOW.replace(minute=0)]
    assert Equity.objects.filter(pk=other.pk).exists()
