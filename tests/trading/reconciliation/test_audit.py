"""The audit bites: whatever invariant is broken, on our side or on the exchange's, is found and named."""

import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from console.management.commands import audit as command
from hedgehog_project.venues import Venue
from tests.support.exchanges.market import MockExchange
from tests.support.rows import make_cycle
from trading.core.events import TradeSeen
from trading.core.orders import OrderStatus, Side
from trading.core.strategy import ANY_PRICE, TraderState
from trading.exchange.binance import BinanceExchange
from trading.exchange.protocol import NewOrder
from trading.models import Fill, FillMark, Order, Symbol, Trader
from trading.reconciliation.audit import audit, examine
from trading.symbols.listings import named
from trading.traders import acting

# Each test in one transaction: what it does to constraints is undone with it.
pytestmark = [pytest.mark.django_db, pytest.mark.databases]

START = {"USDT": D(10_000)}
LONG_AGO = timedelta(minutes=1)


@pytest.fixture
def exchange(at_mock: MockExchange) -> BinanceExchange:
    return at_mock.client()


@pytest.fixture
def traded(symbol: Symbol, at_mock: MockExchange, exchange: BinanceExchange) -> Symbol:
    """One finished cycle in slot 1, and a buy that rests, a third of it filled, in slot 2."""
    for slot in (1, 2):
        trader = Trader.objects.create(
            symbol=symbol, venue=Venue.MOCK, slot=slot, budget=D(200),
            wake_below=ANY_PRICE, armed_at=timezone.now(),
        )  # fmt: skip
        acting.wake(trader.pk, TradeSeen(symbol.name, slot, D(3000), 0), lambda _: exchange)
        buy = Order.objects.get(trader=trader)
        at_mock.trade(symbol.name, "2996", "1000" if slot == 1 else "0.0222")
        acting.ask(buy.pk, lambda _: exchange)
        if slot == 1:
            at_mock.trade(symbol.name, "3010")
            acting.ask(Order.objects.get(trader=trader, side=Side.SELL).pk, lambda _: exchange)
            at_mock.trade(symbol.name, "3000")
    assert set(Trader.objects.values_list("state", flat=True)) == {TraderState.FINISHED, TraderState.BUYING}
    Trader.objects.update(created_at=timezone.now() - LONG_AGO)
    Order.objects.update(submitted_at=timezone.now() - LONG_AGO)
    return symbol


def resting() -> Order:
    return Order.objects.get(status=OrderStatus.PARTIALLY_FILLED)


def place(exchange: BinanceExchange, client_order_id: str, price: str = "2900") -> None:
    order = NewOrder("ETHUSDT", Side.BUY, D(price), D("0.01"), client_order_id, round(time.time() * 1000) + 2000)
    exchange.place(order)


def second_trader_in_the_slot(exchange: BinanceExchange) -> None:
    connection.cursor().execute("DROP INDEX one_live_trader_per_slot")
    row = resting().trader
    row.pk = None
    row.wake_below = ANY_PRICE
    row.save(force_insert=True)


def second_open_buy(exchange: BinanceExchange) -> None:
    connection.cursor().execute("DROP INDEX one_open_order_per_trader_and_side")
    row = resting()
    row.pk, row.client_order_id = None, "hh-2-b-twice"
    row.save(force_insert=True)


def order_that_only_the_exchange_knows(exchange: BinanceExchange) -> None:
    place(exchange, "hh-9-b-orphan")


def order_that_ended_only_here(exchange: BinanceExchange) -> None:
    Order.objects.filter(pk=resting().pk).update(status=OrderStatus.CANCELED)


def order_that_ended_only_there(exchange: BinanceExchange) -> None:
    exchange.cancel("ETHUSDT", resting().client_order_id)


def fill_that_was_not_booked(exchange: BinanceExchange) -> None:
    Fill.objects.filter(order__side=Side.SELL).delete()


def fill_that_the_exchange_does_not_have(exchange: BinanceExchange) -> None:
    row = Fill.objects.filter(order__side=Side.SELL).get()
    row.pk, row.trade_id = None, 999_999
    row.save(force_insert=True)


def fill_booked_on_another_order(exchange: BinanceExchange) -> None:
    Fill.objects.filter(order__side=Side.SELL).update(order=resting())


def commission_of_a_unit_less(exchange: BinanceExchange) -> None:
    row = Fill.objects.filter(order__side=Side.SELL).get()
    Fill.objects.filter(pk=row.pk).update(commission=row.commission - D("0.00000001"))


def executed_more_of_an_open_order(exchange: BinanceExchange) -> None:
    Order.objects.filter(pk=resting().pk).update(executed=D("0.0223"))


def executed_less_of_an_ended_order(exchange: BinanceExchange) -> None:
    Order.objects.filter(side=Side.SELL).update(executed=D("0.0001"))


def money_that_somebody_else_spent(exchange: BinanceExchange) -> None:
    place(exchange, "not-ours", price="3100")


def quote_of_a_unit_more(exchange: BinanceExchange) -> None:
    row = Fill.objects.filter(order__side=Side.SELL).get()
    Fill.objects.filter(pk=row.pk).update(quote=row.quote + D("0.00000001"))


def trader_that_waits_for_nothing(exchange: BinanceExchange) -> None:
    row = resting().trader
    row.pk, row.slot = None, 3
    row.wake_below = row.retry_at = row.armed_at = None
    row.state = TraderState.WAITING
    row.save(force_insert=True)


def trader_whose_time_has_passed(exchange: BinanceExchange) -> None:
    Trader.objects.filter(pk=resting().trader_id).update(retry_at=timezone.now() - LONG_AGO)


def unclear_order_that_nobody_asks_about(exchange: BinanceExchange) -> None:
    Order.objects.filter(pk=resting().pk).update(status=OrderStatus.SUBMITTING, asked_at=None)


def unclear_order_that_nobody_asks_about_any_more(exchange: BinanceExchange) -> None:
    Order.objects.filter(pk=resting().pk).update(status=OrderStatus.SUBMITTING, asked_at=timezone.now() - LONG_AGO)


def buy_over_the_budget(exchange: BinanceExchange) -> None:
    Trader.objects.filter(pk=resting().trader_id).update(budget=D("199.8998"))


Plant = Callable[[BinanceExchange], None]
PLANTS: list[tuple[Plant, str, str]] = [
    (second_trader_in_the_slot, "I1", "ETHUSDT #2 has more than one active trader"),
    (second_open_buy, "I2", "has more than one open buy"),
    (order_that_only_the_exchange_knows, "I3", "order hh-9-b-orphan is open at mock but not in the database"),
    (order_that_ended_only_here, "I3", "is open at mock but not in the database"),
    (order_that_ended_only_there, "I3", "is open in the database (PARTIALLY_FILLED) but not at mock"),
    (fill_that_was_not_booked, "I4", "missing in the database"),
    (fill_that_the_exchange_does_not_have, "I4", "not found at mock"),
    (fill_booked_on_another_order, "I4", "missing in the database"),
    (commission_of_a_unit_less, "I4", "missing in the database"),
    (executed_more_of_an_open_order, "I4", "filled 0.0223 here, 0.0222 at the exchange"),
    (executed_less_of_an_ended_order, "I4", "filled 0.0001 here, 0.0666 at the exchange"),
    (money_that_somebody_else_spent, "I5", "USDT: "),
    (quote_of_a_unit_more, "I5", "USDT: "),
    (trader_that_waits_for_nothing, "I6", "has no trigger, open order or retry time"),
    (trader_whose_time_has_passed, "I6", "should have retried"),
    (unclear_order_that_nobody_asks_about, "I6", "is unconfirmed and not being queried"),
    (unclear_order_that_nobody_asks_about_any_more, "I6", "is unconfirmed and not being queried"),
    (buy_over_the_budget, "I7", "of a budget of 199.8998"),
]


@pytest.mark.usefixtures("traded")
def test_books_that_agree_have_no_difference(exchange: BinanceExchange) -> None:
    assert audit(Venue.MOCK, exchange, START) == []


@pytest.mark.usefixtures("traded")
@pytest.mark.parametrize(
    ("plant", "invariant", "words"), [pytest.param(*row, id=f"{row[1]}-{row[0].__name__}") for row in PLANTS]
)
def test_audit_finds(plant: Plant, invariant: str, words: str, exchange: BinanceExchange) -> None:
    plant(exchange)
    found = audit(Venue.MOCK, exchange, START)
    assert [each for each in found if each.invariant == invariant and words in each.what], found


def test_every_invariant_is_shown_to_bite() -> None:
    assert {invariant for _, invariant, _ in PLANTS} == {f"I{number}" for number in range(1, 8)}


@pytest.mark.usefixtures("traded")
def test_orders_of_others_are_nobodys_difference(exchange: BinanceExchange) -> None:
    place(exchange, "not-ours")
    assert audit(Venue.MOCK, exchange) == []
    assert audit(Venue.MOCK, exchange, START) == []  # What it locks is still on the account.


@pytest.mark.usefixtures("traded")
class TestCommand:
    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(command, "LOOK_AGAIN_S", 0)

    def test_says_that_the_books_agree(self) -> None:
        out = StringIO()
        call_command("audit", "--start", "USDT:10000", stdout=out)
        assert out.getvalue() == "mock: records match the exchange\n"

    def test_names_each_difference_and_fails(self, exchange: BinanceExchange) -> None:
        order_that_only_the_exchange_knows(exchange)
        commission_of_a_unit_less(exchange)
        errors = StringIO()
        with pytest.raises(CommandError, match="records differ"):
            call_command("audit", "mock", stderr=errors)
        assert [line[:9] for line in errors.getvalue().splitlines()] == ["mock: I3:", "mock: I4:", "mock: I4:"]


@pytest.mark.usefixtures("traded")
class TestSymbolThatIsGone:
    """The exchange lists it no more, and refuses every question about it."""

    @pytest.fixture(autouse=True)
    def gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An order of it is in the books, from better days."""
        symbol = named("OLDUSDT")
        trader = make_cycle(symbol, "0")
        Order.objects.create(
            trader=trader, symbol=symbol, venue=Venue.MOCK, side=Side.BUY, price=D(1), quantity=D(1), executed=D(1),
            client_order_id="hh-9-b-old", status=OrderStatus.FILLED, exchange_order_id=999_999,
        )  # fmt: skip
        monkeypatch.setattr(command, "LOOK_AGAIN_S", 0)

    def test_all_others_are_checked(self, exchange: BinanceExchange) -> None:
        commission_of_a_unit_less(exchange)
        found = examine(Venue.MOCK, exchange, START)
        assert [each.invariant for each in found.differences] == ["I4", "I4", "I5"]
        assert list(found.unchecked) == ["OLDUSDT"]
        assert "Invalid symbol" in found.unchecked["OLDUSDT"]

    def test_command_names_it_and_does_not_say_that_the_books_agree(self) -> None:
        out, errors = StringIO(), StringIO()
        with pytest.raises(CommandError, match="not checked: OLDUSDT") as raised:
            call_command("audit", "mock", stdout=out, stderr=errors)
        assert raised.value.returncode == 2
        assert out.getvalue() == "mock: what could be checked matches the exchange\n"
        assert errors.getvalue().startswith("mock: OLDUSDT was not checked: ")

    def test_difference_weighs_more(self, exchange: BinanceExchange) -> None:
        commission_of_a_unit_less(exchange)
        with pytest.raises(CommandError, match="records differ") as raised:
            call_command("audit", "mock", stdout=StringIO(), stderr=StringIO())
        assert raised.value.returncode == 1

    def test_reconcile_says_it_as_well(self, exchange: BinanceExchange) -> None:
        order_id, fill = exchange.trades("ETHUSDT")[-1]  # What earlier tests have traded has been looked at.
        FillMark.objects.create(
            venue=Venue.MOCK, symbol="ETHUSDT", trade_id=fill.trade_id, exchange_order_id=order_id,
            looked_at=timezone.now(),
        )  # fmt: skip
        out = StringIO()
        with pytest.raises(CommandError, match="not every symbol could be checked") as raised:
            call_command("reconcile", "mock", stdout=out)
        assert raised.value.returncode == 2
        assert "no difference in what was checked; 1 symbol not checked" in out.getvalue()
        assert "fills of OLDUSDT cannot be checked" in out.getvalue()


def test_one_venue_that_does_not_answer_keeps_no_other_from_being_checked(
    traded: Symbol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "venues_in_use", lambda: [Venue.TESTNET, Venue.MOCK])
    out = StringIO()
    with pytest.raises(CommandError, match="testnet: No key"):
        call_command("audit", stdout=out)
    assert out.getvalue() == "mock: records match the exchange\n"


@pytest.mark.parametrize("start", ["USDT", "USDT:much", "USDT:1:2", "USDT:1 BTC:2", "USDT:nan", "USDT:-1"])
def test_amounts_that_are_none_are_one_clear_line(start: str) -> None:
    with pytest.raises(CommandError, match="--start takes ASSET:AMOUNT"):
        call_command("audit", "--start", start)


def test_missing_exchange_is_one_clear_line(symbol: Symbol) -> None:
    with pytest.raises(CommandError, match="mock: Exchange unreachable"):
        call_command("audit", "mock")
