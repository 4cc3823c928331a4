"""A copied home has our identity: it is told from a restored backup by time, and then nothing of both is placed."""

from datetime import timedelta
from decimal import Decimal as D
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from console.management.commands.status import as_json, as_text, gather
from console.why import why
from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.rows import make_trader, own_id
from tests.trading.identity.conftest import Place
from trading.core.events import Recheck, TradeSeen
from trading.core.journal import Source
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import TraderState
from trading.exchange import client as client_module
from trading.identity import copies, runs
from trading.models import Installation, Order, Orphan, OtherInstallation, Reconciliation, Run, Trader
from trading.reconciliation import orphans
from trading.reconciliation.reconcile import reconcile
from trading.traders import acting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)
LOOK = Recheck("look", is_urgent=True)


def compare(exchange: ScriptedExchange) -> Reconciliation:
    row = reconcile(Venue.MOCK, exchange)
    assert row.stopped == ""
    return row


def holding(trader: Trader, exchange: ScriptedExchange) -> Trader:
    """It has bought, and its sale was cancelled by its owner: it would sell again."""
    acting.wake(trader.pk, TRADE, exchange)
    buy = Order.objects.get(trader=trader, side=Side.BUY)
    acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)
    sale = Order.objects.get(trader=trader, side=Side.SELL)
    exchange.end(sale.client_order_id, OrderStatus.CANCELED)
    Order.objects.filter(pk=sale.pk).update(status=OrderStatus.CANCELED)
    Trader.objects.filter(pk=trader.pk).update(retry_at=None)
    return trader


def learn_that_the_exchange_is_two_hours_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = client_module.clock_at(client_module.endpoints(Venue.MOCK).rest_url)
    monkeypatch.setattr(clock, "offset_ms", -7_200_000)


def sells(trader: Trader, exchange: ScriptedExchange) -> bool:
    count = len(exchange.placed)
    acting.wake(trader.pk, LOOK, exchange)
    return len(exchange.placed) > count


class TestByTime:
    def test_order_that_was_placed_while_this_one_runs_is_never_claimed(
        self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place
    ) -> None:
        Trader.objects.update(created_at=timezone.now() - timedelta(hours=2))
        place(own_id(trader), ago_s=30)
        assert compare(exchange).left == 2  # that a copy is alive, and its order
        orphan = Orphan.objects.get()
        assert (orphan.is_of_copy, orphan.why) == (True, "a copy of this installation placed it while this one ran")
        assert not Order.objects.exists()

    def test_order_of_before_this_run_goes_back_to_its_trader(
        self, trader: Trader, exchange: ScriptedExchange, place: Place
    ) -> None:
        """A restored backup: it knows of a run until it was made, and of one since it was put back."""
        now = timezone.now()
        Trader.objects.update(created_at=now - timedelta(hours=2))
        Run.objects.create(began_at=now - timedelta(hours=2), last_at=now - timedelta(hours=1), is_over=True)
        Run.objects.create(began_at=now - timedelta(minutes=1), last_at=now)
        place(own_id(trader), ago_s=1800)
        assert compare(exchange).repaired == 1
        assert Order.objects.get().is_claimed
        assert not OtherInstallation.objects.exists()

    def test_start_that_follows_at_once_on_a_restored_backup_is_another_run(
        self, trader: Trader, exchange: ScriptedExchange, place: Place
    ) -> None:
        now = timezone.now()
        Trader.objects.update(created_at=now - timedelta(hours=2))
        Run.objects.create(began_at=now - timedelta(hours=1), last_at=now - timedelta(seconds=30))
        call_command("setup", "--no-admin", stdout=StringIO())
        runs.beat()
        place(own_id(trader), ago_s=15)
        assert compare(exchange).repaired == 1

    def test_order_of_about_when_this_run_began_is_a_persons_to_judge(
        self, trader: Trader, exchange: ScriptedExchange, place: Place
    ) -> None:
        now = timezone.now()
        Trader.objects.update(created_at=now - timedelta(hours=2))
        Run.objects.create(began_at=now - timedelta(seconds=20), last_at=now)
        place(own_id(trader), ago_s=15)
        assert compare(exchange).left == 1
        assert "about when this installation started" in Orphan.objects.get().why
        assert not copies.told()

    def test_once_a_copy_is_known_nothing_is_claimed_any_more(
        self, trader: Trader, exchange: ScriptedExchange, place: Place
    ) -> None:
        now = timezone.now()
        other = make_trader(trader.symbol, 2)
        Trader.objects.update(created_at=now - timedelta(hours=2))
        Run.objects.create(began_at=now - timedelta(minutes=10), last_at=now)
        place(own_id(trader), ago_s=1800)
        place(own_id(other), ago_s=60)
        assert compare(exchange).repaired == 0
        assert not Order.objects.exists()
        whys = dict(Orphan.objects.values_list("client_order_id", "why"))
        assert whys[own_id(trader)] == "a copy of this installation is running and may have placed it"

    def test_clock_that_is_known_to_be_off_is_taken_into_account(
        self,
        trader: Trader,
        runs_for_an_hour: Run,
        exchange: ScriptedExchange,
        place: Place,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """So was the order placed while this one ran."""
        learn_that_the_exchange_is_two_hours_behind(monkeypatch)
        place(own_id(trader), ago_s=7_230)
        compare(exchange)
        assert Orphan.objects.get().is_of_copy

    def test_clock_that_was_set_since_is_learned_by_the_answer_that_shows_the_order(
        self,
        trader: Trader,
        runs_for_an_hour: Run,
        exchange: ScriptedExchange,
        place: Place,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        place(own_id(trader), ago_s=7_230)
        answer = exchange.open_orders

        def refuses_the_first_timestamp() -> Any:
            learn_that_the_exchange_is_two_hours_behind(monkeypatch)
            return answer()

        monkeypatch.setattr(exchange, "open_orders", refuses_the_first_timestamp)
        compare(exchange)
        assert Orphan.objects.get().is_of_copy

    def test_own_order_is_no_copys_whenever_it_is_reported(
        self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange
    ) -> None:
        acting.wake(trader.pk, TRADE, exchange)
        assert compare(exchange).differences == 0
        assert not OtherInstallation.objects.exists()


class TestWhileItIsAlive:
    @pytest.fixture
    def copied(self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place) -> None:
        place(own_id(4711))
        compare(exchange)

    @pytest.mark.usefixtures("copied")
    def test_nothing_is_bought(self, trader: Trader, exchange: ScriptedExchange) -> None:
        acting.wake(trader.pk, TRADE, exchange)
        trader.refresh_from_db()
        assert trader.waits_for.startswith("a copy of this installation is running: choose which one continues")
        assert trader.retry_at is not None
        assert not Order.objects.exists()

    def test_what_this_run_has_bought_is_sold(
        self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place
    ) -> None:
        holding(trader, exchange)
        place(own_id(4711))
        compare(exchange)
        assert sells(trader, exchange)

    def test_what_was_bought_before_this_run_may_be_the_copys_and_is_not_sold(
        self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place
    ) -> None:
        holding(trader, exchange)
        Order.objects.filter(side=Side.BUY).update(submitted_at=runs_for_an_hour.began_at - timedelta(seconds=1))
        place(own_id(4711))
        compare(exchange)
        assert not sells(trader, exchange)

    def test_what_was_claimed_is_not_sold(
        self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place
    ) -> None:
        holding(trader, exchange)
        Order.objects.filter(side=Side.BUY).update(is_claimed=True)
        place(own_id(4711))
        compare(exchange)
        assert not sells(trader, exchange)

    def test_what_the_copy_sells_is_not_sold_twice(
        self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place
    ) -> None:
        """Both had the trader before the home was copied: the copy sells, and had bought nothing."""
        holding(trader, exchange)
        place(own_id(trader, "s-copy"), quantity="0.0666", price="3005")
        compare(exchange)
        assert not sells(trader, exchange)

    def test_what_the_copy_bought_itself_and_sells_is_no_reason(
        self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place
    ) -> None:
        """Its trader of that number began after the home was copied, as ours did."""
        holding(trader, exchange)
        place(own_id(trader, "b-copy"), quantity="0.0666")
        exchange.fill_all(own_id(trader, "b-copy"))
        place(own_id(trader, "s-copy"), quantity="0.0665", price="3005")
        compare(exchange)
        assert sells(trader, exchange)

    def test_resting_sale_is_not_cancelled_for_an_exit_that_could_not_be_placed(
        self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place
    ) -> None:
        Trader.objects.update(strategy_settings={**trader.strategy_settings, "stop_loss_interval": "0.01"})
        acting.wake(trader.pk, TRADE, exchange)
        acting.hear(exchange.fill_all(Order.objects.get().client_order_id), Source.REPORT, exchange)
        Order.objects.update(submitted_at=runs_for_an_hour.began_at - timedelta(seconds=1))
        place(own_id(4711))
        compare(exchange)
        acting.wake(trader.pk, TradeSeen("ETHUSDT", 2, D(2900), 0), exchange)
        sale = Order.objects.get(side=Side.SELL)
        assert exchange.kept[sale.client_order_id].status == OrderStatus.NEW
        trader.refresh_from_db()
        assert trader.waits_for.startswith("a copy of this installation is running")

    @pytest.mark.usefixtures("copied")
    def test_other_venues_trade_on(self, trader: Trader) -> None:
        assert copies.denial(trader, Side.BUY) is not None
        trader.venue = Venue.TESTNET
        assert copies.denial(trader, Side.BUY) is None

    @pytest.mark.usefixtures("copied")
    def test_its_orders_are_not_adopted_or_cancelled(self, exchange: ScriptedExchange) -> None:
        orphan = Orphan.objects.get()
        for act in (orphans.adopt, orphans.cancel):
            with pytest.raises(ValidationError, match="Choose first which one continues"):
                act(orphan, "anna", exchange)
        assert exchange.kept[own_id(4711)].status == OrderStatus.NEW

    @pytest.mark.usefixtures("copied")
    def test_it_is_said_everywhere(self, trader: Trader, admin_client: Any) -> None:
        sentence = f"A copy of this installation (identity {Installation.own().identity}) is running at mock since"
        assert as_text(gather()).startswith(sentence)
        assert as_json(gather())["other_installations"][0]["is_copy"]
        assert any(str(reason).startswith(sentence) for reason in why(trader.symbol, []).reasons)
        for command in ("orphans", "identity"):
            out = StringIO()
            call_command(command, stdout=out)
            assert sentence in out.getvalue()
        for page in ("", "trading/trader/", "trading/reconciliation/", "trading/otherinstallation/", "auth/user/"):
            text = admin_client.get(f"/admin/{page}").content.decode()
            assert sentence in text, page

    @pytest.mark.usefixtures("copied")
    def test_every_comparison_says_that_a_person_is_needed(self, exchange: ScriptedExchange) -> None:
        row = compare(exchange)
        assert not row.is_well
        assert "A copy of this installation" in row.text


class TestBeforeItHasShownItself:
    """A home is copied while a buy rests: it fills, both hear of it, and both would sell what was bought once."""

    @pytest.fixture
    def inherited(self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange) -> Order:
        """A buy that was sent before this run, and fills now."""
        acting.wake(trader.pk, TRADE, exchange)
        Order.objects.update(submitted_at=runs_for_an_hour.began_at - timedelta(minutes=1))
        return Order.objects.get()

    def hears_its_fill(self, buy: Order, exchange: ScriptedExchange) -> None:
        acting.hear(exchange.fill_all(buy.client_order_id), Source.REPORT, exchange)

    def test_whoever_has_inherited_it_sells_it_a_little_late(
        self, inherited: Order, trader: Trader, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.hears_its_fill(inherited, exchange)
        trader.refresh_from_db()
        assert "sold with a delay" in trader.waits_for
        assert trader.retry_at is not None
        rest = trader.retry_at - timezone.now()
        assert copies.LATE_BY / 2 < rest < copies.LATE_BY + copies.SPREAD + timedelta(seconds=1.5)
        assert not sells(trader, exchange)
        Order.objects.update(updated_at=timezone.now() - copies.LATE_BY - copies.SPREAD)
        assert sells(trader, exchange)

    def test_and_not_at_all_once_another_one_has_sold_it(
        self, inherited: Order, trader: Trader, exchange: ScriptedExchange, place: Place
    ) -> None:
        """Its report is enough: no comparison of the books has come yet."""
        self.hears_its_fill(inherited, exchange)
        sold = place(own_id(trader, "s-copy"), quantity="0.0666", price="3005")
        acting.hear(sold, Source.REPORT, exchange, venue=Venue.MOCK)
        assert copies.told()
        Order.objects.update(updated_at=timezone.now() - timedelta(minutes=1))
        assert not sells(trader, exchange)

    def test_whoever_has_bought_it_sells_it_at_once(
        self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange
    ) -> None:
        acting.wake(trader.pk, TRADE, exchange)
        self.hears_its_fill(Order.objects.get(), exchange)
        assert Order.objects.get(side=Side.SELL).status == OrderStatus.NEW

    def test_nothing_inherited_is_sold_before_a_new_run_can_have_compared_the_books(
        self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange
    ) -> None:
        holding(trader, exchange)
        now = timezone.now()
        Order.objects.update(submitted_at=now - timedelta(hours=1), updated_at=now - timedelta(hours=1))
        Run.objects.create(began_at=now - timedelta(seconds=1), last_at=now)
        assert not sells(trader, exchange)
        Run.objects.update(began_at=now - runs.MARGIN)
        assert sells(trader, exchange)

    def test_clock_that_was_set_back_makes_nobody_wait(
        self, inherited: Order, trader: Trader, exchange: ScriptedExchange
    ) -> None:
        self.hears_its_fill(inherited, exchange)
        Order.objects.update(updated_at=timezone.now() + timedelta(hours=6))
        assert sells(trader, exchange)


def test_finished_cycle_of_the_copy_needs_nobody(
    trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place
) -> None:
    place(own_id(4711), quantity="0.1")
    place(own_id(4711, "s-1"), quantity="0.0999", price="2910")
    for name in (own_id(4711), own_id(4711, "s-1")):
        exchange.fill_all(name)
    assert compare(exchange).left == 1  # that it is alive
    assert set(Orphan.objects.values_list("resolution", flat=True)) == {"CLOSED"}
    assert Trader.objects.get().state == TraderState.WAITING
