"""What grows while it trades: memory, open files, Redis, the database, logs; per cycle, and in 30 days.

    python -m bench soak [--minutes 60] [--symbols 22] [--database sqlite]

All processes of `make run`, on the mock exchange's simulated market with so many symbols at once: a busy day. After a
warm-up of a fifth of the time everything is measured every five seconds. What settles (memory, files) has grown from
the median of the middle third to that of the last; of what is written all counts. Both are carried on in a straight
line: for memory after a few minutes, when not every thread has had something to do, that means nothing. Exit 1 where
a process ended by itself, or both sides' records differ in the end.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import redis
from django.db import connection, models

from bench.stack import MONEY, NO_LIMIT
from binance_mock.state.listings import LISTINGS
from hedgehog_project.ports import free_port
from hedgehog_project.venues import Venue
from tests.e2e.books import set_up, turn_off, turn_on
from tests.support.machine import postgres
from tests.support.machine.stack import SERVICES, Stack
from trading.models import Fill, JournalEntry, Order, Reconciliation, Trader, TradingSettings
from trading.models.symbols import Slots
from trading.models.traders import ENDED
from trading.reconciliation.audit import audit

EVERY_S = 5.0
WARM_UP = 0.2
AGREE_WITHIN_S = 60.0
MONTH_S = 30 * 86_400.0
# What people look at runs as well, with nobody looking.
SHOWS = ("web", "flower")
ROWS: tuple[type[models.Model], ...] = (JournalEntry, Order, Fill, Trader, Reconciliation)
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MB = 1e6


@dataclass
class Series:
    """One figure over time. `is_written`: it can only grow; what else grows may settle."""

    name: str
    unit: str
    is_written: bool
    values: list[float] = field(default_factory=list)

    @property
    def growth(self) -> float:
        if self.is_written:
            return self.values[-1] - self.values[0]
        third = max(1, len(self.values) // 3)
        return statistics.median(self.values[-third:]) - statistics.median(self.values[-2 * third : -third])

    @property
    def part(self) -> float:
        """Over which part of the time it grew so: between the middles of both thirds."""
        return 1.0 if self.is_written else 1 / 3


class Soak:
    """One stack, and what is measured of it."""

    def __init__(self, folder: Path, database_url: str, symbols: Sequence[str]) -> None:
        self.folder = folder
        self.stack = Stack(
            folder,
            database_url,
            MARKET="simulated",
            MOCK_BALANCES=MONEY,
            HEDGEHOG_SYMBOLS=",".join(symbols),
            MOCK_ORDERS_PER_10S=NO_LIMIT,
            FLOWER_PORT=free_port(),
        )
        self.series: dict[str, Series] = {}
        self.cycles = 0
        self.seconds = 0.0

    def run(self, minutes: float) -> list[str]:
        """Trades and measures. What differs between both sides' records in the end."""
        with ExitStack() as until_the_end:
            until_the_end.callback(self.stack.stop)
            self.stack.prepare()
            until_the_end.enter_context(self.stack.looked_into())
            set_up({"max_slots": 3, "slots": Slots.TOGETHER})
            self.stack.start(*SERVICES, *SHOWS)
            self.stack.wait_until_up()
            turn_on()
            self._trade_for(minutes * 60 * WARM_UP, lambda: None)
            began, cycles = time.monotonic(), _cycles()
            self._measure()
            self._trade_for(minutes * 60 * (1 - WARM_UP), self._measure)
            self.seconds, self.cycles = time.monotonic() - began, _cycles() - cycles
            turn_off()
            # What rests would go on trading while both sides' records are read.
            TradingSettings.objects.update(cancel_orders=True)
            return self._differences()

    def _trade_for(self, seconds: float, then: Callable[[], None]) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(min(EVERY_S, max(0.0, until - time.monotonic())))
            self.stack.supervise()
            then()

    def _differences(self) -> list[str]:
        """What the audit finds once nothing trades and what was under way has had time to settle."""
        asset, _, amount = MONEY.partition(":")
        exchange, give_up = self.stack.mock.client(), time.monotonic() + AGREE_WITHIN_S
        while found := [str(each) for each in audit(Venue.MOCK, exchange, {asset: Decimal(amount)})]:
            if time.monotonic() > give_up:
                break
            time.sleep(EVERY_S)
            self.stack.supervise()
        return found

    # --- measuring ------------------------------------------------------------------------------
    def _measure(self) -> None:
        sizes, handles = 0.0, 0
        for name, service in self.stack.services.items():
            pids = _family(service.pid)
            size, count = sum(map(_rss, pids)) / MB, sum(map(_handles, pids))
            self._note(f"{name}: RSS", "MB", size)
            self._note(f"{name}: open files", "", count)
            self._note(f"{name}: threads", "", sum(map(_threads, pids)))
            sizes, handles = sizes + size, handles + count
        with redis.Redis.from_url(self.stack.redis_url) as client:
            facts: Any = client.info("memory")
        self._note("RSS of all, without Redis", "MB", sizes)
        self._note("open files of all", "", handles)
        self._note("Redis, its own count", "MB", facts["used_memory"] / MB)
        self._note("database", "MB", _database_bytes() / MB, is_written=True)
        for model in ROWS:
            name = f"rows: {model._meta.verbose_name_plural}"
            # By their ids, which are not given twice: a count reads them all.
            newest = model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
            self._note(name, "", newest or 0, is_written=True)
        self._note("logs", "MB", sum(path.stat().st_size for path in self.folder.glob("*.log")) / MB, is_written=True)
        self._note(
            "the mock exchange's file", "MB", _size_of(self.stack.home, "mock_exchange.*") / MB, is_written=True
        )
        self._note("Flower's file", "MB", _size_of(self.stack.home, "flower*") / MB)

    def _note(self, name: str, unit: str, value: float, is_written: bool = False) -> None:
        self.series.setdefault(name, Series(name, unit, is_written)).values.append(value)

    # --- telling --------------------------------------------------------------------------------
    def table(self) -> str:
        """In Markdown, as RESULTS.md has it."""
        rows = ["| | first | last | per 1,000 cycles | in 30 days |", "|---|--:|--:|--:|--:|"]
        for each in self.series.values():
            rate = each.growth / (self.seconds * each.part)
            of_cycles = rate * self.seconds / self.cycles * 1000 if self.cycles else 0.0
            cells = [_shown(each.values[0], each.unit), _shown(each.values[-1], each.unit)]
            cells += [_shown(of_cycles, each.unit, "+"), _shown(rate * MONTH_S, each.unit, "+")]
            rows.append(f"| {each.name} | {' | '.join(cells)} |")
        return "\n".join(rows)


def _cycles() -> int:
    return Trader.objects.filter(ENDED).count()


def _family(pid: int) -> list[int]:
    """A process and its children, and theirs."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name in brackets may hold anything: what follows it begins with the state and the parent.
            children.setdefault(int(path.read_text().rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def _rss(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except OSError:
        return 0


def _handles(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


def _threads(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return 0


def _database_bytes() -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
        # Not the file: what is written comes there at a checkpoint only.
        pages = (
            cursor.execute("PRAGMA page_count").fetchone()[0] - cursor.execute("PRAGMA freelist_count").fetchone()[0]
        )
        return int(pages * cursor.execute("PRAGMA page_size").fetchone()[0])


def _size_of(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def _shown(value: float, unit: str, sign: str = "") -> str:
    digits = 0 if abs(value) >= 100 or not unit else 2
    text = f"{value:{sign},.{digits}f}"
    return f"{text} {unit}".rstrip()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="default: 60, a fifth of it to warm up")
    parser.add_argument(
        "--symbols", type=int, default=len(LISTINGS), help=f"of the market; default: all {len(LISTINGS)}"
    )
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    options = parser.parse_args()
    with ExitStack() as until_the_end:
        url = until_the_end.enter_context(postgres.database_url(options.database))
        folder = until_the_end.enter_context(tempfile.TemporaryDirectory(prefix="hedgehog-soak-"))
        soak = Soak(Path(folder), url, list(LISTINGS)[: options.symbols])
        differences = soak.run(options.minutes)
    print(
        f"{options.database}, {options.symbols} symbols, {options.minutes:g} minutes: {soak.cycles:,} cycles in "
        f"{soak.seconds:,.0f} s, {soak.cycles / soak.seconds:.2f}/s; load in the end {os.getloadavg()[0]:.1f}\n"
    )
    print(soak.table())
    for name, code in soak.stack.fell:
        print(f"{name} ended by itself with {code}", file=sys.stderr)
    for difference in differences:
        print(difference, file=sys.stderr)
    return 1 if differences or soak.stack.fell else 0


if __name__ == "__main__":
    sys.exit(main())
