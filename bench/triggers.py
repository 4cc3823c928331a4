"""What a tick costs dispatch with 1, 1,000 and 100,000 waiting traders, none of whom it concerns.

    python -m bench.triggers

The floor reads and acknowledges the same topics with the same commands and compares nothing. CPU is that of dispatch
and of Redis together: neither may pay for those who wait. Medians of the runs, which take turns.
"""

import statistics
import time
from collections.abc import Callable
from decimal import Decimal

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
    rebuild(client, armed)


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


def cpu_s() -> float:
    """Seconds of CPU that this process and Redis have used."""
    redis = new_client().info("cpu")
    return time.process_time() + float(redis["used_cpu_user"]) + float(redis["used_cpu_sys"])


def measure(work: Callable[[], None]) -> tuple[float, float]:
    """CPU and wall seconds."""
    rewind()
    cpu, wall = cpu_s(), time.perf_counter()
    work()
    seconds = time.perf_counter() - wall
    return cpu_s() - cpu, seconds


def main() -> None:
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
