"""Cycles under misfortunes that follow from a seed: no order lost or doubled, and books that agree in the end.

SIMULATION_SEEDS=200 pytest tests/simulation          more seeds
SIMULATION_SEED=17 pytest tests/simulation            the one that failed
"""

import os
from collections import Counter
from decimal import Decimal

import pytest
from celery import current_app
from django.utils import timezone

from binance_mock.orders import Side
from hedgehog_project.venues import Venue
from tests.simulation.world import MONEY, NO_MISFORTUNE, PRICES, World
from tests.trading.conftest import make_symbol
from trading import triggers
from trading.audit import audit
from trading.core.strategy import TraderState
from trading.models import Listing, Trader
from trading.models.symbols import forget_rules
from trading.own_orders import trader_of

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "12"))
ONLY = os.environ.get("SIMULATION_SEED")
STEPS = 120
# What is under way when the misfortunes end is settled by then: proofs, growing waits, a reconciliation.
SETTLING_STEPS = 150


@pytest.fixture
def world(request: pytest.FixtureRequest, db: None, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(request.param)
    monkeypatch.setattr(timezone, "now", world.clock)
    monkeypatch.setattr(current_app, "send_task", world.rung)
    # Rows are the truth: the world looks at them instead of at their copy in Redis.
    monkeypatch.setattr(triggers, "set_trigger", lambda client, trigger: True)
    forget_rules()
    for symbol in PRICES:
        make_symbol(symbol, chunks=2)
    Listing.objects.filter(symbol__name="BTCUSDT").update(step_size="0.00001")
    return world


def never_two_open_orders_of_one_trader_and_side(world: World) -> None:
    open_orders = world.desk.exchange.engine.open_orders()
    counts = Counter((trader_of(order.client_order_id), order.side) for order in open_orders)
    assert [who for who, count in counts.items() if count > 1] == []


def nobody_sells_more_than_it_owns(world: World) -> None:
    """By the exchange's own books: a trader's executed and open sales, against what it bought less commissions."""
    store = world.desk.exchange.store
    owned: dict[int | None, Decimal] = {}
    for symbol in PRICES:
        orders = store.orders(symbol, from_id=0, start_ms=None, end_ms=None, limit=1000)
        traders = {order.order_id: trader_of(order.client_order_id) for order in orders}
        for order in orders:
            bound = order.quantity if order.is_open else order.executed
            if order.side == Side.SELL:
                owned[traders[order.order_id]] = owned.get(traders[order.order_id], Decimal(0)) - bound
        for order_id, fill in world.trades(symbol):
            if fill.commission_asset == symbol.removesuffix("USDT"):
                got = fill.quantity - fill.commission
                owned[traders[order_id]] = owned.get(traders[order_id], Decimal(0)) + got
    assert [(trader, left) for trader, left in owned.items() if left < 0] == []


@pytest.mark.parametrize(
    "world", [int(ONLY)] if ONLY else range(SEEDS), indirect=True, ids=lambda seed: f"seed{seed}"
)
def test_whatever_happens_the_books_agree_in_the_end(world: World) -> None:
    for _ in range(STEPS):
        world.step()
        never_two_open_orders_of_one_trader_and_side(world)
    nobody_sells_more_than_it_owns(world)
    world.luck = NO_MISFORTUNE
    for _ in range(SETTLING_STEPS):
        world.step(moves_market=False)
        never_two_open_orders_of_one_trader_and_side(world)
    nobody_sells_more_than_it_owns(world)
    repeat = f"SIMULATION_SEED={world.seed} pytest tests/simulation; struck: {world.struck}"
    assert audit(Venue.MOCK, world, MONEY) == [], repeat
    assert Trader.objects.filter(state=TraderState.FINISHED).exists(), repeat
