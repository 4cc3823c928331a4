"""A symbol with its filters, a trader in its slot, an exchange that does what a test says, and the mock exchange."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from importlib import import_module

import pytest
import redis
from django.utils import timezone
from pytest_django import Settings

from hedgehog_project.venues import Venue
from hedgehog_project.venues.rate_limits import rate_limits_at
from tests.support.exchanges.market import KEY, SECRET, MockExchange, start_mock
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.machine.processes import Processes
from tests.support.settings import give
from trading.exchange import client as client_module
from trading.models import Listing, Profile, Switch, Symbol, Trader, TradingSettings
from trading.models.symbols import TradingStatus, forget_filters
from trading.risk import protections
from trading.symbols.listings import named
from trading.traders.valuing import forget_unlisted


@pytest.fixture(autouse=True)
def no_kept_filters() -> None:
    """A test's rows may have the ids of the last test's, and its exchange the address of the last one's."""
    forget_filters()
    protections.forget()
    forget_unlisted()
    rate_limits_at.cache_clear()


@pytest.fixture
def exchange() -> ScriptedExchange:
    return ScriptedExchange()


def make_symbol(name: str = "ETHUSDT", status: str = "TRADING", max_slots: int = 1) -> Symbol:
    """A symbol that is on, all traders at once, with one cent as tick and a ten-thousandth as step."""
    symbol = named(name)
    symbol.base_asset, symbol.quote_asset = name.removesuffix("USDT"), "USDT"
    symbol.save()
    give(
        TradingSettings.objects.filter(symbol=symbol),
        status=TradingStatus.ON,
        max_slots=max_slots,
        budget=Decimal(200) * max_slots,
        buy_down_interval=Decimal("0.001"),
        profit_interval=Decimal("0.001"),
        rebuy_interval=None,
    )
    Listing.objects.create(
        symbol=symbol,
        venue=Venue.MOCK,
        status=status,
        tick_size=Decimal("0.01"),
        step_size=Decimal("0.0001"),
        min_notional=Decimal(5),
        refreshed_at=timezone.now(),
    )
    Switch.objects.get_or_create(pk=1)
    return Symbol.objects.get(pk=symbol.pk)


@pytest.fixture
def symbol(db: None, redis_client: "redis.Redis") -> Symbol:
    return make_symbol()


@pytest.fixture
def trader(symbol: Symbol) -> Trader:
    settings = TradingSettings.objects.get(symbol=symbol)
    return Trader.born(settings, Venue.MOCK, 1, armed_at=timezone.now() - timedelta(seconds=60))


# For each module anew: the exchange counts requests by the minute, and refuses what is too much.
@pytest.fixture(scope="module")
def running_mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockExchange]:
    """A mock exchange in a process of its own, with a market that moves by hand."""
    folder = tmp_path_factory.mktemp("mock")
    processes = Processes(folder)
    try:
        yield start_mock(processes, str(folder), MOCK_BALANCES="USDT:10000", MOCK_ORDERS_PER_10S=1_000)[0]
    finally:
        processes.stop_all()


@pytest.fixture
def mock(running_mock: MockExchange) -> MockExchange:
    """With 10,000 USDT, no open order, and the last trade of ETHUSDT at 3000."""
    running_mock.reset()
    running_mock.trade("ETHUSDT", "3000")
    return running_mock


@pytest.fixture
def at_mock(mock: MockExchange, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> MockExchange:
    """The venue mock is this one, for what runs in the test's own process."""
    settings.MOCK_PORT, settings.MOCK_API_KEY, settings.MOCK_API_SECRET = mock.port, KEY, SECRET
    monkeypatch.setattr(client_module, "_of_thread", threading.local())
    return mock


@pytest.fixture
def seeded_profiles(db: None) -> None:
    """The profiles that migrations seed. A test that empties the database takes them away from those after it."""
    seeds = import_module("trading.migrations.0008_profiles").SEEDS
    names = import_module("trading.migrations.0021_field_words").PROFILES
    abouts = import_module("trading.migrations.0022_labels").ABOUTS
    for name, (about, values) in seeds.items():
        today = {names.get(setting, setting): value for setting, value in values.items()}
        Profile.objects.get_or_create(name=name, defaults={"about": abouts[about], "values": today})
