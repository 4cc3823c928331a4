"""The start page in a real browser: it draws, says nothing wrong, and keeps itself fresh."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from tests.console.test_overview import publish
from tests.support.pages.chromium import Browser
from tests.support.rows import make_cycle, make_story
from trading.models import Symbol
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

    cycles = "Chart.getChart(document.querySelector('[data-series=cycles]')).data.datasets[0].data.at(-1)"
    assert "+0.25 USDT" in chromium.text
    assert "3,000.1 USDT" in chromium.text
    assert chromium.evaluate(cycles) == 1
    # Nothing sticks out on either side.
    assert chromium.evaluate("document.documentElement.scrollWidth") <= 1400

    make_cycle(symbol, "0.5")
    chromium.evaluate("scrollTo(0, 100)")
    chromium.settle(REFRESH_S + 1)
    assert "+0.75 USDT" in chromium.text
    assert "+0.50 USDT" in chromium.text.split("Recent cycles")[1]
    assert chromium.evaluate(cycles) == 2
    assert chromium.evaluate("scrollY") == 100
    assert chromium.errors == []

    # An expired login leads to the login page instead of an empty one.
    client.logout()
    chromium.settle(REFRESH_S + 1)
    assert "Log in" in chromium.text
