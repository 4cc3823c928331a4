"""The pages of protections: what is set, how far it is used, what it denies; and sizing on the symbol's page."""

import json
from datetime import timedelta
from decimal import Decimal as D
from html import unescape
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from console import diagnosis, limit_usage
from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.limited import keep_balances, limit, limit_account
from tests.support.pages.forms import main_form
from tests.support.rows import make_order, make_trader
from tests.trading.conftest import make_symbol
from trading.core.events import TradeSeen
from trading.models import (
    AccountProtections,
    DeniedOrder,
    Profile,
    Switch,
    Symbol,
    SymbolProtections,
    Trader,
    TradingSettings,
)
from trading.models.symbols import Sizing
from trading.risk import protections
from trading.traders import acting
from trading.waking import enqueue

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = "/admin/trading/accountprotections/"
TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)
EMPTY = {"max_exposure": "", "max_orders_per_minute": "", "quote_reserve": "", "bnb_reserve": "", "capital": ""}
CHOICES = {"quote_asset": "usdt", "drawdown_from": "day", "drawdown_mode": "halted", "max_drawdown": ""}


@pytest.fixture(autouse=True)
def nothing_is_enqueued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enqueue, "refresh_balances_once", lambda venue: None)


def page(client: Client, url: str) -> str:
    return " ".join(unescape(client.get(url, follow=True).content.decode()).split())


def of(symbol: Symbol) -> str:
    return f"/admin/trading/symbol/{symbol.pk}/change/"


@pytest.fixture
def denied(trader: Trader, exchange: ScriptedExchange) -> Trader:
    """A trader that its symbol's risk limits deny."""
    limit(trader.symbol, max_exposure=D(300), max_open_orders=5)
    make_order(make_trader(trader.symbol, 11))
    acting.wake(trader.pk, TRADE, exchange)
    assert exchange.placed == []
    return trader


def test_the_accounts_limits_are_set_in_a_form_with_the_drawdown_in_per_cent(admin_client: Client) -> None:
    data = {**EMPTY, **CHOICES, "venue": "mock", "max_exposure": "1500.5", "max_drawdown": "5.25"}
    admin_client.post(f"{PAGES}add/", data)
    row = AccountProtections.objects.get()
    assert (row.quote_asset, row.max_exposure, row.max_drawdown) == ("USDT", D("1500.5"), D("0.0525"))
    assert (row.drawdown_from, row.drawdown_mode, row.quote_reserve) == ("day", "halted", None)
    shown = page(admin_client, f"{PAGES}{row.pk}/change/")
    assert 'name="max_drawdown" value="5.25"' in shown
    assert 'name="max_exposure" value="1500.5"' in shown


@pytest.mark.parametrize("percent", ["0", "100", "-1", "abc", "0.0000001"])
def test_a_drawdown_that_means_nothing_is_refused(admin_client: Client, percent: str) -> None:
    admin_client.post(f"{PAGES}add/", {**EMPTY, **CHOICES, "venue": "mock", "max_drawdown": percent})
    assert not AccountProtections.objects.exists()


def test_an_edit_is_heeded_at_once(admin_client: Client, trader: Trader, exchange: ScriptedExchange) -> None:
    row = limit_account(max_exposure=D(1))
    acting.wake(trader.pk, TRADE, exchange)
    assert exchange.placed == []
    admin_client.post(f"{PAGES}{row.pk}/change/", {**EMPTY, **CHOICES, "max_exposure": "1000"})
    trader.refresh_from_db()
    assert trader.retry_at is not None and trader.retry_at <= timezone.now()
    acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1


def test_the_accounts_page_says_how_far_limits_are_used_and_what_they_leave_out(
    admin_client: Client, symbol: Symbol
) -> None:
    keep_balances("1000")
    make_order(make_trader(symbol))
    row = limit_account(
        max_exposure=D(500), quote_reserve=D(50), max_orders_per_minute=30, max_drawdown=D("0.1"), quote_asset="USDT"
    )
    shown = page(admin_client, f"{PAGES}{row.pk}/change/")
    for words in (
        "199.8999 of 500 USDT",
        "800.1001 free (0 s ago), min 50 USDT",
        "1 of 30",
        "not measured yet, max 10 %",
    ):
        assert words in shown, words
    assert "Not counted in" not in shown
    AccountProtections.objects.update(quote_asset="BTC")
    assert "not quoted in BTC: ETHUSDT" in page(admin_client, f"{PAGES}{row.pk}/change/")
    assert "0 of 500 BTC" in page(admin_client, PAGES)


def test_denied_orders_show_on_every_page_that_one_looks_at(admin_client: Client, denied: Trader) -> None:
    reason = "max exposure of ETHUSDT, 300 USDT: 199.8999 in use, this buy needs 199.8999"
    row = limit_account(max_exposure=D(10_000))
    DeniedOrder.objects.update(denies_until=timezone.now() + timedelta(minutes=1))
    pages = ("/admin/", of(denied.symbol), f"/admin/trading/trader/{denied.pk}/change/", f"{PAGES}{row.pk}/change/")
    for url in (*pages, "/admin/trading/deniedorder/"):
        assert reason in page(admin_client, url), url
    told = StringIO()
    with pytest.raises(SystemExit):
        call_command("status", stdout=told)  # No process is up.
    assert f"Note: Buys denied by a risk limit: {reason}.\n" in told.getvalue()


@pytest.mark.parametrize("rest", ["", "?q=1&day__gte=2026-11-01", "7/change/?_popup=1", "a%3Fb%20c/history/"])
def test_the_old_address_of_denied_orders_leads_to_the_new_one(admin_client: Client, rest: str) -> None:
    answer = admin_client.get(f"/admin/trading/heldback/{rest}")
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/trading/deniedorder/{rest}")


def test_a_limit_of_the_account_is_told_once_for_all_the_symbols_that_it_denies(
    admin_client: Client, exchange: ScriptedExchange
) -> None:
    names = [f"{base}USDT" for base in ("ADA", "BTC", "ETH", "LTC", "SOL", "TRX", "XRP")]
    keep_balances("1000")
    row = limit_account(quote_reserve=D(850))
    for name in names:
        acting.wake(make_trader(make_symbol(name)).pk, TradeSeen(name, 1, D(3000), 0), exchange)
    reason = "reserve of 850 USDT at mock: 1000 free, this buy needs 199.8999"
    told = f"XRPUSDT, TRXUSDT, SOLUSDT, LTCUSDT, ETHUSDT and 2 more: {reason}"
    found = diagnosis.risk_limits(diagnosis.gather(states=[]))
    assert [str(each) for each in found] == [f"Buys denied by a risk limit: {told}."]
    shown = page(admin_client, f"{PAGES}{row.pk}/change/")
    assert shown.count("Denied by “reserve”") == 1 and told in shown
    assert f"LTCUSDT: {reason}" in page(admin_client, of(Symbol.objects.get(name="LTCUSDT")))


def test_a_reserve_that_is_touched_is_shown_in_red(admin_client: Client) -> None:
    keep_balances("10", bnb="0.5")
    row = limit_account(quote_reserve=D(50), bnb_reserve=D("0.4"))
    parts = {gauge.name: gauge.part for gauge in limit_usage.account_gauges(row)}
    assert parts == {"Reserve of USDT": 1, "Reserve of BNB": None}
    assert '<dd class="hh-bad">10 free' in page(admin_client, f"{PAGES}{row.pk}/change/")


def test_what_no_longer_holds_is_counted_and_not_shown_as_holding(admin_client: Client, denied: Trader) -> None:
    protections.has_changed(symbol_ids=[denied.symbol_id])
    assert "Buys denied by" not in page(admin_client, "/admin/")
    shown = page(admin_client, of(denied.symbol))
    assert "Denied by “" not in shown
    assert "Denied today (UTC)" in shown


def test_a_symbols_page_shows_its_limits_and_takes_new_ones(
    admin_client: Client, denied: Trader, exchange: ScriptedExchange
) -> None:
    symbol = denied.symbol
    shown = page(admin_client, of(symbol))
    assert "199.8999 of 300 USDT" in shown and "1 of 5" in shown
    own, row = SymbolProtections.objects.get(symbol=symbol), TradingSettings.objects.get(symbol=symbol)
    settings = {"id": str(row.pk), "symbol": str(symbol.pk), "max_slots": "1", "budget": "200"}
    settings |= {"buy_down_interval": "0.1", "profit_interval": "0.1"}
    limits = {"id": str(own.pk), "symbol": str(symbol.pk), "max_exposure": "400", "cooldown_minutes": "60"}
    data = {f"settings-0-{name}": value for name, value in settings.items()}
    data |= {f"protections-0-{name}": value for name, value in limits.items()}
    for name, count in (("settings", "1"), ("protections", "1"), ("listings", "0")):
        data |= {f"{name}-TOTAL_FORMS": count, f"{name}-INITIAL_FORMS": count}
    admin_client.post(of(symbol), data)
    own.refresh_from_db()
    assert (own.max_exposure, own.max_open_orders) == (D(400), None)
    acting.wake(denied.pk, TRADE, exchange)
    assert len(exchange.placed) == 1


def test_a_symbols_page_says_what_the_next_trader_gets(admin_client: Client, symbol: Symbol) -> None:
    assert "Next order size <span" in page(admin_client, of(symbol))
    assert "the budget of 200 USDT, split into 1 slot." in page(admin_client, of(symbol))
    TradingSettings.objects.update(sizing=Sizing.SHARE)
    assert "No new trader can start: the free balance at mock is not known yet." in page(admin_client, of(symbol))
    keep_balances("1000")
    assert "10 % of 1000 USDT free plus 0 in use, split into 1 slot." in page(admin_client, of(symbol))


def test_status_as_json_has_what_holds_as_well(denied: Trader) -> None:
    assert protections.active_denials(Venue.MOCK).count() == 1
    told = StringIO()
    with pytest.raises(SystemExit):
        call_command("status", "--json", stdout=told)
    assert json.loads(told.getvalue())["denied"] == [
        {
            "symbol": "ETHUSDT",
            "rule": "symbol exposure",
            "reason": "max exposure of ETHUSDT, 300 USDT: 199.8999 in use, this buy needs 199.8999",
            "orders_today": 1,
        }
    ]


def test_account_protections_without_a_limit_are_no_row(admin_client: Client) -> None:
    shown = admin_client.post(f"{PAGES}add/", {**EMPTY, **CHOICES, "venue": "mock"}, follow=True).content.decode()
    assert "Nothing is set: fill in at least one limit." in shown
    assert not AccountProtections.objects.exists()


def test_new_account_limits_are_for_the_venue_of_the_switch(admin_client: Client) -> None:
    """Unfold's select has no empty choice, so that the first venue, live, would be everybody's."""
    Switch.objects.update_or_create(pk=1, defaults={"venue": Venue.MOCK})
    add = f"{PAGES}add/"
    assert main_form(admin_client.get(add).content.decode()).values["venue"] == ["mock"]
    AccountProtections.objects.create(venue=Venue.MOCK, max_exposure=D(5))
    form = main_form(admin_client.get(add).content.decode())
    assert form.values["venue"] == [""]
    shown = admin_client.post(add, {**form.values, "max_exposure": "5"}, follow=True).content.decode()
    assert "This field is required." in shown
    assert AccountProtections.objects.count() == 1


def test_account_protections_that_are_emptied_say_that_nothing_is_denied(admin_client: Client) -> None:
    row = AccountProtections.objects.create(venue="mock", max_exposure=D(5))
    url = f"{PAGES}{row.pk}/change/"
    shown = admin_client.post(url, {**EMPTY, **CHOICES}, follow=True).content.decode()
    assert "all limits are empty, no order is denied." in shown
    assert AccountProtections.objects.get().denies_nothing


def test_a_pause_alone_is_no_protection_of_a_symbol(admin_client: Client, symbol: Symbol) -> None:
    form = main_form(admin_client.get(of(symbol)).content.decode())
    shown = admin_client.post(of(symbol), {**form.values, "protections-0-cooldown_minutes": "30"}).content.decode()
    assert "A cooldown needs a limit" in shown
    assert not SymbolProtections.objects.exists()


def test_protections_of_a_symbol_that_are_emptied_say_so(admin_client: Client, symbol: Symbol) -> None:
    limit(symbol, max_exposure=D(300))
    form = main_form(admin_client.get(of(symbol)).content.decode())
    values = {**form.values, "protections-0-max_exposure": "", "_save": "Save"}
    shown = admin_client.post(of(symbol), values, follow=True).content.decode()
    assert "ETHUSDT: all risk limits are empty" in shown


def test_a_profile_that_sets_nothing_is_not_made(admin_client: Client) -> None:
    shown = admin_client.post("/admin/trading/profile/add/", {"name": "empty"}).content.decode()
    assert "Nothing is set" in shown
    assert not Profile.objects.filter(name="empty").exists()
