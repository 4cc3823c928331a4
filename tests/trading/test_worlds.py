"""While the mock exchange runs another world, traders of this one rest: nothing wakes, asks about or changes them."""

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from celery import current_app
from django.utils import timezone
from pytest_django import Settings

from hedgehog_project.venues import Venue
from streamer.models import StreamedSymbol
from streamer.topics import TradeEvent, encode_trade, report_topic, trade_topic
from tests.support.exchanges.scripted_exchange import ScriptedExchange, answer_lost
from tests.support.rows import make_cycle, make_order, make_trader
from trading import leader, tasks
from trading.books import equity, profit
from trading.books.totals import by_asset
from trading.core.events import Recheck, TradeSeen
from trading.core.journal import Source
from trading.core.strategy import TraderState
from trading.exchange.client import exchange_at
from trading.exchange.errors import NotSent
from trading.identity import copies
from trading.management.commands.dispatch import Command as Dispatch
from trading.models import (
    Equity,
    Installation,
    JournalEntry,
    Order,
    OtherInstallation,
    Switch,
    Symbol,
    Trader,
    TradingSettings,
)
from trading.models.symbols import TradingStatus
from trading.reconciliation.reconcile import venues_in_use
from trading.risk import drawdown, kill_switch
from trading.symbols import refreshing, turning
from trading.traders import acting
from trading.traders.next_cycle import follow
from trading.waking import triggers

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

TRADE = TradeSeen("ETHUSDT", 1, Decimal(3000), 0)
PAPER = Venue("mock/paper")
LATER = timedelta(seconds=30)

Sent = tuple[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Sent]:
    """The tasks that were queued."""
    found: list[Sent] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, kwargs, **options: found.append((task, kwargs)))
    return found


@pytest.fixture
def inhabited(symbol: Symbol, exchange: ScriptedExchange) -> list[Trader]:
    """The simulated world with a trader that waits, one with a lost answer, one that sells, and one that is late."""
    waits = make_trader(symbol, 1, wake_below=Decimal(4000), armed_at=timezone.now() - LATER)
    lost = make_trader(symbol, 2)
    exchange.after.append(answer_lost)
    acting.wake(lost.pk, TRADE, exchange)
    sells = make_trader(
        symbol, 3, state=TraderState.SELLING, holds=True, wake_above=Decimal(2000), armed_at=timezone.now() - LATER
    )
    make_order(sells, submitted_at=timezone.now() - LATER, price=Decimal(5000))
    late = make_trader(symbol, 4, retry_at=timezone.now() - LATER, state=TraderState.HOLDING, holds=True)
    StreamedSymbol.objects.create(market="mock", symbol="ETHUSDT", is_on=True)
    return [waits, lost, sells, late]


def publish(client: "redis.Redis", market: str, price: str = "3000") -> None:
    now_ms = round(timezone.now().timestamp() * 1000)
    event = TradeEvent("ETHUSDT", 1, price, "1", now_ms, now_ms, False)
    client.xadd(trade_topic(market, "ETHUSDT"), {"t": encode_trade(event)}, id="1-0")


def as_they_are() -> list[Any]:
    """All that the rows say of traders and orders, and how long the journal is."""
    of_mock = Trader.objects.filter(venue="mock").order_by("pk")
    orders = Order.objects.filter(venue="mock").order_by("pk")
    return [*of_mock.values(), *orders.values(), {"journal": JournalEntry.objects.filter(trader__in=of_mock).count()}]


def whole_beat(now: Any) -> None:
    leader.lead(now)
    leader.stand_in(now, lambda pairs: iter(()))
    turning.end_shutdowns()
    drawdown.watch(now)


def test_leader_leaves_those_that_rest_as_they_are(
    inhabited: list[Trader], redis_client: "redis.Redis", settings: Settings, sent: list[Sent]
) -> None:
    """With every reason to act: crossed triggers, a passed order, a lost answer, a retry that is due, a symbol that
    is off, with its orders to be cancelled."""
    publish(redis_client, "mock")
    settings.MARKET = "live"
    TradingSettings.objects.update(status=TradingStatus.OFF, cancel_orders=True)
    before = as_they_are()
    whole_beat(timezone.now() + LATER)
    assert (as_they_are(), sent) == (before, [("trading.tasks.reconcile", {"venue": "mock/paper", "entry": None})])
    settings.MARKET = "simulated"
    whole_beat(timezone.now() + LATER)
    woken = {kwargs.get("order") or kwargs.get("trader") for _, kwargs in sent}
    assert {inhabited[2].pk, inhabited[3].pk, *Order.objects.values_list("pk", flat=True)} <= woken


def test_other_world_gets_traders_of_its_own(inhabited: list[Trader], settings: Settings) -> None:
    TradingSettings.objects.update(max_slots=2)
    settings.MARKET = "live"
    before = as_they_are()
    assert (Switch.current(), leader.fill_slots()) == (PAPER, 2)
    assert as_they_are() == before
    assert set(Trader.objects.filter(venue=PAPER).values_list("slot", flat=True)) == {1, 2}
    settings.MARKET = "simulated"
    assert leader.fill_slots() == 0
    assert Trader.objects.filter(venue=PAPER, finished_at=None).count() == 2


def test_cycle_is_followed_in_its_own_world_only(inhabited: list[Trader], settings: Settings) -> None:
    TradingSettings.objects.update(max_slots=4)
    leader.fill_slots()
    ended = inhabited[0]
    Trader.objects.filter(pk=ended.pk).update(finished_at=timezone.now(), state=TraderState.FINISHED)
    settings.MARKET = "live"
    assert follow(ended) is None
    settings.MARKET = "simulated"
    assert follow(ended) is not None


def test_tasks_that_were_left_in_the_queue_change_nothing(inhabited: list[Trader], settings: Settings) -> None:
    def exchange(venue: Venue) -> Any:
        raise AssertionError(f"{venue} is asked")

    settings.MARKET = "live"
    before = as_they_are()
    for trader in inhabited:
        acting.wake(trader.pk, TRADE, exchange)
        acting.wake(trader.pk, Recheck("retry is due", is_urgent=True, source=Source.LEADER), exchange)
    for order in Order.objects.all():
        acting.ask(order.pk, exchange)
        acting.cancel(order.pk, exchange)
    assert as_they_are() == before


def test_report_waits_until_its_world_is_back(
    inhabited: list[Trader], redis_client: "redis.Redis", settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledged: list[str] = []
    monkeypatch.setattr(tasks, "acknowledge", lambda client, venue, entry: acknowledged.append(venue))
    monkeypatch.setattr(acting, "hear", lambda *args: False)
    monkeypatch.setattr(tasks, "from_execution_report", lambda data: None)
    settings.MARKET = "live"
    for venue in ("mock", "mock/paper"):
        tasks.report(trader=None, symbol="ETHUSDT", venue=venue, entry="1-0", data={})
    assert acknowledged == ["mock/paper"]


def test_dispatch_reads_the_topics_of_what_runs(symbol: Symbol, settings: Settings) -> None:
    StreamedSymbol.objects.create(market="mock", symbol="ETHUSDT", is_on=True)
    StreamedSymbol.objects.create(market="live", symbol="BTCUSDT", is_on=True)
    read: list[Any] = []

    class Listener:
        markets: dict[str, list[str]] = {}
        venues: tuple[str, ...] = ()
        strangers: dict[Any, Any] = {}

        def listen_to(self, *what: Any) -> None:
            read.append(what)

    settings.MARKET = "live"
    command = Dispatch()
    command.keep_at = math.inf
    command._follow_the_database(Listener())  # type: ignore[arg-type]
    assert read == [({"live": ["BTCUSDT"]}, ["live", "testnet", "demo", "mock/paper"])]
    assert report_topic(PAPER) != report_topic(Venue.MOCK)


def test_exchange_is_never_asked_for_a_world_that_rests(symbol: Symbol, settings: Settings) -> None:
    settings.MARKET = "live"
    with pytest.raises(NotSent, match="mock/simulated rests until MARKET=simulated is back"):
        exchange_at(Venue.MOCK)


def test_what_rests_is_not_compared_refreshed_or_complained_about(
    inhabited: list[Trader], settings: Settings
) -> None:
    settings.MARKET = "live"
    asked: list[Venue] = []

    def exchange(venue: Venue) -> Any:
        asked.append(venue)
        raise NotSent("the test goes no further")

    OtherInstallation.objects.create(venue="mock", identity=Installation.own().identity)
    refreshing.refresh_listings(exchange)
    assert (venues_in_use(), set(asked), copies.told()) == ([PAPER], {PAPER}, [])
    assert not kill_switch.resting().exists()
    assert not kill_switch.on_their_way().exists()
    assert Trader.resting() == {Venue.MOCK: 4}
    settings.MARKET = "simulated"
    assert (venues_in_use(), len(copies.told())) == ([Venue.MOCK], 1)
    assert kill_switch.on_their_way().count() == 1


def test_shutdown_ends_without_those_that_rest(inhabited: list[Trader], settings: Settings) -> None:
    TradingSettings.objects.update(status=TradingStatus.SHUTDOWN)
    assert turning.end_shutdowns() == 0
    settings.MARKET = "live"
    assert turning.end_shutdowns() == 1


def test_triggers_in_redis_are_those_of_the_world_that_runs(
    inhabited: list[Trader], redis_client: "redis.Redis", settings: Settings
) -> None:
    below = triggers.key_below("mock", "ETHUSDT")
    leader.watch_triggers()
    assert redis_client.zrange(below, 0, -1) == [str(inhabited[0].pk).encode()]
    settings.MARKET = "live"
    leader.watch_triggers()
    assert not redis_client.exists(below, triggers.HOLDING)
    leader.prune_triggers()
    settings.MARKET = "simulated"
    leader.watch_triggers()
    assert redis_client.zrange(below, 0, -1) == [str(inhabited[0].pk).encode()], "none is taken for ended"


def test_worlds_are_never_added_up(symbol: Symbol, settings: Settings) -> None:
    for venue, gain in ((Venue.MOCK, "1"), (PAPER, "20"), (Venue("mock/replay:a-123456"), "300")):
        make_cycle(symbol, gain, venue=venue)
        assert by_asset(venue)["USDT"].profit == Decimal(gain)
        assert [each.total for each in profit.profits(venue)] == [Decimal(gain)]
        equity.record(venue)
    assert dict(Equity.objects.values_list("venue", "realised")) == {
        "mock": 1,
        "mock/paper": 20,
        "mock/replay:a-123456": 300,
    }
