"""An installation that runs, and the orders that others place on its key."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.utils import timezone

from tests.support.exchanges.scripted_exchange import ScriptedExchange
from trading.core.orders import OrderReport, Side
from trading.exchange.protocol import NewOrder
from trading.models import Run
from trading.reconciliation import reconcile as reconcile_module

STRANGER = "zz9zz9"

# Places an order under a name, so many seconds ago.
Place = Callable[..., OrderReport]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile_module, "LOOK_AGAIN_S", 0)


@pytest.fixture
def runs_for_an_hour(db: None) -> Run:
    now = timezone.now()
    return Run.objects.create(began_at=now - timedelta(hours=1), last_at=now)


@pytest.fixture
def place(exchange: ScriptedExchange) -> Place:
    def place(name: str, quantity: str = "0.05", price: str = "2900", ago_s: float = 0.0) -> OrderReport:
        side = Side.SELL if "-s-" in name else Side.BUY
        exchange.place(NewOrder("ETHUSDT", side, D(price), D(quantity), name, 0))
        placed_ms = round((time.time() - ago_s) * 1000)
        exchange.kept[name] = replace(exchange.kept[name], placed_ms=placed_ms)
        return exchange.kept[name]

    return place
