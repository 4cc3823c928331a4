"""Full cycles a second with 100 traders, on PostgreSQL where it is installed.

    python -m bench cycles [--seconds 30] [--workers 1,2 --answer-s 2]

Ten symbols with ten traders each; the market of each falls through every buy and rises through every sale, over and
over. The floor is what the same worker does in no-op tasks, divided by the tasks that a cycle took.

With several numbers of workers each is measured in turn, against an exchange that takes so long for each answer: then
threads that wait for it are what holds the cycles up, and not the cores of the machine, which all share.
"""

import argparse
import threading
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection

from bench import stack
from bench.noop import DONE, noop
from bench.targets import tell
from hedgehog_project.celery import app
from hedgehog_project.redis import connect
from trading.core.strategy import TraderState
from trading.exchange.client import exchange_at
from trading.models import Installation, Switch, Trader, TradingSettings
from trading.models.symbols import Slots
from trading.schedule import make_schedule
from trading.symbols import refreshing
from trading.symbols.listings import named
from trading.symbols.turning import set_trading

# Each with a price of about today's.
PRICES = {
    "ETHUSDT": 3000,
    "BNBUSDT": 900,
    "SOLUSDT": 150,
    "LTCUSDT": 90,
    "AVAXUSDT": 20,
    "LINKUSDT": 15,
    "DOTUSDT": 4,
    "XRPUSDT": 2,
    "ADAUSDT": 1,
    "TRXUSDT": 1,
}
MAX_SLOTS = 10
NOOPS = 3_000
WARM_UP_S = 5.0
PACE_S = 0.1


def prepare() -> None:
    stack.migrate()
    make_schedule()
    Installation.own()
    Switch.objects.get_or_create(pk=1)
    for name in PRICES:
        set_trading(named(name), True)
    # All traders of a symbol at once: here they are a load.
    TradingSettings.objects.update(max_slots=MAX_SLOTS, budget=Decimal(2000), slots=Slots.TOGETHER)


def drive(market: stack.Stack, symbol: str, stop: threading.Event) -> None:
    """Moves one market down through the buys and up through the sales until told to stop."""
    price, low, high = Decimal(PRICES[symbol]), Decimal("0.97"), Decimal("1.03")
    while not stop.is_set():
        # Each low lies under the last, each high over it: what was ordered at an extreme is not left behind.
        low, high = low - Decimal("0.0007"), high + Decimal("0.0035")
        for factor in (Decimal(1), low, high):
            market.trade(symbol, f"{price * factor:.4f}", "1000000")
            time.sleep(PACE_S)


def tasks_done() -> int:
    workers: dict[str, Any] = app.control.inspect(timeout=5).stats() or {}
    return sum(sum(stats["total"].values()) for stats in workers.values())


def noops_per_second() -> float:
    client = connect()
    began = time.perf_counter()
    for _ in range(NOOPS):
        noop.delay()
    for _ in range(NOOPS):
        client.brpop([DONE], timeout=30)
    return NOOPS / (time.perf_counter() - began)


@dataclass
class Figures:
    """Of one run."""

    seconds: float
    cycles: int
    tasks: int
    floor: float  # no-op tasks a second
    cpu_s: dict[str, float]

    @property
    def rate(self) -> float:
        return self.cycles / self.seconds


def run(seconds: float, workers: int, answer_s: float) -> Figures:
    with stack.running(workers=workers) as market:
        for symbol in PRICES:
            market.trade(symbol, str(PRICES[symbol]))
        refreshing.refresh_listings(exchange_at)
        floor = noops_per_second()
        if answer_s:
            market.control("POST", "faults", kind="answer_delayed", delay_ms=round(answer_s * 1000), probability=1)
        market.processes.celery("beat", "--pidfile=")
        stop = threading.Event()
        drivers = [threading.Thread(target=drive, args=(market, symbol, stop)) for symbol in PRICES]
        for driver in drivers:
            driver.start()
        # Until all traders are at it: the first cycles wait for two answers each, and for what these hold up.
        time.sleep(WARM_UP_S + 4 * answer_s)
        finished = Trader.objects.filter(state=TraderState.FINISHED)
        tasks, cycles, cpu, began = tasks_done(), finished.count(), market.cpu_s(), time.perf_counter()
        time.sleep(seconds)
        tasks, cycles = tasks_done() - tasks, finished.count() - cycles
        took_s = time.perf_counter() - began
        cpu = {name: spent - cpu.get(name, 0) for name, spent in market.cpu_s().items()}
        stop.set()
        for driver in drivers:
            driver.join()
    return Figures(took_s, cycles, tasks, floor, cpu)


def show(found: Figures, workers: int) -> None:
    per_cycle, cpu = found.tasks / found.cycles, dict(found.cpu_s)
    traders = len(PRICES) * MAX_SLOTS
    print(f"{traders} traders on {connection.display_name}, {workers} of each worker, {found.seconds:.0f} s")
    print(f"full cycles            {found.rate:8.1f} /s   ({found.cycles} in all, {per_cycle:.1f} tasks each)")
    mock = cpu.pop("mock_exchange")
    each = ", ".join(f"{name} {spent / found.cycles * 1e3:.1f}" for name, spent in sorted(cpu.items()))
    print(f"CPU of a cycle         {sum(cpu.values()) / found.cycles * 1e3:8.1f} ms   ({each})")
    print(f"                                    not counted: the mock exchange {mock / found.cycles * 1e3:.1f}")
    print(f"floor: no-op tasks     {found.floor:8.1f} /s   = {found.floor / per_cycle:.1f} cycles/s")
    print(f"cycles against floor   {found.rate / (found.floor / per_cycle):8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench cycles", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="of each run; default: 30")
    parser.add_argument("--workers", default="1", help="how many of each kind, such as 1,2; default: 1")
    parser.add_argument("--answer-s", type=float, default=0.0, help="what each answer of the exchange takes")
    options = parser.parse_args()
    prepare()
    numbers = [int(number) for number in options.workers.split(",")]
    runs = []
    for workers in numbers:
        runs.append(run(options.seconds, workers, options.answer_s))
        show(runs[-1], workers)
    if len(runs) > 1:
        print(f"cycles of {numbers[-1]} against {numbers[0]}  {runs[-1].rate / runs[0].rate:8.2f}")
    elif not options.answer_s:
        tell("cycles: a second", runs[0].rate)
        tell("cycles: tasks each", runs[0].tasks / runs[0].cycles)


if __name__ == "__main__":
    main()
