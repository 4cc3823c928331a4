"""The kill switch in the admin: buttons that only some may press, a banner on every page, and what waits and why."""

from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from tests.support.rows import make_fill, make_order, make_trader
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import TraderState
from trading.models import Switch, Symbol, Trader
from trading.models.switch import TradingMode
from trading.risk import kill_switch

pytestmark = pytest.mark.django_db

MODE, OVERVIEW, SWITCH = "/admin/trading/switch/mode/", "/admin/", "/admin/trading/switch/"
PAGES = [OVERVIEW, SWITCH, "/admin/trading/trader/", "/admin/trading/order/", "/admin/trading/journalentry/"]
HALTED = "Trading is halted: news (by anna, since "


@pytest.fixture
def reader(client: Client) -> Client:
    """May look, but not turn the switch."""
    user = User.objects.create_user("rita", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def shown(client: Client, page: str) -> str:
    return client.get(page).content.decode()


def test_halt_and_resume_from_the_overview_are_written_down(symbol: Symbol, admin_client: Client) -> None:
    trader = make_trader(symbol, retry_at=timezone.now() + timedelta(seconds=50))
    make_order(make_trader(symbol, 2))
    page = admin_client.post(MODE, {"mode": "halted", "why": "news", "cancel_buys": "1"}, follow=True)
    text = page.content.decode()
    assert "no process that uses this database sends a new order, on any machine, at any venue." in text
    assert "No order can be sent any more." in text
    assert "Open buys being cancelled: 1." in text
    row = Switch.objects.get()
    assert (row.mode, row.mode_by, row.mode_why, row.cancel_buys) == (TradingMode.HALTED, "admin", "news", True)
    admin_client.post(MODE, {"mode": "active"})
    assert (Switch.objects.get().mode, Switch.objects.get().cancel_buys) == (TradingMode.ACTIVE, False)
    retry_at = Trader.objects.get(pk=trader.pk).retry_at
    assert retry_at is not None
    assert retry_at <= timezone.now()
    assert [entry.user.get_username() for entry in LogEntry.objects.all()] == ["admin", "admin"]


def test_sell_only_is_a_mode_of_its_own(symbol: Symbol, admin_client: Client) -> None:
    text = admin_client.post(MODE, {"mode": "reducing"}, follow=True).content.decode()
    assert "no process that uses this database sends a new buy" in text
    assert "Trading is reducing: sells only (by admin, since " in text
    assert Switch.objects.get().mode == TradingMode.REDUCING


def test_halted_page_cancels_buys_and_changes_to_sell_only(symbol: Symbol, admin_client: Client) -> None:
    make_order(make_trader(symbol))
    kill_switch.halt("anna")
    text = shown(admin_client, SWITCH)
    assert "No reason was given. Open buys: 1." in text
    assert "The reason is shown above" not in text
    assert "Cancel open buys" in text
    text = admin_client.post(MODE, {"mode": "halted", "cancel_buys": "1"}, follow=True).content.decode()
    assert "Open buys being cancelled: 1." in text
    assert "Cancel open buys" not in shown(admin_client, SWITCH)
    assert "Open buys: 1, being cancelled." in shown(admin_client, SWITCH)
    assert "Sell only" in shown(admin_client, SWITCH)
    text = admin_client.post(MODE, {"mode": "reducing"}, follow=True).content.decode()
    assert "Before: trading is halted (by anna, since " in text
    row = Switch.objects.get()
    assert (row.mode, row.cancel_buys) == (TradingMode.REDUCING, True)
    assert "Sell only" not in shown(admin_client, SWITCH)
    kill_switch.halt("anna", "news")
    assert "The reason is shown above." in shown(admin_client, SWITCH)


def test_halted_page_has_no_buttons_for_who_may_not_halt(symbol: Symbol, reader: Client) -> None:
    make_order(make_trader(symbol))
    kill_switch.halt("anna")
    assert MODE not in shown(reader, SWITCH)


def test_nobody_halts_by_following_a_link_or_without_the_permission(symbol: Symbol, reader: Client) -> None:
    assert reader.get(MODE).status_code == 405
    assert reader.post(MODE, {"mode": "halted"}).status_code == 403
    assert Switch.row().is_active
    assert MODE not in shown(reader, OVERVIEW)
    assert "You do not have permission to halt trading." in shown(reader, SWITCH)


def test_word_that_is_no_mode_changes_nothing(symbol: Symbol, admin_client: Client) -> None:
    answer = admin_client.post(MODE, {"mode": "panic"})
    assert (answer.status_code, Switch.row().is_active) == (400, True)
    assert "Choose active, reducing or halted." in answer.content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_that_trading_is_halted_once(symbol: Symbol, admin_client: Client, page: str) -> None:
    assert HALTED not in shown(admin_client, page)
    kill_switch.halt("anna", "news")
    assert shown(admin_client, page).count(HALTED) == 1
    assert "Resume" in shown(admin_client, page)


def test_banner_has_no_button_for_who_may_not_resume(symbol: Symbol, reader: Client) -> None:
    kill_switch.halt("anna", "news")
    text = shown(reader, OVERVIEW)
    assert HALTED in text
    assert "Resume" not in text


def test_login_page_says_nothing_of_it(client: Client, symbol: Symbol) -> None:
    kill_switch.halt("anna", "news")
    assert "halted" not in client.get("/admin/login/").content.decode()


def test_overview_shows_what_is_unclear_and_what_waits(symbol: Symbol, admin_client: Client) -> None:
    for slot in (1, 2):
        make_trader(symbol, slot, retry_at=timezone.now(), waits_for="49 of 50 unfilled orders in 10 s: waits 4 s")
    make_order(
        make_trader(symbol, 3), status=OrderStatus.SUBMITTING, submitted_at=timezone.now() - timedelta(seconds=20)
    )
    make_trader(symbol, 4, state=TraderState.DUST, finished_at=timezone.now(), leftover=D("0.0012"))
    text = shown(admin_client, OVERVIEW)
    assert "49 of 50 unfilled orders in 10 s: waits 4 s" in text
    assert "2 traders" in text
    assert "Not confirmed by the exchange: not checked yet" in text
    assert "unfilled orders in 10 s" in text
    waiting = shown(admin_client, "/admin/trading/trader/?show=waiting")
    assert waiting.count('class="hh-clip" title="49 of 50') == 2
    dust = shown(admin_client, "/admin/trading/trader/?show=dust")
    assert "0.0012 ETH</span> left, below the minimum to sell" in dust


def test_page_of_a_trader_shows_what_a_commission_in_bnb_was_worth(symbol: Symbol, admin_client: Client) -> None:
    trader = make_trader(symbol)
    fill = make_fill(make_order(trader, Side.BUY))
    fill.commission, fill.commission_asset, fill.commission_quote = D("0.0002"), "BNB", D("0.12")
    fill.save()
    text = shown(admin_client, f"/admin/trading/trader/{trader.pk}/change/")
    assert "0.0002 BNB</span> (valued at" in text
    assert "0.12 USDT" in text
