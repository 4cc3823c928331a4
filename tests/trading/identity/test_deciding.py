"""Which of two copies lives on: what each decision does to traders, orders and positions."""

import builtins
from dataclasses import replace
from decimal import Decimal as D
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from console.management.commands import identity as command
from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.rows import make_trader, own_id
from tests.support.settings import give
from tests.trading.identity.conftest import STRANGER, Place
from trading import leader
from trading.core.events import TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import TraderState
from trading.identity import copies, others, runs
from trading.models import Fill, FillMark, Installation, JournalEntry, Order, Orphan, OtherInstallation, Run, Trader
from trading.models.orphans import Resolution
from trading.models.symbols import Slots
from trading.reconciliation.audit import audit
from trading.reconciliation.reconcile import reconcile
from trading.traders import acting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)


@pytest.fixture(autouse=True)
def here(exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "exchange_at", exchange)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("identity", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def copied(trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place) -> None:
    """A copy is alive: it has placed a buy for its trader 4711."""
    place(own_id(4711))
    reconcile(Venue.MOCK, exchange)


class TestShow:
    def test_says_who_this_is_and_that_nobody_else_was_seen(self, db: None) -> None:
        text = run()
        assert f"Identity {Installation.own().identity}, since" in text
        assert "No other installation was seen on its keys." in text


class TestKeep:
    @pytest.mark.usefixtures("copied")
    def test_trading_goes_on_at_once(self, trader: Trader, exchange: ScriptedExchange) -> None:
        acting.wake(trader.pk, TRADE, exchange)
        text = run("keep", "--yes")
        assert "Traders checking again: 1" in text
        assert not copies.told()
        acting.wake(trader.pk, TRADE, exchange)
        assert Order.objects.get().status == OrderStatus.NEW

    @pytest.mark.usefixtures("copied")
    def test_what_the_copy_placed_is_a_persons_to_adopt_or_cancel(self, exchange: ScriptedExchange) -> None:
        run("keep", "--yes")
        orphan = Orphan.objects.get()
        assert (orphan.is_of_copy, orphan.resolution) == (False, Resolution.UNRESOLVED)
        call_command("orphans", "cancel", str(orphan.pk), stdout=StringIO())

    @pytest.fixture(autouse=True)
    def orphans_too(self, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("console.management.commands.orphans.exchange_at", exchange)

    def test_sale_by_the_copy_of_what_both_had_ends_the_cycle_here(
        self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place
    ) -> None:
        """As after a restored backup: the trader gets the order back that sold its coins."""
        acting.wake(trader.pk, TRADE, exchange)
        acting.hear(exchange.fill_all(Order.objects.get().client_order_id), Source.REPORT, exchange)
        sale = Order.objects.get(side=Side.SELL)
        acting.hear(exchange.end(sale.client_order_id, OrderStatus.CANCELED), Source.REPORT, exchange)
        Order.objects.filter(status__in=["NEW", "SUBMITTING"]).delete()
        exchange.kept = {name: report for name, report in exchange.kept.items() if not report.status.is_open}
        place(own_id(trader, "s-copy"), quantity=str(sale.quantity), price="3005")
        exchange.fill_all(own_id(trader, "s-copy"))
        assert "missing" in reconcile(Venue.MOCK, exchange).text
        run("keep", "--yes")
        trader.refresh_from_db()
        assert (trader.state, Orphan.objects.get().resolution) == (TraderState.FINISHED, Resolution.ADOPTED)
        assert reconcile(Venue.MOCK, exchange).differences == 0

    @pytest.mark.usefixtures("copied")
    def test_copy_that_was_not_stopped_is_noticed_again(
        self, trader: Trader, exchange: ScriptedExchange, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run("keep", "--yes")
        monkeypatch.setattr(runs, "MARGIN", runs.MARGIN * 0)
        runs.beat()
        place(own_id(4712), ago_s=-0.01)
        reconcile(Venue.MOCK, exchange)
        assert copies.told()

    def test_nothing_to_decide_is_one_clear_line(self, db: None) -> None:
        with pytest.raises(CommandError, match="No running copy of this installation is known"):
            run("keep", "--yes")


class TestNew:
    @pytest.fixture
    def trading(self, trader: Trader, runs_for_an_hour: Run, exchange: ScriptedExchange, place: Place) -> str:
        """Slot 1 holds coins that it sells, slot 2 has a resting buy, and a copy is alive. The identity."""
        give(slots=Slots.TOGETHER)
        acting.wake(trader.pk, TRADE, exchange)
        acting.hear(exchange.fill_all(Order.objects.get().client_order_id), Source.REPORT, exchange)
        acting.wake(make_trader(trader.symbol, 2).pk, TRADE, exchange)
        place(own_id(4711))
        reconcile(Venue.MOCK, exchange)
        return Installation.own().identity

    def test_traders_end_and_their_orders_rest_on(self, trading: str, exchange: ScriptedExchange) -> None:
        resting = {report.client_order_id for report in exchange.open_orders()}
        text = run("new", "--yes")
        identity = Installation.own().identity
        assert identity != trading
        assert f"New identity: {identity}." in text
        assert {report.client_order_id for report in exchange.open_orders()} == resting
        assert set(Trader.objects.values_list("state", flat=True)) == {TraderState.ABANDONED}
        let_go = Order.objects.filter(status=OrderStatus.LET_GO)
        assert set(let_go.values_list("client_order_id", flat=True)) == resting - {f"hh-{trading}-4711-b-1"}
        assert set(let_go.values_list("reason", flat=True)) == {
            f"it belongs to the installation that keeps the identity {trading}"
        }
        assert Orphan.objects.get().resolution == Resolution.LEFT
        assert JournalEntry.objects.filter(kind=Kind.ABANDONED).count() == 2

    def test_nobody_here_hears_of_them_any_more(self, trading: str, exchange: ScriptedExchange) -> None:
        run("new", "--yes")
        fills = Fill.objects.count()
        for order in Order.objects.filter(status=OrderStatus.LET_GO):
            report = exchange.fill_all(order.client_order_id)
            assert not acting.hear(report, Source.REPORT, exchange)
        row = reconcile(Venue.MOCK, exchange)
        assert (row.repaired, row.left, Fill.objects.count()) == (0, 0, fills)
        assert reconcile(Venue.MOCK, exchange).differences == 0
        assert audit(Venue.MOCK, exchange) == []
        assert set(Order.objects.exclude(status=OrderStatus.LET_GO).values_list("status", flat=True)) == {"FILLED"}

    def test_those_whose_names_are_older_than_identities_are_let_go_of_as_well(
        self, trading: str, exchange: ScriptedExchange
    ) -> None:
        resting = Order.objects.get(side=Side.BUY, status=OrderStatus.NEW)
        old = f"hh-{resting.trader_id}-b-0f1e2d3c4b5a6978"
        exchange.kept[old] = replace(exchange.kept.pop(resting.client_order_id), client_order_id=old)
        Order.objects.filter(pk=resting.pk).update(client_order_id=old)
        run("new", "--yes")
        assert (reconcile(Venue.MOCK, exchange).differences, audit(Venue.MOCK, exchange)) == (0, [])
        fill = exchange.fill_all(old).fills[0]
        assert (reconcile(Venue.MOCK, exchange, is_thorough=True).differences, audit(Venue.MOCK, exchange)) == (0, [])
        resting.refresh_from_db()
        assert (resting.status, resting.executed) == ("LET_GO", D(0))
        assert FillMark.objects.get().trade_id == fill.trade_id  # and is not looked at for ever

    def test_old_identity_is_a_stranger_that_this_one_once_was(
        self, trading: str, exchange: ScriptedExchange
    ) -> None:
        run("new", "--yes")
        reconcile(Venue.MOCK, exchange)
        assert not copies.told()
        [sentence] = others.told()
        assert f"identity {trading}" in sentence
        assert "this installation had that identity until" in sentence

    def test_new_traders_trade_under_the_new_identity(self, trading: str, exchange: ScriptedExchange) -> None:
        run("new", "--yes")
        leader.fill_slots()
        begun = Trader.objects.get(finished_at=None)
        acting.wake(begun.pk, TRADE, exchange)
        order = Order.objects.get(trader=begun)
        assert order.client_order_id.startswith(f"hh-{Installation.own().identity}-{begun.pk}-b-")
        assert order.status == OrderStatus.NEW

    def test_dry_run_says_what_it_would_do_and_changes_nothing(self, trading: str) -> None:
        text = run("new", "--dry-run")
        assert "Traders: 2, orders: 2, orphans: 1" in text
        assert "Dry run: nothing was changed." in text
        assert Installation.own().identity == trading
        assert not Order.objects.filter(status=OrderStatus.LET_GO).exists()

    @pytest.mark.parametrize(("answer", "is_done"), [("y", True), ("n", False), ("", False)])
    def test_it_asks_first(self, trading: str, answer: str, is_done: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(builtins, "input", lambda question: answer)
        if is_done:
            run("new")
        else:
            with pytest.raises(CommandError, match="Nothing was changed"):
                run("new")
        assert (Installation.own().identity != trading) == is_done

    def test_nobody_who_could_answer_is_one_clear_line(self, trading: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def at_its_end(question: str) -> str:
            raise EOFError

        monkeypatch.setattr(builtins, "input", at_its_end)
        with pytest.raises(CommandError, match="add --yes to confirm"):
            run("new")


class TestTakeOver:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("take-over", "abc"), "is not an identity: use 6 characters"),
            (("take-over", STRANGER), f"No order of an installation {STRANGER} was ever seen here"),
            (("take-over",), "Only take-over needs an identity"),
            (("keep", STRANGER), "Only take-over needs an identity"),
        ],
    )
    def test_what_can_not_be_is_one_clear_line(self, arguments: tuple[str, ...], words: str, db: None) -> None:
        with pytest.raises(CommandError, match=words):
            run(*arguments, "--yes")

    def test_its_own_identity_is_refused(self, db: None) -> None:
        with pytest.raises(CommandError, match="is this installation itself"):
            run("take-over", Installation.own().identity, "--yes")

    def test_it_is_taken_over_by_name(self, trader: Trader) -> None:
        OtherInstallation.objects.create(venue=Venue.MOCK, identity=STRANGER)
        assert "then `manage.py orphans`" in run("take-over", STRANGER, "--yes")
        assert OtherInstallation.objects.get().taken_over_at is not None
