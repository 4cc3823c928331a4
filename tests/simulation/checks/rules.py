"""The rules of the strategy, after every step and at every order: what traders say against what the market did.

R1 One rebuy a trader, where the price fell far enough, and no slot opened but for a rebuy that was heard.
R2 A buy is only followed where the market left it; what was bought is sold.
R3 Nothing is sold at a loss but by a stop that the price has crossed, nor while another order of the trader rests.
R4 A symbol that is not on begins no trader and buys nothing; off it sells nothing; a shutdown ends by itself, and
   what is to be cancelled is.
R5 No own orders meet.
R6 No risk limit is passed, and no exit denied.
R7 A trader gets its part, not more.
R8 On a ladder a slot buys only a step below what other slots hold, and a step away from what they are buying; a buy
   that stands above that by now is withdrawn.
R9 What people tell traders is done, once; a pause lets no buy pass.
"""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.simulation.checks.invariants import Watch
from tests.simulation.checks.ladder import Ladder
from tests.simulation.checks.limits import Limits
from tests.simulation.checks.rows import ZERO, never, read, time_of
from tests.simulation.surroundings.hands import taken_over, touched
from tests.simulation.surroundings.line import Broken
from tests.simulation.surroundings.world import MONEY, PRICES, World
from trading.core.denials import EXITS, Denial
from trading.core.journal import Kind
from trading.core.orders import OrderType, Side
from trading.exchange.order_ids import trader_of
from trading.exchange.protocol import NewOrder
from trading.models import Switch
from trading.models.fields import from_units
from trading.models.switch import TradingMode
from trading.models.symbols import Sizing, TradingStatus

# A wake-up may be that late: what it told was seen on the market before.
WAKE_UPS_LATE_BY = timedelta(seconds=20)
# A wish is fulfilled within this time, although beats, wake-ups and requests are lost.
FULFILLED_WITHIN = timedelta(seconds=30)
# Why a trader cancels that was told to.
BY_HAND = frozenset({"anna sells now", "cancelled by anna"})
# The minimum that can be sold, however the filters change, in base and in quote.
TICK = Decimal("0.01")
# How far a price may move between a fill and its valuing, and how much of a cost commissions in BNB are.
MOVED, OF_COST = Decimal("0.1"), Decimal("0.003")
MAX_STEP, MAX_NOTIONAL = Decimal("0.001"), Decimal(200)


@dataclass(frozen=True)
class _Trader:
    """What its row says since it began, which nothing may change."""

    symbol: str
    slot: int
    strategy: str
    intervals: dict[str, Decimal | None]
    created_at: datetime


class RuleWatch:
    def __init__(self, world: World, watch: Watch) -> None:
        self.world, self.watch, self.limits, self.ladder = world, watch, Limits(world), Ladder(world)
        world.line.lookers.append(self)
        self._traders: dict[int, _Trader] = {}
        self._said: Counter[tuple[int, str]] = Counter()
        self._last_order = self._last_entry = self._last_buy = 0
        self._open_slots: set[tuple[str, int]] = set()
        self._lived: set[tuple[str, int]] = set()
        self._profits: dict[str, tuple[Decimal, Decimal]] = {}
        self._since: dict[object, datetime] = {}
        self._over: set[int] = set()

    def check(self) -> None:
        """Raises Broken."""
        if self.watch.has_forgotten:
            return
        settings = {
            row[0]: row[1:]
            for row in read(
                "SELECT s.name, t.status, t.cancel_orders, t.budget, t.max_slots, t.sizing, t.balance_share,"
                " t.compounds"
                " FROM trading_tradingsettings t JOIN trading_symbol s ON s.id = t.symbol_id"
            )
        }
        traders = read(
            "SELECT t.id, s.name, t.slot, t.strategy, t.strategy_settings, t.created_at, t.state, t.finished_at,"
            " t.budget, t.profit, t.carried, t.carried_cost, t.missing FROM trading_trader t"
            " JOIN trading_symbol s ON s.id = t.symbol_id"
        )
        self._births(traders, settings)
        heard = self._journal()
        self._slots(traders, heard)
        self._orders()
        self._endings(traders)
        self._wishes(traders, settings)
        self.ladder.check_the_ground()

    # --- at each order, from its intent to its acceptance -----------------------------------------
    def is_denied(self, trader_id: int, side: Side, denial: Denial) -> None:
        is_exit = side == Side.SELL and denial.by not in EXITS
        never(is_exit, f"R6: the exit of {trader_id} is denied: {denial.reason}")

    def is_saved(self, order: NewOrder) -> None:
        halts = not TradingMode(Switch.row().mode).lets(order.side)
        never(halts, f"I7: {order.client_order_id} is saved in spite of a halt")
        if not self.watch.has_forgotten and order.side == Side.BUY:
            self.limits.check(order)
            self.ladder.check(order)

    def is_sent(self, order: NewOrder) -> None:
        if self.watch.has_forgotten:
            return
        people = self.world.people
        is_off = order.symbol in (people.not_on_since if order.side == Side.BUY else people.off_since)
        never(is_off, f"R4: {order.client_order_id} is sent, and {order.symbol} was turned off before")
        is_paused = order.side == Side.BUY and order.symbol in people.hands.paused
        never(is_paused, f"R9: {order.client_order_id} is sent, and the buys of {order.symbol} were paused before")

    def arrives(self, order: NewOrder) -> None:
        """As the exchange gets it: nothing of its trader rests there, nor anything that it would meet."""
        if self.watch.has_forgotten:
            return
        for other in self.world.context.exchange.engine.open_orders():
            name = other.client_order_id
            if not self.world.is_ours(name) or self.world.line.was_hidden(name):
                continue
            mine = trader_of(other.client_order_id) == trader_of(order.client_order_id)
            never(mine, f"R3: {order.client_order_id} is sent while {other.client_order_id} rests")
            if other.symbol != order.symbol or other.side.value == order.side.value or order.type == OrderType.MARKET:
                continue
            meets = other.price <= order.price if order.side == Side.BUY else other.price >= order.price
            never(meets, f"R5: {order.client_order_id} at {order.price} meets {other.client_order_id}, {other.price}")

    def has_arrived(self, order: NewOrder) -> None:
        if not self.watch.has_forgotten and order.side == Side.BUY:
            self.limits.check_what_is_free(order)

    # --- after each step --------------------------------------------------------------------------
    def _births(self, traders: list[tuple[Any, ...]], settings: dict[str, tuple[Any, ...]]) -> None:
        given = taken_over()
        brought = {symbol: self._brought(symbol, traders) for symbol in PRICES}
        for pk, symbol, slot, strategy, texts, created_at, _, _, budget, *_ in traders:
            if pk in self._traders:
                continue
            born = time_of(created_at)
            self._traders[pk] = _Trader(symbol, slot, strategy, _intervals(texts), born)
            off = self.world.people.not_on_since.get(symbol)
            if pk in given:
                continue  # Its budget is the cost of what it has taken over.
            never(off is not None and born > off, f"R4: trader {pk} begins, and {symbol} is not on since {off}")
            self._size(pk, from_units(budget), settings[symbol], brought[symbol])

    def _size(self, pk: int, budget: Decimal, settings: tuple[Any, ...], brought: tuple[Decimal, Decimal]) -> None:
        _, _, total, max_slots, sizing, share, compounds = settings
        total, share = from_units(total), from_units(share)
        if sizing == Sizing.SHARE:
            # What is free and what is bound is what there was in the beginning, what was gained, and what people have
            # given to traders.
            given = sum((cost for _, cost in taken_over().values()), ZERO)
            maximum, minimum = (MONEY["USDT"] + given) * Decimal("1.001") * share, ZERO
        elif compounds:
            minimum, maximum = total + brought[0], total + brought[1]
        else:
            minimum = maximum = total
        unit = Decimal("0.00000001")
        never(budget > maximum / max_slots + unit, f"R7: trader {pk} gets {budget} of {maximum} in {max_slots}")
        never(budget < minimum / max_slots - unit, f"R7: trader {pk} gets only {budget} of {minimum} in {max_slots}")

    def _brought(self, symbol: str, traders: list[tuple[Any, ...]]) -> tuple[Decimal, Decimal]:
        """The min and max profit of ended cycles at any moment since the last check."""
        profits = {row[0]: from_units(row[9]) for row in traders if row[1] == symbol and row[9] is not None}
        total = sum(profits.values(), ZERO)
        before = self._profits.get(symbol, (ZERO, ZERO))[0]
        moved = sum((abs(p) for pk, p in profits.items() if pk not in self._over), ZERO) + abs(total - before)
        self._profits[symbol] = (total, moved)
        return min(before, total) - moved, max(before, total) + moved

    def _journal(self) -> Counter[str]:
        """Takes in what the traders have said; how many slots of each symbol were opened for rebuys."""
        heard: Counter[str] = Counter()
        rows = read(
            "SELECT j.id, j.trader_id, j.kind, o.side, o.price, o.submitted_at,"
            " o.cancel_reason LIKE 'ladder step%', j.reason"
            " FROM trading_journalentry j LEFT JOIN trading_order o ON o.id = j.order_id"
            " WHERE j.id > %s ORDER BY j.id",
            self._last_entry,
        )
        for entry, pk, kind, side, price, submitted_at, is_withdrawn, reason in rows:
            self._last_entry = entry
            trader = self._traders[pk]
            if kind in (Kind.SLOT_REQUESTED, Kind.SLOT_OPENED):
                self._said[pk, kind] += 1
                never(self._said[pk, kind] > 1, f"R1: trader {pk}: {kind} a second time")
            if kind == Kind.SLOT_REQUESTED:
                self._slot_request(pk, trader)
            elif kind == Kind.SLOT_OPENED:
                heard[trader.symbol] += 1
            elif kind == Kind.CANCELLED and reason in BY_HAND:
                continue
            elif kind == Kind.CANCELLED and side == Side.BUY and trader.strategy == "naive" and not is_withdrawn:
                over = trader.intervals["retarget_interval"]
                highest = self._prices(trader.symbol, time_of(submitted_at) - WAKE_UPS_LATE_BY)[1]
                has_left = over is not None and highest > from_units(price) * (1 + over)
                never(not has_left, f"R2: trader {pk} cancels its buy, which the market has not left")
        return heard

    def _slot_request(self, pk: int, trader: _Trader) -> None:
        interval = trader.intervals["rebuy_interval"]
        bought = read("SELECT max(price) FROM trading_order WHERE trader_id = %s AND side = 'BUY'", pk)[0][0]
        lowest = self._prices(trader.symbol, trader.created_at - WAKE_UPS_LATE_BY)[0]
        has_fallen = interval is not None and bought is not None and lowest < from_units(bought) * (1 - interval)
        never(not has_fallen, f"R1: trader {pk} asks for another, and the price has not fallen under its buy so far")

    def _slots(self, traders: list[tuple[Any, ...]], heard: Counter[str]) -> None:
        opened = {
            (name, number)
            for name, number in read(
                "SELECT s.name, x.number FROM trading_slot x JOIN trading_symbol s ON s.id = x.symbol_id"
            )
        }
        bought = read(
            "SELECT s.name, i.id FROM trading_instruction i JOIN trading_symbol s ON s.id = i.symbol_id"
            " WHERE i.what = 'buy' AND i.id > %s ORDER BY i.id",
            self._last_buy,
        )
        for symbol, number in bought:
            self._last_buy = number
            heard[symbol] += 1  # A person has.
        for symbol, number in sorted(opened - self._open_slots - self._lived):
            texts = read("SELECT t.strategy_settings FROM trading_tradingsettings t JOIN trading_symbol s"
                         " ON s.id = t.symbol_id WHERE s.name = %s", symbol)[0][0]  # fmt: skip
            if _intervals(texts)["rebuy_interval"] is not None and number > 1:
                heard[symbol] -= 1
                never(heard[symbol] < 0, f"R1: slot {number} of {symbol} is open, and nobody asked for it")
        self._open_slots = opened
        self._lived = {(row[1], row[2]) for row in traders if row[7] is None}

    def _orders(self) -> None:
        rows = read(
            "SELECT id, trader_id, side, type, price, submitted_at FROM trading_order WHERE id > %s ORDER BY id",
            self._last_order,
        )
        for number, pk, side, kind, price, submitted_at in rows:
            self._last_order = number
            if kind == OrderType.TAKEOVER:
                continue
            trader, at = self._traders[pk], time_of(submitted_at)
            people = self.world.people
            off = (people.not_on_since if side == Side.BUY else people.off_since).get(trader.symbol)
            never(
                off is not None and at > off,
                f"R4: trader {pk} orders a {side}, and {trader.symbol} is off since {off}",
            )
            if side == Side.SELL:
                self._sale(pk, trader, kind, from_units(price), at)

    def _sale(self, pk: int, trader: _Trader, kind: str, price: Decimal, at: datetime) -> None:
        """At a profit, or after a stop, or as a person has said."""
        if pk in touched():
            return
        buys = read("SELECT max(price) FROM trading_order WHERE trader_id = %s AND side = 'BUY' AND executed > 0", pk)
        bought_at, intervals, cost = from_units(buys[0][0]), trader.intervals, self.watch.books.cycles[pk].unit_cost
        profit = intervals["profit_interval"]
        assert profit is not None
        doubt = MOVED * OF_COST if self.world.bnb.moves and self.watch.books.cycles[pk].in_bnb else ZERO
        # One in BNB is valued by a price that has eight decimals.
        ticks = TICK * 2 if self.watch.books.cycles[pk].in_bnb else TICK
        if kind != OrderType.MARKET and price + ticks >= cost * (1 + profit - doubt):
            return
        loss, trail = intervals.get("stop_loss_interval"), intervals.get("trailing_stop_interval")
        lowest, highest = self._prices(trader.symbol, trader.created_at - WAKE_UPS_LATE_BY, at)
        stops = [bought_at * (1 - loss)] if loss is not None else []
        stops += [max(highest, bought_at) * (1 - trail)] if trail is not None else []
        never(
            not stops or lowest >= max(stops),
            f"R3: trader {pk} sells at {price} what has cost {cost:.2f}, and no stop was crossed: {lowest}",
        )

    def _endings(self, traders: list[tuple[Any, ...]]) -> None:
        """Nobody ends holding what could be sold, but where a person gave it up."""
        for pk, symbol, _, _, _, _, state, finished_at, _, profit, *units in traders:
            if finished_at is None or pk in self._over:
                continue
            self._over.add(pk)
            carried, carried_cost, missing = map(from_units, units)
            owned = self.watch.books.owned.get(pk, ZERO) + carried - missing
            if state == "FINISHED":
                self._pays(pk, from_units(profit), carried, carried_cost)
            # Where most of it was sold, the rest may be worth too little for another order.
            is_rest = owned * PRICES[symbol] < MAX_NOTIONAL
            too_much = {
                "RETIRED": owned != 0,
                "FINISHED": owned >= MAX_STEP and not is_rest,
                "DUST": owned >= MAX_STEP,
            }
            never(too_much.get(state, False), f"R2: trader {pk} ends {state} with {owned} that it could sell")

    def _pays(self, pk: int, booked: Decimal, carried: Decimal, carried_cost: Decimal) -> None:
        """A cycle that no stop has ended has lost nothing, and what it says that it brought is what it brought."""
        cycle, bnb = self.watch.books.cycles[pk], self.world.bnb
        ((memory, is_unvalued),) = read("SELECT memory, has_unvalued_fees FROM trading_trader WHERE id = %s", pk)
        is_unknown = bool(cycle.in_bnb) and not bnb.is_known
        never(bool(is_unvalued) != is_unknown, f"I5: trader {pk} says {is_unvalued} of commissions of unknown value")
        # Each fill cuts its amounts to eight decimals, one in BNB those of a dear asset, whose price may have moved.
        cuts = cycle.fills * (Decimal("0.00002") if cycle.in_bnb else Decimal("0.00000002"))
        cuts += cycle.in_bnb * MOVED if bnb.moves else ZERO
        brought = cycle.profit(carried, carried_cost) + (cycle.in_bnb if is_unknown else ZERO)
        never(abs(booked - brought) > cuts, f"I5: trader {pk} books {booked}, and brought {brought:.8f}")
        never(
            pk not in touched() and "leaves_at" not in memory and cycle.net(carried) + cycle.taking < -cuts,
            f"R3: trader {pk} ends at {cycle.net(carried):.8f}, and no stop has ended it",
        )

    def _wishes(self, traders: list[tuple[Any, ...]], settings: dict[str, tuple[Any, ...]]) -> None:
        """What people have wished for comes true, in its time."""
        due: dict[object, str] = {}
        live = [row for row in traders if row[7] is None]
        resting = [
            o for o in self.world.context.exchange.engine.open_orders() if self.world.is_ours(o.client_order_id)
        ]
        for symbol, (status, cancel_orders, *_) in settings.items():
            mine = [row for row in live if row[1] == symbol]
            if status == TradingStatus.SHUTDOWN and not mine:
                due["ends", symbol] = f"R4: the shutdown of {symbol} does not end"
            if status == TradingStatus.ON:
                continue
            for order in resting:
                if (
                    cancel_orders
                    and order.symbol == symbol
                    and (order.side.value == Side.BUY or status == TradingStatus.OFF)
                ):
                    due[order.client_order_id] = f"R4: {order.client_order_id} is not cancelled"
            for pk, *_, state, _, _, _, _ in mine:
                if state == "WAITING":
                    due["waits", pk] = f"R4: trader {pk} waits on, and {symbol} is {status}"
        for key in set(self._since) - set(due):
            del self._since[key]
        for key, text in due.items():
            since = self._since.setdefault(key, self.world.now)
            never(self.world.now - since > FULFILLED_WITHIN, text)

    def _prices(self, symbol: str, since: datetime, until: datetime | None = None) -> tuple[Decimal, Decimal]:
        """The lowest and the highest that was traded."""
        prices = [p for at, p in self.world.trades[symbol] if at >= since and (until is None or at <= until)]
        if not prices:
            raise Broken(f"R3: nothing was traded of {symbol} since {since}")
        return min(prices), max(prices)


def _intervals(texts: str) -> dict[str, Decimal | None]:
    return {name: Decimal(text) if text else None for name, text in json.loads(texts).items()}
