"""Another installation on the same key: its orders are never claimed, cancelled or booked, and always shown."""

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D
from io import StringIO
from typing import Any

import pytest
from celery import current_app
from django.core.management import call_command
from django.utils import timezone

from console.management.commands.status import as_json, as_text, gather
from hedgehog_project.venues import Venue
from streamer.topics import report_topic
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.rows import own_id
from tests.trading.identity.conftest import STRANGER, Place
from trading.core.events import TradeSeen
from trading.core.journal import Source
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import TraderState
from trading.dispatch import Dispatcher
from trading.identity import others
from trading.identity.names import Names
from trading.models import FillMark, Installation, Order, Orphan, OtherInstallation, Reconciliation, Trader
from trading.reconciliation import living_on, orphans
from trading.reconciliation.audit import audit
from trading.reconciliation.reconcile import last, reconcile
from trading.traders import acting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)


def compare(exchange: ScriptedExchange) -> Reconciliation:
    row = reconcile(Venue.MOCK, exchange)
    assert row.stopped == ""
    return row


def theirs(trader: Trader | int, tail: str = "b-1") -> str:
    return f"hh-{STRANGER}-{trader if isinstance(trader, int) else trader.pk}-{tail}"


def test_order_of_another_installation_is_not_claimed_by_the_trader_of_its_number(
    trader: Trader, exchange: ScriptedExchange, place: Place
) -> None:
    """As it went wrong: the other one's trader 1 has bought, ours claimed that, and both sold."""
    exchange.money["ETH"] = D(1)  # the user's own
    place(theirs(trader))
    exchange.fill_all(theirs(trader))
    assert compare(exchange).differences == 0
    acting.wake(trader.pk, TRADE, exchange)
    compare(exchange)
    assert [order.side for order in exchange.placed] == [Side.BUY, Side.BUY]
    assert list(Order.objects.values_list("client_order_id", flat=True)) == [exchange.placed[1].client_order_id]
    assert not Orphan.objects.exists()


def test_it_is_noted_with_what_rests_of_it(trader: Trader, exchange: ScriptedExchange, place: Place) -> None:
    for number in (1, 2):
        place(theirs(number), ago_s=60 * (3 - number))
    compare(exchange)
    row = OtherInstallation.objects.get()
    assert (row.venue, row.identity, row.open_orders, row.last_order) == ("mock", STRANGER, 2, theirs(2))
    first_seen = row.first_seen
    exchange.cancel("ETHUSDT", theirs(1))
    compare(exchange)
    row.refresh_from_db()
    assert (row.first_seen, row.open_orders) == (first_seen, 1)
    assert row.last_seen > first_seen


def test_it_is_noted_by_its_fills_where_nothing_of_it_rests(
    trader: Trader, exchange: ScriptedExchange, place: Place
) -> None:
    place(theirs(7))
    exchange.fill_all(theirs(7))
    compare(exchange)
    assert OtherInstallation.objects.get().last_order == theirs(7)
    # And its fills are not looked at for ever.
    assert FillMark.objects.get().trade_id == exchange.kept[theirs(7)].fills[0].trade_id


def test_it_is_told_with_the_comparison_and_is_no_difference(
    trader: Trader, exchange: ScriptedExchange, place: Place
) -> None:
    place(theirs(7))
    row = compare(exchange)
    assert row.is_well
    assert f"Another Hedgehog (identity {STRANGER}) trades on this key at mock since" in row.text
    compare(exchange)
    assert Reconciliation.objects.count() == 1  # It says the same again.


def test_dry_run_tells_of_it_and_keeps_nothing(trader: Trader, exchange: ScriptedExchange, place: Place) -> None:
    place(theirs(7))
    row = reconcile(Venue.MOCK, exchange, is_dry=True)
    assert f"identity {STRANGER}" in row.text
    assert not OtherInstallation.objects.exists()


def test_its_orders_are_no_difference_for_the_audit(trader: Trader, exchange: ScriptedExchange, place: Place) -> None:
    place(theirs(7))
    place(own_id(8))
    found = audit(Venue.MOCK, exchange)
    assert [each.invariant for each in found if own_id(8) in each.what] == ["I3"]
    assert not any(STRANGER in each.what for each in found)


def test_missing_coins_are_told_with_who_may_have_them(
    trader: Trader, exchange: ScriptedExchange, place: Place
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    acting.hear(exchange.fill_all(Order.objects.get().client_order_id), Source.REPORT, exchange)
    place(theirs(7, "s-1"))
    exchange.fill_all(theirs(7, "s-1"))
    compare(exchange)
    row = last(Venue.MOCK)
    assert row is not None
    assert f"is missing (sold, spent or withdrawn?). Possible reason: another Hedgehog ({STRANGER})" in row.text


class TestWhereItIsShown:
    @pytest.fixture(autouse=True)
    def seen(self, trader: Trader, exchange: ScriptedExchange, place: Place) -> None:
        place(theirs(7))
        compare(exchange)

    def test_status(self) -> None:
        assert f"Another Hedgehog (identity {STRANGER}) trades on this key" in as_text(gather())
        [told] = as_json(gather())["other_installations"]
        assert (told["identity"], told["venue"], told["is_copy"], told["open_orders"]) == (STRANGER, "mock", False, 1)

    @pytest.mark.parametrize("command", ["orphans", "identity"])
    def test_commands(self, command: str) -> None:
        out = StringIO()
        call_command(command, stdout=out)
        assert f"Another Hedgehog (identity {STRANGER}) trades on this key" in out.getvalue()

    @pytest.mark.parametrize("page", ["", "trading/reconciliation/", "trading/orphan/", "trading/otherinstallation/"])
    def test_pages(self, page: str, admin_client: Any) -> None:
        text = admin_client.get(f"/admin/{page}").content.decode()
        assert f"Another Hedgehog (identity {STRANGER}) trades on this key" in text

    def test_page_of_its_own_is_sound(self, admin_client: Any) -> None:
        text = admin_client.get("/admin/trading/otherinstallation/").content.decode()
        assert re.search(rf'<span title="[\d: -]+ UTC">{theirs(7)}</span>', text)
        assert f"This installation has the identity <b>{Installation.own().identity}</b>" in text

    def test_no_longer_once_it_was_not_seen_for_a_day(self, exchange: ScriptedExchange) -> None:
        exchange.cancel("ETHUSDT", theirs(7))
        compare(exchange)
        assert others.told()
        OtherInstallation.objects.update(last_seen=timezone.now() - timedelta(days=1, seconds=1))
        assert others.told() == []


class TestDispatch:
    @pytest.fixture
    def enqueued(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        enqueued: list[str] = []
        monkeypatch.setattr(current_app, "send_task", lambda task, **_: enqueued.append(task))
        return enqueued

    @pytest.fixture
    def dispatcher(self, redis_client: Any) -> Dispatcher:
        dispatcher = Dispatcher(redis_client, "test", names=Names.now())
        dispatcher.listen_to({}, ["mock"])
        return dispatcher

    def report(self, client: Any, name: str) -> None:
        data = f'{{"e":"executionReport","c":"{name}","C":"","s":"ETHUSDT","O":1700000000000}}'
        client.xadd(report_topic("mock"), {"kind": "report", "data": data})

    def test_reports_of_another_installation_become_no_tasks(
        self, trader: Trader, dispatcher: Dispatcher, redis_client: Any, enqueued: list[str]
    ) -> None:
        Installation.own()
        for number in range(3):
            self.report(redis_client, theirs(number))
        self.report(redis_client, own_id(trader))
        assert dispatcher.step() == 4
        assert enqueued == ["trading.tasks.report"]
        [(key, seen)] = dispatcher.strangers.items()
        assert (key, seen[0]) == (("mock", STRANGER), theirs(2))
        dispatcher.step()  # acknowledges
        assert redis_client.xpending(report_topic("mock"), "dispatch")["pending"] == 1

    def test_report_of_an_identity_that_was_changed_just_now_is_handed_on(
        self, trader: Trader, dispatcher: Dispatcher, redis_client: Any, enqueued: list[str]
    ) -> None:
        living_on.become_new("anna")
        self.report(redis_client, own_id(trader))
        dispatcher.step()
        assert enqueued == ["trading.tasks.report"]

    def test_nobody_is_a_stranger_before_the_database_was_asked(
        self, trader: Trader, redis_client: Any, enqueued: list[str]
    ) -> None:
        dispatcher = Dispatcher(redis_client, "test")
        dispatcher.listen_to({}, ["mock"])
        self.report(redis_client, theirs(7))
        dispatcher.step()
        assert enqueued == ["trading.tasks.report"]


class TestTakenOver:
    """The other one is gone for good: its database is lost, say."""

    @pytest.fixture
    def lost(self, trader: Trader, exchange: ScriptedExchange, place: Place) -> None:
        Trader.objects.update(created_at=timezone.now() - timedelta(hours=2))
        place(theirs(trader), ago_s=3600)
        compare(exchange)
        living_on.take_over(STRANGER, "anna")

    @pytest.mark.usefixtures("lost")
    def test_its_orders_wait_for_a_person_and_are_claimed_by_nobody(
        self, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        assert compare(exchange).left == 1
        orphan = Orphan.objects.get()
        assert (orphan.client_order_id, orphan.why) == (
            theirs(trader),
            f"it belongs to the installation {STRANGER}, which this one took over",
        )
        assert not Order.objects.exists()

    @pytest.mark.usefixtures("lost")
    def test_adopted_ones_live_out_their_cycle(self, trader: Trader, exchange: ScriptedExchange) -> None:
        compare(exchange)
        out = StringIO()
        adopted = orphans.adopt(Orphan.objects.get(), "anna", exchange)
        assert Names.now().is_ours(theirs(trader))  # so that its reports are handed on
        acting.hear(exchange.fill_all(theirs(trader)), Source.REPORT, exchange)
        adopted.refresh_from_db()
        assert adopted.state == TraderState.SELLING
        call_command("identity", stdout=out)
        assert "It was taken over at" in out.getvalue()

    def test_what_it_holds_without_an_open_order_is_found_as_well(
        self, trader: Trader, exchange: ScriptedExchange, place: Place
    ) -> None:
        place(theirs(7), ago_s=3600)
        exchange.fill_all(theirs(7))
        compare(exchange)
        assert not Orphan.objects.exists()
        living_on.take_over(STRANGER, "anna")
        reconcile(Venue.MOCK, exchange, is_thorough=True)
        orphan = Orphan.objects.get()
        assert (orphan.client_order_id, orphan.status) == (theirs(7), OrderStatus.FILLED)
        adopted = orphans.adopt(orphan, "anna", exchange)
        adopted.refresh_from_db()
        assert adopted.state == TraderState.SELLING

    @pytest.mark.usefixtures("lost")
    def test_one_that_still_trades_is_told_and_stays_a_stranger(
        self, trader: Trader, exchange: ScriptedExchange, place: Place
    ) -> None:
        OtherInstallation.objects.update(taken_over_at=timezone.now() - timedelta(minutes=5))
        place(theirs(99))
        row = compare(exchange)
        assert theirs(99) not in Orphan.objects.values_list("client_order_id", flat=True)
        assert f"has placed {theirs(99)} since: stop it" in row.text


class TestNamesOfBeforeIdentities:
    def test_order_that_the_database_knows_stays_ours(self, trader: Trader, exchange: ScriptedExchange) -> None:
        acting.wake(trader.pk, TRADE, exchange)
        order, old = Order.objects.get(), f"hh-{trader.pk}-b-0f1e2d3c4b5a6978"
        exchange.kept[old] = exchange.kept.pop(order.client_order_id)
        exchange.kept[old] = replace(exchange.kept[old], client_order_id=old)
        Order.objects.update(client_order_id=old)
        exchange.fill_all(old)
        assert compare(exchange).repaired == 1
        assert Order.objects.get(side=Side.SELL).status == OrderStatus.NEW

    def test_order_that_the_database_lacks_is_shown_and_never_claimed(
        self, trader: Trader, exchange: ScriptedExchange, place: Place
    ) -> None:
        place(f"hh-{trader.pk}-b-0f1e2d3c4b5a6978")
        assert compare(exchange).left == 1
        assert Orphan.objects.get().why == "its client order id names no installation: it may belong to another one"
        assert not Order.objects.exists()


@pytest.mark.parametrize("is_first", [True, False])
def test_an_identity_that_became_ours_during_a_comparison_is_no_copy(
    trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    """By the first order of all, or by a person: the comparison still knew of none, or of the old one."""
    if is_first:
        Installation.objects.all().delete()
    else:
        Installation.own()
    open_orders = exchange.open_orders

    def meanwhile(*args: Any) -> Any:
        if not exchange.placed:
            Installation.objects.update_or_create(pk=1, defaults={"identity": "zz9zz9"})
            acting.wake(trader.pk, TRADE, exchange)
        return open_orders(*args)

    monkeypatch.setattr(exchange, "open_orders", meanwhile)
    assert compare(exchange).differences == 0
    assert [own.client_order_id[:10] for own in exchange.placed] == ["hh-zz9zz9-"]
    assert not OtherInstallation.objects.exists()
    assert compare(exchange).differences == 0
