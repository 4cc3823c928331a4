"""The pages of reconciliations and orphans: what they show, who may press which button, and what it does."""

from typing import Any

import pytest
from celery import current_app
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from console.admin import orphans as pages
from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.pages.chromium import Browser
from tests.trading.reconciliation.test_orphans import orphan_of, place
from trading.core.events import Recheck
from trading.core.orders import OrderStatus, Side
from trading.exchange.errors import NotSent
from trading.exchange.protocol import NewOrder
from trading.models import Order, Orphan, Reconciliation, Symbol, Trader
from trading.models.orphans import Resolution
from trading.reconciliation.reconcile import reconcile
from trading.traders import acting

pytestmark = pytest.mark.django_db(transaction=True)

ORPHANS = "admin:trading_orphan_changelist"
BOOKS = "admin:trading_reconciliation_changelist"


@pytest.fixture(autouse=True)
def here(exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "exchange_at", exchange)


@pytest.fixture
def orphan(symbol: Symbol, exchange: ScriptedExchange) -> Orphan:
    place(exchange, "hh-77-b-1")
    return orphan_of(exchange, "hh-77-b-1")


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def page_of(orphan: Orphan) -> str:
    return reverse("admin:trading_orphan_change", args=(orphan.pk,))


def test_pages_show_what_was_found(admin_client: Client, orphan: Orphan) -> None:
    assert "its client order id names no installation" in text_of(admin_client, reverse(ORPHANS))
    page = text_of(admin_client, page_of(orphan))
    assert "hh-77-b-1" in page
    assert "Adopt" in page
    assert "orphan hh-77-b-1" in text_of(admin_client, reverse(BOOKS))
    row = Reconciliation.objects.get()
    assert "orphan hh-77-b-1" in text_of(admin_client, reverse("admin:trading_reconciliation_change", args=(row.pk,)))


def test_button_adopts(admin_client: Client, orphan: Orphan) -> None:
    answer = admin_client.post(reverse("admin:trading_orphan_adopt", args=(orphan.pk,)), follow=True)
    assert "adopted by ETHUSDT #2 at mock" in answer.content.decode()
    assert Order.objects.get().client_order_id == "hh-77-b-1"


def test_button_cancels(admin_client: Client, orphan: Orphan, exchange: ScriptedExchange) -> None:
    answer = admin_client.post(reverse("admin:trading_orphan_cancel", args=(orphan.pk,)), follow=True)
    assert "Nothing was filled." in answer.content.decode()
    assert exchange.kept["hh-77-b-1"].status == OrderStatus.CANCELED
    # What is resolved has no button any more.
    assert reverse("admin:trading_orphan_cancel", args=(orphan.pk,)) not in answer.content.decode()


def test_buttons_need_a_permission_and_a_post(client: Client, orphan: Orphan, exchange: ScriptedExchange) -> None:
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_orphan", "view_reconciliation"]))
    client.force_login(user)
    for name in ("adopt", "cancel"):
        url = reverse(f"admin:trading_orphan_{name}", args=(orphan.pk,))
        assert url not in text_of(client, page_of(orphan))
        assert client.post(url).status_code == 403
        assert client.get(url).status_code == 405
    assert "Reconcile now" not in text_of(client, reverse(BOOKS))
    assert client.post(reverse("admin:trading_reconciliation_now")).status_code == 403
    assert exchange.kept["hh-77-b-1"].status == OrderStatus.NEW


@pytest.mark.parametrize(
    ("action", "resolution"), [("adopt_chosen", Resolution.ADOPTED), ("cancel_chosen", Resolution.CANCELED)]
)
def test_several_at_once_are_confirmed_first(
    admin_client: Client, orphan: Orphan, exchange: ScriptedExchange, action: str, resolution: Resolution
) -> None:
    place(exchange, "hh-78-b-1")
    orphan_of(exchange, "hh-78-b-1")
    chosen: dict[str, Any] = {"action": action, ACTION_CHECKBOX_NAME: [row.pk for row in Orphan.objects.all()]}
    asked = admin_client.post(reverse(ORPHANS), chosen)
    assert "2 orders?" in asked.content.decode()
    assert set(Orphan.objects.values_list("resolution", flat=True)) == {Resolution.UNRESOLVED}
    admin_client.post(reverse(ORPHANS), {**chosen, "confirmed": "yes"})
    assert set(Orphan.objects.values_list("resolution", flat=True)) == {resolution}


def test_books_are_compared_on_demand(admin_client: Client, symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> None:
    enqueued: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, kwargs, **_: enqueued.append((task, kwargs["venue"])))
    answer = admin_client.post(reverse("admin:trading_reconciliation_now"), follow=True)
    assert "Reconciliation of mock" in answer.content.decode()
    assert enqueued == [("trading.tasks.reconcile", "mock")]


def test_pages_fit_their_window(
    orphan: Orphan, exchange: ScriptedExchange, live_server: LiveServer, chromium: Browser
) -> None:
    place(exchange, "hh-78-s-1", price=3100)
    reconcile(Venue.MOCK, exchange)
    client = Client()
    client.force_login(User.objects.create_superuser("admin"))
    chromium.set_cookie("sessionid", client.cookies["sessionid"].value, live_server.url)
    for url in (reverse(ORPHANS), page_of(orphan), reverse(BOOKS)):
        chromium.open(f"{live_server.url}{url}")
        assert chromium.evaluate("document.documentElement.scrollWidth") <= 1400, url
    assert chromium.errors == []


def test_without_keys_an_orphan_is_adopted_and_a_worker_sends_what_follows(
    admin_client: Client, orphan: Orphan, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that serves the admin asks by a worker, and places nothing that way."""

    def refuses(order: NewOrder) -> None:
        raise NotSent("This process has no key")

    exchange.fill_all("hh-77-b-1")
    exchange.placed.clear()
    exchange.before.append(refuses)
    admin_client.post(reverse("admin:trading_orphan_adopt", args=(orphan.pk,)))
    trader = Trader.objects.get(symbol__name="ETHUSDT")
    assert exchange.placed == []
    assert not trader.has_ended
    Trader.objects.filter(pk=trader.pk).update(retry_at=timezone.now())
    acting.wake(trader.pk, Recheck("retry is due"), exchange)
    assert [order.side for order in exchange.placed] == [Side.SELL]
