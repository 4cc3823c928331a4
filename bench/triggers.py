"""What a tick costs dispatch with 1, 1,000 and 100,000 waiting traders, none of whom it concerns.

    python -m bench.triggers

The floor reads and acknowledges the same topics with the same commands and compares nothing. CPU is that of dispatch
and of Redis together: neither may pay for those who wait. Medians of the runs, which take turns.

Before that, small batches: the trades of 300 symbols as they come, and what a trade costs that wakes a trader.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal

import hedgehog_project.celery  # noqa: F401  # the app that tasks are queued by
from bench import ticks
from bench.targets import tell
from hedgehog_project.redis import new_client
from streamer.topics import TradeEvent, encode_trade, trade_topic
from trading.dispatch import BATCH, GROUP, Dispatcher
from trading.waking.triggers import Trigger, key_above, key_below, rebuild

EVENTS = 100_000
RUNS = 7
WAITING = (1, 1_000, 100_000)
SYMBOL = "ETHUSDT"
COST_RATIO_MAX = 1.1
RATE_MIN = 100_000
# Small batches: what comes at the rate of a busy day, spread over many symbols.
LIVE_SYMBOLS, LIVE_PER_S, LIVE_S, LIVE_RUNS = 300, 6_000, 4.0, 3
LIVE_MAX = 0.08
BATCHES, AT_ONCE = 150, 5
CROSSING_MAX_MS = 0.4


def fill_topic() -> None:
    """A topic of EVENTS trades whose prices lie between 3000 and 3010."""
    client = new_client()
    topic = trade_topic("mock", SYMBOL)
    client.delete(topic)
    pipeline = client.pipeline(transaction=False)
    for number in range(1, EVENTS + 1):
        price, ms = f"{3000 + number % 1000 / 100:.2f}", 1723161255000 + number
        event = TradeEvent(SYMBOL, number, price, "0.0420", ms, ms + 1, False)
        pipeline.xadd(topic, {"t": encode_trade(event)}, id=f"{number}-0")
        if number % 1000 == 0:
            pipeline.execute()


def rewind() -> None:
    """Nobody has read the topic yet. The same entries at the same places for every run: memory that was filled anew
    would differ more than what is measured.
    """
    client = new_client()
    topic = trade_topic("mock", SYMBOL)
    client.xgroup_destroy(topic, GROUP)
    client.xgroup_create(topic, GROUP, id="0")


def wait(count: int) -> None:
    """So many traders whose triggers lie under and over every price of the topic."""
    client = new_client()
    client.delete(key_below("mock", SYMBOL), key_above("mock", SYMBOL))
    away = (Decimal(each) / 1000 for each in range(count))
    armed = (
        Trigger(each, "mock", SYMBOL, Decimal(2999) - far, above=Decimal(3011) + far) for each, far in enumerate(away)
    )
    rebuild(client, armed, "mock")


def dispatch_all() -> None:
    dispatcher = Dispatcher(new_client(), "bench")
    dispatcher.listen_to({"mock": [SYMBOL]}, [])
    while dispatcher.counts.trades < EVENTS:
        dispatcher.step()
    dispatcher.flush()
    assert dispatcher.counts.woken == 0


def read_all() -> None:
    """The floor: the same entries, read and acknowledged in the same batches."""
    client = new_client()
    client.set_response_callback("XREADGROUP", lambda answer, **options: answer)
    topic = trade_topic("mock", SYMBOL)
    seen = 0
    done: list[bytes] = []
    while seen < EVENTS:
        pipeline = client.pipeline(transaction=False)
        if done:
            pipeline.execute_command("XACK", topic, GROUP, *done)
        pipeline.execute_command("XREADGROUP", "GROUP", GROUP, "floor", "COUNT", BATCH, "STREAMS", topic, ">")
        answer = pipeline.execute()[-1]
        entries = next(iter(answer.values())) if isinstance(answer, dict) else answer[0][1]
        done = [entry[0] for entry in entries]
        seen += len(done)
    client.execute_command("XACK", topic, GROUP, *done)


def redis_cpu_s() -> float:
    facts = _asking.info("cpu")
    return float(facts["used_cpu_user"]) + float(facts["used_cpu_sys"])


def cpu_s() -> float:
    """Seconds of CPU that this process and Redis have used."""
    return time.process_time() + redis_cpu_s()


_asking = new_client()


def measure(work: Callable[[], None]) -> tuple[float, float]:
    """CPU and wall seconds."""
    rewind()
    cpu, wall = cpu_s(), time.perf_counter()
    work()
    seconds = time.perf_counter() - wall
    return cpu_s() - cpu, seconds


def live_cpu_s(with_dispatch: bool) -> tuple[float, float]:
    """CPU seconds of dispatch and of Redis while LIVE_PER_S trades a second of LIVE_SYMBOLS come, each symbol with a
    trader far away; without dispatch, of Redis alone.
    """
    client = new_client()
    client.flushall()
    symbols = ticks.names(LIVE_SYMBOLS)
    far = [Trigger(each, "mock", name, Decimal(1), above=Decimal(9000)) for each, name in enumerate(symbols)]
    rebuild(client, far, "mock")
    dispatcher = Dispatcher(new_client(), "bench")
    if with_dispatch:
        dispatcher.listen_to({"mock": symbols}, [])
    words = (str(LIVE_SYMBOLS), str(LIVE_PER_S), str(LIVE_S))
    with subprocess.Popen([sys.executable, "-m", "bench.ticks", *words]) as publisher:
        while not client.exists(trade_topic("mock", symbols[0])) or client.xlen(trade_topic("mock", symbols[0])) == 0:
            time.sleep(0.05)
        own, redis = time.process_time(), redis_cpu_s()
        while publisher.poll() is None:
            if with_dispatch:
                dispatcher.step()
            else:
                time.sleep(0.1)
        own = time.process_time() - own
    published = sum(client.xlen(trade_topic("mock", name)) for name in symbols)
    assert not with_dispatch or dispatcher.counts.trades > 0.9 * published, (published, dispatcher.counts)
    return own, redis_cpu_s() - redis


def batch_ms(wakes: bool) -> float:
    """CPU of dispatch and Redis for a batch of AT_ONCE symbols' trades, each of which wakes a trader, or none."""
    client = new_client()
    client.flushall()
    symbols = ticks.names(LIVE_SYMBOLS)
    dispatcher = Dispatcher(new_client(), "bench")
    dispatcher.listen_to({"mock": symbols}, [])
    event = TradeEvent("", 1, "2999.00", "1", 1723161255000, 1723161255000, False)
    spent = 0.0
    for number in range(1, BATCHES + 1):
        names = [symbols[(number * AT_ONCE + each) % LIVE_SYMBOLS] for each in range(AT_ONCE)]
        rebuild(
            client,
            [Trigger(each, "mock", name, Decimal(3000 if wakes else 1)) for each, name in enumerate(names)],
            "mock",
        )
        pipeline = client.pipeline(transaction=False)
        for name in names:
            pipeline.xadd(trade_topic("mock", name), {"t": encode_trade(event)}, id=f"{number}-0")
        pipeline.execute()
        redis, own = redis_cpu_s(), time.process_time()
        dispatcher.step()
        spent += time.process_time() - own + redis_cpu_s() - redis
    assert dispatcher.counts.woken == wakes * BATCHES * AT_ONCE, dispatcher.counts
    client.flushall()
    return 1e3 * spent / BATCHES


def live() -> None:
    runs = [(live_cpu_s(with_dispatch=False)[1], *live_cpu_s(with_dispatch=True)) for _ in range(LIVE_RUNS)]
    own = statistics.median(run[1] for run in runs) / LIVE_S
    redis = statistics.median(run[2] - run[0] for run in runs) / LIVE_S
    print(
        f"\n{LIVE_PER_S:,} trades/s of {LIVE_SYMBOLS} symbols, live: dispatch {own:.1%} of a core, Redis for it "
        f"{redis:.1%} (max {LIVE_MAX:.0%} together)"
    )
    more = [batch_ms(wakes=True) - batch_ms(wakes=False) for _ in range(LIVE_RUNS)]
    crossing = statistics.median(more) / AT_ONCE
    print(f"a trade that wakes a trader, {AT_ONCE} in a batch: {crossing:.2f} ms more (max {CROSSING_MAX_MS})\n")
    tell("triggers: 6,000 trades/s live, % of a core", 100 * (own + redis))
    tell("triggers: a crossing, CPU ms", crossing)


def main() -> None:
    live()
    fill_topic()
    results: dict[str, list[tuple[float, float]]] = {}
    for _ in range(RUNS):
        results.setdefault("floor", []).append(measure(read_all))
        for count in WAITING:
            wait(count)
            results.setdefault(f"{count:,} waiting", []).append(measure(dispatch_all))
    cpu = {name: statistics.median(run[0] for run in runs) for name, runs in results.items()}
    wall = {name: statistics.median(run[1] for run in runs) for name, runs in results.items()}
    print(f"{'':18}{'CPU s/100k':>12}{'events/s':>12}{'cost ratio to floor':>22}")
    for name, seconds in cpu.items():
        print(f"{name:18}{seconds:12.3f}{EVENTS / wall[name]:12,.0f}{seconds / cpu['floor']:22.2f}")
    first, last = (f"{count:,} waiting" for count in (WAITING[0], WAITING[-1]))
    print(
        f"100,000 waiting cost {cpu[last] / cpu[first]:.2f} of 1 waiting (max {COST_RATIO_MAX}), "
        f"{EVENTS / wall[last]:,.0f} events/s (min {RATE_MIN:,})"
    )
    tell("triggers: 100,000 waiting / 1 waiting", cpu[last] / cpu[first])
    tell("triggers: events/s", EVENTS / wall[last])


if __name__ == "__main__":
    main()
