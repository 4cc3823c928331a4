"""One thread that reads for all pages: the trades of their symbols from Redis, and what has changed in our rows.

It looks four times a second for trades and twice for rows, with a few queries for all pages together, and it does
nothing while no page is open. Nothing that trades knows of it.
"""

import logging
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import redis
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from console.chart import market
from console.chart.market import Day, NoAnswer
from console.chart.standing import Standing, Today, Value, standing, today
from console.live.hub import Bar, Frame, Hub, merge_bars
from console.viewer_zone import midnight
from console.viewer_zone import zone as zone_of
from hedgehog_project.database import sessions
from hedgehog_project.venues import Market, Venue, market_of
from streamer import topics as redis_topics
from trading.models import Fill, Order, Switch, Symbol, Trader
from trading.models.traders import LIVE
from trading.waking import prices

log = logging.getLogger(__name__)

LOOK_S, ROWS_S = 0.25, 0.5
# A topic that was begun anew is noticed, and the last day is asked for again.
SLOW_S = 5.0
# Entries of a topic read at once; and how many that nobody has read yet are left out, once.
READ, SKIP = 2_000, 8_000
SYMBOL, TRADER = "sym.", "trader."


@dataclass
class Watched:
    """One symbol that somebody looks at."""

    symbol: Symbol
    standing: Standing | None = None
    todays: dict[str, Today] = field(default_factory=dict)  # by zone
    day: Day | None = None
    last_id: str = ""  # of its topic's entries
    price: Decimal | None = None
    rows: Any = None  # what tells that they have changed
    told: dict[str, Value] = field(default_factory=dict)


def zoned(topic: str, zone: str) -> str:
    """The topic of a symbol's figures that depend on the reader's midnight."""
    return f"{topic}@{zone}"


class Reader:
    """`start` with a hub; ends by itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._asking: ThreadPoolExecutor | None = None

    def start(self, hub: Hub) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, args=(hub,), name="live", daemon=True)
                self._thread.start()

    def wait_until_ended(self, seconds: float) -> bool:
        """For tests: whether it has ended by then."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._thread is None or not self._thread.is_alive()

    def _run(self, hub: Hub) -> None:
        look = Look(hub)
        try:
            while True:
                begun = time.monotonic()
                if not hub.topics():
                    with self._lock:
                        # A page that comes now finds no thread, and starts one.
                        if not hub.topics():
                            self._thread = None
                            return
                look.once()
                time.sleep(max(0.02, LOOK_S - (time.monotonic() - begun)))
        finally:
            look.close()


class Look:
    """What the thread knows between two looks."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._venue: Venue | None = None
        self._watched: dict[str, Watched] = {}
        self._last_fill: int | None = None
        self._rows_at = self._slow_at = 0.0
        self._traders: dict[int, Any] = {}
        # Questions to a market, which may take seconds.
        self._asking = ThreadPoolExecutor(2, thread_name_prefix="market")

    def close(self) -> None:
        self._asking.shutdown(wait=False, cancel_futures=True)
        connections.close_all()

    def once(self) -> None:
        """Tells the hub what is new."""
        frames: dict[str, Frame] = {}
        now = time.monotonic()
        topics = self._hub.topics()
        try:
            if now - self._rows_at >= ROWS_S or self._wanted(topics) - self._watched.keys():
                self._rows_at = now
                sessions.close_unusable()
                self._rows(topics, frames)
            self._hub.problems.pop("database", None)
        except (DatabaseError, InterfaceError) as error:
            self._hub.problems["database"] = "The database does not answer: own orders stand still."
            log.debug("live pages: the database does not answer: %s", error)
            connections.close_all()
        is_slow = now - self._slow_at >= SLOW_S
        try:
            if is_slow:
                self._slow_at = now
                self._ask_markets()
            self._trades(frames, is_slow)
            self._hub.problems.pop("redis", None)
        except redis.RedisError as error:
            self._hub.problems["redis"] = "Redis does not answer: prices stand still."
            log.debug("live pages: Redis does not answer: %s", error)
        self._figures(topics, frames)
        self._hub.tell(frames)

    def _wanted(self, topics: Iterable[str]) -> set[str]:
        """The symbols that somebody looks at, by name."""
        return {topic.removeprefix(SYMBOL).partition("@")[0] for topic in topics if topic.startswith(SYMBOL)}

    # --- rows -------------------------------------------------------------------------------------
    def _rows(self, topics: frozenset[str], frames: dict[str, Frame]) -> None:
        venue = Switch.current()
        if venue != self._venue:
            self._venue, self._watched = venue, {}
        wanted = self._wanted(topics)
        self._watched = {name: each for name, each in self._watched.items() if name in wanted}
        missing = wanted - self._watched.keys()
        if missing:
            rows = Symbol.objects.filter(name__in=missing).select_related("settings")
            self._watched |= {symbol.name: Watched(symbol) for symbol in rows}
        found = _changes(venue, [each.symbol.pk for each in self._watched.values()])
        filled = self._filled()
        for each in self._watched.values():
            rows_now = found.get(each.symbol.pk)
            is_new = each.standing is None
            if is_new or rows_now != each.rows or each.symbol.pk in filled:
                each.rows = rows_now
                each.standing = standing(Symbol.objects.select_related("settings").get(pk=each.symbol.pk), venue)
                each.todays = {}
                # Told at the first look, too: what came between the page's own and this one is nobody else's to tell.
                topic = SYMBOL + each.symbol.name
                frames.setdefault(topic, Frame()).changed.add(topic)
            self._see_to_today(each, topics)
        self._see_to_traders(topics, frames)

    def _filled(self) -> set[int]:
        """The symbols with fills that were booked since the last look: of ended orders, too."""
        if self._last_fill is None:
            self._last_fill = Fill.objects.order_by("-id").values_list("id", flat=True).first() or 0
            return set()
        newer = Fill.objects.filter(id__gt=self._last_fill).order_by("id")
        rows = list(newer.values_list("id", "order__symbol")[:500])
        if rows:
            self._last_fill = rows[-1][0]
        return {symbol for _, symbol in rows}

    def _see_to_today(self, each: Watched, topics: frozenset[str]) -> None:
        topic = SYMBOL + each.symbol.name
        now = timezone.now()
        for zoned_topic in topics:
            of, _, name = zoned_topic.partition("@")
            if of != topic or not name or each.standing is None:
                continue
            known = each.todays.get(name)
            if known is None or known.since != midnight(zone_of(name), now):
                each.todays[name] = today(each.standing, zone_of(name), now)

    def _see_to_traders(self, topics: frozenset[str], frames: dict[str, Frame]) -> None:
        ids = [int(topic.removeprefix(TRADER)) for topic in topics if topic.startswith(TRADER)]
        if not ids:
            self._traders = {}
            return
        rows = {pk: (version, ended) for pk, version, ended in _versions(ids)}
        for pk, row in rows.items():
            if self._traders.get(pk) != row:
                topic = f"{TRADER}{pk}"
                frames.setdefault(topic, Frame()).changed.add(topic)
        self._traders = rows

    # --- trades -----------------------------------------------------------------------------------
    def _trades(self, frames: dict[str, Frame], is_slow: bool) -> None:
        if self._venue is None or not self._watched:
            return
        client, of = prices.reader(), market_of(self._venue)
        new = [each for each in self._watched.values() if is_slow or not each.last_id]
        if new:
            pipeline = client.pipeline(transaction=False)
            for each in new:
                pipeline.xrevrange(redis_topics.trade_topic(of, each.symbol.name), count=1)
            for each, entries in zip(new, pipeline.execute(), strict=True):
                newest = entries[0][0].decode() if entries else "0-0"
                if not each.last_id:
                    each.last_id = newest
                    if entries:
                        trade = redis_topics.decode_trade(each.symbol.name, entries[0][0], entries[0][1][b"t"])
                        each.price = Decimal(trade.price)
                elif _number(newest) < _number(each.last_id) or _number(newest) - _number(each.last_id) > SKIP:
                    each.last_id = newest  # Begun anew, or far ahead of us.
        keys = {redis_topics.trade_topic(of, each.symbol.name): each for each in self._watched.values()}
        found: Any = client.xread({key: each.last_id for key, each in keys.items()}, count=READ)
        for key, entries in found:
            each = keys[key.decode()]
            bars: list[Bar] = []
            for entry_id, fields in entries:
                trade = redis_topics.decode_trade(each.symbol.name, entry_id, fields[b"t"])
                price = float(trade.price)
                merge_bars(bars, [[trade.trade_ms // 1000, price, price, price, price, float(trade.quantity)]])
            each.last_id = entries[-1][0].decode()
            each.price = Decimal(trade.price)
            frames.setdefault(SYMBOL + each.symbol.name, Frame()).bars[each.symbol.name] = bars

    # --- figures ----------------------------------------------------------------------------------
    def _figures(self, topics: frozenset[str], frames: dict[str, Frame]) -> None:
        for name, each in self._watched.items():
            of = each.standing
            if of is None:
                continue
            self._tell_changed(each, frames, SYMBOL + name, of.values(each.price, each.day))
            for zone, since_midnight in each.todays.items():
                values = of.today_values(since_midnight, each.price)
                topic = zoned(SYMBOL + name, zone)
                if topic in topics:
                    self._tell_changed(each, frames, topic, values, topic)

    def _tell_changed(
        self, each: Watched, frames: dict[str, Frame], topic: str, values: dict[str, Value], scope: str = ""
    ) -> None:
        new = {name: value for name, value in values.items() if each.told.get(scope + name) != value}
        if new:
            each.told |= {scope + name: value for name, value in new.items()}
            frames.setdefault(topic, Frame()).values |= new

    def _ask_markets(self) -> None:
        if self._venue is None:
            return
        of = market_of(self._venue)
        for each in self._watched.values():
            with suppress(RuntimeError):  # It ends just now.
                self._asking.submit(_see_to_market, of, each)


def _changes(venue: Venue, symbols: list[int]) -> dict[int, Any]:
    """What differs once a trader or an open order of the symbol has changed."""
    found: dict[int, list[Any]] = {pk: [] for pk in symbols}
    if not symbols:
        return {}
    live = Trader.objects.filter(LIVE, venue=venue, symbol__in=symbols).order_by("symbol", "slot")
    for symbol, pk, version in live.values_list("symbol", "pk", "version"):
        found[symbol].append((pk, version))
    orders = Order.objects.filter(venue=venue, symbol__in=symbols, status__is_open=True).order_by("pk")
    for symbol, pk, status, executed in orders.values_list("symbol", "pk", "status", "executed"):
        found[symbol].append((pk, status, executed))
    return found


def _versions(ids: list[int]) -> Iterable[tuple[int, int, bool]]:
    for pk, version, finished_at in Trader.objects.filter(pk__in=ids).values_list("pk", "version", "finished_at"):
        yield pk, version, finished_at is not None


def _see_to_market(of: Market, each: Watched) -> None:
    """In a thread of its own: what only the market knows."""
    with suppress(NoAnswer):
        each.day = market.day(of, each.symbol.name)


def _number(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])
