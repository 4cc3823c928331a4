"""What is asked again and again costs the same after years: no query of it reads a table that grows with them.

Each query is explained with its own values, for SQLite finds a partial index by what a query says and not by what it
is given; and it is run once more to count how much it reads: a plan may call a search what reads half of a table.
"""

import json
import re
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection
from django.db.models import DateTimeField, F, Model
from django.test import Client
from django.utils import timezone

from bench import grown
from bench.history import multiply
from console.admin import long_lists
from console.admin.orders import OrdersShown
from console.admin.traders import TradersShown
from hedgehog_project.venues import Venue
from tests.support.environment import ROOT
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from trading import leader
from trading.core.events import TradeSeen
from trading.core.journal import Source
from trading.core.orders import Side
from trading.models import (
    AccountProtections,
    Balance,
    Fill,
    JournalEntry,
    Order,
    Symbol,
    SymbolProtections,
    Trader,
)
from trading.reconciliation.reconcile import reconcile
from trading.traders import acting

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

CYCLES = 4000
GROWING: tuple[type[Model], ...] = (Trader, Order, Fill, JournalEntry)
TABLES = {model._meta.db_table for model in GROWING}
# What one query may read of one of them, and the steps of SQLite's machine that it may take: a few for each row.
MAX_ROWS, MAX_STEPS = 1500, 30_000
OF_PROFIT = ("by=strategy&days=", "by=slot&from=2020-01-01&to=2030-01-01&bars=month")
# Pages look through this many rows at most, here.
SEARCHED = 300
# Of open orders and live traders there are few at any time.
SMALL = {
    each.name
    for model in GROWING
    for each in (*model._meta.indexes, *model._meta.constraints)
    if getattr(each, "condition", None) is not None and each.name != "trader_ended"
}


@dataclass
class Asked:
    """The queries of one step, each once."""

    step: str
    queries: dict[str, tuple[Any, str]] = field(default_factory=dict)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not many and re.match(r"\(?(SELECT|UPDATE|DELETE)", sql) and any(f'"{table}"' in sql for table in TABLES):
            self.queries.setdefault(sql, (params, whose()))
        return execute(sql, params, many, context)


def whose() -> str:
    """The last line of ours that asks, and all that have led there."""
    frames = [frame for frame in traceback.extract_stack() if is_ours(frame.filename)]
    return "; ".join(f"{Path(each.filename).relative_to(ROOT)}, {each.name}" for each in reversed(frames))


def is_ours(name: str) -> bool:
    path = Path(name)
    return path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ("console", "trading")


@contextmanager
def asking(step: str, into: list[Asked]) -> Iterator[None]:
    asked = Asked(step)
    with connection.execute_wrapper(asked):
        yield
    into.append(asked)


def wrong_with(sql: str, params: Any) -> str:
    """What a query reads too much of, with its plan; empty where all is well."""
    return wrong_on_sqlite(sql, params) if connection.vendor == "sqlite" else wrong_on_postgresql(sql, params)


def wrong_on_sqlite(sql: str, params: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        plan = [row[3] for row in cursor.fetchall()]
    # Several subqueries may call different tables the same; which of them is scanned is told by the steps.
    named: dict[str, set[str]] = {}
    for table, alias in re.findall(r'"(\w+)" ([TUVW]\d+)\b', sql):
        named.setdefault(alias, set()).add(table)
    for line in plan:
        found = re.match(r"SCAN (\w+)(?:.* INDEX (\w+))?", line)
        # A page's walk along the ids, which ends at its limit.
        is_walk = "WHERE" not in sql and "LIMIT" in sql and not any("TEMP B-TREE" in each for each in plan)
        if found and named.get(found[1], {found[1]}) <= TABLES and found[2] not in SMALL and not is_walk:
            return f"scans {found[1]}: {plan}"
    steps = steps_of(sql, params) if sql.startswith("SELECT") else 0
    return f"takes {steps} steps: {plan}" if steps > MAX_STEPS else ""


def steps_of(sql: str, params: Any) -> int:
    """How many instructions of SQLite's machine a query takes, in hundreds."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 100
        return 0

    database: sqlite3.Connection = connection.connection
    database.set_progress_handler(count, 100)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            cursor.fetchall()
    finally:
        database.set_progress_handler(None, 0)
    return steps


def wrong_on_postgresql(sql: str, params: Any) -> str:
    how = "ANALYZE, FORMAT JSON" if sql.startswith("SELECT") else "FORMAT JSON"
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({how}) {sql}", params)
        plan = cursor.fetchone()[0]
    plan = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    for node in nodes(plan):
        table = node.get("Relation Name")
        if table not in TABLES:
            continue
        # A scan of a table that all rows of fit may end with the first one. What changes rows is not run again.
        found = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) if "Actual Rows" in node else None
        read = None if found is None else found * node["Actual Loops"]
        if node["Node Type"] == "Seq Scan" if read is None else read > MAX_ROWS:
            return f"{node['Node Type']} of {table}, {read} rows: {json.dumps(plan)}"
    return ""


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


@pytest.fixture
def past(redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> Trader:
    """Thousands of ended cycles of another week; the first of them."""
    monkeypatch.setattr(long_lists, "SEARCHED", SEARCHED)
    grown.populate()
    limited()
    first = grown.cycle(ScriptedExchange(), {})
    for model in GROWING:
        times = [each.name for each in model._meta.fields if isinstance(each, DateTimeField)]
        model._default_manager.update(**{name: F(name) - timedelta(days=7) for name in times})
    multiply(first, CYCLES)
    return first


def limited() -> None:
    """Every risk limit is set, and none of them reached: each buy asks about all."""
    much = Decimal(1_000_000)
    SymbolProtections.objects.create(
        symbol=Symbol.objects.get(name=grown.SYMBOL),
        max_exposure=much,
        max_open_orders=1000,
        max_daily_loss=much,
        max_consecutive_losses=3,
    )
    AccountProtections.objects.create(
        venue=Venue.MOCK,
        quote_asset="USDT",
        max_exposure=much,
        quote_reserve=Decimal(1),
        max_orders_per_minute=10_000,
    )
    Balance.objects.create(venue=Venue.MOCK, asset="USDT", free=much, locked=Decimal(0), asked_at=timezone.now())


def test_what_is_asked_often_reads_no_table_that_grows(past: Trader, admin_client: Client) -> None:
    asked: list[Asked] = []
    acted(asked)
    looked_at(past, admin_client, asked)
    assert sum(len(each.queries) for each in asked) > 100
    wrong = all_wrong_with(asked)
    assert not wrong, "\n\n".join([f"{len(wrong)} queries read too much:", *wrong])
    if connection.vendor == "sqlite":
        # It has statistics only where somebody asks for them.
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM sqlite_stat1")
            cursor.execute("ANALYZE sqlite_schema")
        wrong = all_wrong_with(asked)
        assert not wrong, "\n\n".join([f"{len(wrong)} queries read too much without statistics:", *wrong])


def all_wrong_with(asked: list[Asked]) -> list[str]:
    return [
        f"{each.step}, {whose.split('; ')[0]}: {problem}\n{sql}"
        for each in asked
        for sql, (params, whose) in each.queries.items()
        if (problem := wrong_with(sql, params))
    ]


def acted(asked: list[Asked]) -> None:
    """A cycle, the leader's second and a comparison with the exchange."""
    exchange = ScriptedExchange()
    for _ in range(2):  # The first time the leader rebuilds what Redis lacks.
        with asking("lead", asked):
            leader.lead()
    trader = Trader.objects.get(finished_at=None)
    with asking("wake to buy", asked):
        acting.wake(trader.pk, TradeSeen(grown.SYMBOL, 1, grown.PRICE, 0), exchange)
    for side, step in ((Side.BUY, "fill to sell"), (Side.SELL, "fill to end")):
        report = exchange.fill_all(trader.orders.get(side=side).client_order_id)
        with asking(step, asked):
            acting.hear(report, Source.REPORT, exchange)
    leader.lead()
    for is_thorough in (False, True):
        with asking("reconcile", asked):
            reconcile(Venue.MOCK, exchange, is_thorough=is_thorough)


def looked_at(first: Trader, client: Client, asked: list[Asked]) -> None:
    """The pages with their tabs, filters and searches, and the commands that say how things stand."""
    symbol, order = Symbol.objects.get(name=grown.SYMBOL), first.orders.get(side=Side.SELL)
    fill, entry = Fill.objects.filter(order=order)[0], first.journal.order_by("id")[0]
    for name, words in grown.COMMANDS.items():
        with asking(name, asked):
            grown.command(*words)
    pages = [address.format(symbol=symbol.pk, trader=first.pk) for address in grown.PAGES.values()]
    of, abroad = f"symbol__id__exact={symbol.pk}", "venue__exact=live"
    parts = {
        "trader": [
            *(f"show={part}" for part, _ in TradersShown.parts),
            of,
            f"show=finished&{of}",
            "venue__exact=live",
        ],
        "order": [
            *(f"show={part}" for part, _ in OrdersShown.parts),
            of,
            f"side__exact=BUY&{of}",
            "venue__exact=live",
        ],
        "fill": [f"order__{of}", f"order__{abroad}", "order__side__exact=BUY"],
        "journalentry": [f"trader__{of}", f"trader__{abroad}", f"trader__id__exact={first.pk}"],
    }
    texts = ["ETHUSDT", "ETH", order.client_order_id, str(order.exchange_order_id), str(first.pk), "nothing of that"]
    ranges = {"trader": "created_at", "order": "submitted_at", "fill": "traded_at", "journalentry": "at"}
    for model, queries in parts.items():
        time = ranges[model]
        yesterday = f"{time}_from_0=2020-01-01&{time}_from_1=00:00:00&{time}_to_0=2030-01-01&{time}_to_1=00:00:00"
        texts_asked = [f"{'show=all&' if model == 'trader' else ''}q={text}" for text in texts]
        page = f"/admin/trading/{model}/"
        last = {"trader": first.pk, "order": order.pk, "fill": fill.pk, "journalentry": entry.pk}[model]
        pages += [f"{page}?{query}" for query in (*queries, *texts_asked, yesterday, "after=1", f"before={CYCLES}")]
        pages.append(f"{page}{last}/change/")
    pages += ["/admin/trading/balance/", *(f"/admin/trading/equity/profit/?{query}" for query in OF_PROFIT)]
    pages += [f"/admin/find/?q={text}" for text in (*texts, str(fill.trade_id), "ethusdt 1")]
    for url in pages:
        with asking(url, asked):
            grown.page(client, url)
