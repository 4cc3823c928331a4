"""Lists: filters that are saved by name, sums of a page, and rows that keep themselves fresh."""

from decimal import Decimal as D

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from tests.console.pages.site import log_in
from tests.console.test_overview import publish
from tests.support.pages.chromium import Browser
from tests.support.rows import make_cycle, make_fill, make_order, make_story
from trading.core.orders import OrderStatus, Side
from trading.models import Order, SavedFilter, Symbol, Trader

ORDERS = "/admin/trading/order/"
REFRESH_S = 5
SHOWN = "[...document.querySelectorAll('#result_list a[href*=\"/trading/order/\"]')].map((each) => each.innerText)"


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def save(client: Client, name: str, query: str, page: str = "trading.order") -> str:
    answer = client.post("/admin/filters/save/", {"page": page, "name": name, "query": query})
    assert answer.status_code == 302
    return str(answer["Location"])


@pytest.mark.django_db
def test_a_filter_is_saved_used_and_removed(symbol: Symbol, admin_client: Client) -> None:
    assert "Save this filter" not in text_of(admin_client, ORDERS)
    assert "Save this filter" in text_of(admin_client, f"{ORDERS}?show=open")
    address = save(admin_client, " Open  sells ", "side__exact=SELL&show=open&before=77&q=")
    assert address == f"{ORDERS}?show=open&side__exact=SELL"
    assert 'aria-current="true">Open sells<' in text_of(admin_client, address)
    # Not on other lists, in any order of its parts, and not twice.
    assert "Open sells" not in text_of(admin_client, "/admin/trading/trader/?show=all")
    other_order = text_of(admin_client, f"{ORDERS}?side__exact=SELL&show=open")
    assert 'aria-current="true">Open sells<' in other_order
    assert "Save this filter" not in other_order
    save(admin_client, "Open sells", "show=open")
    row = SavedFilter.objects.get()
    assert row.query == "show=open"
    answer = admin_client.post(f"/admin/filters/{row.pk}/remove/", {"query": "show=open"})
    assert answer["Location"] == f"{ORDERS}?show=open"
    assert not SavedFilter.objects.exists()


@pytest.mark.django_db
def test_filters_are_each_readers_own(admin_client: Client, client: Client) -> None:
    save(admin_client, "mine", "show=open")
    row = SavedFilter.objects.get()
    client.force_login(User.objects.create_superuser("other"))
    assert "mine" not in text_of(client, f"{ORDERS}?show=open")
    client.post(f"/admin/filters/{row.pk}/remove/")
    assert SavedFilter.objects.filter(pk=row.pk).exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "query", "page"),
    [
        ("", "show=open", "trading.order"),
        ("nothing", "before=7", "trading.order"),
        ("too long", f"q={'x' * 1000}", "trading.order"),
        ("elsewhere", "show=open", "//evil.example"),
    ],
)
def test_what_is_no_filter_is_not_saved(name: str, query: str, page: str, admin_client: Client) -> None:
    address = save(admin_client, name, query, page)
    assert address.startswith("/admin/")
    assert not SavedFilter.objects.exists()


@pytest.mark.django_db
def test_a_list_says_what_its_page_comes_to(symbol: Symbol, admin_client: Client) -> None:
    trader = make_cycle(symbol, "0.25")
    make_cycle(symbol, "-0.05")
    make_fill(make_order(trader, price=D(3000), quantity=D("0.5")))
    make_order(trader, Side.SELL, OrderStatus.CANCELED, price=D(3000), quantity=D("0.1"))
    publish("ETHUSDT", "3100")
    foot = text_of(admin_client, ORDERS).split('id="list-foot"')[1].split("</dl>")[0]
    assert "Worth" in foot and "1,800.00 USDT" in foot
    assert "Filled" in foot and "1,500.00 USDT" in foot
    foot = text_of(admin_client, "/admin/trading/fill/").split('id="list-foot"')[1].split("</dl>")[0]
    assert "Bought" in foot and "1,500.00 USDT" in foot and "Sold" not in foot
    foot = text_of(admin_client, "/admin/trading/trader/?show=all").split('id="list-foot"')[1].split("</dl>")[0]
    assert "+0.20</span> USDT" in foot and "Unrealised" not in foot
    make_story(symbol)
    foot = text_of(admin_client, "/admin/trading/trader/").split('id="list-foot"')[1].split("</dl>")[0]
    # 0.0667 ETH less its commission, bought at 2997, at 3100 less the commission of selling it.
    assert "Unrealised" in foot and "+6.46</span> USDT" in foot


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_client")
def test_rows_stay_fresh_and_never_move_under_a_pointer(live_server: LiveServer, chromium: Browser) -> None:
    log_in(chromium, live_server)
    chromium.open(f"{live_server.url}{ORDERS}")
    before = chromium.evaluate(SHOWN)
    trader = Trader.objects.order_by("pk")[0]
    chromium.call("Input.dispatchMouseEvent", type="mouseMoved", x=5, y=5)

    newer = make_order(trader, Side.SELL, OrderStatus.CANCELED)
    chromium.settle(REFRESH_S + 1)
    assert chromium.evaluate(SHOWN) == [newer.client_order_id, *before]
    assert "Refreshed" in chromium.text

    # With the focus inside, rows stay where they are, and what they say is new all the same.
    chromium.evaluate("document.querySelector('#result_list a').focus()")
    Order.objects.filter(pk=newer.pk).update(status=OrderStatus.EXPIRED)
    latest = make_order(trader, Side.SELL, OrderStatus.CANCELED)
    chromium.settle(REFRESH_S + 1)
    assert chromium.evaluate(SHOWN) == [newer.client_order_id, *before]
    assert "EXPIRED" in chromium.evaluate("document.querySelector('#result_list tbody').innerText").upper()
    chromium.evaluate("document.activeElement.blur()")
    chromium.settle(REFRESH_S + 1)
    assert chromium.evaluate(SHOWN)[0] == latest.client_order_id

    # A chosen row, and selected text, are never taken away.
    chromium.open(f"{live_server.url}/admin/trading/trader/")
    chromium.evaluate("document.querySelector('input.action-select').click()")
    chromium.settle(REFRESH_S + 1)
    assert "Not refreshed while rows are chosen" in chromium.text
    assert chromium.evaluate("document.querySelector('input.action-select').checked")
    assert chromium.errors == []
