"""How long stops wait for their turn: one fall of the market reaches the stops of many traders at once.

    python -m bench.stops

10 and 200 traders in ten symbols hold something, with a sale that rests; each is to be cancelled and sold at the
market. Once with an exchange that answers at once, and once with one that takes two seconds for each answer. Times
are from the trade that reached the stops to the arrival of each stop's order at the exchange, by its clock. The floor
places as many orders from as many threads, and does nothing else.
"""

import statistics
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from bench import stack
from bench.cycles import PRICES
from bench.targets import tell
from hedgehog_project.venues import Venue
from tests.support.settings import give
from trading import leader
from trading.core.orders import OrderStatus, OrderType, Side
from trading.exchange.client import exchange_at
from trading.exchange.protocol import NewOrder
from trading.models import Order, Switch, Trader
from trading.schedule import make_schedule
from trading.symbols import refreshing
from trading.symbols.listings import named
from trading.symbols.turning import set_trading

SLOW_MS = 2_000
PATIENCE_S = 60.0
# Traders in each symbol, and how long each answer takes.
RUNS = ((1, 0), (20, 0), (1, SLOW_MS), (20, SLOW_MS))
STRATEGY = {"profit_interval": Decimal("0.2"), "rebuy_interval": None, "stop_loss_interval": Decimal("0.05")}


def prepare(max_slots: int) -> None:
    call_command("flush", interactive=False, verbosity=0)
    make_schedule()
    Switch.objects.get_or_create(pk=1)
    for name in PRICES:
        set_trading(named(name), True)
    give(max_slots=max_slots, budget=Decimal(100 * max_slots), **STRATEGY)


def trade_until(market: stack.Stack, factor: str, count: int, side: Side) -> None:
    """Until so many orders of this side rest."""
    give_up = time.monotonic() + PATIENCE_S
    while Order.objects.filter(side=side, status=OrderStatus.NEW).count() < count:
        fall(market, factor)
        if time.monotonic() > give_up:
            waits = Counter(Trader.objects.filter(finished_at=None).values_list("state", "waits_for", "error"))
            raise AssertionError(f"not all of {count} {side} in time: {waits.most_common(3)}")
        time.sleep(1)


def slow_down(market: stack.Stack, delay_ms: int) -> None:
    market.control("POST", "faults", kind="answer_delayed", delay_ms=delay_ms, probability=1)


def fall(market: stack.Stack, factor: str) -> None:
    for name, price in PRICES.items():
        market.trade(name, f"{price * Decimal(factor):.4f}", "1000000")


def stops(market: stack.Stack, max_slots: int, delay_ms: int) -> list[float]:
    """Seconds from the fall to the arrival of each stop."""
    count = max_slots * len(PRICES)
    leader.fill_slots()
    trade_until(market, "1", count, Side.BUY)
    trade_until(market, "0.99", count, Side.SELL)
    time.sleep(2)
    if delay_ms:
        slow_down(market, delay_ms)
    began = time.time()
    fall(market, "0.93")
    placed = Order.objects.filter(side=Side.SELL, type=OrderType.MARKET)
    give_up = time.monotonic() + PATIENCE_S
    while placed.exclude(exchange_order_id=None).count() < count and time.monotonic() < give_up:
        time.sleep(0.2)
    market.control("DELETE", "faults")
    names = set(placed.values_list("client_order_id", flat=True))
    exchange = exchange_at(Venue.MOCK)
    there = [order for name in PRICES for order in exchange.orders(name) if order.client_order_id in names]
    return sorted(order.placed_ms / 1000 - began for order in there)


def floor(count: int) -> float:
    """Seconds in which as many orders are placed by as many threads."""
    run = uuid.uuid4().hex[:8]

    def one(number: int) -> None:
        not_after_ms = round(time.time() * 1000) + 60_000
        name = ("ETHUSDT", "BNBUSDT", "SOLUSDT")[number % 3]
        order = NewOrder(name, Side.BUY, Decimal(PRICES[name]) / 2, Decimal("0.1"), f"{run}-{number}", not_after_ms)
        exchange_at(Venue.MOCK).place(order)

    began = time.monotonic()
    with ThreadPoolExecutor(settings.EXIT_THREADS) as pool:
        list(pool.map(one, range(count)))
    return time.monotonic() - began


def main() -> None:
    stack.migrate()
    print(
        f"{connection.display_name}, {settings.EXIT_THREADS} threads for exits; seconds from the fall of the market"
    )
    print(f"{'':40}{'sent':>6}{'first':>8}{'p50':>8}{'p90':>8}{'last':>8}{'floor':>8}")
    for max_slots, delay_ms in RUNS:
        prepare(max_slots)
        with stack.running() as market:
            for name, price in PRICES.items():
                market.trade(name, str(price))
            refreshing.refresh_listings(exchange_at)
            market.processes.celery("beat", "--pidfile=")
            took = stops(market, max_slots, delay_ms)
            if delay_ms:
                slow_down(market, delay_ms)
            minimum = floor(len(took))
        count = max_slots * len(PRICES)
        title = f"{count} stops, each answer after {delay_ms / 1000:g} s"
        shares = (took[0], statistics.median(took), took[int(len(took) * 0.9)], took[-1], minimum)
        print(f"{title:40}{len(took):>6}{''.join(f'{each:8.2f}' for each in shares)}", flush=True)
        tell(f"stops: last of {count}, {'slow' if delay_ms else 'fast'} exchange, s", took[-1])


if __name__ == "__main__":
    main()
