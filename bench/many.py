"""What a cycle costs with 2 symbols and with 300, and what of it comes too late.

    python -m bench many [--symbols 2x10,300x1] [--seconds 60] [--database postgres]

So many symbols with so many slots each. The processes of `make run` without its pages, on the mock exchange's
simulated market: 20 trades a second of each symbol, in calm times and bursts. CPU is that of our own processes, of
Redis and of PostgreSQL; not counted is the mock exchange, which makes the market and runs on the same cores.

A cycle's CPU is what trading takes more than standing by: before it is turned on, the same trades are read for a
while. What that takes is shown beside it.
"""

import argparse
import json
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import redis
from django.db import connection

from bench.stack import MONEY, NO_LIMIT, cpu_of_postgresql, cpu_s
from bench.targets import tell
from binance_mock.state.listings import MockSymbol, exchange_info
from hedgehog_project import queues
from hedgehog_project.heartbeats import beats
from streamer.topics import last_trades
from tests.e2e.books import set_up, turn_off, turn_on
from tests.support.machine import postgres
from tests.support.machine.stack import SERVICES, Stack
from trading.models import Trader
from trading.models.symbols import Slots
from trading.models.traders import ENDED
from trading.symbols.listings import named
from trading.symbols.turning import stream_from

WARM_UP_S, STANDING_BY_S = 15.0, 15.0
LOOK_EVERY_S = 1.0
# Of fewer cycles the CPU says nothing: standing by varies by more.
ENOUGH = 20
# Not of ours.
OTHERS = "mock_exchange"
# So small that the slots open soon.
LADDER_STEP = "0.001"


@dataclass
class Figures:
    """Of one run."""

    symbols: int
    seconds: float
    trades: int  # that dispatch has read
    cycles: int
    given_up: dict[str, int]
    longest_wait_s: float  # of the oldest task in the queue of entries
    cpu_s: dict[str, float]
    standing_by: dict[str, float]  # parts of a core

    def per_cycle_ms(self, *names: str) -> float:
        """CPU of these processes, or of all of ours."""
        of = names or [name for name in self.cpu_s if name != OTHERS]
        more = sum(self.cpu_s[name] - self.standing_by[name] * self.seconds for name in of)
        return 1e3 * more / max(1, self.cycles)


def run(folder: Path, database_url: str, count: int, seconds: float, slots: int) -> Figures:
    tick, step = Decimal("0.01"), Decimal("0.001")
    names = [f"A{number:03}USDT" for number in range(count)]
    listed = folder / "exchange_info.json"
    listings = [MockSymbol(name.removesuffix("USDT"), "USDT", tick, step, Decimal(100), Decimal(1)) for name in names]
    listed.write_text(json.dumps(exchange_info(listings)))
    stack = Stack(
        folder,
        database_url,
        MARKET="simulated",
        MOCK_EXCHANGE_INFO=listed,
        MOCK_BALANCES=MONEY,
        MOCK_ORDERS_PER_10S=NO_LIMIT,
        HEDGEHOG_SYMBOLS=names[0],
    )
    with ExitStack() as until_the_end:
        until_the_end.callback(stack.stop)
        stack.prepare()
        until_the_end.enter_context(stack.looked_into())
        for name in names:
            named(name)
        stream_from("mock", *names)
        set_up({"max_slots": slots, "rebuy_interval": LADDER_STEP, "slots": Slots.TOGETHER})
        turn_off()
        stack.start(*SERVICES)
        stack.wait_until_up()
        client = redis.Redis.from_url(stack.redis_url)
        stack.wait_for(lambda: len(last_trades(client, "mock", names)) == count, 120, "the trades of all symbols")
        idle = _counts(stack, client)
        began = time.monotonic()
        _watch(stack, client, STANDING_BY_S)
        more, seconds_idle = _counts(stack, client), time.monotonic() - began
        standing_by = {name: (spent - idle.cpu_s[name]) / seconds_idle for name, spent in more.cpu_s.items()}
        turn_on()
        stack.wait_for(lambda: _cycles() >= count / 10, 120, "the first cycles")
        _watch(stack, client, WARM_UP_S)
        before = _counts(stack, client)
        began = time.monotonic()
        waited_s = _watch(stack, client, seconds)
        after = _counts(stack, client)
        return Figures(
            count,
            time.monotonic() - began,
            after.trades - before.trades,
            after.cycles - before.cycles,
            {name: after.given_up[name] - before.given_up[name] for name in queues.NAMES},
            waited_s,
            {name: spent - before.cpu_s[name] for name, spent in after.cpu_s.items()},
            standing_by,
        )


def _watch(stack: Stack, client: "redis.Redis", seconds: float) -> float:
    """Lets it trade; how long the oldest entry has waited at worst, of what was seen each second."""
    until, worst_s = time.monotonic() + seconds, 0.0
    while time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
        stack.supervise()
        waiting = {each.name: each.oldest_s for each in queues.look(client, _redis_s(client))}
        worst_s = max(worst_s, waiting[queues.ENTRIES])
    return worst_s


@dataclass
class _Counts:
    trades: int
    cycles: int
    given_up: dict[str, int]
    cpu_s: dict[str, float]


def _counts(stack: Stack, client: "redis.Redis") -> _Counts:
    own = {name: cpu_s(service.pid) for name, service in stack.services.items()}
    facts: Any = client.info("cpu")
    own["redis"] = facts["used_cpu_sys"] + facts["used_cpu_user"]
    if connection.vendor == "postgresql":
        own["postgresql"] = cpu_of_postgresql()
    lost = {each.name: each.given_up for each in queues.look(client, _redis_s(client))}
    trades = sum(beat.facts["trades"] for beat in beats(client) if beat.name == "dispatcher")
    return _Counts(trades, _cycles(), lost, own)


def _redis_s(client: "redis.Redis") -> float:
    seconds, micros = client.time()
    return float(seconds + micros / 1e6)


def _cycles() -> int:
    return Trader.objects.filter(ENDED).count()


def table(runs: list[Figures]) -> str:
    """In Markdown, as RESULTS.md has it."""
    names = sorted({name for each in runs for name in each.cpu_s} - {OTHERS})
    rows = [
        ("", *(f"{each.symbols} symbols" for each in runs)),
        ("trades/s", *(f"{each.trades / each.seconds:,.0f}" for each in runs)),
        ("cycles/s", *(f"{each.cycles / each.seconds:.2f}" for each in runs)),
        ("wakes and other tasks given up", *(f"{sum(each.given_up.values())}" for each in runs)),
        ("longest wait of an entry, s", *(f"{each.longest_wait_s:.1f}" for each in runs)),
        ("CPU of a cycle, ms", *(f"{each.per_cycle_ms():.1f}" for each in runs)),
        *((f"of it {name}", *(f"{each.per_cycle_ms(name):.1f}" for each in runs)) for name in names),
        (
            "standing by, % of a core",
            *(f"{sum(100 * each.standing_by[name] for name in names):.1f}" for each in runs),
        ),
        ("dispatcher, % of a core", *(f"{100 * each.cpu_s['dispatcher'] / each.seconds:.1f}" for each in runs)),
        ("everything, cores", *(f"{sum(each.cpu_s.values()) / each.seconds:.2f}" for each in runs)),
        ("of it the mock exchange", *(f"{each.cpu_s[OTHERS] / each.seconds:.2f}" for each in runs)),
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join((lines[0], f"|---|{'--:|' * len(runs)}", *lines[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench many", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--symbols", default="2x10,300x1", help="how many and their slots; default: 2x10,300x1")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run; default: 60")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    options = parser.parse_args()
    runs = []
    for words in options.symbols.split(","):
        count, slots = map(int, words.split("x"))
        with ExitStack() as until_the_end:
            url = until_the_end.enter_context(postgres.database_url(options.database))
            folder = until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="hedgehog-many-"))
            runs.append(run(Path(folder), url, count, options.seconds, slots))
    print(f"{options.database}, {options.symbols}, {options.seconds:g} s\n\n{table(runs)}")
    if len(runs) > 1 and min(each.cycles for each in runs) >= ENOUGH:
        tell("many: CPU of a cycle, 300 symbols / 2", runs[-1].per_cycle_ms() / runs[0].per_cycle_ms())
    tell("many: tasks given up", sum(runs[-1].given_up.values()))
    tell("many: dispatcher, % of a core", 100 * runs[-1].cpu_s["dispatcher"] / runs[-1].seconds)


if __name__ == "__main__":
    main()
