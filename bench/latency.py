"""From a trade event at the streamer's socket to an order accepted at the exchange.

    python -m bench.latency

The floor is the sum of what can't be avoided: a no-op Celery round trip, and one REST call that places an order. A
neighbour of the streamer on the same market stream, and a listener on the account's own stream, see both ends at the
same distance from the exchange.
"""

import asyncio
import hashlib
import hmac
import json
import statistics
import time
from decimal import Decimal

import aiohttp

from bench.noop import DONE, noop
from bench.stack import Stack, migrate, running
from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue, place
from trading.core.orders import Side
from trading.exchange.client import BinanceExchange, exchange_at
from trading.exchange.protocol import NewOrder
from trading.leader import fill_slots, refresh_listings
from trading.models import Switch, TradingSettings
from trading.schedule import make_schedule
from trading.symbols import named, set_trading
from trading.triggers import key_below

SYMBOL = "ETHUSDT"
SAMPLES = 200
RATIO_MAX = 2.0


def prepare() -> None:
    migrate()
    make_schedule()
    Switch.objects.get_or_create(pk=1)
    symbol = named(SYMBOL)
    set_trading(symbol, True)
    TradingSettings.objects.filter(symbol=symbol).update(chunks=1, budget=Decimal(200))


def place_one(exchange: BinanceExchange, number: int) -> None:
    not_after_ms = round(time.time() * 1000) + 5000
    exchange.place(NewOrder(SYMBOL, Side.BUY, Decimal(2500), Decimal("0.1"), f"floor-{number}", not_after_ms))


def floor(stack: Stack) -> tuple[list[float], list[float]]:
    """Milliseconds of each no-op round trip, and of each placing."""
    client, tasks, calls = connect(), [], []
    exchange = exchange_at(Venue.MOCK)
    for number in range(SAMPLES):
        began = time.perf_counter()
        noop.delay()
        client.brpop([DONE], timeout=5)
        tasks.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        place_one(exchange, number)  # type: ignore[arg-type]
        calls.append((time.perf_counter() - began) * 1000)
        exchange.cancel(SYMBOL, f"floor-{number}")
    return tasks, calls


async def ours(stack: Stack) -> list[float]:
    """Milliseconds from each trade to the trader's accepted order."""
    where = place(Venue.MOCK)
    exchange = exchange_at(Venue.MOCK)
    client = connect()
    waits: list[float] = []
    async with aiohttp.ClientSession() as session:
        trades = await session.ws_connect(f"{where.stream_url}/ws/{SYMBOL.lower()}@trade")
        own = await session.ws_connect(where.ws_api_url)
        query = f"apiKey={where.api_key}&timestamp={round(time.time() * 1000)}"
        signature = hmac.new(where.api_secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        params = {**dict(part.split("=") for part in query.split("&")), "signature": signature}
        await own.send_json({"id": 1, "method": "userDataStream.subscribe.signature", "params": params})
        await own.receive()
        for number in range(SAMPLES):
            async with asyncio.timeout(30):
                while not client.zcard(key_below("mock", SYMBOL)):
                    await asyncio.sleep(0.005)
            await asyncio.sleep(0.02)  # The worker is idle again.
            price = f"{3000 + number % 7:.2f}"
            await asyncio.to_thread(stack.trade, SYMBOL, price)
            await trades.receive(timeout=10)
            began = time.perf_counter()
            while True:
                event = json.loads((await own.receive(timeout=10)).data).get("event", {})
                if event.get("e") == "executionReport" and event["x"] == "NEW":
                    waits.append((time.perf_counter() - began) * 1000)
                    await asyncio.to_thread(exchange.cancel, SYMBOL, event["c"])
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
        tasks, calls = floor(stack)
        waits = asyncio.run(ours(stack))
    both = [task + call for task, call in zip(tasks, calls, strict=True)]
    print(f"{'':44}{'p50 ms':>9}{'p99 ms':>9}")
    rows = (
        ("no-op Celery round trip", tasks),
        ("one REST call that places an order", calls),
        ("floor: their sum", both),
        ("trade at the socket to order accepted", waits),
    )
    for name, values in rows:
        print(f"{name:44}{statistics.median(values):9.2f}{percentile(values, 0.99):9.2f}")
    ratio = statistics.median(waits) / statistics.median(both)
    print(f"ratio of the medians {ratio:.2f} (at most {RATIO_MAX}), {SAMPLES} samples each")


if __name__ == "__main__":
    main()
