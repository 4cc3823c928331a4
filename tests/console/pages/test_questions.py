"""Questions before deeds: what they say, and that a dialog is as careful as a page."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from tests.console.admin.test_admin import words_of
from tests.support.pages.chromium import Browser
from tests.support.rows import make_order, make_trader
from trading.core.strategy import TraderState
from trading.models import Switch, Symbol, TradingSettings
from trading.models.symbols import TradingStatus
from trading.risk import kill_switch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def holding(symbol: Symbol) -> Symbol:
    """A symbol that is on, with a trader that holds something and a buy that rests."""
    TradingSettings.objects.update(status=TradingStatus.ON)
    make_trader(symbol, 1, state=TraderState.SELLING, holds=True)
    make_order(make_trader(symbol, 2, state=TraderState.BUYING))
    return symbol


def turn(symbol: Symbol, state: str) -> str:
    return reverse("admin:trading_symbol_turn", args=(symbol.pk, "trading", state))


def test_says_what_turning_off_would_cancel_and_leave(holding: Symbol, admin_client: Client) -> None:
    shown = words_of(admin_client.get(turn(holding, "off-cancel")).content.decode())
    assert "Turn off and cancel orders: ETHUSDT?" in shown
    assert "Cancels 1 open order on the exchange" in shown
    assert "1 trader would keep a position that nothing sells until trading is on again." in shown
    assert "REAL MONEY" not in shown
    assert TradingSettings.objects.get().status == TradingStatus.ON  # Asking does nothing.


def test_real_money_is_said_above_the_question(holding: Symbol, admin_client: Client) -> None:
    Switch.objects.update_or_create(pk=1, defaults={"venue": "live"})
    page = admin_client.get(turn(holding, "off-cancel"), headers={"X-Dialog": "1"}).content.decode()
    assert "REAL MONEY" in words_of(page)
    assert "nav-sidebar" not in page  # A dialog has no frame.


def test_resuming_says_what_it_ends(holding: Symbol, admin_client: Client) -> None:
    kill_switch.halt("anna", "news")
    address = reverse("admin:trading_switch_mode")
    shown = words_of(admin_client.get(f"{address}?mode=active").content.decode())
    assert "Ends the halt by anna (news)" in shown
    assert not Switch.row().is_active
    admin_client.post(address, {"mode": "active"})
    assert Switch.row().is_active


def test_who_may_not_is_not_asked(holding: Symbol, client: Client) -> None:
    client.force_login(User.objects.create_user("reader", is_staff=True))
    assert client.get(turn(holding, "off-cancel")).status_code == 403


@pytest.mark.parametrize("width", [1400, 390])
def test_dialog_by_keyboard_alone(holding: Symbol, live_server: LiveServer, chromium: Browser, width: int) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    chromium.set_cookie("sessionid", client.cookies["sessionid"].value, live_server.url)
    chromium.resize(width, 900)
    page = f"{live_server.url}{reverse('admin:trading_symbol_change', args=(holding.pk,))}"
    chromium.open(page)

    focus = "document.activeElement.textContent.trim()"
    chromium.evaluate("document.querySelector('a[data-question][href*=off-cancel]').focus()")
    chromium.press("Enter")
    chromium.wait_for("document.querySelector('dialog[open]')")
    assert chromium.evaluate(focus) == "Leave it as it is"
    # As wide as the screen at most, and Escape gives the focus back.
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    chromium.press("Escape")
    assert not chromium.evaluate("Boolean(document.querySelector('dialog[open]'))")
    assert chromium.evaluate(focus) == "Off and cancel orders…"
    assert TradingSettings.objects.get().status == TradingStatus.ON

    chromium.press("Enter")
    chromium.wait_for("document.querySelector('dialog[open]')")
    chromium.press("Tab")
    assert chromium.evaluate(focus) == "Turn off and cancel orders"
    chromium.press("Enter")
    chromium.wait_for("document.body?.innerText.includes('trading is off')")
    assert TradingSettings.objects.get().status == TradingStatus.OFF
    assert chromium.errors == []
