"""The invariants I1 to I7 after every step: our rows, read as they are, against all that the engine has ever told.

What can only be true once something is settled is said exactly so: see `after_a_comparison` and `_nobody_sleeps`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from binance_mock.engine.fees import Rates
from binance_mock.engine.orders import Changes, Fill, Order, Side
from tests.simulation.checks.costs import Cycle
from tests.simulation.checks.rows import ZERO, never, read, time_of
from tests.simulation.surroundings.hands import taken_over
from tests.simulation.surroundings.line import Broken
from tests.simulation.surroundings.world import FOREIGN, PRICES, World
from trading.core.orders import MOVES, OPEN, OrderStatus, OrderType
from trading.exchange.order_ids import trader_of
from trading.leader import UNHEARD
from trading.models.fields import from_units

# While wake-ups, beats and processes are lost, a promise of a few seconds takes several tries.
MAX_SLEEP = timedelta(seconds=45)
# A price that stays for so long is seen by a standby that asks for it, some of whose questions fail.
LOOKED_AT_WITHIN = timedelta(seconds=10)
_BASE = {symbol: symbol.removesuffix("USDT") for symbol in PRICES}


@dataclass
class Books:
    """The exchange's own books, told by the exchange itself: every order and fill there ever was."""

    orders: dict[str, Order] = field(default_factory=dict)
    ended_at: dict[str, datetime] = field(default_factory=dict)
    fills: dict[tuple[str, int], Fill] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    money: dict[str, Decimal] = field(default_factory=dict)
    owned: dict[int, Decimal] = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)
    cycles: dict[int, Cycle] = field(default_factory=dict)  # by trader
    is_ours: Callable[[str], bool] = lambda name: True

    def take(self, changes: Changes, now: datetime) -> None:
        for report in changes.reports:
            order = report.order
            if not self.is_ours(order.client_order_id):
                continue
            self.orders[order.client_order_id] = order
            self.names[order.order_id] = order.client_order_id
            if not order.is_open:
                self.ended_at.setdefault(order.client_order_id, now)
        for fill in changes.fills:
            self._fill(fill)

    def give(self, trader: int, quantity: Decimal, cost: Decimal) -> None:
        """A person has given so much of the account to a trader."""
        cycle = self.cycles.setdefault(trader, Cycle())
        cycle.paid, cycle.owned = cycle.paid + cost, cycle.owned + quantity
        self.owned[trader] = self.owned.get(trader, ZERO) + quantity

    def _fill(self, fill: Fill) -> None:
        self.fills[fill.symbol, fill.trade_id] = fill
        sign, base = (1 if fill.is_buyer else -1), _BASE[fill.symbol]
        moved = [(base, sign * fill.quantity), ("USDT", -sign * fill.quote_quantity)]
        for asset, amount in [*moved, (fill.commission_asset, -fill.commission)]:
            self.money[asset] = self.money.get(asset, ZERO) + amount
        if fill.order_id not in self.names:
            return  # Another installation's, on the same account.
        trader = trader_of(self.names[fill.order_id])
        assert trader is not None
        self.cycles.setdefault(trader, Cycle()).take(fill, base, self.rates)
        got = sign * fill.quantity - (fill.commission if fill.commission_asset == base else ZERO)
        self.owned[trader] = self.owned.get(trader, ZERO) + got


class Watch:
    def __init__(self, world: World) -> None:
        self.world = world
        rates = world.context.exchange.engine.rates
        self.books = Books(money=dict(world.money), rates=rates, is_ours=world.is_ours)
        world.context.exchange.listeners.append(lambda changes: self.books.take(changes, world.now))
        self.has_forgotten, self._restored_at = False, world.now - MAX_SLEEP
        self._last_fill = 0
        self._booked: dict[str, Decimal] = {}
        self._seen_fills: set[tuple[str, int]] = set()
        self._before: dict[str, tuple[str, int]] = {}
        self._restless: dict[int, datetime] = {}
        self._over: set[int] = set()
        self._given: set[int] = set()  # to whom a person has given a holding
        self._ever_hidden: set[str] = set()

    def check(self) -> None:
        """Raises Broken."""
        rows = read(
            "SELECT o.client_order_id, o.status, o.executed, o.trader_id, o.submitted_at, o.asked_at, o.side,"
            " o.price, o.quantity, o.type FROM trading_order o WHERE o.type <> 'TAKEOVER' ORDER BY o.id"
        )
        traders = read(
            "SELECT t.id, s.name, t.slot, t.state, t.finished_at, t.retry_at, t.wake_below, t.version, t.budget,"
            " t.wake_above, t.armed_at, t.leftover, t.carried, t.missing"
            " FROM trading_trader t JOIN trading_symbol s ON s.id = t.symbol_id ORDER BY t.id"
        )
        given = taken_over()
        for trader in given.keys() - self._given:
            self._given.add(trader)
            self.books.give(trader, *given[trader])
        self._slots(traders)
        if self.world.now > self._restored_at + MAX_SLEEP:
            self._nobody_sleeps(rows, traders)
        self._foreign_hands()
        self.world.others.check()
        if self.has_forgotten:
            return  # What was placed since the backup may stand beside what is placed anew.
        self._own_orders(rows)
        self._statuses(rows)
        self._fills()
        self._money(traders)
        self._leftovers()
        self._budgets(rows, traders)
        self._ended_traders(traders)
        self._after_a_comparison(rows)

    def forget(self) -> None:
        """The database was restored from a backup: the exchange knows of orders that it does not."""
        self.has_forgotten, self._restored_at = True, self.world.now
        self._restless.clear()

    def check_what_was_forgotten(self) -> None:
        """In the end every order that traded or still may is in the books as it is there, or shown as an orphan."""
        rows = {row[0]: row[1:] for row in read("SELECT client_order_id, status, executed FROM trading_order")}
        orphans = {row[0] for row in read("SELECT client_order_id FROM trading_orphan")}
        for name, there in self.books.orders.items():
            if not there.is_open and not there.executed:
                continue
            row = rows.get(name)
            never(row is None and name not in orphans, f"I3: {name} is neither in the books nor an orphan")
            if row is not None and name not in orphans:
                never(from_units(row[1]) != there.executed, f"I4: {name} has executed {there.executed} there")
                never(
                    (OrderStatus(row[0]) in OPEN) != there.is_open,
                    f"I3: {name} is {there.status} there, {row[0]} here",
                )

    def check_the_end(self) -> None:
        """Once all is settled every order has the state that it has there, and what was told is done."""
        told = read("SELECT id, told, waits_for FROM trading_trader WHERE told IS NOT NULL AND finished_at IS NULL")
        never(bool(told), f"R9: not done yet: {told}")
        for name, status in read("SELECT client_order_id, status FROM trading_order"):
            there = self.books.orders.get(name)
            never(
                there is not None and there.status != status,
                f"I3: {name} is {there and there.status} there, {status} here",
            )

    def _slots(self, traders: list[tuple[Any, ...]]) -> None:
        live = [(row[1], row[2]) for row in traders if row[4] is None]
        never(len(live) != len(set(live)), f"I1: a slot has two live traders: {sorted(live)}")
        for symbol, max_slots in self.world.max_slots.items():
            own = [(row[1], row[2]) for row in traders if row[4] is None and row[0] not in self._given]
            many = sum(1 for name, _ in own if name == symbol)
            never(many > max_slots, f"I1: {many} traders live in the {max_slots} slots of {symbol}")

    def _own_orders(self, rows: list[tuple[Any, ...]]) -> None:
        ours = {row[0]: row for row in rows}
        busy: set[int | None] = set()
        for there in self.world.context.exchange.engine.open_orders():
            name = there.client_order_id
            if not self.world.is_ours(name):
                continue
            row = ours.get(name)
            never(row is None, f"I3: {name} is open there, and the database does not know it")
            assert row is not None
            if self.world.line.was_hidden(name):
                continue
            never(OrderStatus(row[1]) not in OPEN, f"I3: {name} is open there, and {row[1]} here")
            trader = trader_of(name)
            never(trader in busy, f"I2: trader {trader} has two orders open there")
            busy.add(trader)
        for name, there in self.books.orders.items():
            row = ours.get(name)
            never(row is None, f"I3: {name} was placed, and the database does not know it")
            assert row is not None
            price = ZERO if row[9] == OrderType.MARKET else from_units(row[7])
            same = (price, from_units(row[8]), row[6]) == (there.price, there.quantity, there.side)
            never(not same, f"I3: {name} is another order there than here")

    def _statuses(self, rows: list[tuple[Any, ...]]) -> None:
        for name, status, executed, *_ in rows:
            before = self._before.get(name)
            self._before[name] = (status, executed)
            there = self.books.orders.get(name)
            maximum = there.executed if there else ZERO
            never(from_units(executed) > maximum, f"I4: {name} has executed more here than there")
            if before is None or before == (status, executed):
                continue
            moved = before[0] == status or _may_come(OrderStatus(before[0]), OrderStatus(status))
            never(not moved, f"I4: {name} went from {before[0]} back to {status}")
            never(executed < before[1], f"I4: {name} has executed less than before")

    def _fills(self) -> None:
        new = read(
            "SELECT f.id, o.client_order_id, s.name, f.trade_id, f.price, f.quantity, f.quote, f.commission,"
            " f.commission_asset FROM trading_fill f JOIN trading_order o ON o.id = f.order_id"
            " JOIN trading_symbol s ON s.id = o.symbol_id"
            " WHERE f.id > %s AND o.type <> 'TAKEOVER' ORDER BY f.id",
            self._last_fill,
        )
        for row_id, name, symbol, trade_id, *amounts, asset in new:
            self._last_fill = row_id
            there = self.books.fills.get((symbol, trade_id))
            never((symbol, trade_id) in self._seen_fills, f"I4: trade {trade_id} of {symbol} is booked twice")
            self._seen_fills.add((symbol, trade_id))
            never(there is None, f"I4: trade {trade_id} of {symbol} is booked and never was")
            assert there is not None
            theirs = (there.price, there.quantity, there.quote_quantity, there.commission)
            same = tuple(map(from_units, amounts)) == theirs and asset == there.commission_asset
            never(not same or self.books.names[there.order_id] != name, f"I4: trade {trade_id} is booked otherwise")

    def _money(self, traders: list[tuple[Any, ...]]) -> None:
        ledger = self.world.context.exchange.engine.ledger
        for asset, holding in ledger.holdings.items():
            expected = self.books.money.get(asset, ZERO) - self.world.taken_away.get(asset, ZERO)
            never(holding.free + holding.locked != expected, f"I5: {asset} differs from what the fills moved")
            never(bool(holding.missing), f"I5: {asset} appeared from nowhere")
        selling: dict[int | None, Decimal] = {}
        for order in self.world.context.exchange.engine.open_orders():
            name = order.client_order_id
            if order.side == Side.SELL and self.world.is_ours(name) and not self.world.line.was_hidden(name):
                trader = trader_of(order.client_order_id)
                selling[trader] = selling.get(trader, ZERO) + order.remaining
        carried = {row[0]: from_units(row[12]) for row in traders}
        for trader, owned in self.books.owned.items():
            left = owned + carried.get(trader, ZERO) - selling.get(trader, ZERO)
            never(left < 0, f"I5: trader {trader} sells {-left} more than it owns")

    def _leftovers(self) -> None:
        """What all have left and nobody has taken along is what is there to be taken."""
        there = {
            symbol: (from_units(quantity), from_units(cost))
            for symbol, quantity, cost in read(
                "SELECT s.name, l.quantity, l.cost FROM trading_leftover l"
                " JOIN trading_symbol s ON s.id = l.symbol_id"
            )
        }
        rows = read(
            "SELECT s.name,"
            " sum(CASE WHEN t.state IN ('FINISHED', 'DUST') THEN t.leftover ELSE 0 END) - sum(t.carried),"
            " sum(CASE WHEN t.state IN ('FINISHED', 'DUST') THEN t.leftover_cost ELSE 0 END) - sum(t.carried_cost)"
            " FROM trading_trader t JOIN trading_symbol s ON s.id = t.symbol_id GROUP BY s.name"
        )
        for symbol, quantity, cost in rows:
            expected = from_units(quantity), from_units(cost)
            never(
                there.get(symbol, (ZERO, ZERO)) != expected,
                f"I5: {there.get(symbol)} of {symbol} are left over, and the cycles have left {expected}",
            )

    def _nobody_sleeps(self, rows: list[tuple[Any, ...]], traders: list[tuple[Any, ...]]) -> None:
        # Where the clock has leapt over the leader's beats nobody could help.
        now, late = self.world.now, min(self.world.now - MAX_SLEEP, self.world.beats[0])
        busy = {row[3] for row in rows if OrderStatus(row[1]) in OPEN}
        # By this database: after a restore another trader may have had the number of one.
        holders = {trader for _, _, executed, trader, _, _, side, *_ in rows if executed and side == Side.BUY}
        for name, status, _, _, submitted_at, asked_at, *_ in rows:
            if status == OrderStatus.SUBMITTING and time_of(submitted_at) < late:
                never(
                    asked_at is None or time_of(asked_at) < late, f"I6: {name} is unconfirmed and not being queried"
                )
        for pk, symbol, _, _, finished_at, retry_at, wake_below, _, _, wake_above, armed_at, *_ in traders:
            if finished_at is not None:
                continue
            late = self._late(pk in holders, now)
            never(retry_at is not None and time_of(retry_at) < late, f"I6: trader {pk} was not tried again")
            if wake_below is None and wake_above is None and retry_at is None and pk not in busy:
                since = self._restless.setdefault(pk, now)
                never(since < late, f"I6: trader {pk} has no trigger, open order or retry time")
            else:
                self._restless.pop(pk, None)
            lowest, highest = self.world.lowest.get(symbol), self.world.highest.get(symbol)
            if (wake_below is not None and lowest is not None and lowest <= from_units(wake_below)) or (
                wake_above is not None and highest is not None and highest >= from_units(wake_above)
            ):
                below, above = (None if units is None else from_units(units) for units in (wake_below, wake_above))
                # A copy that is on its way may miss a trade; whoever was armed before the last one is looked after.
                armed = max(time_of(armed_at), self._restored_at) + UNHEARD
                crossing = [
                    (at, (below is not None and price <= below) or (above is not None and price >= above))
                    for at, price in self.world.trades[symbol]
                ]
                for at, is_it in crossing:
                    if is_it and armed < at < late and self._was_to_be_seen(at, crossing):
                        never(True, f"I6: trader {pk} sleeps through the trades that it waits for")

    def _was_to_be_seen(self, at: datetime, crossing: list[tuple[datetime, bool]]) -> bool:
        """While Redis refuses writes only the last price is looked at, about each second: a dip may pass unseen."""
        refusing = self.world.wake_ups.refusing
        if refusing.since is None or not refusing.since <= at <= refusing.until:
            return True
        return all(is_it for other, is_it in crossing if at <= other <= at + LOOKED_AT_WITHIN)

    def _late(self, holds: bool, now: datetime) -> datetime:
        """What a trader waits for since then, somebody ought to have told it."""
        late = min(now - MAX_SLEEP, self.world.beats[0])
        refusing = self.world.wake_ups.refusing.held_up_since(MAX_SLEEP)
        if refusing is not None and not holds:
            # Nothing is bought while Redis refuses writes.
            return min(late, refusing - MAX_SLEEP)
        return late

    def _budgets(self, rows: list[tuple[Any, ...]], traders: list[tuple[Any, ...]]) -> None:
        here: dict[int, list[_Traded]] = {}
        there: dict[int, list[_Traded]] = {}
        for name, status, executed, trader, _, _, side, price, quantity, _ in rows:
            if self.world.line.was_hidden(name):
                self._ever_hidden.add(name)
            if name in self._ever_hidden:
                continue  # A second one may have been sent: both are what the trader has.
            price, quantity, executed = map(from_units, (price, quantity, executed))
            still_open = quantity - executed if OrderStatus(status) in OPEN else ZERO
            here.setdefault(trader, []).append((side, price, still_open, executed))
            order = self.books.orders.get(name)
            if order is not None:
                still_open = order.remaining if order.is_open else ZERO
                there.setdefault(trader, []).append((order.side.value, order.price, still_open, order.executed))
        for row in traders:
            pk, budget, carried = row[0], from_units(row[8]), from_units(row[12])
            for traded in (here, there):
                total = _bound(traded.get(pk, []), carried)
                never(total > budget, f"I7: trader {pk} has bound {total} of {budget}")

    def _ended_traders(self, traders: list[tuple[Any, ...]]) -> None:
        """What an ended trader says is left is what the exchange's fills leave."""
        for pk, _, _, state, finished_at, *_, leftover, carried, missing in traders:
            if finished_at is None or pk in self._over:
                continue
            self._over.add(pk)
            owned = self.books.owned.get(pk, ZERO) + from_units(carried) - from_units(missing)
            if state != "ABANDONED":
                never(
                    owned != from_units(leftover),
                    f"I5: trader {pk} ended with {owned}, and says {from_units(leftover)}",
                )
            for order in self.world.context.exchange.engine.open_orders():
                is_its = self.world.is_ours(order.client_order_id) and trader_of(order.client_order_id) == pk
                never(is_its, f"I3: {order.client_order_id} of an ended trader is open")

    def _foreign_hands(self) -> None:
        left = [o for o in self.world.context.exchange.engine.open_orders() if o.client_order_id == FOREIGN]
        never(len(left) != len(PRICES), "I3: an order that is not ours was touched")

    def _after_a_comparison(self, rows: list[tuple[Any, ...]]) -> None:
        """Once the books were compared without a failure, all that had ended before is known to have ended."""
        since, self.world.compared_since = self.world.compared_since, None
        if since is None:
            return
        for name, status, *_ in rows:
            # What was unclear then may have had its answer since, which was late and is older than its end.
            ended_at = self.books.ended_at.get(name) if name not in self.world.unclear_then else None
            if ended_at is not None and ended_at < since and OrderStatus(status) in OPEN - {OrderStatus.SUBMITTING}:
                raise Broken(f"I3: {name} had ended before the books were compared, and is {status} after it")


_Traded = tuple[str, Decimal, Decimal, Decimal]  # side, price, what may still trade, what has


def _bound(traded: list[_Traded], carried: Decimal) -> Decimal:
    """What buys may still cost, and what those have cost whose coins are held; left-overs are sold first."""
    bought = sum((executed for side, _, _, executed in traded if side == Side.BUY), ZERO)
    sold = sum((executed for side, _, _, executed in traded if side == Side.SELL), ZERO)
    cost = sum((price * executed for side, price, _, executed in traded if side == Side.BUY), ZERO)
    still_open = sum((price * rest for side, price, rest, _ in traded if side == Side.BUY), ZERO)
    held = max(bought - max(sold - carried, ZERO), ZERO)
    return still_open + (cost * held / bought if bought else ZERO)


_REACH: dict[OrderStatus, set[OrderStatus]] = {}


def _may_come(start: OrderStatus, end: OrderStatus) -> bool:
    """Whether allowed moves lead there: several may happen in one step."""
    if start not in _REACH:
        reach, todo = set[OrderStatus](), [start]
        while todo:
            for status in MOVES[todo.pop()] - reach:
                reach.add(status)
                todo.append(status)
        _REACH[start] = reach
    return end in _REACH[start]
