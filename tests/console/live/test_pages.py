"""A symbol's chart and a trader's in a real browser: they draw, keep themselves fresh, and say when they cannot."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from console.chart import market
from tests.console.live.conftest import Site
from tests.console.live.test_stream import publish
from tests.support.exchanges.market import MockExchange
from tests.support.pages.chromium import Browser
from tests.support.rows import make_fill, make_order, make_trader
from trading.core.orders import OrderStatus, Side
from trading.core.position import TraderState
from trading.models import Fill, Order, Symbol, Trader

pytestmark = pytest.mark.django_db(transaction=True)
CHART = "hedgehogWorkspace"


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    market.forget()


def holding(symbol: Symbol) -> tuple[Trader, Order]:
    """A trader that bought at 2997 and sells at 3005.99."""
    trader = make_trader(symbol, state=TraderState.SELLING, holds=True, slot=1)
    make_fill(make_order(trader, exchange_order_id=1))
    amounts: dict[str, Any] = {"price": Decimal("3005.99"), "quantity": Decimal("0.0666")}
    return trader, make_order(trader, Side.SELL, exchange_order_id=2, **amounts)


def soon(chromium: Browser, script: str, seconds: float = 2.0) -> Any:
    """The script's value once it is true, which has to be within that time."""
    give_up = time.monotonic() + seconds
    while not (value := chromium.evaluate(script)):
        assert time.monotonic() < give_up, f"not within {seconds} s: {script}"
        chromium.settle(0.05)
    return value


def open_page(site: Site, chromium: Browser, path: str, width: int = 1440, is_dark: bool = False) -> None:
    chromium.resize(width, 1000, is_phone=width < 600)
    chromium.prefer("dark" if is_dark else "light")
    chromium.set_cookie("sessionid", site.cookie, site.url)
    chromium.open(f"{site.url}{path}")


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_the_chart_shows_what_is_ours(
    symbol: Symbol, at_mock: MockExchange, site: Site, chromium: Browser, width: int, is_dark: bool
) -> None:
    publish("3000", 1)
    holding(symbol)
    open_page(site, chromium, f"/admin/trading/symbol/{symbol.pk}/chart/", width, is_dark)
    soon(chromium, f"{CHART}.drawn.length === 2", 5)
    assert chromium.evaluate(f"{CHART}.candles.length > 0")
    assert chromium.evaluate(f"{CHART}.marks.map((mark) => mark.slice(1, 3))") == [["B", 1]]
    told = chromium.evaluate(f"{CHART}.lines.map((line) => [line.kind, line.text, line.price])")
    assert told == [["order", "slot 1 sells 0.0666", 3005.99], ["entry", "slot 1 entry", 2997]]
    label = chromium.evaluate("document.getElementById('market-chart').getAttribute('aria-label')")
    assert "slot 1 sells 0.0666 at 3,005.99" in label
    # The axis has what is ours in it, and nothing sticks out on the side.
    assert chromium.evaluate(f"[3005.99, 2997].every((price) => {CHART}.y(price) > 0 && {CHART}.y(price) < 420)")
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    assert "TradingView" in chromium.text
    assert chromium.errors == []


def test_a_fill_is_on_the_chart_within_two_seconds_and_an_order_goes_with_its_line(
    symbol: Symbol, at_mock: MockExchange, site: Site, chromium: Browser
) -> None:
    publish("3000", 1)
    trader, sell = holding(symbol)
    open_page(site, chromium, f"/admin/trading/symbol/{symbol.pk}/chart/")
    soon(chromium, f"{CHART}.drawn.length === 2", 5)
    soon(chromium, "document.querySelector('[data-live=\"sym.ETHUSDT.position\"]').textContent === '0.0666333'", 5)

    # The report of half of it.
    begun = time.monotonic()
    sell.status, sell.executed = OrderStatus.PARTIALLY_FILLED, sell.quantity / 2
    sell.save()
    sell.fills.create(
        trade_id=9,
        price=sell.price,
        quantity=sell.executed,
        quote=sell.price * sell.executed,
        traded_at=timezone.now(),
    )
    soon(chromium, f"{CHART}.marks.some((mark) => mark[1] === 'S')")
    assert time.monotonic() - begun < 2
    soon(chromium, f"{CHART}.drawn.some((line) => line.text === 'slot 1 sells 0.0333')")

    # It is cancelled.
    sell.status = OrderStatus.CANCELED
    sell.save()
    Trader.objects.filter(pk=trader.pk).update(version=5)
    soon(chromium, f"{CHART}.drawn.every((line) => line.kind !== 'order')")
    assert chromium.errors == []


def test_the_running_candle_follows_the_trades(
    symbol: Symbol, at_mock: MockExchange, site: Site, chromium: Browser
) -> None:
    publish("3000", 1)
    open_page(site, chromium, f"/admin/trading/symbol/{symbol.pk}/chart/")
    soon(chromium, f"{CHART}.candles.length > 0", 5)
    chromium.settle(1)
    publish("3123.45", 2)
    soon(chromium, f"{CHART}.candles.at(-1)[4] === 3123.45")
    soon(chromium, "document.querySelector('[data-live=\"sym.ETHUSDT.price\"]').textContent === '3,123.45'")
    assert chromium.errors == []


def test_scrolling_back_brings_older_candles_and_what_was_ours_then(
    symbol: Symbol, site: Site, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(time.time()) // 300 * 300
    begins = now - 1_200 * 300  # of the market
    asked = []

    def candles(of: object, name: str, interval: str, end_s: int | None = None) -> list[market.Candle]:
        asked.append(end_s)
        first = max(begins, (end_s or now + 300) - market.CANDLES * 300)
        return [(at, 3000.0, 3001.0, 2999.0, 3000.0, 1.0) for at in range(first, end_s or now + 300, 300)]

    monkeypatch.setattr(market, "candles", candles)
    trader, _ = holding(symbol)
    Fill.objects.filter(order__trader=trader).update(traded_at=datetime.fromtimestamp(now - 700 * 300, UTC))
    open_page(site, chromium, f"/admin/trading/symbol/{symbol.pk}/chart/")
    soon(chromium, f"{CHART}.candles.length === 500", 5)
    assert chromium.evaluate(f"{CHART}.marks") == []
    scroll = f"{CHART}.chart.timeScale().setVisibleLogicalRange({{from: 5, to: 125}})"
    # Again where the chart was still being drawn, and took its own range.
    soon(chromium, f"{CHART}.candles.length === 1000 || ({scroll}, false)", 10)
    soon(chromium, f"{CHART}.marks.length === 1", 5)
    # What was looked at stays where it was.
    soon(chromium, f"Math.round({CHART}.chart.timeScale().getVisibleLogicalRange().from) === 505")
    soon(chromium, f"{CHART}.candles.length === 1201 || ({scroll}, false)", 10)
    chromium.evaluate(scroll)  # Nothing is older: it is asked once more, and then not again.
    chromium.settle(0.5)
    chromium.evaluate(scroll)
    chromium.settle(0.5)
    assert len(asked) <= 5
    times = chromium.evaluate(f"{CHART}.candles.map((each) => each[0])")
    assert times == list(range(begins, now + 300, 300))
    assert chromium.errors == []


def test_layers_are_turned_off_and_intervals_kept(
    symbol: Symbol, at_mock: MockExchange, site: Site, chromium: Browser
) -> None:
    publish("3000", 1)
    holding(symbol)
    page = f"/admin/trading/symbol/{symbol.pk}/chart/"
    open_page(site, chromium, page)
    soon(chromium, f"{CHART}.drawn.length === 2", 5)
    chromium.evaluate("document.querySelector('[data-layer=orders]').click()")
    assert chromium.evaluate(f"{CHART}.drawn.length") == 0
    chromium.evaluate("document.querySelector('button[data-interval=\"15m\"]').click()")
    soon(chromium, f"{CHART}.length === 900", 5)
    chromium.open(f"{site.url}{page}")
    soon(chromium, f"{CHART}.length === 900", 5)
    assert chromium.errors == []


def test_without_the_market_own_orders_and_fills_still_stand(symbol: Symbol, site: Site, chromium: Browser) -> None:
    # Nothing listens at the mock's port.
    publish("3000", 1)
    holding(symbol)
    open_page(site, chromium, f"/admin/trading/symbol/{symbol.pk}/chart/")
    soon(chromium, f"{CHART}.drawn.length === 2 && {CHART}.marks.length === 1", 8)
    assert "No candles just now" in chromium.text
    assert "Own fills and orders are complete" in chromium.text
    assert "No order book" in chromium.text
    assert chromium.errors == []


def test_where_streams_fail_the_page_polls(
    symbol: Symbol, at_mock: MockExchange, live_server: LiveServer, chromium: Browser, site: Site
) -> None:
    """Django's own test server has no streams."""
    publish("3000", 1)
    chromium.set_cookie("sessionid", site.cookie, live_server.url)
    chromium.open(f"{live_server.url}/admin/trading/symbol/{symbol.pk}/chart/")
    price = "document.querySelector('[data-live=\"sym.ETHUSDT.price\"]').textContent"
    assert chromium.evaluate(price) == "3,000.00"
    publish("3001.5", 2)
    soon(chromium, f"{price} === '3,001.50'", 8)
    make_fill(make_order(make_trader(symbol)))
    soon(chromium, f"{CHART}.marks.length === 1", 8)


def test_a_page_that_hears_nothing_says_so_and_goes_on_when_it_does(
    symbol: Symbol, at_mock: MockExchange, site: Site, chromium: Browser
) -> None:
    publish("3000", 1)
    open_page(site, chromium, f"/admin/trading/symbol/{symbol.pk}/chart/")
    soon(chromium, f"{CHART}.candles.length > 0", 5)
    silence = "!document.getElementById('live-silence').hidden"
    assert not chromium.evaluate(f"document.getElementById('live-silence') && {silence}")
    chromium.set_offline(True)
    chromium.evaluate("hedgehogLive.cut()")
    soon(chromium, silence, 20)
    assert "This page has had no news since" in chromium.text
    chromium.set_offline(False)
    soon(chromium, f"!({silence})", 20)


def test_redis_down_is_said_on_the_page(
    symbol: Symbol, at_mock: MockExchange, site: Site, chromium: Browser, settings: Settings
) -> None:
    publish("3000", 1)
    open_page(site, chromium, f"/admin/trading/symbol/{symbol.pk}/chart/")
    soon(chromium, f"{CHART}.candles.length > 0", 5)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    soon(chromium, "document.body.innerText.includes('Redis does not answer: prices stand still.')", 8)


@pytest.mark.parametrize("width", [1440, 390])
def test_every_tab_has_an_address_of_its_own(
    symbol: Symbol, at_mock: MockExchange, site: Site, chromium: Browser, width: int
) -> None:
    publish("3000", 1)
    holding(symbol)
    for tab in ("chart", "traders", "orders", "profit", "why", "change"):
        open_page(site, chromium, f"/admin/trading/symbol/{symbol.pk}/{tab}/", width)
        chosen = "document.querySelector('.hh-tabs [aria-current]').firstChild.textContent.trim()"
        assert chromium.evaluate(chosen) == {"change": "Settings"}.get(tab, tab.capitalize())
        soon(chromium, "document.querySelector('[data-live=\"sym.ETHUSDT.total\"]').textContent !== ''", 5)
        assert chromium.evaluate("document.documentElement.scrollWidth") <= width, tab
    assert chromium.errors == []


def test_a_traders_page_draws_its_cycle_and_keeps_it_while_the_rest_refreshes(
    symbol: Symbol, at_mock: MockExchange, site: Site, chromium: Browser
) -> None:
    publish("3000", 1)
    trader, sell = holding(symbol)
    open_page(site, chromium, f"/admin/trading/trader/{trader.pk}/change/")
    soon(chromium, "hedgehogCycle.drawn.length === 3", 5)
    told = chromium.evaluate("hedgehogCycle.lines.map((line) => line.text)")
    assert told == ["slot 1 sells 0.0666", "slot 1 entry", "slot 1 bought 0.0667"]
    # The page replaces all around it every five seconds.
    chromium.evaluate("document.querySelector('#cycle-chart canvas').dataset.kept = 'yes'")
    chromium.settle(6)
    assert chromium.evaluate("document.querySelector('#cycle-chart canvas').dataset.kept") == "yes"
    make_fill(sell, trade_id=7)
    Trader.objects.filter(pk=trader.pk).update(version=9)
    soon(chromium, "hedgehogCycle.marks.some((mark) => mark[1] === 'S')")
    assert chromium.errors == []


def test_the_list_of_symbols_leads_to_the_chart(symbol: Symbol, site: Site, chromium: Browser) -> None:
    open_page(site, chromium, "/admin/trading/symbol/")
    link = "[...document.querySelectorAll('#result_list a')].find((each) => each.textContent === 'ETHUSDT').pathname"
    assert chromium.evaluate(link) == f"/admin/trading/symbol/{symbol.pk}/chart/"
