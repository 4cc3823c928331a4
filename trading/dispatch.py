"""Turns what concerns a trader into a task: trades that cross its trigger, and every report of its orders.

A tick costs the same for one trader as for 100,000: Redis compares a batch of trades with the one nearest trigger of
its symbol on each side, and only when one is crossed are traders looked up at all.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import redis
from django.db import DatabaseError

from hedgehog_project.outside import read_json
from hedgehog_project.publishing import together
from hedgehog_project.queues import EXITS, REPORTS
from hedgehog_project.venues import Venue
from streamer.topics import decode_trade, report_topic, trade_topic
from trading.books import transfers
from trading.books.booking import is_news
from trading.core.events import TradeSeen
from trading.core.money import ZERO
from trading.core.orders import OrderReport, OrderStatus
from trading.exchange.order_ids import read
from trading.exchange.replies import from_execution_report, own_id
from trading.identity.names import Names
from trading.identity.others import Seen
from trading.models import Order
from trading.waking import enqueue, triggers

log = logging.getLogger(__name__)

GROUP = "dispatch"
BATCH = 500
BLOCK_MS = 500
_AT_BLOCK = 7  # where that stands in the command
# A small batch costs nearly as much as a large one: the streamer publishes at this pace, and so it is read.
PACE_S = 0.002
# Where that takes more than this part of a core, because trades of many symbols come, it is read less often.
SHARE, MAX_PACE_S = 0.05, 0.02
# What another dispatcher took and did not finish within this time is taken over; so is a report nobody booked.
TAKE_OVER_MS = 3_000
# The answer to a placing tells what the report of the new order tells, and is usually booked within this time: only
# what is still news then becomes a task.
HELD_S = 0.2
# Binance's own limit (trading-endpoints.md, newClientOrderId). What is longer is none of ours.
LONGEST_ID = 36
# Traders woken in one round trip where a price crosses very many triggers at once.
MAX_FIRED = 1_000

# KEYS: topics. ARGV: the group, then for each topic how many entries, and those.
_ACKNOWLEDGE = """
local at = 2
for _, topic in ipairs(KEYS) do
  local last = at + ARGV[at]
  redis.call('XACK', topic, ARGV[1], unpack(ARGV, at + 1, last))
  at = last + 1
end
return 1
"""

# What an event contains that is none of an order: most need no second look.
_TRANSFER = transfers.EVENT.encode()

Entry = tuple[bytes, list[bytes]]


@dataclass(frozen=True)
class _Held:
    """The report of a new order, which its answer may have told."""

    until: float  # by time.monotonic()
    venue: Venue
    topic: bytes
    entry_id: bytes
    event: dict[str, Any]
    report: OrderReport


@dataclass
class Counts:
    """What a dispatcher has done since it began."""

    trades: int = 0
    woken: int = 0
    reports: int = 0


@dataclass
class Dispatcher:
    """One consumer of the group. Any number may run side by side, on any machine.

    `names` says which reports are ours; None: nobody knows yet, and those of every Hedgehog are handed on.
    `strangers` are the newest orders of other installations, by venue and identity, for whoever keeps them.
    `markets` maps a market to the symbols whose trades may concern a trader; `venues` are those with own orders.
    The client must be the dispatcher's own: it gets entries as they come, which is twice as quick as dictionaries.
    """

    client: "redis.Redis"
    name: str
    markets: dict[str, list[str]] = field(default_factory=dict)
    venues: Sequence[str] = ()
    counts: Counts = field(default_factory=Counts)
    names: Names | None = None
    strangers: dict[tuple[str, str], Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for command in ("XREADGROUP", "XAUTOCLAIM"):
            self.client.set_response_callback(command, _as_it_comes)
        self._trades: dict[bytes, tuple[str, str]] = {}
        self._keys: dict[bytes, tuple[str, str]] = {}  # of the triggers, by the topic of trades
        self._reports: dict[bytes, str] = {}
        self._command: list[Any] = []
        self._done: list[tuple[bytes, list[bytes]]] = []
        self._held: list[_Held] = []  # the oldest first
        self._next_at = 0.0  # by time.monotonic()

    def listen_to(self, markets: dict[str, list[str]], venues: Iterable[str]) -> None:
        """Changes what is read. Raises redis.RedisError."""
        self.markets, self.venues = markets, sorted(venues)
        self._trades = {
            trade_topic(market, symbol).encode(): (market, symbol)
            for market, symbols in markets.items()
            for symbol in symbols
        }
        self._keys = {
            topic: (triggers.key_below(*whose), triggers.key_above(*whose)) for topic, whose in self._trades.items()
        }
        self._reports = {report_topic(venue).encode(): venue for venue in self.venues}
        topics = [*self._trades, *self._reports]
        self._command = ["XREADGROUP", "GROUP", GROUP, self.name, "COUNT", BATCH, "BLOCK", BLOCK_MS, "STREAMS"]
        assert self._command[_AT_BLOCK] == BLOCK_MS
        self._command += [*topics, *[">"] * len(topics)]
        # Last: where Redis does not take it now, the next step finds no groups, and makes them.
        self._make_groups()

    def _make_groups(self) -> None:
        """From now on for trades, whose past prices concern nobody; from the beginning for reports."""
        topics = [*self._trades, *self._reports]
        pipeline = self.client.pipeline(transaction=False)
        for topic in topics:
            pipeline.xgroup_create(topic, GROUP, id="$" if topic in self._trades else "0", mkstream=True)
        for topic, result in zip(topics, pipeline.execute(raise_on_error=False), strict=True):
            if isinstance(result, redis.RedisError) and "BUSYGROUP" not in str(result):
                raise redis.ResponseError(f"{topic.decode()}: {result}")

    def _regroup(self, error: redis.ResponseError) -> None:
        """Makes the groups anew where this error says that they are gone. Raises any other."""
        if "NOGROUP" not in str(error):
            raise error
        # A topic was begun anew, or Redis was emptied: everything in it is news.
        log.warning("consumer groups were missing and are recreated")
        self._make_groups()

    def step(self) -> int:
        """Reads one batch and hands it on, waiting at most BLOCK_MS for one; how many entries were read.

        Raises redis.RedisError, and kombu's OperationalError where the broker is away. What was read and not
        handed on is taken over later: nothing is acknowledged before.
        """
        if not self._trades and not self._reports:
            time.sleep(BLOCK_MS / 1000)
            return 0
        time.sleep(max(0.0, self._next_at - time.monotonic()))
        began, spent_s = time.monotonic(), time.thread_time()
        pipeline = self.client.pipeline(transaction=False)
        self._acknowledge(pipeline)
        self._command[_AT_BLOCK] = self._patience_ms()
        pipeline.execute_command(*self._command)
        try:
            answer = pipeline.execute()[-1]
        except redis.ResponseError as error:
            self._regroup(error)
            return 0
        batches = _batches(answer)
        self._handle([(topic, entries) for topic, entries in batches if topic in self._trades])
        for topic, entries in batches:
            if topic in self._reports:
                self._handle_reports(topic, entries)
        self._let_go()
        spent_s = time.thread_time() - spent_s
        is_behind = any(len(entries) >= BATCH for _, entries in batches)
        self._next_at = began + (0.0 if is_behind else min(MAX_PACE_S, max(PACE_S, spent_s / SHARE)))
        return sum(len(entries) for _, entries in batches)

    def _acknowledge(self, client: "redis.Redis") -> None:
        """What was handed on last, of however many topics by one command."""
        done, self._done = self._done, []
        if done:
            args = [arg for _, ids in done for arg in (len(ids), *ids)]
            client.execute_command("EVAL", _ACKNOWLEDGE, len(done), *(topic for topic, _ in done), GROUP, *args)

    def _patience_ms(self) -> int:
        """How long to wait for the next batch."""
        if not self._held:
            return BLOCK_MS
        # Not 0, by which Redis understands "for ever".
        return max(1, min(BLOCK_MS, round((self._held[0].until - time.monotonic()) * 1000)))

    def take_over(self) -> int:
        """Hands on again what a dead dispatcher left, and the reports that no task has booked; how many entries."""
        taken = 0
        # A report that is not booked may just wait in a long queue.
        is_behind = enqueue.is_behind(self.client, REPORTS)
        topics = self._trades if is_behind else [*self._trades, *self._reports]
        pipeline = self.client.pipeline(transaction=False)
        for topic in topics:
            pipeline.execute_command("XAUTOCLAIM", topic, GROUP, self.name, TAKE_OVER_MS, "0-0", "COUNT", BATCH)
        # One round trip, however many symbols there are.
        for topic, answer in zip(topics, pipeline.execute(raise_on_error=False), strict=True):
            if isinstance(answer, redis.ResponseError):
                self._regroup(answer)
                return taken
            # Entries that were trimmed away meanwhile come without fields.
            entries = [(entry[0], entry[1]) for entry in answer[1] if entry and entry[1]]
            if not entries:
                continue
            taken += len(entries)
            if topic in self._trades:
                self._handle([(topic, entries)])
            else:
                self._handle_reports(topic, entries)
        return taken

    def flush(self) -> None:
        """Acknowledges what was handed on last."""
        self._acknowledge(self.client)

    def _handle(self, batches: list[tuple[bytes, list[Entry]]]) -> None:
        """Fires the triggers that the newest, the lowest or the highest price of a batch has reached; one round trip
        for all symbols.
        """
        if not batches:
            return
        seen, chosen = [], []
        for topic, entries in batches:
            newest = low = high = entries[-1]
            if len(entries) > 1:
                # Prices as floats, like the scores: core looks again with Decimals.
                prices = [float(fields[1].split(b",", 1)[0]) for _, fields in entries]
                # The newest of several that are as low.
                prices.reverse()
                low, high = entries[-1 - prices.index(min(prices))], entries[-1 - prices.index(max(prices))]
            reached = (newest, low, high)
            chosen.append(reached)
            seen.append(triggers.Seen(*self._keys[topic], *map(_price, reached)))
            self.counts.trades += len(entries)
        while True:
            fired = triggers.fire(self.client, seen, MAX_FIRED)
            if fired:
                with together():
                    for each in fired:
                        self._wake(batches[each.batch][0], chosen[each.batch][each.price], each)
            if sum(map(len, fired)) < MAX_FIRED:
                break
        self._done += [(topic, [entry[0] for entry in entries]) for topic, entries in batches]

    def _wake(self, topic: bytes, entry: Entry, fired: triggers.Fired) -> None:
        """Wakes traders with the trade that reached their triggers."""
        _, symbol = self._trades[topic]
        trade = decode_trade(symbol, entry[0], entry[1][1])
        event = TradeSeen(symbol, trade.trade_id, Decimal(trade.price), trade.event_ms, trade.age_s)
        for trader_id in fired.holding:
            enqueue.wake(trader_id, symbol, event, EXITS)
        for trader_id in fired.others:
            enqueue.wake(trader_id, symbol, event)
        self.counts.woken += len(fired)

    def _handle_reports(self, topic: bytes, entries: list[Entry]) -> None:
        venue = Venue(self._reports[topic])
        idle = []
        for entry_id, fields in entries:
            values = dict(zip(fields[::2], fields[1::2], strict=True))
            if values.get(b"kind") == b"connected":
                enqueue.reconcile(venue, entry_id.decode())
                continue
            data = values.get(b"data", b"")
            if _TRANSFER in data and (transfer := _transfer(data)) is not None:
                enqueue.transfer(venue, entry_id.decode(), transfer)
                continue
            event = _own_report(data)
            if event is None or self._is_strangers(venue, event):
                idle.append(entry_id)  # Balances as they are now, or an order that is not ours.
                continue
            report = _of_new_order(event)
            if report is not None:
                until = time.monotonic() + HELD_S
                self._held.append(_Held(until, venue, topic, entry_id, event, report))
                continue
            self._hand_on(venue, entry_id, event)
        if idle:
            self._done.append((topic, idle))

    def _hand_on(self, venue: Venue, entry_id: bytes, event: dict[str, Any]) -> None:
        enqueue.report(venue, entry_id.decode(), event)
        self.counts.reports += 1

    def _let_go(self) -> None:
        """Hands on those of the held reports whose time has come and that are news; the others are done with."""
        now = time.monotonic()
        count = next((place for place, held in enumerate(self._held) if held.until > now), len(self._held))
        if not count:
            return
        due = self._held[:count]
        news = _news([held.report for held in due])
        for held, is_one in zip(due, news, strict=True):
            if is_one:
                self._hand_on(held.venue, held.entry_id, held.event)
            else:
                self._done.append((held.topic, [held.entry_id]))
        # Only now: where the broker is away they are let go again.
        del self._held[:count]

    def _is_strangers(self, venue: str, event: dict[str, Any]) -> bool:
        """Another installation may place thousands: they are noted, and none of them becomes a task."""
        key, name = own_id(event), read(own_id(event))
        if name is None or self._may_be_ours(key, venue, name.identity):
            return False
        placed_at = datetime.fromtimestamp(int(event["O"]) / 1000, UTC) if event.get("O") else None
        self.strangers[venue, name.identity] = (key, placed_at)
        return True

    def _may_be_ours(self, client_order_id: str, venue: str, identity: str) -> bool:
        if self.names is None or self.names.is_ours(client_order_id):
            return True
        if (venue, identity) in self.strangers:
            return False
        # Not seen before: the identity of this installation may just have been changed.
        try:
            self.names = Names.now()
        except DatabaseError as error:
            log.error("owner of an order unknown, report passed on: order=%s error=%s", client_order_id, error)
            return True
        return self.names.is_ours(client_order_id)


def acknowledge(client: "redis.Redis", venue: str, entry_id: str) -> None:
    """Says that a report is booked, so that no task is queued for it again. Raises redis.RedisError."""
    client.xack(report_topic(venue), GROUP, entry_id)


def deliveries(client: "redis.Redis", venue: str, entry_id: str) -> int:
    """How often an entry was handed on that nobody has acknowledged; 0 where it is. Raises redis.RedisError."""
    pending: Any = client.xpending_range(report_topic(venue), GROUP, entry_id, entry_id, 1)
    return int(pending[0]["times_delivered"]) if pending else 0


def _own_report(data: bytes) -> dict[str, Any] | None:
    """The execution report of a Hedgehog's order; None for everything else."""
    try:
        event = read_json(data)
        client_order_id = own_id(event) if event.get("e") == "executionReport" else ""
        concerns_us = len(client_order_id) <= LONGEST_ID and read(client_order_id) is not None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        log.error("unreadable execution report skipped: error=%s data=%.300s", error, data)
        return None
    return event if concerns_us else None


def _transfer(data: bytes) -> dict[str, Any] | None:
    """What tells of a deposit or a withdrawal; None for everything else."""
    try:
        event = read_json(data)
        return event if event.get("e") == transfers.EVENT else None
    except (ValueError, AttributeError):
        return None  # Whoever reads reports says so.


def _of_new_order(event: dict[str, Any]) -> OrderReport | None:
    """What the report of an order that has just been accepted tells; None for any other, or an unreadable one."""
    if event.get("x") != "NEW" or event.get("X") != "NEW":
        return None
    try:
        report = from_execution_report(event)
    except (KeyError, AttributeError, TypeError, ValueError, ArithmeticError):
        return None  # The task says what is wrong with it.
    return report if report.status == OrderStatus.NEW and report.executed == ZERO else None


def _news(reports: Sequence[OrderReport]) -> list[bool]:
    """Of each, whether it tells of an order what its row does not say; an unknown order is news."""
    names = {report.client_order_id for report in reports}
    try:
        rows = {row.client_order_id: row for row in Order.objects.filter(client_order_id__in=names).order_by()}
    except DatabaseError as error:
        log.error("unknown whether reports are news, all passed on: reports=%s error=%s", len(reports), error)
        return [True] * len(reports)
    for row in rows.values():
        row.known_fills = []  # A new order's report tells of none.
    told = ((rows.get(report.client_order_id), report) for report in reports)
    return [row is None or is_news(row, report) for row, report in told]


def _as_it_comes(answer: Any, **options: Any) -> Any:
    return answer


def _batches(answer: Any) -> list[tuple[bytes, list[Entry]]]:
    """XREADGROUP's answer, which is a list in RESP2 and a map in RESP3."""
    if not answer:
        return []
    return list(answer.items()) if isinstance(answer, dict) else [(topic, entries) for topic, entries in answer]


def _price(entry: Entry) -> bytes:
    return entry[1][1].split(b",", 1)[0]
