"""From a trade event at the streamer's socket to an order accepted at the exchange.

    python -m bench.latency

The floor is the sum of what can't be avoided: a no-op Celery round trip, and one REST call that places an order. A
neighbour of the streamer on the same market stream, and a listener on the account's own stream, see both ends at the
same distance from the exchange.
"""

import asyncio
import json
import statistics
import time
from dataclasses import dataclass, field
from decimal import Decimal

import aiohttp
from django.db import connection

from bench.noop import DONE, noop
from bench.stack import Stack, migrate, running
from bench.targets import tell
from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue, endpoints
from trading.core.orders import Side
from trading.exchange.client import exchange_at
from trading.exchange.order_ids import read
from trading.exchange.protocol import Exchange, NewOrder
from trading.leader import fill_slots
from trading.models import Order, Switch, TradingSettings
from trading.schedule import make_schedule
from trading.symbols.listings import named
from trading.symbols.refreshing import refresh_listings
from trading.symbols.turning import set_trading
from trading.waking.triggers import key_below

SYMBOL = "ETHUSDT"
SAMPLES = 200
PAUSE_S = 0.02
RATIO_MAX = 2.0


def prepare() -> None:
    migrate()
    make_schedule()
    Switch.objects.get_or_create(pk=1)
    symbol = named(SYMBOL)
    set_trading(symbol, True)
    TradingSettings.objects.filter(symbol=symbol).update(max_slots=1, budget=Decimal(200))


@dataclass
class Waits:
    """Milliseconds of each sample."""

    task: list[float] = field(default_factory=list)  # a no-op Celery round trip
    call: list[float] = field(default_factory=list)  # one REST call that places an order
    ours: list[float] = field(default_factory=list)  # from a trade to the trader's accepted order


def no_op() -> float:
    """Milliseconds until a queued task has run."""
    began = time.perf_counter()
    noop.delay()
    connect().brpop([DONE], timeout=5)
    return (time.perf_counter() - began) * 1000


def placing(exchange: Exchange, number: int) -> float:
    """Milliseconds of one REST call that places an order."""
    not_after_ms = round(time.time() * 1000) + 5000
    order = NewOrder(SYMBOL, Side.BUY, Decimal(2500), Decimal("0.1"), f"floor-{number}", not_after_ms)
    began = time.perf_counter()
    exchange.place(order)
    took = (time.perf_counter() - began) * 1000
    exchange.cancel(SYMBOL, order.client_order_id)
    return took


def cancel_resting(exchange: Exchange, client_order_id: str) -> None:
    """As its trader would, which buys anew at the next trade; after a cancel by its owner's hand it would pause."""
    Order.objects.filter(client_order_id=client_order_id).update(cancel_reason="measured")
    exchange.cancel(SYMBOL, client_order_id)
    connection.close()


async def measure(stack: Stack) -> Waits:
    """The three take turns, each after the same pause: all begin from an idle machine, and share its moods."""
    where = endpoints(Venue.MOCK)
    exchange = exchange_at(Venue.MOCK)
    waits = Waits()
    async with aiohttp.ClientSession() as session:
        trades = await session.ws_connect(f"{where.stream_url}/ws/{SYMBOL.lower()}@trade")
        own = await session.ws_connect(where.ws_api_url)
        assert where.key
        params = where.key.signed({}, round(time.time() * 1000))
        await own.send_json({"id": 1, "method": "userDataStream.subscribe.signature", "params": params})
        await own.receive()
        for number in range(SAMPLES):
            await asyncio.sleep(PAUSE_S)
            waits.task.append(no_op())
            await asyncio.sleep(PAUSE_S)
            waits.call.append(placing(exchange, number))
            async with asyncio.timeout(30):
                while not connect().zcard(key_below("mock", SYMBOL)):
                    await asyncio.sleep(0.005)
            await asyncio.sleep(PAUSE_S)
            price = f"{3000 + number % 7:.2f}"
            await asyncio.to_thread(stack.trade, SYMBOL, price)
            await trades.receive(timeout=10)
            began = time.perf_counter()
            while True:
                event = json.loads((await own.receive(timeout=10)).data).get("event", {})
                is_new = event.get("e") == "executionReport" and event["x"] == "NEW"
                if is_new and read(event["c"]):
                    waits.ours.append((time.perf_counter() - began) * 1000)
                    await asyncio.to_thread(cancel_resting, exchange, event["c"])
                    break
    return waits


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main() -> None:
    prepare()
    with running() as stack:
        stack.trade(SYMBOL, "3000.00")
        refresh_listings(exchange_at)
        fill_slots()
        time.sleep(2)
        waits = asyncio.run(measure(stack))
    both = [task + call for task, call in zip(waits.task, waits.call, strict=True)]
    print(f"{'':44}{'p50 ms':>9}{'p99 ms':>9}")
    rows = (
        ("no-op Celery round trip", waits.task),
        ("one REST call that places an order", waits.call),
        ("floor: their sum", both),
        ("trade at the socket to order accepted", waits.ours),
    )
    for name, values in rows:
        print(f"{name:44}{statistics.median(values):9.2f}{percentile(values, 0.99):9.2f}")
    ratio = statistics.median(waits.ours) / statistics.median(both)
    print(f"ratio of the medians {ratio:.2f} (at most {RATIO_MAX}), {SAMPLES} samples each")
    tell("latency: p50 / floor", ratio)
    tell("latency: p99 / floor", percentile(waits.ours, 0.99) / percentile(both, 0.99))


if __name__ == "__main__":
    main()
