"""What is bought can be sold: after every step, what traders hold and cancel against what the exchange would take.

R8 A sale is cancelled by its trader only where another could take its place, and a buy of which a part has traded
   only where that part could be sold or be made more. Whoever holds what could be sold has it on offer, and whose
   coins are gone ends.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.simulation.checks.rows import ZERO, never, read
from tests.simulation.surroundings.world import PRICES
from trading.core.denials import Check
from trading.core.money import floor_to
from trading.core.orders import OrderStatus, Side
from trading.exchange.replies import from_exchange_info
from trading.models.fields import from_units
from trading.models.symbols import TradingStatus

if TYPE_CHECKING:
    from tests.simulation.checks.invariants import Watch
    from tests.simulation.surroundings.world import World

# Prices that a trader may have gone by: those of late wake-ups.
LATELY = timedelta(seconds=30)
# What can be sold is on offer within this time, although wake-ups, beats and requests are lost.
OFFERED_WITHIN = timedelta(seconds=60)
# So often in a row an order is refused for want of balance, and no more often.
MAX_REFUSALS = 5


class ExitWatch:
    def __init__(self, world: "World", watch: "Watch") -> None:
        self.world, self.watch = world, watch
        self._last_entry = 0
        self._holding_since: dict[int, datetime] = {}
        # What an order had to be worth, by what was known of it and by what was so, at each step.
        self._min_notionals: dict[str, list[tuple[datetime, Decimal]]] = {symbol: [] for symbol in PRICES}

    def check(self) -> None:
        """Raises Broken."""
        if self.watch.has_forgotten:
            return
        for symbol in PRICES:
            self._min_notionals[symbol].append((self.world.now, self._minimum_now(symbol)))
        self._cancels()
        self._holders()

    def _cancels(self) -> None:
        rows = read(
            "SELECT j.id, t.id, s.name, o.side, j.status, o.price, o.quantity, o.executed, t.budget"
            " FROM trading_journalentry j JOIN trading_trader t ON t.id = j.trader_id"
            " JOIN trading_symbol s ON s.id = t.symbol_id JOIN trading_order o ON o.id = j.order_id"
            " WHERE j.kind = 'CANCELLED' AND j.id > %s"
            # Where a part filled on the way to be replaced, nobody knew of it, and a stop does not wait.
            " AND NOT EXISTS (SELECT 1 FROM trading_order n WHERE n.replaces_id = o.id AND n.status = 'NOT_PLACED')"
            " ORDER BY j.id",
            self._last_entry,
        )
        for entry, pk, symbol, side, status, *units in rows:
            self._last_entry = entry
            price, quantity, executed, budget = map(from_units, units)
            minimum = self._minimum(symbol)
            if side == Side.SELL:
                rest = quantity - executed
                worth = rest * self._highest(symbol)
                never(ZERO < worth < minimum, f"R8: trader {pk} cancels a sale that nothing could replace: {rest}")
            elif status == OrderStatus.PARTIALLY_FILLED:  # That was known by then; what filled on the way was not.
                worth, left = executed * price, budget - executed * price
                never(worth < minimum and left < minimum, f"R8: trader {pk} cancels a buy whose part can't be sold")

    def _holders(self) -> None:
        rows = read(
            "SELECT t.id, s.name, t.strategy, t.failures, t.error, x.status, t.carried, t.missing"
            " FROM trading_trader t JOIN trading_symbol s ON s.id = t.symbol_id"
            " JOIN trading_tradingsettings x ON x.symbol_id = s.id"
            " WHERE t.finished_at IS NULL AND t.state = 'HOLDING' AND t.pause <> 'all'"
        )
        is_halted = bool(read("SELECT 1 FROM trading_switch WHERE mode = 'halted'"))
        holding = set()
        for pk, symbol, strategy, failures, error, status, *units in rows:
            carried, missing = map(from_units, units)
            owned = self.watch.books.owned.get(pk, ZERO) + carried - missing
            if "more than the free balance" in error:
                sales = "SELECT reason FROM trading_order WHERE trader_id = %s AND side = 'SELL'"
                last = read(f"{sales} ORDER BY id DESC LIMIT %s", pk, MAX_REFUSALS + 1)
                lacks = len(last) > MAX_REFUSALS and all("more than the free balance" in reason for (reason,) in last)
                never(lacks, f"R8: trader {pk} goes on selling what the account does not have")
            if strategy != "naive" or failures or is_halted or status == TradingStatus.OFF:
                continue
            last = read(
                "SELECT denied_by FROM trading_journalentry WHERE trader_id = %s ORDER BY id DESC LIMIT 1", pk
            )
            if last and last[0][0] == Check.SELF_TRADE:
                continue  # An own buy rests at its price, which is about to trade.
            if not self.world.context.exchange.engine.books[symbol].rules.is_trading:
                continue
            if floor_to(owned, self._step(symbol)) * self._lowest(symbol) >= self._greatest_minimum(symbol):
                holding.add(pk)
        for pk in holding:
            since = self._holding_since.setdefault(pk, self.world.now)
            never(self.world.now - since > OFFERED_WITHIN, f"R8: trader {pk} does not offer what it holds")
        self._holding_since = {pk: since for pk, since in self._holding_since.items() if pk in holding}

    # --- what the exchange takes, and what the traders believe that it does -------------------------
    def _believed(self, symbol: str) -> tuple[Decimal, Decimal]:
        rows = read(
            "SELECT l.min_notional, l.step_size FROM trading_listing l JOIN trading_symbol s ON s.id = l.symbol_id"
            " WHERE s.name = %s",
            symbol,
        )
        return from_units(rows[0][0]), from_units(rows[0][1])

    def _true(self, symbol: str) -> tuple[Decimal, Decimal]:
        listed = from_exchange_info(self.world.context.exchange.engine.books[symbol].rules.info)
        return listed.min_notional, listed.step_size

    def _minimum(self, symbol: str) -> Decimal:
        """The min notional of late: a trader may have gone by that."""
        return min(minimum for at, minimum in self._min_notionals[symbol] if at >= self.world.now - LATELY)

    def _minimum_now(self, symbol: str) -> Decimal:
        return min(self._believed(symbol)[0], self._true(symbol)[0])

    def _greatest_minimum(self, symbol: str) -> Decimal:
        return max(self._believed(symbol)[0], self._true(symbol)[0])

    def _step(self, symbol: str) -> Decimal:
        return max(self._believed(symbol)[1], self._true(symbol)[1], Decimal("0.00000001"))

    def _highest(self, symbol: str) -> Decimal:
        trades = self.world.trades[symbol]
        return max(price for at, price in trades if at >= min(self.world.now - LATELY, trades[-1][0]))

    def _lowest(self, symbol: str) -> Decimal:
        trades = self.world.trades[symbol]
        return min(price for at, price in trades if at >= min(self.world.now - LATELY, trades[-1][0]))
