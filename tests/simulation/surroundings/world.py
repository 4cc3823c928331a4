"""A world in one process: time, a market, people, and processes that may die between any two of their steps.

All of it follows from the seed: nothing here may look at a clock, an address or the order of a set.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Q

from binance_mock.engine.orders import Changes, Execution, MarketTrade, Order, OrderStatus, Report
from binance_mock.engine.orders import NewOrder as EngineOrder
from binance_mock.engine.orders import OrderType as EngineType
from binance_mock.engine.orders import Side as EngineSide
from binance_mock.engine.rules import SymbolStatus
from binance_mock.market.manual import ManualMarket
from binance_mock.protocol.events import account_events
from binance_mock.state.context import Context, open_context
from binance_mock.state.exchange import open_exchange
from binance_mock.state.listings import LISTINGS, exchange_info
from binance_mock.state.security import Account
from binance_mock.state.store import Store
from hedgehog_project.venues import Venue
from tests.simulation.checks.rows import read, time_of
from tests.simulation.surroundings import rules
from tests.simulation.surroundings.conditions import USUAL, Conditions
from tests.simulation.surroundings.line import Line
from tests.simulation.surroundings.luck import NO_MISFORTUNE, Chance
from tests.simulation.surroundings.others import Others
from tests.simulation.surroundings.people import People
from tests.simulation.surroundings.standing_by import StandingBy
from tests.simulation.surroundings.wake_ups import ORDINARY, WakeUps
from tests.simulation.surroundings.wall import WallClock
from tests.support.settings import give
from trading import leader, tasks
from trading.core.denials import Denial
from trading.core.orders import Side
from trading.exchange.order_ids import read as read_name
from trading.exchange.protocol import NewOrder
from trading.models import Installation, Listing, Trader, TradingSettings
from trading.models.symbols import TradingStatus
from trading.reconciliation.reconcile import last
from trading.symbols import refreshing
from trading.symbols.listings import named, refresh
from trading.traders.looks import Snapshot, Thought

# At noon: a day ends for nobody whose clock is set.
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
# A listing of then is one that is to be asked about anew.
LONG_AGO = START - timedelta(days=1)
MONEY = {"USDT": Decimal(100_000), "BNB": Decimal("0.004")}
PRICES = {"ETHUSDT": Decimal(3000), "BTCUSDT": Decimal(90_000)}
STRATEGY = ""  # By which all symbols are traded: `--strategy`; empty: by one that is drawn for each.
RECONCILE_EVERY = timedelta(seconds=60)
# A person's order, too far away ever to trade; nobody but its owner may touch it.
FOREIGN = "web_foreign"
LEADS_WITHIN = timedelta(seconds=3)
# Of so many beats one helps whoever sleeps, although wake-ups are lost.
BEATS_THAT_HELP = 6
# While nothing trades any more, so much time may pass at once.
SETTLES_BY = timedelta(seconds=10)
# Steps of a process within which it may die. Most take fewer: then it was lucky after all.
LONGEST_LIFE = 60


class DiedError(BaseException):
    """The process was killed at this point. Not an Exception: nothing may catch it."""


@dataclass
class Later:
    """Something that happens at a moment to come."""

    at: datetime
    do: Callable[[], object]


class World:
    def __init__(self, seed: int, conditions: Conditions = USUAL) -> None:
        self.seed, self.conditions = seed, conditions
        self.chance = Chance(seed, conditions.luck)
        # What the account has in the beginning.
        self.money = {**MONEY, **conditions.coins}
        self.now = START
        self.wall = WallClock(seed, lambda: self.now)
        # The exchange's clock against ours. It takes no timestamp of more than a second ahead of its own.
        self.clock_off_ms = self.chance.randint(-900, 1_500)
        self.line, self.wake_ups, self.people = Line(self), WakeUps(self), People(self, list(PRICES))
        self.standby = StandingBy(self)
        self.market_moves = True
        self.reconciled_at = self._led_at = self.now
        self._changes_led = -1
        self.is_dying = False
        self._agenda: list[Later] = []
        self._prices = dict(PRICES)
        # Of the process that runs: how many steps until it dies; None: it lives.
        self._steps_left: int | None = None
        self._depth = 0
        self._leaders = 0  # in the midst of filling slots
        rates, self.bnb = rules.draw_costs(seed)
        self.slots = rules.draw_slots(seed)
        info = exchange_info([*(LISTINGS[symbol] for symbol in PRICES), self.bnb.listing])
        # In every other world commissions are paid in BNB, until it has none left.
        in_bnb = self.chance.random() < 0.5
        exchange = open_exchange(
            Store(":memory:"), info, self.money, self.exchange_ms, rates=rates, fees_in_bnb=in_bnb
        )
        self.context: Context = open_context(
            exchange, ManualMarket(), Account("key", "secret"), now_ms=lambda: self.exchange_ms
        )
        self.identity = ""
        self.others = Others(self)
        # What was done this step, for whoever watches: the lowest and the highest price of each symbol.
        self.lowest: dict[str, Decimal] = {}
        self.highest: dict[str, Decimal] = {}
        # All that was traded on the symbols' markets, and when.
        self.trades: dict[str, list[tuple[datetime, Decimal]]] = {symbol: [] for symbol in PRICES}
        self.max_slots: dict[str, int] = {}
        # What its owner has taken from the account, by asset.
        self.taken_away: dict[str, Decimal] = {}
        # When the last beats came that no process died in.
        self.beats: deque[datetime] = deque([self.now], BEATS_THAT_HELP)
        # When a comparison of the books has begun that then succeeded, and which orders were unclear then.
        self.compared_since: datetime | None = None
        self.unclear_then: set[str] = set()

    def begin(self) -> None:
        """Symbols that are on, a first price, and a foreign order on each. To be called within `surround`."""
        luck, self.chance.luck = self.chance.luck, NO_MISFORTUNE
        self.identity = Installation.own().identity
        bnb = self.bnb.listing
        self.context.exchange.trade([MarketTrade(bnb.symbol, bnb.price, Decimal(1), True)], self.exchange_ms)
        for symbol in PRICES:
            row = named(symbol)
            values = rules.draw_settings(self.chance, STRATEGY, MONEY["USDT"]) | {"slots": self.slots.first}
            values |= dict(self.conditions.settings)
            self.max_slots[symbol] = values["max_slots"]
            give(TradingSettings.objects.filter(symbol=row), status=TradingStatus.ON, **values)
            refresh(row, Venue.MOCK, self.line)
            self._trade(symbol)
            away = EngineOrder(
                symbol, EngineSide.BUY, EngineType.LIMIT, Decimal("0.01"), PRICES[symbol] / 2, client_order_id=FOREIGN
            )
            self.context.exchange.place(away, self.exchange_ms)
            if self.conditions.min_notional:
                # After the foreign order, which is worth too little for it.
                self.context.exchange.change_filters(symbol, [_notional(self.conditions.min_notional)])
                refresh(row, Venue.MOCK, self.line)
        free = self.context.exchange.engine.ledger.balances()["USDT"].free
        rules.draw_protections(self.chance, [named(symbol) for symbol in PRICES], free)
        self.context.exchange.listeners.append(self._report)
        self.chance.luck = luck

    def is_ours(self, client_order_id: str) -> bool:
        """Whether it was placed by this installation, and not by another one or a copy."""
        name = read_name(client_order_id)
        return name is not None and name.identity == self.identity and client_order_id not in self.others.names

    def price(self, symbol: str) -> Decimal:
        return self._prices[symbol]

    # --- time -------------------------------------------------------------------------------------
    @property
    def now_ms(self) -> int:
        return round(self.now.timestamp() * 1000)

    @property
    def exchange_ms(self) -> int:
        return self.now_ms + self.clock_off_ms

    @property
    def wall_now(self) -> datetime:
        """What our hosts take for the time."""
        return self.now + self.wall.off

    @property
    def wall_ms(self) -> int:
        return round(self.wall_now.timestamp() * 1000)

    @property
    def shared_s(self) -> float:
        """What Redis takes for the time, in seconds."""
        return (self.wall_now if self.wall.is_redis_here else self.now).timestamp()

    def later(self, ms: int, do: Callable[[], object]) -> None:
        self._agenda.append(Later(self.now + timedelta(milliseconds=ms), do))

    def sleep(self, seconds: float) -> None:
        self._pass(round(seconds * 1000))

    def step(self, max_ms: int = 2_000) -> None:
        """Passes some time; whatever is due by then happens."""
        self.lowest.clear()
        self.highest.clear()
        # Between two deeds: while an order is on its way another rule holds, see SEND_WITHIN.
        self.chance.struck["clock_set"] += self.wall.may_be_set(self.chance.luck.clock_set)
        self._pass(self.chance.randint(1, max_ms))
        if self.market_moves:
            self._misfortunes()
        self._happen()

    def settle(self) -> None:
        """Passes the time to what is next due, a minute at most; nothing trades meanwhile."""
        self.lowest.clear()
        self.highest.clear()
        due = min((later.at for later in self._agenda), default=self.now + SETTLES_BY)
        retry = read("SELECT retry_at FROM trading_trader WHERE retry_at IS NOT NULL ORDER BY retry_at LIMIT 1")
        soonest = min([due, *(time_of(at) for (at,) in retry), self.now + SETTLES_BY])
        self.now = max(soonest, self.now + timedelta(milliseconds=1_000))
        self._happen()

    @property
    def is_quiet(self) -> bool:
        return not self._agenda

    def _pass(self, ms: int) -> None:
        self.now += timedelta(milliseconds=ms)

    def _happen(self) -> None:
        if self.market_moves:
            for symbol in PRICES:
                if self.chance.random() < 0.7:
                    self._trade(symbol)
        self._deliver()
        self.people.resume_after_a_drawdown()
        self._lead()
        if self.now > self.reconciled_at + RECONCILE_EVERY:
            self._reconcile()
        self._deliver()

    def _lead(self) -> None:
        """Where no row has changed since its last beat it would find nothing new: some of those are left out."""
        changes = connection.connection.total_changes
        is_new = changes != self._changes_led or self.now > self._led_at + LEADS_WITHIN
        if self.wake_ups.refusing or self.standby.has_work:
            self.standby.step()
        if is_new and not self.wake_ups.refusing and not self.chance.strikes("beat_lost"):
            self.run_process(self._beat)
            self._changes_led, self._led_at = connection.connection.total_changes, self.now

    def _beat(self) -> None:
        leader.lead(self.wall_now)
        self.beats.append(self.now)

    def _reconcile(self) -> None:
        self.reconciled_at = began = self.now
        unclear = read("SELECT client_order_id FROM trading_order WHERE status = 'SUBMITTING'")
        before, failures = last(Venue.MOCK), self.line.failures
        self.run_process(lambda: tasks.reconcile_all())
        row = last(Venue.MOCK)
        if row is not None and row != before and not row.left and self.line.failures == failures:
            self.compared_since = began
            self.unclear_then = {name for (name,) in unclear}

    def _deliver(self) -> None:
        while due := [later for later in self._agenda if later.at <= self.now]:
            next_one = due[0] if len(due) == 1 else self.chance.choice(due)
            self._agenda.remove(next_one)
            next_one.do()

    # --- processes --------------------------------------------------------------------------------
    def run_process(self, do: Callable[[], object]) -> None:
        """Runs what one process does, until its end or until it is killed.

        What a task raises of the ordinary errors was written on its trader, or is tried again with the next beat.
        """
        outer = self._steps_left
        self._steps_left = (
            self.chance.randint(1, LONGEST_LIFE) if self.chance.random() < self.chance.luck.dies else None
        )
        try:
            with suppress(*ORDINARY):
                do()
        except DiedError:
            self.chance.struck["dies"] += 1
        finally:
            self._steps_left, self.is_dying = outer, False

    def point(self) -> None:
        """A point between two steps of a process: it may die here."""
        if self._steps_left is None:
            return
        self._steps_left -= 1
        if self._steps_left <= 0:
            self._steps_left = None  # It does nothing more, and what it has begun is rolled back.
            self.is_dying = True
            raise DiedError

    def let_another_lead(self) -> None:
        """Between any two statements of a leader, where it has no transaction open, another one may come and go."""
        if self._leaders != 1 or connection.in_atomic_block or not self.chance.strikes("leaders_meet"):
            return
        mine, self._steps_left = self._steps_left, None
        self.run_process(leader.fill_slots)
        self._steps_left = mine

    def watched(self, fill_slots: Callable[[], int]) -> Callable[[], int]:
        """The same, and the world knows that somebody is in the midst of it."""

        def fill() -> int:
            self._leaders += 1
            try:
                return fill_slots()
            finally:
                self._leaders -= 1

        return fill

    def overheard(self, denial: Callable[..., Denial | None]) -> Callable[..., Denial | None]:
        """The same, and whoever looks at each order hears what it denies."""

        def ask(trader: Trader, side: Side, *wanted: Any) -> Denial | None:
            denied = denial(trader, side, *wanted)
            if denied is not None:
                for looker in self.line.lookers:
                    looker.is_denied(trader.pk, side, denied)
            return denied

        return ask

    def delayed(self, last_look: Callable[[NewOrder], Denial | None]) -> Callable[[NewOrder], Denial | None]:
        """The same for an order that was saved just now, after a time in which others may turn what it looks at."""

        def look(order: NewOrder) -> Denial | None:
            for looker in self.line.lookers:
                looker.is_saved(order)
            self.let_others_run()
            return last_look(order)

        return look

    def thoughtful(self, think: Callable[[Snapshot], Thought]) -> Callable[[Snapshot], Thought]:
        """The same, and others may change the trader while its strategy thinks."""

        def thinking(snapshot: Snapshot) -> Thought:
            thought = think(snapshot)
            if not connection.in_atomic_block and self.chance.strikes("thinks_long"):
                self.let_others_run()
            return thought

        return thinking

    def let_others_run(self) -> None:
        """While a process calls the exchange, all others go on."""
        if self._depth >= 2 or not self.chance.strikes("overtaken"):
            return
        mine, self._steps_left = self._steps_left, None
        self._depth += 1
        try:
            self._pass(
                self.chance.randint(500, 9_000) if self.chance.strikes("held_up") else self.chance.randint(1, 200)
            )
            if self.market_moves:
                self._misfortunes()
            self._happen()
        finally:
            self._depth -= 1
            self._steps_left = mine

    # --- the market and the exchange --------------------------------------------------------------
    def _trade(self, symbol: str) -> None:
        book = self.context.exchange.engine.books[symbol]
        trades = []
        for _ in range(self.chance.randint(1, 3)):
            move = Decimal(round(self.chance.gauss(0, 0.0015), 6))
            if self.chance.strikes("market_crashes"):
                move = self.chance.choice([Decimal("-0.02"), Decimal("0.02")])
            price = self._prices[symbol] * (1 + move)
            # It comes back, so that cycles end.
            price += (PRICES[symbol] - price) * Decimal("0.1")
            self._prices[symbol] = price.quantize(Decimal("0.01"))
            quantity = Decimal(self.chance.randint(1, 600)) / 100_000 * (90_000 / PRICES[symbol])
            trades.append(
                MarketTrade(
                    symbol, self._prices[symbol], quantity.quantize(Decimal("0.00001")), self.chance.random() < 0.5
                )
            )
        if not book.rules.is_trading:
            return
        changes = self.context.exchange.trade(trades, self.exchange_ms)
        for trade in changes.trades:
            self.lowest[symbol] = min(trade.price, self.lowest.get(symbol, trade.price))
            self.highest[symbol] = max(trade.price, self.highest.get(symbol, trade.price))
            self.trades[symbol].append((self.now, trade.price))
            self.wake_ups.traded(symbol, trade.trade_id, trade.price, trade.quantity)

    def _report(self, changes: Changes) -> None:
        for event in account_events(changes, self.exchange_ms):
            if event["e"] == "executionReport":
                self.wake_ups.reported(event)

    def _end_at_exchange(self, order: Order, status: OrderStatus, execution: Execution) -> None:
        """An open order is taken off by the exchange itself."""
        exchange = self.context.exchange
        changes = exchange.engine.cancel(order, self.exchange_ms)
        changes.events = [
            replace(event, execution=execution, order=replace(event.order, status=status))
            if isinstance(event, Report)
            else event
            for event in changes.events
        ]
        exchange._commit(changes)

    def _misfortunes(self) -> None:
        strikes = self.chance.strikes
        resting = [
            order for order in self.context.exchange.engine.open_orders() if self.is_ours(order.client_order_id)
        ]
        if resting and strikes("owner_cancels"):
            order = self.chance.choice(resting)
            self.context.exchange.cancel(order.symbol, order.order_id, None, self.exchange_ms, "web_1")
        elif resting and strikes("exchange_expires"):
            self._end_at_exchange(self.chance.choice(resting), OrderStatus.EXPIRED, Execution.EXPIRED)
        elif resting and strikes("prevents_self_trade"):
            order = self.chance.choice(resting)
            self._end_at_exchange(order, OrderStatus.EXPIRED_IN_MATCH, Execution.TRADE_PREVENTION)
        if strikes("owner_takes"):
            self._take_away(self.chance.choice(list(PRICES)))
        if strikes("redis_emptied"):
            self.wake_ups.empty()
        if strikes("redis_refuses"):
            self.wake_ups.refusing.strike()
        if strikes("halts_symbol"):
            self._halt(self.chance.choice(list(PRICES)))
        if strikes("changes_filters"):
            self._change_filters(self.chance.choice(list(PRICES)))
        if strikes("feed_gap"):
            self.wake_ups.gaps[self.chance.choice(list(PRICES))] = self.now + timedelta(
                seconds=self.chance.randint(2, 15)
            )
        self.people.act()
        self.others.act()

    def _take_away(self, symbol: str) -> None:
        """Somebody sells or withdraws coins by hand: a little, or all that is free."""
        asset, ledger = symbol.removesuffix("USDT"), self.context.exchange.engine.ledger
        amount = ledger.free(asset)
        if self.chance.random() < 0.7:
            amount = min(amount, Decimal("0.0001"))
        ledger.deposit(asset, -amount)
        self.taken_away[asset] = self.taken_away.get(asset, Decimal(0)) + amount

    def _halt(self, symbol: str) -> None:
        self.context.exchange.set_status(symbol, SymbolStatus.BREAK)
        self._listings_are_refreshed(symbol)
        self.later(self.chance.randint(2_000, 30_000), lambda: self._go_on(symbol))

    def _go_on(self, symbol: str) -> None:
        self.context.exchange.set_status(symbol, SymbolStatus.TRADING)
        self._listings_are_refreshed(symbol)

    def _change_filters(self, symbol: str) -> None:
        step = self.chance.choice(["0.00001", "0.0001", "0.001", "0"])
        lot = {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "90000", "stepSize": step}
        minimum = self.chance.choice(self.conditions.min_notionals)
        self.context.exchange.change_filters(symbol, [lot, _notional(minimum)])
        self._listings_are_refreshed(symbol)

    def _listings_are_refreshed(self, symbol: str) -> None:
        """Some time later: until then the traders know the old filters."""
        Listing.objects.filter(symbol__name=symbol).update(refreshed_at=LONG_AGO)
        self.later(self.chance.randint(0, 10_000), self.refresh)

    def refresh(self) -> None:
        self.run_process(lambda: refreshing.refresh_listings(self.line.at))
        # Of those that are off and have no trader nobody asks.
        live = Trader.objects.filter(finished_at=None).values("symbol")
        is_wanted = Q(symbol__settings__status=TradingStatus.ON) | Q(symbol__in=live)
        # Of a symbol that seems to be gone the leader asks again, as of one that nobody has asked about.
        is_stale = Q(refreshed_at=LONG_AGO) | Q(not_found_at__isnull=False)
        if Listing.objects.filter(is_wanted, is_stale).exists():
            self.later(5_000, self.refresh)


def _notional(minimum: str) -> dict[str, str]:
    return {"filterType": "NOTIONAL", "minNotional": minimum, "maxNotional": "9000000"}
