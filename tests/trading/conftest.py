"""A symbol with its rules, a trader in its slot, and an exchange that does what a test says."""

from datetime import timedelta
from decimal import Decimal

import pytest
import redis
from django.utils import timezone

from hedgehog_project.venues import Venue
from tests.support.scripted_exchange import ScriptedExchange
from trading.models import Listing, Switch, Symbol, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.symbols import named


@pytest.fixture
def exchange() -> ScriptedExchange:
    return ScriptedExchange()


def make_symbol(name: str = "ETHUSDT", status: str = "TRADING", chunks: int = 1) -> Symbol:
    """A symbol that is on, with one cent as tick and a ten-thousandth as step."""
    symbol = named(name)
    symbol.base_asset, symbol.quote_asset = name.removesuffix("USDT"), "USDT"
    symbol.save()
    TradingSettings.objects.filter(symbol=symbol).update(
        status=TradingStatus.ON,
        chunks=chunks,
        budget=Decimal(200) * chunks,
        buy_down_interval=Decimal("0.001"),
        profit_interval=Decimal("0.001"),
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
    return Trader.objects.create(
        symbol=symbol,
        venue=Venue.MOCK,
        slot=1,
        budget=settings.share,
        buy_down_interval=settings.buy_down_interval,
        profit_interval=settings.profit_interval,
        armed_at=timezone.now() - timedelta(seconds=60),
    )
