"""Search from any page: what it finds, for whom, by which index, and with the keyboard alone."""

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.live_server_helper import LiveServer

from tests.console.pages.site import log_in
from tests.support.pages.chromium import Browser
from tests.support.rows import make_cycle, make_fill, make_order, make_story
from tests.trading.conftest import make_symbol
from trading.core.orders import OrderStatus, Side
from trading.models import Fill, Order, Symbol

CHOSEN = "document.querySelector('#search [aria-selected=true]')?.innerText"


def found(client: Client, text: str) -> str:
    answer = client.get("/admin/find/", {"q": text})
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.fixture
def order(symbol: Symbol) -> Order:
    make_story(symbol)
    trader = make_cycle(symbol, "0.25")
    order = make_order(trader, Side.SELL, OrderStatus.NEW, exchange_order_id=987654)
    make_fill(order, trade_id=555111)
    return order


@pytest.mark.django_db
def test_each_id_finds_what_it_is_of(order: Order, admin_client: Client) -> None:
    is_it = f'<b>Order {order.pk}</b> <span class="hh-found">sell 0.0667 ETHUSDT at 2997, filled</span>'
    assert is_it in found(admin_client, order.client_order_id)
    assert is_it in found(admin_client, "987654")
    assert is_it in found(admin_client, f" {order.pk} ")
    assert "Fill by trade 555111" in found(admin_client, "555111")
    trader = found(admin_client, f"#{order.trader_id}")
    assert f"<b>Trader {order.trader_id}</b>" in trader
    assert "ETHUSDT slot 1 at mock, finished, +0.25 USDT" in trader
    assert f"trader__id__exact={order.trader_id}" in trader


@pytest.mark.django_db
def test_a_symbol_is_found_by_how_it_begins(symbol: Symbol, admin_client: Client) -> None:
    make_symbol("ETHBTCUSDT")
    make_story(symbol)
    assert "Symbol ETHUSDT" in found(admin_client, "eth")
    assert "Symbol ETHBTCUSDT" in found(admin_client, "eth")
    assert "Symbol ETHBTCUSDT" not in found(admin_client, "ethu")
    assert "Trader" in found(admin_client, "ethusdt 1")
    assert "Nothing is called" in found(admin_client, "usdt")
    assert "Trading control" in found(admin_client, "contr")


@pytest.mark.django_db
def test_only_what_the_reader_may_see_is_found(order: Order, client: Client) -> None:
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_trader"))
    client.force_login(user)
    assert "Trader" in found(client, str(order.trader_id))
    assert "Order" not in found(client, order.client_order_id)
    assert "ETHUSDT" not in found(client, "ethusdt")
    client.logout()
    assert client.get("/admin/find/", {"q": "eth"}).status_code == 302


@pytest.mark.django_db
def test_search_reads_no_table_from_end_to_end(
    order: Order, admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for text in ("555111", order.client_order_id, "ethusdt 1"):
        with django_assert_max_num_queries(25) as queries:
            found(admin_client, text)
        for query in queries.captured_queries:
            tables = {model._meta.db_table for model in (Order, Fill, type(order.trader))}
            if query["sql"].startswith("SELECT") and any(f'FROM "{table}"' in query["sql"] for table in tables):
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                    plan = [row[3] for row in cursor.fetchall()]
                assert not any(line.startswith("SCAN") for line in plan), (query["sql"], plan)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis_client")
def test_search_needs_no_mouse(live_server: LiveServer, chromium: Browser) -> None:
    log_in(chromium, live_server)
    order = Order.objects.order_by("-pk")[0]
    chromium.open(f"{live_server.url}/admin/trading/trader/")
    chromium.evaluate("document.querySelector('#result_list a').focus()")
    chromium.press("t")
    assert chromium.evaluate("document.activeElement.getAttribute('role')") == "combobox"
    chromium.press("Escape")
    assert not chromium.evaluate("document.getElementById('search').open")
    assert chromium.evaluate("document.activeElement.closest('#result_list') !== null")

    chromium.press("t")
    chromium.write("eth")
    chromium.settle(0.6)
    assert "Symbol ETHUSDT" in chromium.evaluate(CHOSEN)
    chromium.evaluate("document.querySelector('#search input').select()")
    chromium.write("trad")
    chromium.settle(0.6)
    first = chromium.evaluate(CHOSEN)
    chromium.press("ArrowDown")
    assert chromium.evaluate(CHOSEN) not in (None, first)
    chromium.press("ArrowUp")
    assert chromium.evaluate(CHOSEN) == first
    # Enter at once, before an answer has come, goes to what stands in the field.
    chromium.evaluate("document.querySelector('#search input').select()")
    chromium.write(order.client_order_id)
    chromium.press("Enter")
    chromium.settle(1)
    assert chromium.evaluate("location.pathname") == f"/admin/trading/order/{order.pk}/change/"
    # A key in a field is a letter.
    chromium.open(f"{live_server.url}/admin/trading/order/")
    chromium.evaluate("document.getElementById('searchbar').focus()")
    chromium.press("t")
    assert not chromium.evaluate("document.getElementById('search').open")
    assert chromium.errors == []
