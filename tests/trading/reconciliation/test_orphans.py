"""Orphans: adopted by a new trader, cancelled, or left; never with an invented profit."""

from decimal import Decimal as D
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from console.admin.timeline import timeline_of
from console.management.commands import orphans as command
from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.rows import make_trader
from trading import leader
from trading.core.events import TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import OrderReport, OrderStatus, Side
from trading.core.strategy import TraderState
from trading.exchange.errors import Refused
from trading.exchange.protocol import NewOrder
from trading.models import Fill, JournalEntry, Order, Orphan, Symbol, Trader, TradingSettings
from trading.models.orphans import Resolution
from trading.reconciliation import orphans
from trading.reconciliation.reconcile import reconcile
from trading.traders import acting

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]


def place(exchange: ScriptedExchange, key: str, price: int = 2900, quantity: str = "0.05") -> None:
    side = Side.SELL if "-s-" in key else Side.BUY
    exchange.place(NewOrder("ETHUSDT", side, D(price), D(quantity), key, 0))


def orphan_of(exchange: ScriptedExchange, key: str) -> Orphan:
    reconcile(Venue.MOCK, exchange)
    return Orphan.objects.get(client_order_id=key)


@pytest.fixture
def resting(symbol: Symbol, exchange: ScriptedExchange) -> Orphan:
    """A buy of a trader that is not in the database."""
    place(exchange, "hh-77-b-1")
    return orphan_of(exchange, "hh-77-b-1")


def test_adopted_buy_lives_out_its_cycle_in_a_slot_of_its_own(resting: Orphan, exchange: ScriptedExchange) -> None:
    trader = orphans.adopt(resting, "admin", exchange)
    trader.refresh_from_db()
    assert (trader.slot, trader.state) == (2, TraderState.BUYING)
    exchange.fill("hh-77-b-1", D("0.02"))
    acting.hear(exchange.fill_all("hh-77-b-1"), Source.REPORT, exchange)
    reconcile(Venue.MOCK, exchange)
    sell = Order.objects.get(side=Side.SELL)
    assert (sell.trader, sell.status) == (trader, OrderStatus.NEW)
    acting.hear(exchange.fill_all(sell.client_order_id), Source.REPORT, exchange)
    trader.refresh_from_db()
    assert trader.state == TraderState.FINISHED
    assert trader.profit is not None
    assert trader.profit > 0
    leader.fill_slots()
    assert list(Trader.objects.filter(finished_at=None).values_list("slot", flat=True)) == [1]


def test_adoption_takes_all_unknown_orders_of_that_trader(symbol: Symbol, exchange: ScriptedExchange) -> None:
    place(exchange, "hh-77-b-1")
    exchange.fill_all("hh-77-b-1")
    place(exchange, "hh-77-s-1", price=2910, quantity="0.0499")
    place(exchange, "hh-78-b-1")
    place(exchange, "web_1")
    trader = orphans.adopt(orphan_of(exchange, "hh-77-s-1"), "admin", exchange)
    trader.refresh_from_db()
    assert trader.state == TraderState.SELLING
    assert set(Order.objects.values_list("client_order_id", flat=True)) == {"hh-77-b-1", "hh-77-s-1"}
    assert Fill.objects.count() == 1
    assert set(Orphan.objects.filter(resolution=Resolution.ADOPTED).values_list("trader", flat=True)) == {trader.pk}
    assert Orphan.objects.get(resolution=Resolution.UNRESOLVED).client_order_id == "hh-78-b-1"
    assert JournalEntry.objects.filter(trader=trader, kind=Kind.BEGAN).exists()
    acting.hear(exchange.fill_all("hh-77-s-1"), Source.REPORT, exchange)
    trader.refresh_from_db()
    # 0.0499 x 2910 less 0.1 %, less what 0.0499 of the 0.04995 that were bought cost.
    assert trader.profit == D("145.209") - D("0.145209") - D("144.85485486")
    assert reconcile(Venue.MOCK, exchange).left == 1


def fills_told(trader: Trader) -> list[tuple[str, int]]:
    """What its page says was done at each look that booked fills, and how many."""
    told = timeline_of(Trader.objects.get(pk=trader.pk))["steps"]
    return [(step["lines"][0]["text"], len(step["fills"])) for step in told if step["fills"]]


def test_page_of_who_adopts_shows_the_fills_where_they_were_booked(
    symbol: Symbol, exchange: ScriptedExchange
) -> None:
    place(exchange, "hh-77-b-1")
    exchange.fill("hh-77-b-1", D("0.02"))
    trader = orphans.adopt(orphan_of(exchange, "hh-77-b-1"), "admin", exchange)
    assert fills_told(trader) == [("Adopts BUY 0.05 ETHUSDT at 2900", 1)]
    acting.hear(exchange.fill_all("hh-77-b-1"), Source.REPORT, exchange)
    assert fills_told(trader) == [("Adopts BUY 0.05 ETHUSDT at 2900", 1), ("The buy is filled", 1)]


def test_page_shows_the_fills_that_the_comparison_of_the_books_has_found(
    symbol: Symbol, exchange: ScriptedExchange
) -> None:
    """An old backup: the buy still rests there, and of the sale it knows nothing."""
    trader = make_trader(symbol)
    acting.wake(trader.pk, TradeSeen("ETHUSDT", 1, D(3000), 0), exchange)
    acting.hear(exchange.fill_all(trader.orders.get().client_order_id), Source.REPORT, exchange)
    Fill.objects.all().delete()
    Order.objects.get(side=Side.SELL).delete()
    Order.objects.update(status=OrderStatus.NEW, executed=D(0))
    Trader.objects.update(state=TraderState.BUYING)
    JournalEntry.objects.all().delete()
    reconcile(Venue.MOCK, exchange)
    entries = JournalEntry.objects.values_list("source", "kind", "order__side", "status")
    assert list(entries) == [
        (Source.RECONCILIATION, Kind.BOOKED, Side.BUY, OrderStatus.FILLED),
        (Source.RECONCILIATION, Kind.ADOPTED, Side.SELL, OrderStatus.NEW),
    ]
    assert fills_told(trader) == [("The buy is filled", 1)]


def test_profit_of_a_sale_alone_is_not_invented(symbol: Symbol, exchange: ScriptedExchange) -> None:
    place(exchange, "hh-77-s-1", price=3100)
    orphan = orphan_of(exchange, "hh-77-s-1")
    with pytest.raises(ValidationError, match="Only the sell is known"):
        orphans.adopt(orphan, "admin", exchange)
    assert not Order.objects.exists()
    exchange.fill_all("hh-77-s-1")
    reconcile(Venue.MOCK, exchange)
    orphan.refresh_from_db()
    assert (orphan.status, orphan.executed) == (OrderStatus.FILLED, D("0.05"))
    assert orphans.cancel(orphan, "admin", exchange).startswith("0.05 ETH was sold at about 3100")
    orphan.refresh_from_db()
    assert orphan.resolution == Resolution.LEFT


def test_adopted_trader_waits_for_its_symbol_to_be_on(resting: Orphan, exchange: ScriptedExchange) -> None:
    TradingSettings.objects.update(status="off")
    trader = orphans.adopt(resting, "admin", exchange)
    acting.hear(exchange.fill_all("hh-77-b-1"), Source.REPORT, exchange)
    trader.refresh_from_db()
    assert (trader.state, trader.waits_for) == (TraderState.HOLDING, "trading is off for this symbol")


def test_two_open_buys_of_one_trader_are_not_adopted_together(resting: Orphan, exchange: ScriptedExchange) -> None:
    place(exchange, "hh-77-b-2")
    reconcile(Venue.MOCK, exchange)
    with pytest.raises(ValidationError, match="cancel all but one of them first"):
        orphans.adopt(resting, "admin", exchange)


def test_adopted_twice_is_adopted_once(resting: Orphan, exchange: ScriptedExchange) -> None:
    again = Orphan.objects.get(pk=resting.pk)
    orphans.adopt(resting, "admin", exchange)
    with pytest.raises(ValidationError):
        orphans.adopt(again, "admin", exchange)
    assert Trader.objects.count() == 1


def test_cancelled_orphan_shows_what_is_left_on_the_account(resting: Orphan, exchange: ScriptedExchange) -> None:
    exchange.fill("hh-77-b-1", D("0.02"))
    note = orphans.cancel(resting, "admin", exchange)
    assert exchange.kept["hh-77-b-1"].status == OrderStatus.CANCELED
    resting.refresh_from_db()
    assert (resting.resolution, resting.resolved_by, resting.note) == (Resolution.CANCELED, "admin", note)
    assert note == "0.02 ETH was bought at about 2900, which stays in the account."
    assert reconcile(Venue.MOCK, exchange).differences == 0


def test_orphan_of_a_symbol_that_is_gone_can_be_done_with(
    resting: Orphan, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(symbol: str, client_order_id: str) -> OrderReport:
        raise Refused("Invalid symbol. (-1121)", -1121)

    monkeypatch.setattr(exchange, "cancel", refuses)
    assert orphans.cancel(resting, "admin", exchange) == "Nothing was filled."
    resting.refresh_from_db()
    assert resting.resolution == Resolution.LEFT


def test_cancel_that_loses_to_a_fill_leaves_what_was_bought(resting: Orphan, exchange: ScriptedExchange) -> None:
    exchange.fill_all("hh-77-b-1")
    assert "0.05 ETH was bought" in orphans.cancel(resting, "admin", exchange)
    resting.refresh_from_db()
    assert (resting.resolution, resting.status) == (Resolution.LEFT, OrderStatus.FILLED)


def test_list_that_is_older_than_a_decision_undoes_nothing(resting: Orphan, exchange: ScriptedExchange) -> None:
    old = exchange.open_orders()
    exchange.fill("hh-77-b-1", D("0.02"))
    orphans.cancel(resting, "admin", exchange)
    orphans.record(Venue.MOCK, old[0], "its trader is not in the database")
    resting.refresh_from_db()
    assert (resting.resolution, resting.status, resting.executed) == ("CANCELED", OrderStatus.CANCELED, D("0.02"))


def test_orphan_that_a_trader_has_meanwhile_is_resolved(resting: Orphan, exchange: ScriptedExchange) -> None:
    trader = orphans.adopt(resting, "admin", exchange)
    Orphan.objects.update(resolution=Resolution.UNRESOLVED, resolved_at=None, trader=None)
    assert reconcile(Venue.MOCK, exchange).differences == 0
    resting.refresh_from_db()
    assert (resting.resolution, resting.trader) == (Resolution.ADOPTED, trader)


class TestCommand:
    @pytest.fixture(autouse=True)
    def here(self, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(command, "exchange_at", exchange)

    def test_lists_adopts_and_cancels(self, resting: Orphan, exchange: ScriptedExchange) -> None:
        place(exchange, "hh-78-b-1")
        other = orphan_of(exchange, "hh-78-b-1")
        out = StringIO()
        call_command("orphans", stdout=out)
        assert f"{resting.pk}  BUY 0.05 ETHUSDT at 2900 (mock): new, 0 filled." in out.getvalue()
        call_command("orphans", "adopt", str(resting.pk), stdout=out)
        call_command("orphans", "cancel", str(other.pk), stdout=out)
        assert Order.objects.get().client_order_id == "hh-77-b-1"
        assert exchange.kept["hh-78-b-1"].status == OrderStatus.CANCELED
        call_command("orphans", stdout=out)
        assert "No orphans: " in out.getvalue()

    def test_what_can_not_be_is_one_clear_line(self, resting: Orphan, exchange: ScriptedExchange) -> None:
        with pytest.raises(CommandError, match="No orphan with that id"):
            call_command("orphans", "adopt", "0")
        orphans.cancel(resting, "admin", exchange)
        with pytest.raises(CommandError, match="Already canceled"):
            call_command("orphans", "adopt", str(resting.pk))
