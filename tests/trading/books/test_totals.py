"""The kept totals of ended cycles: always what the cycles come to, whatever ends or changes them."""

import io
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.support.rows import make_cycle, make_trader
from tests.trading.conftest import make_symbol
from trading.books import equity, profit, totals
from trading.books.profit import By
from trading.books.totals import Total
from trading.core.strategy import TraderState
from trading.models import CycleTotal, Symbol, Trader
from trading.models.totals import HOURS_KEPT, Span

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def wrong() -> list[str]:
    return [each for venue in Venue for each in totals.differences(venue)]


def test_cycle_counts_in_its_slots_all_time_its_day_and_its_hour(symbol: Symbol) -> None:
    ended = timezone.now().replace(minute=59)
    make_cycle(symbol, "1.5", ended)
    make_cycle(symbol, "-0.5", ended)
    rows = CycleTotal.objects.order_by("begins").values_list(
        "span", "begins", "cycles", "finished", "profit", "budget"
    )
    hour = ended.replace(minute=0, second=0, microsecond=0)
    sums = 2, 2, D(1), D(400)
    assert sorted(rows) == sorted(
        [
            (Span.ALL, datetime(1970, 1, 1, tzinfo=UTC), *sums),
            (Span.DAY, hour.replace(hour=0), *sums),
            (Span.HOUR, hour, *sums),
        ]
    )


def test_one_statement_counts_a_cycle(symbol: Symbol) -> None:
    trader = make_trader(symbol)
    trader.state, trader.profit, trader.finished_at = TraderState.FINISHED, D(1), timezone.now()
    for _ in range(2):  # The first makes the rows.
        with CaptureQueriesContext(connection) as captured:
            totals.count(trader)
        assert len(captured) == 1
    assert totals.of_symbol(symbol.pk, Venue.MOCK) == Total(2, 2, 0, D(2), D(400), wins=2, won=D(2))


def test_change_of_an_ended_cycle_counts_once(symbol: Symbol) -> None:
    trader = make_cycle(symbol, "1")
    before = totals.of(trader)
    totals.count(trader, before)  # Nothing has changed.
    trader.profit, trader.has_unvalued_fees = D("0.25"), True
    totals.count(trader, before)
    trader.save()
    assert totals.of_symbol(symbol.pk, Venue.MOCK) == Total(1, 1, 1, D("0.25"), D(200), wins=1, won=D("0.25"))
    assert wrong() == []


def test_what_never_ordered_does_not_count(symbol: Symbol) -> None:
    make_trader(symbol, state=TraderState.RETIRED, finished_at=timezone.now(), profit=D(0))
    make_trader(symbol)
    assert not CycleTotal.objects.exists()
    assert wrong() == []


def test_rolled_back_end_has_not_counted(symbol: Symbol) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        make_cycle(symbol, "1")
        raise RuntimeError
    assert totals.of_symbol(symbol.pk, Venue.MOCK) == Total()


@pytest.mark.parametrize("seed", range(5))
def test_since_any_moment_the_sums_are_those_of_the_cycles(seed: int, symbol: Symbol) -> None:
    draw, other, now = random.Random(seed), make_symbol("BTCUSDT"), timezone.now()
    for _ in range(60):
        ended = now - timedelta(minutes=draw.choice((1, 60, 600, 20_000)) * draw.random() * 3)
        venue = draw.choice((Venue.MOCK, Venue.MOCK, Venue.LIVE))
        trader = make_trader(
            draw.choice((symbol, other)), draw.randint(1, 3), venue, profit=D(draw.randint(-5, 9)).scaleb(-8),
            state=draw.choice((TraderState.FINISHED, TraderState.ABANDONED, TraderState.RETIRED)), finished_at=ended,
        )  # fmt: skip
        trader.refresh_from_db()
    moments = [None, now, now - HOURS_KEPT, totals.begin_of(Span.DAY, now), totals.begin_of(Span.HOUR, now)]
    moments += [now - timedelta(minutes=draw.random() * 30_000) for _ in range(10)]
    for since in moments:
        cycles = Trader.objects.filter(venue=Venue.MOCK, finished_at__isnull=False).exclude(state=TraderState.RETIRED)
        rows = [each for each in cycles if since is None or (each.finished_at or now) >= since]
        expected: dict[tuple[int, int], Total] = {}
        for row in rows:
            key = row.symbol_id, row.slot
            expected[key] = expected.get(key, Total()) + totals.of(row)
        assert totals.by_slot(Venue.MOCK, since) == expected, f"seed {seed}, since {since}"
        days = totals.by_day(Venue.MOCK, since)
        assert sum(days.values(), Total()) == sum(expected.values(), Total()), f"seed {seed}, since {since}"
        assert {day for day, _ in days} == {f"{row.finished_at:%Y-%m-%d}" for row in rows}
    assert wrong() == []


@pytest.mark.parametrize("seed", range(5))
def test_between_any_two_moments_the_sums_are_those_of_the_cycles(seed: int, symbol: Symbol) -> None:
    draw, now = random.Random(seed), timezone.now()
    for _ in range(60):
        ended = now - timedelta(minutes=draw.choice((1, 60, 600, 20_000)) * draw.random() * 3)
        make_trader(
            symbol, draw.randint(1, 3), profit=D(draw.randint(-5, 9)).scaleb(-8), state=TraderState.FINISHED,
            finished_at=ended, strategy=draw.choice(("naive", "trailing")), held_s=draw.randint(0, 99), fees=D(1),
        )  # fmt: skip
    day = totals.begin_of(Span.DAY, now)
    moments = [None, now, now - HOURS_KEPT, day, day - timedelta(days=1), totals.begin_of(Span.HOUR, now)]
    moments += [now - timedelta(minutes=draw.random() * draw.choice((60, 3_000, 40_000))) for _ in range(12)]
    for _ in range(80):
        since, until = draw.choice(moments), draw.choice(moments)
        rows = Trader.objects.filter(finished_at__isnull=False)
        rows = rows.filter(finished_at__gte=since) if since else rows
        rows = rows.filter(finished_at__lt=until) if until else rows
        expected = sum(map(totals.of, rows), Total())
        found = totals.by_asset(Venue.MOCK, since, until).get("USDT", Total())
        assert found == expected, f"seed {seed}, from {since} to {until}"
        assert sum(totals.by_strategy(Venue.MOCK, since, until).values(), Total()) == expected
    assert wrong() == []


def test_sums_do_not_read_cycles_but_those_of_the_hour_that_a_window_cuts(symbol: Symbol) -> None:
    make_cycle(symbol, "1")
    with CaptureQueriesContext(connection) as captured:
        list(profit.lines(Venue.MOCK, By.SYMBOL, held=[], left=[]))
        list(profit.lines(Venue.MOCK, By.SLOT, held=[]))
        totals.by_day(Venue.MOCK)
        totals.by_asset(Venue.MOCK)
        totals.of_symbol(symbol.pk, Venue.MOCK, totals.begin_of(Span.DAY, timezone.now()))
    assert not [each["sql"] for each in captured if "trading_trader" in each["sql"]]
    with CaptureQueriesContext(connection) as captured:
        totals.by_asset(Venue.MOCK, timezone.now() - timedelta(days=1))
    (of_cycles,) = [each["sql"] for each in captured if "trading_trader" in each["sql"]]
    assert '"finished_at" >=' in of_cycles
    assert '"finished_at" <' in of_cycles


def test_hours_are_dropped_when_they_are_old_and_days_stay(symbol: Symbol) -> None:
    now = timezone.now()
    make_cycle(symbol, "1", now - HOURS_KEPT + timedelta(hours=2))
    totals.thin(now)
    assert CycleTotal.objects.filter(span=Span.HOUR).count() == 1
    totals.thin(now + timedelta(hours=4))
    assert not CycleTotal.objects.filter(span=Span.HOUR).exists()
    assert totals.of_symbol(symbol.pk, Venue.MOCK, now - timedelta(days=20)).cycles == 1


def test_hour_of_equity_drops_them(symbol: Symbol) -> None:
    now = timezone.now()
    make_cycle(symbol, "1", now - timedelta(days=7))
    equity.record(Venue.MOCK, now + timedelta(days=2))
    assert not CycleTotal.objects.filter(span=Span.HOUR).exists()


def test_rebuild_mends_what_is_wrong_missing_and_too_much(symbol: Symbol) -> None:
    other = make_symbol("BTCUSDT")
    cycle = make_cycle(symbol, "1")
    make_cycle(other, "2")
    CycleTotal.objects.filter(symbol=symbol, span=Span.ALL).update(profit=D("1.00000001"))
    CycleTotal.objects.filter(symbol=symbol, span=Span.DAY).delete()
    CycleTotal.objects.create(
        symbol=symbol, venue=Venue.MOCK, slot=9, span=Span.ALL, begins=cycle.created_at, cycles=1
    )
    assert len(wrong()) == 3
    assert "the total of ETHUSDT slot 1 of all time says profit 1.00000001 instead of 1" in wrong()
    assert totals.rebuild(Venue.MOCK, other.pk) == 0
    assert totals.rebuild(Venue.MOCK, symbol.pk) == 3
    assert wrong() == []
    assert totals.of_symbol(symbol.pk, Venue.MOCK) == Total(1, 1, 0, D(1), D(200), wins=1, won=D(1))


def run(*arguments: str) -> tuple[str, str]:
    out, errors = io.StringIO(), io.StringIO()
    try:
        call_command("totals", *arguments, stdout=out, stderr=errors)
    except CommandError as error:
        errors.write(str(error))
    return out.getvalue(), errors.getvalue()


def test_command_tells_and_rebuilds(symbol: Symbol) -> None:
    assert run() == ("", "")
    assert run("live") == ("live: totals are right\n", "")
    make_cycle(symbol, "1")
    assert run() == ("mock: totals are right\n", "")
    CycleTotal.objects.filter(span=Span.DAY).update(cycles=3)
    out, errors = run()
    assert out == ""
    assert "says cycles 3 instead of 1" in errors
    assert "`manage.py totals --rebuild`" in errors
    assert run("--rebuild")[0] == "mock: 1 totals counted anew\n"
    assert run() == ("mock: totals are right\n", "")
