"""What the same work costs on an empty database and after many cycles.

    python -m bench grown [--cycles 200000 …]
    HEDGEHOG_TEST_DATABASE=postgresql python -m bench grown

The engine's own functions, the pages and the commands in one process, with an exchange that answers at once. CPU
milliseconds; on PostgreSQL those on the wall, since the server works elsewhere. One real cycle is multiplied to make
the past. Each figure is a median, and stands beside that of the empty database.
"""

import argparse
import io
import logging
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone

from bench.history import multiply
from bench.targets import tell
from hedgehog_project.redis import connect
from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.settings import give
from trading import leader
from trading.core.events import TradeSeen
from trading.core.journal import Source
from trading.core.orders import Side
from trading.models import Listing, Switch, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.reconciliation.reconcile import reconcile
from trading.schedule import make_schedule
from trading.symbols.listings import named
from trading.traders import acting

SYMBOL = "ETHUSDT"
PRICE = Decimal(3000)
PAGES = {
    "overview": "/admin/",
    "symbols": "/admin/trading/symbol/",
    "symbol": "/admin/trading/symbol/{symbol}/change/",
    "traders": "/admin/trading/trader/",
    "trader": "/admin/trading/trader/{trader}/change/",
    "orders": "/admin/trading/order/",
    "orders, search": "/admin/trading/order/?q=hh-",
    "fills": "/admin/trading/fill/",
    "fills of a venue": "/admin/trading/fill/?order__venue__exact=live",
    "journal": "/admin/trading/journalentry/",
    "journal, search": "/admin/trading/journalentry/?q=profit",
    "journal, in vain": "/admin/trading/journalentry/?q=nothing+of+that",
    "profit page": "/admin/trading/equity/profit/",
    "search": "/admin/find/?q={trader}",
}
COMMANDS = {"status": ["status"], "profit": ["profit"], "why": ["why", SYMBOL]}

Figures = dict[str, list[float]]


def prepare() -> None:
    call_command("migrate", verbosity=0)
    call_command("flush", interactive=False, verbosity=0)
    User.objects.create_superuser("bench", password="bench")
    connect().flushall()
    populate()


def populate() -> None:
    """A symbol that trades at once, and all that the leader needs."""
    make_schedule()
    Switch.objects.get_or_create(pk=1)
    symbol = named(SYMBOL)
    symbol.base_asset, symbol.quote_asset = "ETH", "USDT"
    symbol.save()
    give(
        TradingSettings.objects.filter(symbol=symbol), status=TradingStatus.ON, max_slots=1, budget=Decimal(200),
        buy_down_interval=Decimal("0.001"), profit_interval=Decimal("0.001"), rebuy_interval=None,
    )  # fmt: skip
    Listing.objects.create(
        symbol=symbol, venue=Venue.MOCK, status="TRADING", tick_size=Decimal("0.01"), step_size=Decimal("0.0001"),
        min_notional=Decimal(5), refreshed_at=timezone.now(),
    )  # fmt: skip


@contextmanager
def timed(into: Figures, name: str) -> Iterator[None]:
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    took = time.process_time() - cpu if connection.vendor == "sqlite" else time.perf_counter() - wall
    into.setdefault(name, []).append(took * 1000)


def cycle(exchange: ScriptedExchange, into: Figures) -> Trader:
    """One whole cycle, made by the leader."""
    with timed(into, "lead"):
        leader.lead()
    trader = Trader.objects.get(finished_at=None)
    with timed(into, "wake to buy"):
        acting.wake(trader.pk, TradeSeen(SYMBOL, 1, PRICE, 0), exchange)
    for side, name in ((Side.BUY, "fill to sell"), (Side.SELL, "fill to end")):
        order = trader.orders.get(side=side)
        report = exchange.fill_all(order.client_order_id)
        with timed(into, name):
            acting.hear(report, Source.REPORT, exchange)
    return trader


def measure(exchange: ScriptedExchange, times: int) -> dict[str, float]:
    """Medians of CPU milliseconds, by what was done."""
    into: Figures = {}
    for _ in range(times):
        trader = cycle(exchange, into)
    leader.lead()
    client = Client()
    client.force_login(User.objects.get())
    steps: dict[str, Callable[[], Any]] = {"reconcile": lambda: reconcile(Venue.MOCK, exchange)}
    for name, words in COMMANDS.items():
        steps[name] = partial(command, *words)
    for name, address in PAGES.items():
        steps[name] = partial(page, client, address.format(symbol=named(SYMBOL).pk, trader=trader.pk))
    for name, step in steps.items():
        step()
        for _ in range(max(3, times // 3)):
            with timed(into, name):
                step()
    return {name: statistics.median(times) for name, times in into.items()}


def command(*words: str) -> None:
    # `status` ends with 1: no process runs here.
    with suppress(SystemExit):
        call_command(*words, stdout=io.StringIO())


def page(client: Client, url: str) -> None:
    answer = client.get(url)
    assert answer.status_code == 200, f"{url}: {answer.status_code}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench grown", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cycles", type=int, nargs="+", default=[200_000], help="ended cycles; default: 200000")
    parser.add_argument("--times", type=int, default=11, help="runs of each; default: 11")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    prepare()
    exchange = ScriptedExchange()
    first = cycle(exchange, {})
    with override_settings(ALLOWED_HOSTS=["*"]):
        columns = {"empty": measure(exchange, options.times)}
        grown = 0
        for cycles in sorted(options.cycles):
            began = time.perf_counter()
            multiply(first, cycles - grown)
            print(f"made {cycles - grown:,} cycles in {time.perf_counter() - began:.0f} s", file=sys.stderr)
            grown = cycles
            columns[f"{cycles:,}"] = measure(exchange, options.times)
    show(columns)
    for kind, names in worst_of(columns["empty"]).items():
        ratios = [columns[column][name] / columns["empty"][name] for column in list(columns)[1:] for name in names]
        tell(f"grown: the worst of {kind} / empty", max(ratios))


def worst_of(names: Iterable[str]) -> dict[str, list[str]]:
    """What trades, and what people look at."""
    shown = {*COMMANDS, *PAGES}
    return {
        "what trades": [name for name in names if name not in shown],
        "pages and commands": [name for name in names if name in shown],
    }


def show(columns: dict[str, dict[str, float]]) -> None:
    print(f"{connection.display_name}: milliseconds, and how many times the empty database's")
    print(f"{'':18}" + "".join(f"{name:>22}" for name in columns))
    for name, empty in columns["empty"].items():
        more = (f"{each[name]:12.1f} ({each[name] / empty:5.2f})" for each in list(columns.values())[1:])
        print(f"{name:18}{empty:22.1f}" + "".join(f"{each:>22}" for each in more))


if __name__ == "__main__":
    main()
