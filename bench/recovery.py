"""Seconds from kill -9 of one process to the next buy that was decided, filled and booked after it.

    python -m bench recovery [--rounds 5] [--database sqlite]

The real processes on an exchange that behaves, its market moved by hand; in each round every process is killed once,
and comes back as supervisor starts it: not sooner than two seconds after its last start. Such a buy needs all of them
but beat and the standby: a trade, a task, a decision, an order, a report. "nobody" is the same without a kill.

A kill meets a request on its way where an order that was sent before has no answer when the process is gone; then
the time until it is clear what became of that order is told as well. In every other round the exchange answers and
reports late, so that some do.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import redis

from bench.stack import NO_LIMIT
from hedgehog_project.heartbeats import beats
from streamer.connection import Timeouts
from tests.e2e.books import BALANCES, cycles, differences_in_the_end, set_up, turn_off, turn_on
from tests.e2e.chaos.engine import under_way
from tests.e2e.chaos.results import percentile
from tests.support.exchanges.market import Swings
from tests.support.machine import postgres
from tests.support.machine.stack import HEARTS, SERVICES, Stack
from trading.core.orders import Side
from trading.models import Fill, Order
from trading.models.switch import TradingMode
from trading.models.symbols import Slots
from trading.risk.kill_switch import halt

NOBODY = "nobody"
VICTIMS = (*SERVICES, "redis", NOBODY)
STARTS = {"ETHUSDT": Decimal(3000), "BTCUSDT": Decimal(90000)}
MAX_SLOTS = 3
# Between a recovery and the next kill: all processes are up, and have been trading for a while.
CALM_S, JITTER_S = 3.0, 1.0
# A connection that has lasted so long is made anew at once; shorter ones have to wait. (streamer.connection)
PROVEN_S = Timeouts().proven_s
GIVE_UP_S = 60.0
SLOW: tuple[dict[str, Any], ...] = (
    {"kind": "answer_delayed", "delay_ms": 700, "for_s": 30},
    {"kind": "reports_delayed", "delay_ms": 1500, "for_s": 30},
)


@dataclass(frozen=True)
class Kill:
    victim: str
    after_s: float  # until the next buy was booked
    clear_s: float | None  # until the orders that were on their way were clear; None where none was


class Bench:
    """One stack for all kills."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.stack = Stack(
            folder,
            database_url,
            MARKET="manual",
            MOCK_BALANCES=BALANCES,
            HEDGEHOG_SYMBOLS=",".join(STARTS),
            MOCK_ORDERS_PER_10S=NO_LIMIT,
        )
        self._random = random.Random(1)
        self._last = ""

    def run(self, rounds: int, victims: Sequence[str] = VICTIMS) -> list[Kill]:
        """Raises AssertionError where trading does not come back, or the books differ."""
        with ExitStack() as until_the_end:
            until_the_end.callback(self.stack.stop)
            self.stack.prepare()
            until_the_end.enter_context(self.stack.looked_into())
            offsets = {"buy_down_interval": "0.0002", "profit_interval": "0.0002"}
            set_up({"max_slots": MAX_SLOTS, "slots": Slots.TOGETHER, **offsets})
            self.stack.start()
            self.stack.wait_until_up()
            with Swings(self.stack.mock, STARTS, 1) as market:
                turn_on()
                kills = [kill for number in range(rounds) for kill in self._round(victims, number % 2 == 1)]
                halt("the bench", mode=TradingMode.REDUCING)
                self._wait(lambda: not under_way().exists(), "the end of every cycle")
                turn_off()
                market.stop()
            differences = differences_in_the_end(self.stack)
            assert not differences, differences
        return kills

    def _round(self, victims: Sequence[str], is_slow: bool) -> list[Kill]:
        kills = []
        for victim in self._random.sample(victims, len(victims)):
            self._wait_until_calm(victim)
            if is_slow:
                for fault in SLOW:
                    self.stack.mock.fault(**fault)
                # Some request is on its way, and another moment each time.
                self._wait(lambda: _submitting(time.time()), "an order on its way")
            kills.append(self._kill(victim))
            print(f"  {_line(kills[-1])}", flush=True)
        return kills

    def _kill(self, victim: str) -> Kill:
        killed_at = time.time()
        if victim != NOBODY:
            self.stack.kill(victim)
        on_their_way = _submitting(killed_at)
        time.sleep(0.1)
        # Whose answer came all the same was not lost with the process.
        on_their_way &= _submitting(killed_at)
        if self.stack.mock.is_up():
            self.stack.mock.clear_faults()
        clear_s: list[float] = []

        def is_over() -> bool:
            if on_their_way and not clear_s and not on_their_way & _submitting(killed_at):
                clear_s.append(time.time() - killed_at)
            return _bought_since(killed_at)

        self._wait(is_over, f"a buy after {victim} was killed")
        after_s = time.time() - killed_at
        self._wait(lambda: is_over() and (clear_s or not on_their_way), "clear orders")
        return Kill(victim, after_s, clear_s[0] if clear_s else None)

    def _wait_until_calm(self, victim: str) -> None:
        with redis.Redis.from_url(self.stack.redis_url) as client:

            def all_alive() -> bool:
                pids = {beat.pid for beat in beats(client) if beat.is_fresh}
                return {self.stack.services[name].pid for name in HEARTS} <= pids and self.stack.mock.is_up()

            self._wait(all_alive, "all processes are up")
        began = time.time()
        self._wait(lambda: cycles(began).total() > MAX_SLOTS, "cycles")
        calm_s = PROVEN_S if victim == self._last else CALM_S
        self._last = victim
        until = max(began + calm_s, time.time()) + self._random.uniform(0, JITTER_S)
        self._wait(lambda: time.time() > until and not _older_than(CALM_S), "a calm moment")

    def _wait(self, condition: Callable[[], object], what: str) -> None:
        give_up = time.time() + GIVE_UP_S
        while not condition():
            assert time.time() < give_up, f"not within {GIVE_UP_S:g} s: {what}\n{self.stack.processes.last_words}"
            self.stack.supervise()
            time.sleep(0.02)


def _at(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)


def _submitting(before: float) -> set[int]:
    """The orders without an answer that were saved before."""
    rows = Order.objects.filter(status="SUBMITTING", submitted_at__lt=_at(before))
    return set(rows.values_list("pk", flat=True))


def _older_than(seconds: float) -> set[int]:
    return _submitting(time.time() - seconds)


def _bought_since(moment: float) -> bool:
    return Fill.objects.filter(order__side=Side.BUY, order__submitted_at__gt=_at(moment)).exists()


def _line(kill: Kill) -> str:
    clear = "" if kill.clear_s is None else f", a request was on its way: clear after {kill.clear_s:.1f} s"
    return f"{kill.victim:14} {kill.after_s:5.1f} s{clear}"


def table(kills: Sequence[Kill]) -> str:
    """In Markdown, as RESULTS.md has it."""
    rows = ["| killed | kills | p50 | p99 | request on its way: kills | p50 | p99 | clear: p50 | p99 |",
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
    for name in (*SERVICES, "redis", "all of them", NOBODY):
        of = [kill for kill in kills if kill.victim == name or (name == "all of them" and kill.victim != NOBODY)]
        quiet, met = [kill for kill in of if kill.clear_s is None], [kill for kill in of if kill.clear_s is not None]
        clear = [kill.clear_s for kill in met if kill.clear_s is not None]
        cells = [name, str(len(quiet)), *_figures([kill.after_s for kill in quiet]),
                 str(len(met)), *_figures([kill.after_s for kill in met]), *_figures(clear)]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _figures(values: Sequence[float]) -> list[str]:
    found = [percentile(values, part) for part in (0.5, 0.99)]
    return ["-" if value is None else f"{value:.1f}" for value in found]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench recovery", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5, help="each kills every process once")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--only", nargs="+", choices=VICTIMS, default=VICTIMS, help="only these")
    options = parser.parse_args()
    with ExitStack() as until_the_end:
        url = until_the_end.enter_context(postgres.database_url(options.database))
        folder = until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="hedgehog-bench-"))
        load = os.getloadavg()[0]
        kills = Bench(Path(folder), url).run(options.rounds, options.only)
    print(f"\n{options.database}, load {load:.1f} before and {os.getloadavg()[0]:.1f} after\n\n{table(kills)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
