"""Protections in the gate: a held trader says why once, what that costs, and no two workers pass a limit together."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, timedelta
from decimal import Decimal as D

import pytest
import redis
from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from console import limit_usage
from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.limited import PRICE, QUANTITY, keep_balances, limit, limit_account, see_trade
from tests.support.rows import make_order, make_trader
from tests.support.settings import give
from tests.trading.conftest import make_symbol
from trading.core.denials import Rule
from trading.core.events import Recheck, TradeSeen
from trading.core.journal import Kind, Source
from trading.core.orders import OrderStatus, Side
from trading.identity.names import new_client_order_id
from trading.models import (
    DeniedOrder,
    JournalEntry,
    Order,
    Symbol,
    Trader,
)
from trading.models.symbols import Slots
from trading.risk import protections
from trading.traders import acting, looks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, D(3000), 0)


needs_postgresql = pytest.mark.skipif(
    "postgresql" not in settings.DATABASES["default"]["ENGINE"],
    reason="SQLite lets one write at a time, and its database in memory makes the others fail",
)


# --- in the gate ----------------------------------------------------------------------------------
def test_a_held_trader_tells_why_once_and_buys_when_there_is_room(trader: Trader, exchange: ScriptedExchange) -> None:
    limit(trader.symbol, max_exposure=D(300))
    other = make_order(make_trader(trader.symbol, 11))
    for _ in range(3):
        Trader.objects.filter(pk=trader.pk).update(retry_at=None)
        acting.wake(trader.pk, TRADE, exchange)
        acting.wake(trader.pk, Recheck("retry is due", is_urgent=True), exchange)
    trader.refresh_from_db()
    assert exchange.placed == []
    said = JournalEntry.objects.filter(trader=trader, kind=Kind.DENIED, denied_by=Rule.SYMBOL_EXPOSURE)
    assert [entry.reason for entry in said] == ["max exposure of ETHUSDT, 300 USDT"]
    row = DeniedOrder.objects.get()
    assert (row.count, row.rule, row.day) == (1, Rule.SYMBOL_EXPOSURE, timezone.now().astimezone(UTC).date())
    assert protections.of_day(Venue.MOCK) == {"symbol exposure": 1}
    assert [str(each) for each in limit_usage.together(Venue.MOCK)] == [
        "max exposure of ETHUSDT, 300 USDT: 199.8999 in use, this buy needs 199.8999"
    ]
    Order.objects.filter(pk=other.pk).update(status=OrderStatus.CANCELED)
    Trader.objects.filter(pk=trader.pk).update(retry_at=None)
    acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1


def test_a_held_trader_shows_the_figures_on_its_page(trader: Trader, exchange: ScriptedExchange) -> None:
    limit(trader.symbol, max_exposure=D(100))
    acting.wake(trader.pk, TRADE, exchange)
    trader.refresh_from_db()
    assert trader.waits_for == "max exposure of ETHUSDT, 100 USDT: 0 in use, this buy needs 199.8999"
    assert trader.retry_at is not None and trader.wake_below is None


def test_what_is_bought_is_sold_whatever_holds_buys_back(
    trader: Trader, exchange: ScriptedExchange, redis_client: "redis.Redis"
) -> None:
    acting.wake(trader.pk, TRADE, exchange)
    limit(trader.symbol, max_exposure=D(1), max_open_orders=1, max_price_age_s=1, deny_in_gaps=True)
    limit_account(max_exposure=D(1), quote_reserve=D(10_000), max_orders_per_minute=2)
    acting.hear(exchange.fill_all(Order.objects.get().client_order_id), Source.REPORT, exchange)
    assert [order.side for order in exchange.placed] == [Side.BUY, Side.SELL]
    assert not DeniedOrder.objects.exists()


def test_an_edit_lets_a_denied_trader_try_again_at_once(trader: Trader, exchange: ScriptedExchange) -> None:
    limit(trader.symbol, max_exposure=D(100))
    acting.wake(trader.pk, TRADE, exchange)
    failing = make_trader(trader.symbol, 2, error="no connection", retry_at=timezone.now() + timedelta(seconds=50))
    limit(trader.symbol, max_exposure=None)
    trader.refresh_from_db()
    failing.refresh_from_db()
    now = timezone.now()
    assert trader.retry_at is not None and trader.retry_at <= now
    assert failing.retry_at is not None and failing.retry_at > now, "an error's wait is not a protection's"
    assert not protections.active_denials().exists()
    acting.wake(trader.pk, TRADE, exchange)
    assert len(exchange.placed) == 1


# --- what it costs --------------------------------------------------------------------------------
def test_with_nothing_set_an_order_costs_no_query_but_one_look_a_second(
    trader: Trader, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    row = Trader.objects.select_related("symbol").get(pk=trader.pk)
    limit(trader.symbol, max_exposure=None)
    with django_assert_num_queries(2):
        assert protections.denial(row, Side.BUY, PRICE, QUANTITY) is None
    with django_assert_num_queries(0):
        assert protections.denial(row, Side.BUY, PRICE, QUANTITY) is None


def test_with_everything_set_an_order_costs_a_dozen_queries_however_many_traders_there_are(
    trader: Trader, redis_client: "redis.Redis", django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    keep_balances("100000")
    see_trade(redis_client)
    for slot in range(2, 40):
        make_order(make_trader(trader.symbol, slot))
    all_of_symbol = {
        "max_exposure": D(10**6),
        "max_open_orders": 99,
        "max_daily_loss": D(1),
        "max_consecutive_losses": 1,
    }
    limit(trader.symbol, **all_of_symbol, max_price_age_s=30, deny_in_gaps=True)
    limit_account(max_exposure=D(10**6), quote_reserve=D(1), bnb_reserve=D("0.1"), max_orders_per_minute=900)
    row = Trader.objects.select_related("symbol").get(pk=trader.pk)
    with transaction.atomic():
        assert protections.denial(row, Side.BUY, PRICE, QUANTITY) is None
        with django_assert_num_queries(14):
            assert protections.denial(row, Side.BUY, PRICE, QUANTITY) is None


# --- two at once ----------------------------------------------------------------------------------
RACES: list[tuple[str, Callable[[Symbol], object], int]] = [
    ("symbol exposure", lambda symbol: limit(symbol, max_exposure=D(450)), 2),
    ("open orders", lambda symbol: limit(symbol, max_open_orders=3), 3),
    ("account exposure", lambda symbol: limit_account(max_exposure=D(450)), 2),
    ("order rate", lambda symbol: limit_account(max_orders_per_minute=2), 1),
    ("reserve", lambda symbol: limit_account(quote_reserve=D(550)), 2),
]


@needs_postgresql
@pytest.mark.parametrize(("set_limit", "passes"), [race[1:] for race in RACES], ids=[race[0] for race in RACES])
def test_workers_at_the_same_time_do_not_pass_a_limit_together(
    symbol: Symbol,
    exchange: ScriptedExchange,
    monkeypatch: pytest.MonkeyPatch,
    set_limit: Callable[[Symbol], object],
    passes: int,
) -> None:
    give(slots=Slots.TOGETHER)  # The ladder would let one of them buy.
    own = [make_trader(symbol, slot) for slot in range(1, 7)]
    keep_balances("1000")
    set_limit(symbol)
    trade_at_once(own, exchange, monkeypatch)
    assert len(exchange.placed) == passes
    assert Order.objects.count() == passes
    assert sum(row.count for row in DeniedOrder.objects.all()) == len(own) - passes, "each was heard"


@needs_postgresql
@pytest.mark.parametrize(
    ("limits", "passes"),
    [({"max_exposure": D(450)}, 2), ({"max_orders_per_minute": 2}, 1), ({"quote_reserve": D(550)}, 2)],
    ids=str,
)
def test_workers_of_several_symbols_do_not_pass_an_accounts_limit_together(
    exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch, limits: dict[str, object], passes: int
) -> None:
    """Traders of one symbol wait for each other in any case; these wait for the account's row alone."""
    own = [make_trader(make_symbol(f"{base}USDT")) for base in ("ADA", "BTC", "ETH", "LTC", "SOL", "XRP")]
    keep_balances("1000")
    limit_account(**limits)
    trade_at_once(own, exchange, monkeypatch)
    assert len(exchange.placed) == Order.objects.count() == passes
    assert sum(row.count for row in DeniedOrder.objects.all()) == len(own) - passes, "each was heard"


def trade_at_once(own: list[Trader], exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = threading.Barrier(len(own))

    def slowly(trader: Trader, side: Side) -> str:
        time.sleep(0.1)  # Past the gate, and not committed yet.
        return new_client_order_id(trader, side)

    monkeypatch.setattr(looks, "new_client_order_id", slowly)

    def trade(trader: Trader) -> None:
        try:
            ready.wait()
            acting.wake(trader.pk, TradeSeen(trader.symbol.name, 1, D(3000), 0), exchange)
        finally:
            connection.close()

    threads = [threading.Thread(target=trade, args=(trader,)) for trader in own]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_last_line_of_a_trader_is_found_by_its_index_among_many(trader: Trader, exchange: ScriptedExchange) -> None:
    """Asked for each order that is denied, with millions of lines in the journal."""
    others = Trader.objects.bulk_create(
        Trader(symbol=trader.symbol, venue=Venue.MOCK, slot=slot, budget=D(1)) for slot in range(100, 300)
    )
    lines = (JournalEntry(trader=other, kind=Kind.WAITED, decision="waiting") for _ in range(50) for other in others)
    JournalEntry.objects.bulk_create(lines)
    limit(trader.symbol, max_exposure=D(1))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        with CaptureQueriesContext(connection) as captured:
            acting.wake(trader.pk, TRADE, exchange)
        asked = [query["sql"] for query in captured if "denied_by" in query["sql"] and "SELECT" in query["sql"]]
        asked += [query["sql"] for query in captured if '"reason" FROM "trading_journalentry"' in query["sql"]]
        explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
        assert JournalEntry.objects.get(trader=trader).denied_by == Rule.SYMBOL_EXPOSURE
        assert len(asked) == 2
        for sql in asked:
            cursor.execute(f"{explain} {sql}")
            plan = "\n".join(str(row) for row in cursor.fetchall())
            assert "journal_of_trader" in plan, plan
