"""The limits of the protections, counted anew at each buy: from the rows and the exchange's own books."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.simulation.checks.rows import ZERO, never, read, time_of
from trading.core.orders import OPEN, OrderStatus, Side
from trading.exchange.protocol import NewOrder
from trading.models import AccountProtections, SymbolProtections
from trading.models.fields import from_units

if TYPE_CHECKING:
    from tests.simulation.surroundings.world import World


MINUTE = timedelta(seconds=60)


class Limits:
    def __init__(self, world: "World") -> None:
        self.world = world

    def check(self, order: NewOrder) -> None:
        """A buy whose row was saved just now. Raises Broken."""
        rows = read(
            "SELECT t.id, s.name, o.side, o.status, o.price, o.quantity, o.executed FROM trading_order o"
            " JOIN trading_trader t ON t.id = o.trader_id JOIN trading_symbol s ON s.id = t.symbol_id"
            " WHERE t.finished_at IS NULL"
        )
        of_symbol = SymbolProtections.objects.filter(symbol__name=order.symbol).first()
        if of_symbol is not None:
            self._symbol(order, of_symbol, [row for row in rows if row[1] == order.symbol])
        of_account = AccountProtections.objects.first()
        if of_account is not None:
            self._account(order, of_account, rows)

    def check_what_is_free(self, order: NewOrder) -> None:
        """A buy that the exchange has taken."""
        limits = AccountProtections.objects.first()
        if limits is None or limits.quote_reserve is None:
            return
        if self.world.wall.was_set_within(MINUTE):
            return  # What is under way is told from what the exchange has counted by our times.
        # What others have spent of it since nobody could know.
        free = self.world.context.exchange.engine.ledger.balances()["USDT"].free + self.world.others.bound
        never(
            free < limits.quote_reserve, f"R6: {order.client_order_id} leaves {free} of {limits.quote_reserve} USDT"
        )

    def _symbol(self, order: NewOrder, limits: SymbolProtections, rows: list[tuple[Any, ...]]) -> None:
        name, symbol = order.client_order_id, order.symbol
        if limits.max_exposure is not None:
            now_bound = _bound(rows)
            never(now_bound > limits.max_exposure, f"R6: {name} makes {now_bound} of {limits.max_exposure} bound")
        if limits.max_open_orders is not None:
            count = sum(1 for row in rows if OrderStatus(row[3]) in OPEN)
            never(count > limits.max_open_orders, f"R6: {name} is one of {count} open orders of {symbol}")
        last = self.world.wake_ups.last.get(symbol)
        if limits.max_price_age_s is not None:
            age_ms = self.world.now_ms - last.event_ms if last else None
            is_old = age_ms is None or age_ms > limits.max_price_age_s * 1000
            never(is_old, f"R6: {name} is saved, and the last trade is {age_ms} ms old")
        if limits.deny_in_gaps:
            never(self.world.wake_ups.has_gap(None, "mock", symbol), f"R6: {name} is saved in a gap of {symbol}")
        self._losses(name, symbol, limits)

    def _losses(self, name: str, symbol: str, limits: SymbolProtections) -> None:
        ended = read(
            "SELECT t.finished_at, t.profit, t.state FROM trading_trader t"
            " JOIN trading_symbol s ON s.id = t.symbol_id"
            " WHERE s.name = %s AND t.finished_at IS NOT NULL ORDER BY t.finished_at DESC",
            symbol,
        )
        # Every world begins and ends on one day.
        lost = -sum((from_units(row[1]) for row in ended), ZERO)
        maximum, wanted = limits.max_daily_loss, limits.max_consecutive_losses
        never(
            maximum is not None and lost >= maximum, f"R6: {name} is saved, and {symbol} has lost {lost} of {maximum}"
        )
        cycles = [row for row in ended if row[2] == "FINISHED"]
        # Of two that ended at one moment either may count as the last.
        if wanted is None or len(cycles) < wanted or len({row[0] for row in cycles}) < len(cycles):
            return
        until = time_of(cycles[0][0]) + timedelta(minutes=limits.cooldown_minutes)
        if self.world.wall.was_set_within(timedelta(minutes=limits.cooldown_minutes)):
            return  # A clock that is set forward ends a pause.
        all_lost = all(row[1] < 0 for row in cycles[:wanted])
        never(all_lost and until > self.world.now, f"R6: {name} is saved after {wanted} losses, and before {until}")

    def _account(self, order: NewOrder, limits: AccountProtections, rows: list[tuple[Any, ...]]) -> None:
        name = order.client_order_id
        if limits.max_exposure is not None:
            now_bound = _bound(rows)
            never(now_bound > limits.max_exposure, f"R6: {name} makes {now_bound} of {limits.max_exposure} exposed")
        # What was sent before the clock was set forward lies hours back for whoever counts.
        if limits.max_orders_per_minute is not None and not self.world.wall.was_set_within(MINUTE):
            since = self.world.now - MINUTE
            sent = sum(1 for (at,) in read("SELECT submitted_at FROM trading_order") if time_of(at) > since)
            maximum = max(1, limits.max_orders_per_minute * 4 // 5)
            never(sent > maximum, f"R6: {name} is the order number {sent} in a minute, and buys have {maximum}")


def _bound(rows: list[tuple[Any, ...]]) -> Decimal:
    """Open buys at their price, and of what was bought the part that is not sold yet."""
    total = ZERO
    for trader in {row[0] for row in rows}:
        cost = bought = sold = ZERO
        for _, _, side, status, *units in (row for row in rows if row[0] == trader):
            price, quantity, executed = map(from_units, units)
            if side == Side.SELL:
                sold += executed
                continue
            bought, cost = bought + executed, cost + price * executed
            if OrderStatus(status) in OPEN:
                total += price * (quantity - executed)
        if bought:
            total += cost * max(bought - sold, ZERO) / bought
    return total
