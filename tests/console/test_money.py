"""Money as the overview tells it: the parts add up to the value, the symbols' rows to the gain."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from console import money, numbers
from console.chart.standing import standing, today
from console.money import Period, Slots
from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue
from streamer.topics import trade_topic
from tests.console.test_overview import publish
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.rows import make_cycle, make_order, make_story, make_trader
from tests.trading.conftest import make_symbol
from trading.books import account, transfers
from trading.core.strategy import TraderState
from trading.models import Symbol, ToldBy, Transfer
from trading.risk import balances

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

NOW = datetime(2026, 11, 22, 13, 20, tzinfo=UTC)
MONEY = {"USDT": (D(700), D(100)), "ETH": (D("0.0667"), D(0)), "BNB": (D(2), D(0))}


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> ScriptedExchange:
    scripted = ScriptedExchange()
    monkeypatch.setattr(scripted, "prices", lambda names, is_exit=True: {"ETHUSDT": D(3000), "BNBUSDT": D(50)})
    return scripted


def measure(exchange: ScriptedExchange, at: datetime, told: account.Balances = MONEY) -> None:
    balances.keep(Venue.MOCK, dict(told), at)
    account.measure(Venue.MOCK, told, at, exchange)


def test_there_is_no_account_before_it_was_measured(symbol: Symbol) -> None:
    assert money.account(Venue.MOCK) is None
    assert money.curve(Venue.MOCK, Period.ALL) == []


def test_parts_add_up_to_the_value_and_gains_to_what_was_put_in(symbol: Symbol, exchange: ScriptedExchange) -> None:
    measure(exchange, NOW - timedelta(minutes=5))
    make_cycle(symbol, "2.5", NOW - timedelta(minutes=2))
    make_story(symbol, 2)
    measure(exchange, NOW, MONEY | {"USDT": (D(702), D(100))})
    found = money.account(Venue.MOCK, NOW)
    assert found is not None
    parts = {part.name: (part.quantity, part.value) for part in found.parts}
    assert parts == {
        "free": (D(702), D(702)),
        "open buys": (D(100), D(100)),
        "ETH": (D("0.0667"), D("200.1")),
        "BNB": (D(2), D(100)),
    }
    assert found.value == D("1102.1")
    assert found.put_in == D("1100.1")
    assert found.change_today == D(2)
    assert found.value == found.put_in + found.total.net + found.apart
    assert found.change_today == found.today.net + found.apart_today


def test_rows_add_up_to_the_gain_of_today(symbol: Symbol, exchange: ScriptedExchange) -> None:
    other = make_symbol("BTCUSDT")
    make_cycle(symbol, "7", NOW - timedelta(days=1))
    measure(exchange, NOW - timedelta(days=1))
    publish("ETHUSDT", "3100")
    make_story(symbol)
    measure(exchange, NOW.replace(hour=0, minute=0) - timedelta(seconds=30))
    connect().delete(trade_topic("mock", "ETHUSDT"))
    publish("ETHUSDT", "3050")
    make_cycle(symbol, "2.5", NOW - timedelta(hours=1))
    make_cycle(other, "-1", NOW - timedelta(hours=2))
    measure(exchange, NOW)
    found = money.account(Venue.MOCK, NOW)
    assert found is not None
    rows = {row.name: row for row in found.symbols}
    # The position: 0.06663330 left to sell, 50 cheaper than at midnight, less 0.1 % commission.
    assert rows["ETHUSDT"].unrealised_today == D("-3.32833334")
    assert (rows["ETHUSDT"].realised_today, rows["BTCUSDT"].net_today) == (D("2.5"), D(-1))
    assert sum(row.net_today for row in found.symbols) == found.today.net == D("-1.82833334")
    assert sum(row.unrealised for row in found.symbols) == found.total.unrealised
    assert found.total.realised == D("8.5")
    assert rows["ETHUSDT"].slots == Slots(held=1)
    for row in found.symbols:  # Each symbol's own page says the same.
        of = standing(Symbol.objects.get(pk=row.pk), Venue.MOCK)
        values = of.today_values(today(of, UTC, NOW), row.price)
        assert values[f"sym.{row.name}.today"][0] == numbers.signed(row.net_today, "USDT")
        assert of.values(row.price, None)[f"sym.{row.name}.unrealised"][0] == numbers.signed(row.unrealised, "USDT")


def test_today_begins_at_the_readers_midnight(symbol: Symbol, exchange: ScriptedExchange) -> None:
    measure(exchange, NOW - timedelta(days=1))
    make_cycle(symbol, "1", datetime(2026, 11, 21, 23, 30, tzinfo=UTC))
    measure(exchange, NOW)
    realised = []
    for zone in ("UTC", "Europe/Berlin", "America/New_York"):
        with timezone.override(zone):
            found = money.account(Venue.MOCK, NOW)
            assert found is not None
            realised.append(found.today.realised)
    assert realised == [0, 1, 0]


def test_what_was_gained_before_the_first_measurement_was_not_put_in(
    symbol: Symbol, exchange: ScriptedExchange
) -> None:
    make_cycle(symbol, "50", NOW - timedelta(days=9))
    measure(exchange, NOW)
    found = money.account(Venue.MOCK, NOW)
    assert found is not None
    assert (found.value, found.put_in, found.total.net, found.apart) == (D("1100.1"), D("1050.1"), D(50), D(0))
    assert found.total.share(found.total.net) == D("0.047615")


def test_deposit_is_no_gain(symbol: Symbol, exchange: ScriptedExchange) -> None:
    measure(exchange, NOW - timedelta(minutes=5))
    Transfer.objects.create(
        venue=Venue.MOCK,
        asset="USDT",
        amount=D(300),
        at=NOW,
        told_by=ToldBy.EVENT,
        value=D(300),
        value_asset="USDT",
    )
    measure(exchange, NOW + timedelta(minutes=1), MONEY | {"USDT": (D(1000), D(100))})
    found = money.account(Venue.MOCK, NOW + timedelta(minutes=1))
    assert found is not None
    assert (found.value, found.put_in, found.change_today, found.apart) == (D("1400.1"), D("1400.1"), D(0), D(0))


def test_slots_that_a_limit_denies_are_paused(symbol: Symbol, exchange: ScriptedExchange) -> None:
    make_trader(symbol, 1, state=TraderState.WAITING)
    make_trader(symbol, 2, state=TraderState.BUYING)
    symbol.denied_orders.create(
        venue=Venue.MOCK,
        rule="daily loss",
        day=NOW.date(),
        last_at=timezone.now(),
        denies_until=timezone.now() + timedelta(hours=1),
    )
    measure(exchange, NOW)
    found = money.account(Venue.MOCK, NOW)
    assert found is not None
    assert found.symbols[0].slots == Slots(buying=1, paused=1)


def test_curve_is_by_minute_then_by_hour_then_by_day(symbol: Symbol, exchange: ScriptedExchange) -> None:
    began = NOW - timedelta(days=100)
    for days in range(100):
        measure(exchange, began + timedelta(days=days))
    for minutes in range(90):
        measure(exchange, NOW - timedelta(minutes=89 - minutes), {"USDT": (D(minutes), D(0))})
    hour = money.curve(Venue.MOCK, Period.HOUR, NOW)
    assert [len(hour), *(point.value for point in (hour[0], hour[-1]))] == [61, D(29), D(89)]
    assert len(money.curve(Venue.MOCK, Period.WEEK, NOW)) == 7 + 3
    assert len(money.curve(Venue.MOCK, Period.ALL, NOW)) == 101


def test_it_costs_the_same_after_a_thousand_cycles(symbol: Symbol, exchange: ScriptedExchange) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            measure(exchange, NOW)
            money.account(Venue.MOCK, NOW)
            money.curve(Venue.MOCK, Period.ALL, NOW)
        return len(captured)

    make_cycle(symbol, "1", NOW)
    queries()
    before = queries()
    for hours in range(300):
        make_cycle(symbol, "1", NOW - timedelta(hours=hours))
    assert queries() == before


# --- pages ----------------------------------------------------------------------------------------
def test_page_of_balances_says_what_is_ours_and_what_came_in(
    admin_client: Client, symbol: Symbol, exchange: ScriptedExchange
) -> None:
    make_story(symbol)
    make_order(make_trader(symbol, 2), quantity=D("0.01"), price=D(3000))
    now = timezone.now()
    measure(exchange, now - timedelta(minutes=1), MONEY | {"JUNK": (D(5), D(0))})
    transfers.record_event(Venue.MOCK, {"a": "USDT", "d": "50", "T": round(now.timestamp() * 1000)})
    shown = admin_client.get(reverse("admin:trading_balance_changelist")).content.decode()
    lines = {cells[0]: cells[1:5] for cells in table_in(shown) if cells}
    assert lines["USDT"] == ["700", "100", "30", "800.00"]
    assert lines["ETH"] == ["0.0667", "0", "0.0666333", "200.10"]
    assert lines["JUNK"] == ["5", "0", "0", "–"]
    assert lines["Account value"] == ["", "", "", "1,100.10"]
    assert "No price is known of JUNK: they count nothing." in shown
    assert "+50" in shown
    assert "the exchange&#x27;s event" in shown
    assert "50" in admin_client.get(reverse("admin:trading_transfer_changelist")).content.decode()
    assert f'href="{reverse("admin:trading_balance_changelist")}"' in admin_client.get("/admin/").content.decode()


def test_page_of_balances_is_for_those_who_may_see_it(client: Client, symbol: Symbol) -> None:
    client.force_login(User.objects.create_user("reader", is_staff=True))
    assert client.get(reverse("admin:trading_balance_changelist")).status_code == 403


def test_active_traders_show_entry_cost_target_distance_and_unrealised(admin_client: Client, symbol: Symbol) -> None:
    publish("ETHUSDT", "3000")
    trader = make_story(symbol)
    make_trader(symbol, 2)
    shown = admin_client.get(reverse("admin:trading_trader_changelist")).content.decode()
    for text in ("0.0666333 ETH", "cost 199.90", "2,997.00", "3,005.99", "+0.20 % away", "−0.20", "nothing held"):
        assert text in shown, text
    of_one = admin_client.get(reverse("admin:trading_trader_change", args=(trader.pk,))).content.decode()
    for text in ("0.0666333 ETH", "199.90 USDT", "2,997.00", "3,005.99, +0.20 % away"):
        assert text in of_one, text
    ended = admin_client.get(reverse("admin:trading_trader_changelist") + "?show=finished").content.decode()
    assert "Target" not in ended


def table_in(page: str) -> list[list[str]]:
    """The texts of all cells, row by row."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.S)
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)]
        for row in rows
    ]
