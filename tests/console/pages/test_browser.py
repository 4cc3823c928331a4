"""Pages in a real browser: they draw, fit the screen, keep themselves fresh; settings draw their ladder."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from hedgehog_project.venues import Venue
from tests.console.test_money import MONEY
from tests.console.test_overview import publish
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.pages.chromium import Browser
from tests.support.rows import make_cycle, make_story
from tests.support.settings import give
from trading.books import account
from trading.models import Symbol, TradingSettings
from trading.models.symbols import Slots
from trading.risk import balances
from trading.symbols import turning

REFRESH_S = 5
pytestmark = pytest.mark.django_db(transaction=True)


def test_start_page_draws_and_refreshes_itself(symbol: Symbol, live_server: LiveServer, chromium: Browser) -> None:
    turning.set_streaming(symbol, True)
    publish("ETHUSDT", "3000.1")
    make_story(symbol)
    make_cycle(symbol, "0.25")
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    chromium.set_cookie("sessionid", client.cookies["sessionid"].value, live_server.url)
    chromium.open(f"{live_server.url}/admin/")

    for text in ("Account value", "3,000.10", "+0.25 USDT", "Comes within a minute"):
        assert (text in chromium.text) == (text in ("Account value", "+0.25 USDT", "Comes within a minute")), text
    # Nothing sticks out on either side.
    assert chromium.evaluate("document.documentElement.scrollWidth") <= 1400

    for minutes in (2, 1, 0):
        at = timezone.now() - timedelta(minutes=minutes)
        balances.keep(Venue.MOCK, MONEY, at)
        account.measure(Venue.MOCK, MONEY, at, ScriptedExchange())
    make_cycle(symbol, "0.5")
    chromium.evaluate("scrollTo(0, 100)")
    chromium.wait_for("document.body.innerText.includes('3,000.10')")
    assert "+0.75" in chromium.text.split("Realised")[1]
    assert "+0.50 USDT" in chromium.text.split("Recent cycles")[1]
    chromium.wait_for("document.querySelector('#curve canvas')")
    assert chromium.evaluate("scrollY") == 100
    assert chromium.errors == []

    # An expired login leads to the login page instead of an empty one.
    client.logout()
    chromium.settle(REFRESH_S + 1)
    assert "Log in" in chromium.text


LINES = ("size", "fall", "average", "rise", "earned", "lost")


def drawn(page: Browser) -> dict[str, str]:
    return {name: page.evaluate(f"document.querySelector('[data-line={name}]').textContent") for name in LINES}


def fill_in(page: Browser, name: str, value: str) -> None:
    page.evaluate(
        f"(() => {{ const field = document.querySelector('[name=settings-0-{name}]'); field.value = '{value}';"
        " field.dispatchEvent(new Event('input', {bubbles: true}));"
        " field.dispatchEvent(new Event('change', {bubbles: true})) })()"
    )


def bars(page: Browser) -> int:
    return int(page.evaluate("document.querySelectorAll('[data-ladder] rect.hh-buy').length"))


def test_settings_draw_the_ladder_that_they_make(
    symbol: Symbol, live_server: LiveServer, chromium: Browser, tmp_path: Path
) -> None:
    per_cent = Decimal("0.01")
    give(
        TradingSettings.objects.filter(symbol=symbol),
        budget=Decimal(600), max_slots=4, buy_down_interval=per_cent / 10, profit_interval=per_cent / 2,
        rebuy_interval=per_cent, stop_loss_interval=per_cent * 3,
    )  # fmt: skip
    publish("ETHUSDT", "3000")
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    chromium.set_cookie("sessionid", client.cookies["sessionid"].value, live_server.url)
    address = f"{live_server.url}/admin/trading/symbol/{symbol.pk}/change/"
    chromium.open(address)

    assert bars(chromium) == 4
    # Buys at 2997, 2967.03, 2937.36 and 2907.99; the first is sold at 3017.99.
    assert drawn(chromium) == {
        "size": "150.00 USDT", "fall": "−3.07 %", "average": "2,951.97", "rise": "+3.78 %", "earned": "+3.00 USDT",
        "lost": "−19.16 USDT",
    }  # fmt: skip
    fill_in(chromium, "max_slots", "2")
    fill_in(chromium, "stop_loss_interval", "")
    assert bars(chromium) == 2
    assert (drawn(chromium)["size"], drawn(chromium)["lost"]) == ("300.00 USDT", "no stop")
    fill_in(chromium, "slots", Slots.TOGETHER)
    assert drawn(chromium)["fall"] == "−0.10 %"
    fill_in(chromium, "strategy", "trailing")
    assert drawn(chromium)["fall"] == "0.00 %", "trailing reads no buy offset"
    fill_in(chromium, "sizing", "share")
    assert (drawn(chromium)["size"], drawn(chromium)["earned"]) == ("share of balance", "–")

    for width in (1440, 390):
        chromium.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=1000, deviceScaleFactor=1, mobile=False
        )
        chromium.open(address)
        assert bars(chromium) == 4
        sticks_out = "document.querySelector('[data-ladder]').getBoundingClientRect().right > innerWidth"
        assert not chromium.evaluate(sticks_out)
    assert chromium.errors == []


def test_balances_and_profit_draw_and_fit(symbol: Symbol, live_server: LiveServer, chromium: Browser) -> None:
    publish("ETHUSDT", "3000")
    make_story(symbol)
    make_cycle(symbol, "0.25")
    balances.keep(Venue.MOCK, MONEY, timezone.now())
    account.measure(Venue.MOCK, MONEY, timezone.now(), ScriptedExchange())
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    chromium.set_cookie("sessionid", client.cookies["sessionid"].value, live_server.url)
    for width in (1440, 390):
        chromium.resize(width, 900)
        for page, shown in (("balance/", "Account value"), ("equity/profit/?by=symbol", "Win rate")):
            chromium.open(f"{live_server.url}/admin/trading/{page}")
            assert shown in chromium.text
            assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    bar = "document.querySelector('.hh-bars rect[height]:last-of-type').getBoundingClientRect().height"
    assert chromium.evaluate(bar) > 100
    assert chromium.errors == []


def test_a_wrong_form_names_its_fields_and_leads_to_them(
    symbol: Symbol, live_server: LiveServer, chromium: Browser
) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    chromium.set_cookie("sessionid", client.cookies["sessionid"].value, live_server.url)
    chromium.open(f"{live_server.url}/admin/trading/symbol/{symbol.pk}/change/")
    for name, value in (("settings-0-budget", "-5"), ("settings-0-profit_interval", "x")):
        chromium.evaluate(f"document.querySelector('[name={name}]').value = '{value}'")
    chromium.evaluate("document.querySelector('[name=_save]').click()")
    chromium.settle(4)

    named = chromium.evaluate("[...document.querySelectorAll('.errornote li')].map((each) => each.innerText)")
    assert named == ["Budget: Must be above 0.", "Take profit, %: Enter a number."]
    assert chromium.evaluate("document.activeElement.name") == "settings-0-budget"
    chromium.evaluate("[...document.querySelectorAll('.errornote a')].at(-1).click()")
    assert chromium.evaluate("document.activeElement.name") == "settings-0-profit_interval"
    seen = "(() => { const box = document.activeElement.getBoundingClientRect();"
    assert chromium.evaluate(f"{seen} return box.top >= 0 && box.bottom <= innerHeight; }})()")
    assert chromium.errors == []
