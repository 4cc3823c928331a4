"""A holding that is taken over: its cost is what a person gave, in profit, lots, exposure and audit."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.trading.conftest import make_symbol
from trading.books import export, holdings
from trading.books.lots import Fifo
from trading.by_hand import plans
from trading.by_hand.saying import Hands
from trading.by_hand.taking_over import take_over
from trading.core.events import Recheck
from trading.core.journal import Source
from trading.core.orders import Side
from trading.core.strategy import TraderState
from trading.models import Listing, Order, Symbol, Trader
from trading.reconciliation.audit import audit
from trading.risk.exposure import bound
from trading.traders import acting
from trading.waking.prices import LastTrade

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

ANNA = Hands("anna", key="key-1")
COST = D("142.5")
RECHECK = Recheck("anna", is_urgent=True, source=Source.PERSON)


@pytest.fixture(autouse=True)
def market(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (plans, holdings):
        monkeypatch.setattr(module, "last_trades", lambda names, venue: {n: LastTrade(D(3000), 2.0) for n in names})


@pytest.fixture
def exchange() -> ScriptedExchange:
    """An account with half an ETH on it."""
    return ScriptedExchange(money={"USDT": D(10_000), "ETH": D("0.5")})


@pytest.fixture
def holder(symbol: Symbol, exchange: ScriptedExchange) -> Trader:
    trader = take_over(symbol, Venue.MOCK, D("0.05"), COST, ANNA, exchange).trader
    assert trader is not None
    return trader


def sale(trader: Trader) -> Order:
    return Order.objects.filter(trader=trader, side=Side.SELL).latest("pk")


def test_it_is_sold_by_the_strategy_over_the_cost_that_was_given(holder: Trader, exchange: ScriptedExchange) -> None:
    acting.wake(holder.pk, RECHECK, exchange)
    # 142.5 / 0.05 = 2850, plus 0.1 % profit and the sale's commission.
    assert (sale(holder).price, sale(holder).quantity) == (D("2855.7"), D("0.05"))
    acting.hear(exchange.fill_all(sale(holder).client_order_id), Source.REPORT, exchange)
    ended = Trader.objects.get(pk=holder.pk)
    # 0.05 x 2855.7 = 142.785, less 0.1 %, less 142.5
    assert (ended.state, ended.profit) == (TraderState.FINISHED, D("0.142215"))
    assert not Trader.objects.filter(finished_at=None).exists()


def test_what_is_held_counts_at_its_cost(holder: Trader, symbol: Symbol) -> None:
    assert bound(Venue.MOCK, symbol.pk) == COST
    [holding] = holdings.holdings(Venue.MOCK)
    # 0.05 x 3000 less 0.1 %, less 142.5
    assert (holding.terms.owned, holding.terms.owned_cost, holding.unrealised) == (D("0.05"), COST, D("7.35"))


def test_the_audit_finds_that_nothing_was_bought(holder: Trader, exchange: ScriptedExchange) -> None:
    start = dict(exchange.money)
    assert audit(Venue.MOCK, exchange, start) == []
    acting.wake(holder.pk, RECHECK, exchange)
    acting.hear(exchange.fill_all(sale(holder).client_order_id), Source.REPORT, exchange)
    assert audit(Venue.MOCK, exchange, start) == []


def test_its_lot_has_the_cost_and_the_day_that_were_given(symbol: Symbol, exchange: ScriptedExchange) -> None:
    bought_at = datetime(2025, 3, 1, tzinfo=UTC)
    trader = take_over(symbol, Venue.MOCK, D("0.05"), COST, ANNA, exchange, bought_at).trader
    assert trader is not None
    acting.wake(trader.pk, RECHECK, exchange)
    acting.hear(exchange.fill_all(sale(trader).client_order_id), Source.REPORT, exchange)
    assert [fill.side for fill in export.traded(Venue.MOCK)] == [Side.SELL]
    # Its fill is one of 1970: the scripted exchange counts milliseconds.
    Order.objects.get(side=Side.SELL).fills.update(traded_at=timezone.now())
    later = timezone.now() + timedelta(days=1)
    [lot] = [export.lot_row(each, UTC) for each in export.sales(Venue.MOCK, bought_at, later, Fifo())]
    row = dict(zip(export.LOT_COLUMNS, lot, strict=True))
    assert (row["acquired_at"], row["cost"], row["buy_trade_id"]) == ("2025-03-01 00:00:00.000+00:00", "142.5", "")
    assert (row["gain"], row["note"]) == ("0.142215", "taken over, its cost as it was given")


def test_pressing_twice_takes_over_once(symbol: Symbol, exchange: ScriptedExchange) -> None:
    first = take_over(symbol, Venue.MOCK, D("0.05"), COST, ANNA, exchange)
    again = take_over(symbol, Venue.MOCK, D("0.05"), COST, ANNA, exchange)
    assert (first.is_new, again.is_new, Trader.objects.count()) == (True, False, 1)


@pytest.mark.parametrize(
    ("quantity", "cost", "why"),
    [
        ("0.6", "1800", "has 0.5 ETH free"),
        ("0.0001", "0.3", "min notional"),
        ("0.05", "0", "above 0"),
        ("0.050000001", "1", "at most 8 decimals"),
    ],
)
def test_what_cannot_be_taken_over_says_why(
    symbol: Symbol, exchange: ScriptedExchange, quantity: str, cost: str, why: str
) -> None:
    with pytest.raises(ValidationError, match=why):
        take_over(symbol, Venue.MOCK, D(quantity), D(cost), ANNA, exchange)
    assert Trader.objects.count() == Order.objects.count() == 0


def test_what_another_trader_holds_cannot_be_taken_over_again(holder: Trader, exchange: ScriptedExchange) -> None:
    with pytest.raises(ValidationError, match=r"0.05 of which traders hold"):
        take_over(holder.symbol, Venue.MOCK, D("0.48"), D(1400), Hands("anna"), exchange)


def test_it_takes_no_slot_of_the_symbols(db: None, redis_client: object, exchange: ScriptedExchange) -> None:
    trader = take_over(make_symbol(max_slots=3), Venue.MOCK, D("0.05"), COST, ANNA, exchange).trader
    assert trader is not None
    assert trader.slot == 4


@pytest.mark.parametrize("cost", ["92233720368", "92233720", "0.00000001"])
def test_a_cost_at_which_nothing_could_be_sold_is_refused(
    symbol: Symbol, exchange: ScriptedExchange, cost: str
) -> None:
    """Its strategy sells a little above the cost: at a price that no order may have it would wait for ever."""
    Listing.objects.filter(symbol=symbol).update(max_price=D(1_000_000))
    with pytest.raises(ValidationError, match="could not be sold"):
        take_over(symbol, Venue.MOCK, D("0.05"), D(cost), ANNA, exchange)
    assert not Trader.objects.exists()
