"""The admin's pages: all of them answer, with rows and without, and what the exchange said can't be edited."""

import re

import pytest
import redis
from django.contrib.admin import site
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from console.admin.navigation import sidebar
from hedgehog_project.venues import Venue
from hedgehog_project.version import VERSION
from tests.console.test_overview import NO_REDIS, publish
from tests.support.rows import make_cycle, make_story, make_trader
from tests.trading.conftest import make_symbol
from trading.core.journal import Kind, Source
from trading.core.strategy import TraderState
from trading.models import Fill, JournalEntry, Listing, Order, Switch, Symbol, Trader
from trading.symbols import turning
from trading.waking import enqueue

pytestmark = pytest.mark.django_db

LISTS = ["symbol", "trader", "order", "fill", "journalentry", "listing", "switch"]
OTHER_LISTS = ["auth_user", "auth_group", "django_celery_beat_periodictask", "django_celery_beat_intervalschedule"]
READ_ONLY = [Trader, Order, Fill, JournalEntry, Listing]


def page(model: str) -> str:
    return reverse(f"admin:trading_{model}_changelist")


def change(row: Symbol | Trader | Order | Fill | JournalEntry | Listing) -> str:
    return reverse(f"admin:trading_{row._meta.model_name}_change", args=(row.pk,))


def words_of(html: str) -> str:
    """What a reader sees of it, in one line."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def text_of(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, f"{url}: {answer.status_code}"
    return answer.content.decode()


@pytest.fixture
def cycle(symbol: Symbol) -> Trader:
    turning.set_streaming(symbol, True)
    publish("ETHUSDT", "3000.10")
    make_cycle(symbol, "0.00000001")
    return make_story(symbol)


def test_every_list_answers_without_rows(admin_client: Client, redis_client: "redis.Redis") -> None:
    for model in LISTS:
        text_of(admin_client, page(model))
    for name in OTHER_LISTS:
        text_of(admin_client, reverse(f"admin:{name}_changelist"))
        text_of(admin_client, reverse(f"admin:{name}_add"))
    assert "No symbols yet" in text_of(admin_client, reverse("admin:index"))


def test_an_empty_list_says_what_that_means(admin_client: Client) -> None:
    assert "Every order with our prefix on the exchange is in the database." in text_of(admin_client, page("orphan"))
    assert "No trader matches the search and filters." in text_of(admin_client, page("trader") + "?q=ETH")


def test_every_list_and_page_answers_with_rows(admin_client: Client, cycle: Trader) -> None:
    for model in LISTS:
        text_of(admin_client, page(model))
        text_of(admin_client, page(model) + "?_facets=True&q=ETH")
    rows = [
        Symbol.objects.first(),
        cycle,
        Order.objects.first(),
        Fill.objects.first(),
        JournalEntry.objects.first(),
    ]
    for row in [*rows, Listing.objects.first()]:
        assert row is not None
        text_of(admin_client, change(row))


def test_every_registered_model_has_a_list_that_answers(admin_client: Client, cycle: Trader) -> None:
    """Those of other rooms as well, in Unfold's clothes."""
    for model in site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        assert 'id="nav-sidebar"' in text_of(admin_client, reverse(name)), name


def test_the_foot_of_every_page_shows_the_version_to_users_who_are_logged_in(
    admin_client: Client, client: Client, cycle: Trader
) -> None:
    foot = f">Hedgehog {VERSION}</footer>"
    for url in (reverse("admin:index"), page("trader"), change(cycle)):
        assert foot in text_of(admin_client, url), url
    assert VERSION not in text_of(client, reverse("admin:login"))


def test_without_redis_pages_answer_and_prices_are_unknown(
    admin_client: Client, cycle: Trader, settings: Settings
) -> None:
    settings.REDIS_URL = NO_REDIS
    assert "unknown" in text_of(admin_client, page("symbol"))
    assert "unknown" in text_of(admin_client, change(cycle.symbol))
    start = text_of(admin_client, reverse("admin:index"))
    assert "unknown" in start
    assert "Redis is down: no events and no tasks are delivered. Positions can still exit." in start


class TestStartPage:
    def test_shows_what_goes_on(self, admin_client: Client, cycle: Trader) -> None:
        start = text_of(admin_client, reverse("admin:index"))
        for words in ("Account value", "+&lt;0.01", "Recent cycles", "PLAY MONEY"):
            assert words in start, words
        assert "1E-8" not in start

    def test_refreshes_itself_without_the_frame(self, admin_client: Client, cycle: Trader) -> None:
        part = admin_client.get(reverse("admin:index"), headers={"HX-Request": "true"}).content.decode()
        assert 'id="live"' in part
        assert 'id="live-below"' in part
        assert "<canvas" not in part
        assert "nav-sidebar" not in part

    @pytest.mark.parametrize(
        ("venue", "market", "label"),
        [
            ("mock", "simulated", "PLAY MONEY Mock exchange, simulated market · nothing here can be lost"),
            ("mock", "live", "PLAY MONEY Paper: real prices, mock exchange · nothing here can be lost"),
            ("testnet", "simulated", "PLAY MONEY Testnet · "),
            ("demo", "simulated", "PLAY MONEY Demo · "),
            ("live", "simulated", "REAL MONEY Binance · orders are placed for real"),
        ],
    )
    def test_says_which_money_is_at_stake(
        self,
        admin_client: Client,
        redis_client: "redis.Redis",
        settings: Settings,
        venue: str,
        market: str,
        label: str,
    ) -> None:
        settings.MARKET = market
        Switch.objects.update_or_create(pk=1, defaults={"venue": venue})
        for address in (reverse("admin:index"), page("trader"), page("symbol")):
            shown = text_of(admin_client, address)
            assert label in words_of(shown)
            assert ("<title>REAL |" in shown) == (venue == "live")
            assert ("trading/icon-real.svg" in shown) == (venue == "live")

    def test_says_real_money_while_a_trader_still_lives_there(
        self, symbol: Symbol, admin_client: Client, redis_client: "redis.Redis"
    ) -> None:
        trader = make_trader(symbol, venue=Venue.LIVE)
        shown = words_of(text_of(admin_client, page("order")))
        assert "REAL MONEY Binance · 1 trader still to end there; new ones trade for play: Mock exchange" in shown
        Trader.objects.filter(pk=trader.pk).update(state="FINISHED", finished_at=timezone.now())
        assert "PLAY MONEY" in words_of(text_of(admin_client, page("order")))

    def test_asks_for_a_login(self, client: Client) -> None:
        assert client.get(reverse("admin:index")).status_code == 302

    def test_a_login_at_the_logins_own_address_leads_to_it(self, client: Client) -> None:
        User.objects.create_superuser("somebody", password="right")
        answer = client.post(reverse("admin:login"), {"username": "somebody", "password": "right"})
        assert answer.headers["Location"] == reverse("admin:index")


@pytest.mark.parametrize("model", ["symbol", "trader", "order", "fill", "journalentry"])
def test_queries_of_a_list_do_not_grow_with_its_rows(
    admin_client: Client, cycle: Trader, model: str, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    def count() -> int:
        with django_assert_max_num_queries(30) as captured:
            text_of(admin_client, page(model))
        return len(captured)

    before = count()
    for n in range(5):
        make_story(make_symbol(f"A{n}USDT"))
    assert count() == before


def test_queries_of_a_traders_page_do_not_grow_with_its_orders(
    admin_client: Client, cycle: Trader, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    text_of(admin_client, change(cycle))  # Content types are read once in a process.
    with django_assert_max_num_queries(14):
        text_of(admin_client, change(cycle))


@pytest.mark.parametrize("model", READ_ONLY)
def test_what_was_reported_is_read_only_even_for_a_superuser(
    admin_client: Client, cycle: Trader, model: type[Trader]
) -> None:
    name = f"admin:trading_{model._meta.model_name}"
    row = model.objects.order_by("-pk")[0]
    before = list(model.objects.values())
    assert admin_client.post(reverse(f"{name}_change", args=(row.pk,)), {"state": "FINISHED"}).status_code == 403
    assert admin_client.post(reverse(f"{name}_delete", args=(row.pk,)), {"post": "yes"}).status_code == 403
    assert admin_client.get(reverse(f"{name}_add")).status_code == 403
    admin_client.post(reverse(f"{name}_changelist"), {"action": "delete_selected", "_selected_action": [row.pk]})
    assert list(model.objects.values()) == before


class TestTraders:
    def shown(self, client: Client, query: str = "") -> set[int]:
        return {trader.pk for trader in client.get(page("trader") + query).context["cl"].result_list}

    def test_list_opens_on_the_live_ones(self, admin_client: Client, symbol: Symbol) -> None:
        live = make_trader(symbol, 1)
        failing = make_trader(symbol, 2, error="refused", failures=2)
        finished = make_cycle(symbol, "1")
        retired = make_trader(symbol, 3, state=TraderState.RETIRED, finished_at=finished.finished_at)
        assert self.shown(admin_client) == {live.pk, failing.pk}
        assert self.shown(admin_client, "?show=errors") == {failing.pk}
        assert self.shown(admin_client, "?show=error") == {failing.pk}  # its old name
        assert self.shown(admin_client, "?show=finished") == {finished.pk}
        assert self.shown(admin_client, "?show=all") == {live.pk, failing.pk, finished.pk, retired.pk}

    def test_search_finds_a_trader_by_its_client_order_id(self, admin_client: Client, cycle: Trader) -> None:
        make_trader(cycle.symbol, 2)
        order = cycle.orders.all()[0]
        assert self.shown(admin_client, f"?q={order.client_order_id}") == {cycle.pk}

    def test_page_tells_the_story_with_orders_fills_and_tasks(self, admin_client: Client, cycle: Trader) -> None:
        told = text_of(admin_client, change(cycle))
        told_in_order = ["Trade 7 at 3000 USDT", "Execution report: buy filled, 0.0667 of 0.0667"]
        assert told.index(told_in_order[0]) < told.index(told_in_order[1])
        for words in (
            "its sell of 0.0667 ETH is open at 3005.99",
            "commission",
            "0.0000667 ETH",
            "0.1 %",
        ):
            assert words in told, words
        assert "/task/0c8a3b5e-55bb-4ad9-9a2e-3b0b3f0f7a11" in told

    def test_wake_now_queues_a_check_of_the_trader(
        self, admin_client: Client, cycle: Trader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        enqueued: list[tuple[object, ...]] = []
        monkeypatch.setattr(enqueue, "nudge", lambda *arguments: enqueued.append(arguments))
        url = reverse("admin:trading_trader_wake", args=(cycle.pk,))
        assert admin_client.get(url).status_code == 405
        admin_client.post(url)
        queue = enqueue.queue_of(cycle.holds)
        assert enqueued == [(cycle.pk, "ETHUSDT", "admin requested a check", True, queue, Source.PERSON)]

    def test_wake_now_without_a_broker_is_a_message(
        self, admin_client: Client, cycle: Trader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*arguments: object) -> None:
            raise redis.ConnectionError("refused")

        monkeypatch.setattr(enqueue, "nudge", refuse)
        answer = admin_client.post(reverse("admin:trading_trader_wake", args=(cycle.pk,)), follow=True)
        assert "The task could not be queued: refused" in answer.content.decode()

    def test_abandon_ends_a_cycle_unless_an_order_may_rest(self, admin_client: Client, cycle: Trader) -> None:
        url = reverse("admin:trading_trader_abandon", args=(cycle.pk,))
        assert "Not abandoned" in admin_client.post(url, follow=True).content.decode()
        cycle.orders.filter(side="SELL").update(status="CANCELED")
        assert "Abandoned." in admin_client.post(url, follow=True).content.decode()
        cycle.refresh_from_db()
        assert cycle.state == TraderState.ABANDONED

    def test_several_are_abandoned_once_that_is_confirmed(self, admin_client: Client, cycle: Trader) -> None:
        chosen = {"action": "abandon_chosen", ACTION_CHECKBOX_NAME: [cycle.pk]}
        asked = admin_client.post(page("trader"), chosen).content.decode()
        assert "Abandon 1 trader?" in asked
        sure = {**chosen, "confirmed": "yes"}
        assert "Skipped: 1" in admin_client.post(page("trader"), sure, follow=True).content.decode()
        cycle.orders.filter(side="SELL").update(status="CANCELED")
        admin_client.post(page("trader"), chosen)
        cycle.refresh_from_db()
        assert not cycle.has_ended
        assert "Abandoned: 1." in admin_client.post(page("trader"), sure, follow=True).content.decode()
        cycle.refresh_from_db()
        assert cycle.state == TraderState.ABANDONED

    def test_who_may_only_look_can_neither_wake_nor_abandon(self, client: Client, cycle: Trader) -> None:
        viewer = User.objects.create_user("viewer", password="x", is_staff=True)
        viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        client.force_login(viewer)
        assert "Wake now" not in text_of(client, change(cycle))
        for act in ("wake", "abandon"):
            assert client.post(reverse(f"admin:trading_trader_{act}", args=(cycle.pk,))).status_code == 403


def test_order_without_a_reason_says_so_in_a_dash_and_without_advice(admin_client: Client, cycle: Trader) -> None:
    order = Order.objects.filter(reason="").first()
    assert order is not None
    text = text_of(admin_client, change(order))
    assert "Why it was rejected or ended" not in text
    order.reason = "Market is closed."
    order.save()
    assert "Market is closed." in text_of(admin_client, change(order))
    assert site.empty_value_display == "–"


def test_journal_names_events_as_the_traders_page_does(admin_client: Client, cycle: Trader) -> None:
    for source, words in ((Source.ANSWER, "Exchange response"), (Source.REPORT, "Execution report")):
        JournalEntry.objects.create(trader=cycle, kind=Kind.WAITED, source=source, decision="waits")
        assert words in text_of(admin_client, page("journalentry"))


@pytest.mark.parametrize("model", ["journalentry", "accountprotections"])
def test_menu_names_a_page_by_its_title(admin_client: Client, model: str) -> None:
    answer = admin_client.get(page(model))
    links = {item["link"]: item["title"] for group in sidebar(answer.wsgi_request) for item in group["items"]}
    assert links[page(model)] == answer.context["cl"].title


def test_orders_are_found_by_client_order_id_and_by_part(admin_client: Client, cycle: Trader) -> None:
    def shown(query: str) -> list[str]:
        return [order.side for order in admin_client.get(page("order") + query).context["cl"].result_list]

    assert shown("") == ["SELL", "BUY"]
    assert shown("?show=open") == ["SELL"]
    assert shown("?show=filled") == ["BUY"]
    assert shown("?show=other") == []
    assert shown(f"?q={cycle.orders.get(side='BUY').client_order_id}") == ["BUY"]
