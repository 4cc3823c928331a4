"""The figures that the admin and `manage.py status` show."""

import socket
import time
from datetime import timedelta
from decimal import Decimal as D

import pytest
import redis
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from console import diagnosis, figures
from console.findings import Severity
from hedgehog_project import processes
from hedgehog_project.processes import ProcessState
from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue
from streamer.models import StreamedSymbol
from streamer.topics import TradeEvent, encode_trade, trade_topic
from tests.support.rows import make_cycle, make_order, make_story, make_trader
from tests.trading.conftest import make_symbol
from trading.books import profit
from trading.core import money
from trading.core.money import plain
from trading.core.orders import OrderStatus
from trading.models import Switch, Symbol, TradingSettings
from trading.models.symbols import TradingStatus
from trading.symbols import listings, turning
from trading.waking import prices

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def publish(symbol: str, price: str, age_s: float = 0.0, market: str = "mock") -> None:
    now_ms = round((time.time() - age_s) * 1000)
    event = TradeEvent(symbol, 1, price, "0.5", now_ms, now_ms, True)
    connect().xadd(trade_topic(market, symbol), {"t": encode_trade(event)}, id="1-0")


UP = [ProcessState(name, True, 0.0, "") for name in processes.NAMES]
NO_REDIS = "redis://127.0.0.1:1/0"


def line(name: str = "ETHUSDT") -> figures.SymbolLine:
    return next(line for line in figures.symbol_lines(Venue.MOCK) if line.name == name)


def test_line_of_a_symbol_says_what_it_does_and_brought(symbol: Symbol) -> None:
    turning.set_streaming(symbol, True)
    publish("ETHUSDT", "3000.10000000", age_s=4)
    make_story(symbol)
    make_cycle(symbol, "0.25")
    make_cycle(symbol, "-0.05000001")
    shown = line()
    assert (shown.is_streaming, shown.is_trading, shown.traders, shown.cycles_finished) == (True, True, 1, 2)
    assert shown.profit == D("0.19999999")
    assert shown.last_trade is not None
    assert shown.last_trade.price == D("3000.1")
    assert 3.5 < shown.last_trade.age_s < 10


def test_symbol_without_any_trader_or_settings_has_zeros(redis_client: "redis.Redis") -> None:
    Symbol.objects.create(name="ADABTC")
    StreamedSymbol.objects.create(market="live", symbol="ADABTC", is_on=True)
    shown = line("ADABTC")
    assert (shown.is_streaming, shown.is_trading, shown.traders, shown.cycles_finished) == (False, False, 0, 0)
    assert (shown.profit, shown.last_trade) == (D(0), None)


def test_symbol_that_is_off_and_never_was_traded_is_left_out(symbol: Symbol) -> None:
    listings.named("BTCUSDT")
    TradingSettings.objects.filter(symbol=symbol).update(status=TradingStatus.SHUTDOWN)
    assert [shown.name for shown in figures.symbol_lines(Venue.MOCK)] == ["ETHUSDT"]


def test_money_of_other_venues_is_never_added(symbol: Symbol) -> None:
    make_cycle(symbol, "1", venue=Venue.MOCK)
    make_cycle(symbol, "100", venue=Venue.LIVE)
    make_trader(symbol, venue=Venue.LIVE)
    assert line().profit == D(1)
    assert line().traders == 0
    assert profit.profits(Venue.MOCK) == [profit.Profit("USDT", D(1), D(1))]
    assert [profit.total for profit in profit.profits(Venue.LIVE)] == [D(100)]
    assert figures.elsewhere(Venue.MOCK) == ["1 active trader still on live, until the cycle ends."]


def test_without_redis_prices_are_unknown_and_the_rest_stands(symbol: Symbol, settings: Settings) -> None:
    make_cycle(symbol, "0.25")
    settings.REDIS_URL = NO_REDIS
    assert line().last_trade is None
    assert line().profit == D("0.25")


def test_queries_do_not_grow_with_symbols(symbol: Symbol, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for name in ("BTCUSDT", "XRPUSDT", "BNBUSDT"):
        make_cycle(make_symbol(name), "1")
    # The lines, and what the exchange says of those that are on.
    with django_assert_num_queries(3):
        assert len(figures.symbol_lines(Venue.MOCK)) == 4


def test_profits_are_told_by_quote_asset_the_busiest_first(symbol: Symbol) -> None:
    now = timezone.now()
    bitcoin = Symbol.objects.create(name="ADABTC", base_asset="ADA", quote_asset="BTC")
    second = make_symbol("XRPUSDT")
    make_cycle(bitcoin, "0.00000001", now)
    make_cycle(symbol, "1", now)
    make_cycle(second, "2", now - timedelta(days=2))
    assert profit.profits(Venue.MOCK, now) == [
        profit.Profit("USDT", D(3), D(1)),
        profit.Profit("BTC", D("0.00000001"), D("0.00000001")),
    ]


def test_open_orders_are_counted_with_those_that_wait_for_an_answer(symbol: Symbol) -> None:
    make_order(make_trader(symbol, 1))
    make_order(make_trader(symbol, 2), status=OrderStatus.SUBMITTING)
    make_order(make_trader(symbol, 3), status=OrderStatus.FILLED)
    assert figures.order_counts(Venue.MOCK) == (2, 1)
    assert figures.order_counts(Venue.LIVE) == (0, 0)


class TestHints:
    def hints(self) -> str:
        found = diagnosis.diagnose(diagnosis.gather(states=UP))
        return " ".join(str(each) for each in found if each.severity == Severity.NOTE)

    def test_without_symbols(self, redis_client: "redis.Redis") -> None:
        assert "No symbols yet" in self.hints()

    def test_with_all_symbols_off(self, symbol: Symbol) -> None:
        turning.set_trading(symbol, False)
        assert "Trading is off for all symbols" in self.hints()

    def test_trading_without_prices(self, symbol: Symbol) -> None:
        assert "ETHUSDT: the price feed from mock is off. Turn it on." in self.hints()
        turning.set_streaming(symbol, True)
        assert "ETHUSDT: no price yet" in self.hints()
        publish("ETHUSDT", "3000", age_s=100)
        assert "ETHUSDT: no trade since " in self.hints()

    def test_traders_with_errors_and_orders_without_an_answer(self, symbol: Symbol) -> None:
        trader = make_trader(symbol, error="refused", failures=1)
        make_order(trader, status=OrderStatus.SUBMITTING, submitted_at=timezone.now() - timedelta(minutes=2))
        assert "1 trader with an error" in self.hints()
        assert "1 order unconfirmed" in self.hints()

    def test_venue_that_cannot_be_traded(self, symbol: Symbol) -> None:
        Switch.objects.update(venue=Venue.TESTNET)
        assert "New traders cannot trade on testnet: No key" in self.hints()

    def test_nothing_to_say_when_all_is_well(self, symbol: Symbol) -> None:
        turning.set_streaming(symbol, True)
        publish("ETHUSDT", "3000")
        make_order(make_trader(symbol), status=OrderStatus.SUBMITTING)
        assert self.hints() == ""

    def test_many_symbols_are_not_all_named(self, redis_client: "redis.Redis") -> None:
        for n in range(8):
            make_symbol(f"A{n}USDT")
        assert "A0USDT, A1USDT, A2USDT, A3USDT, A4USDT and 3 more: the price feed" in self.hints()


def test_frozen_redis_does_not_hold_a_page_up(symbol: Symbol, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        before = time.monotonic()
        assert line().last_trade is None
        assert time.monotonic() - before < 2 * prices.READ_S


def test_alarm_of_a_full_redis_says_what_goes_on_and_calls_nobody_down() -> None:
    full = "Redis refuses writes: its memory is full (2.0 of 2.0 MB used)"
    states = [ProcessState("redis", False, 0.0, "", full), ProcessState("worker", None, None, "unknown")]
    (alarm,) = diagnosis.processes_down(diagnosis.gather(states=states))
    assert alarm.text.startswith(f"{full}. Positions can still exit")


def test_alarms_say_what_a_missing_process_means() -> None:
    def alarms(*down: str, venue: Venue = Venue.MOCK) -> list[str]:
        Switch.objects.update_or_create(pk=1, defaults={"venue": venue})
        facts = diagnosis.gather(states=[ProcessState(name, name not in down, None, "") for name in processes.NAMES])
        return [str(each) for each in diagnosis.processes_down(facts)]

    assert alarms() == []
    assert alarms("worker", "flower") == ["No worker for entries is running: no trader starts or buys."]
    assert alarms("mock_exchange") == ["The mock exchange is down: no orders are accepted or filled."]
    assert alarms("mock_exchange", venue=Venue.LIVE) == []
    assert alarms("redis", "worker", "beat") == [
        "Redis is down: no events and no tasks are delivered. Positions can still exit."
    ]


@pytest.mark.parametrize(
    ("value", "exact", "short"),
    [
        ("1E-8", "0.00000001", "0.00000001"),
        ("2875.10000000", "2875.1", "2875.1"),
        ("1E+3", "1000", "1000"),
        ("0", "0", "0"),
        ("0E-8", "0", "0"),
        ("12.34567891", "12.34567891", "12.3457"),
        ("-0.00123456", "-0.00123456", "-0.00123456"),
        ("92233720368.54775807", "92233720368.54775807", "92233720368.55"),
    ],
)
def test_numbers_are_plain(value: str, exact: str, short: str) -> None:
    assert (plain(D(value)), money.rounded(D(value))) == (exact, short)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_ages_have_one_unit(seconds: float, text: str) -> None:
    assert figures.age(seconds) == text
