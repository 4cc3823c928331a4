"""The page of profit: figures, chart, lines, and the CSV of all of them."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue
from streamer.topics import trade_topic
from tests.console.test_overview import publish
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.rows import make_cycle, make_story, make_trader
from tests.trading.conftest import make_symbol
from trading import tasks
from trading.books import account, equity
from trading.core.strategy import TraderState
from trading.models import Equity, Symbol
from trading.schedule import SCHEDULE

pytestmark = pytest.mark.django_db


def page(client: Client, query: str = "") -> str:
    answer = client.get(reverse("admin:trading_profit") + query)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def week(symbol: Symbol) -> Symbol:
    publish("ETHUSDT", "3100")
    make_cycle(symbol, "2.5")
    make_cycle(symbol, "40", timezone.now() - timedelta(days=20))
    make_story(symbol)
    for hours in range(3):
        equity.record(Venue.MOCK, timezone.now() - timedelta(hours=hours))
    return symbol


def test_shows_what_was_brought_and_what_is_held(admin_client: Client, week: Symbol) -> None:
    shown = page(admin_client)
    held, cycles = "open positions cost 199.9 USDT", "1 cycle, 1.25 % of USDT budgets"
    for words in ("+48.96", "+42.50", "+6.46", "+2.50", held, cycles):
        assert words in shown, words
    assert "so that the days add up to the total" in shown
    assert "add up" not in page(admin_client, "?by=cycle")
    assert ">Finished</a></th>" in page(admin_client, "?by=cycle")


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("?by=symbol&days=", "ETHUSDT</td>"),
        ("?by=slot", "ETHUSDT #1</td>"),
        ("?by=cycle", "ETHUSDT #1 at mock, cycle"),
        ("?by=day&days=30", "{long_ago:%Y-%m-%d}"),
        ("?by=nonsense&days=x", "{now:%Y-%m-%d}"),
    ],
)
def test_lines_are_those_that_are_asked_for(admin_client: Client, week: Symbol, query: str, line: str) -> None:
    now = timezone.now()
    assert line.format(now=now, long_ago=now - timedelta(days=20)) in page(admin_client, query)


def test_chart_has_a_point_an_hour_and_few_of_a_long_time(admin_client: Client, week: Symbol) -> None:
    source = page(admin_client).split('id="chart-series">')[1].split("</script>")[0]
    assert json.loads(source)["equity"] == [48.95676677] * 3
    row = Equity.objects.order_by("hour")[0]
    begin = row.hour
    rows = []
    for hours in range(1, 900):
        row.pk, row.hour, row.equity = None, begin - timedelta(hours=hours), D(hours)
        rows.append(Equity(**{field.name: getattr(row, field.name) for field in Equity._meta.fields}))
    Equity.objects.bulk_create(rows)
    source = page(admin_client, "?days=").split('id="chart-series">')[1].split("</script>")[0]
    points = json.loads(source)["equity"]
    assert 300 <= len(points) <= 400
    assert points[-1] == 48.95676677


def test_csv_has_every_line(admin_client: Client, week: Symbol) -> None:
    answer = admin_client.get(reverse("admin:trading_profit") + "?by=cycle&days=&csv=1")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert [row["realised"] for row in csv.DictReader(io.StringIO(text))] == ["2.5", "40"]
    assert "profit-mock-by-cycle.csv" in answer["Content-Disposition"]


def test_without_anything_it_answers(admin_client: Client, symbol: Symbol) -> None:
    shown = page(admin_client)
    assert "No cycles finished in this period." in shown
    assert "<canvas" not in shown


def test_asks_for_the_right_to_look(client: Client, symbol: Symbol) -> None:
    client.force_login(User.objects.create_user("nobody", password="x", is_staff=True))
    assert client.get(reverse("admin:trading_profit")).status_code == 403


def test_equity_has_its_list(admin_client: Client, week: Symbol) -> None:
    shown = admin_client.get(reverse("admin:trading_equity_changelist")).content.decode()
    assert "+48.96" in shown
    row = Equity.objects.all()[0]
    assert admin_client.get(reverse("admin:trading_equity_change", args=(row.pk,))).status_code == 200


def test_the_clock_keeps_the_hours_row(week: Symbol) -> None:
    Equity.objects.all().delete()
    [row] = [row for row in SCHEDULE if row.name == "Gain"]
    assert row.task == tasks.record_equity.name
    tasks.record_equity()
    assert Equity.objects.get().equity == D("48.95676677")


def test_from_and_to_are_days_of_the_readers_zone(admin_client: Client, symbol: Symbol) -> None:
    make_cycle(symbol, "3", datetime(2026, 11, 21, 23, 30, tzinfo=UTC))
    make_cycle(symbol, "5", datetime(2026, 11, 20, 12, tzinfo=UTC))
    admin_client.cookies["timezone"] = "Europe/Berlin"
    # Half past midnight of the 22nd in Berlin.
    of_22nd = page(admin_client, "?by=symbol&from=2026-11-22&to=2026-11-22")
    assert "+3.00" in of_22nd.split("Realised by symbol")[1]
    assert "+5.00" not in of_22nd.split("Realised by symbol")[1]
    assert "From 22 Nov 2026 to 22 Nov 2026" in of_22nd
    assert "+8.00" in page(admin_client, "?by=symbol&from=2026-11-20")
    assert "No cycles finished" in page(admin_client, "?by=symbol&to=2026-11-19")
    assert page(admin_client, "?from=never&to=2026-13-77&month=13&bars=x")


def test_bars_and_calendar_show_what_each_day_brought(admin_client: Client, symbol: Symbol) -> None:
    make_cycle(symbol, "3", datetime(2026, 11, 10, 12, tzinfo=UTC))
    make_cycle(symbol, "-4", datetime(2026, 11, 12, 12, tzinfo=UTC))
    make_cycle(symbol, "2", datetime(2026, 11, 17, 12, tzinfo=UTC))
    query = "?from=2026-11-09&to=2026-11-17&month=2026-11"
    shown = page(admin_client, query)
    assert "<title>10 Nov 2026: +3.00 USDT, 1 cycle</title>" in shown
    assert shown.count("<rect") == 9
    assert '<span class="hh-day">12</span><b class="hh-bad">−4.00</b>' in shown
    weeks = page(admin_client, f"{query}&bars=week")
    assert "<title>week of 9 Nov 2026: −1.00 USDT, 2 cycles</title>" in weeks
    assert "<title>November 2026: +1.00 USDT, 3 cycles</title>" in page(admin_client, f"{query}&bars=month")


def test_table_is_sorted_by_any_column(admin_client: Client, symbol: Symbol) -> None:
    other = make_symbol("BTCUSDT")
    make_cycle(symbol, "3")
    make_cycle(other, "1")
    make_cycle(other, "-0.5")

    def order(sort: str) -> list[str]:
        table = page(admin_client, f"?by=symbol&sort={sort}").split("<tbody>")[-1]
        return [name for name in re.findall(r"<tr><td>(\w+)</td>", table) if name != "All"]

    assert order("-realised") == ["ETHUSDT", "BTCUSDT"]
    assert order("realised") == ["BTCUSDT", "ETHUSDT"]
    assert order("-cycles") == ["BTCUSDT", "ETHUSDT"]
    assert order("-wins") == ["ETHUSDT", "BTCUSDT"]
    # Nothing lost: no factor, and last either way.
    assert order("-factor") == order("factor") == ["BTCUSDT", "ETHUSDT"]


def test_holding_the_coin_instead_is_of_the_same_symbol_and_time(admin_client: Client, symbol: Symbol) -> None:
    exchange, now = ScriptedExchange(), timezone.now()
    for price, at in (("3000", now - timedelta(days=2)), ("3150", now)):
        connect().delete(trade_topic("mock", "ETHUSDT"))
        publish("ETHUSDT", price)
        account.measure(Venue.MOCK, {"USDT": (D(1000), D(0))}, at, exchange)
    make_cycle(symbol, "1")
    shown = page(admin_client, f"?by=symbol&from={now - timedelta(days=2):%Y-%m-%d}")
    assert "Holding instead" in shown
    assert "+10.00" in shown  # 5 % of a budget of 200
    assert "Holding instead</a>" not in page(admin_client, "?by=symbol&days=30")


def test_strategies_have_lines_of_their_own(admin_client: Client, symbol: Symbol) -> None:
    make_cycle(symbol, "3")
    make_trader(symbol, state=TraderState.FINISHED, profit=D(-1), finished_at=timezone.now(), strategy="trailing")
    shown = page(admin_client, "?by=strategy")
    assert "<td>naive</td>" in shown
    assert "<td>trailing</td>" in shown
