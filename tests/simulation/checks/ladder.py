"""R8: how far apart the slots of a symbol buy, from the rows alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from tests.simulation.checks.rows import never, read
from trading.core.hand import Deed
from trading.core.orders import OPEN
from trading.exchange.protocol import NewOrder
from trading.models.fields import from_units

if TYPE_CHECKING:
    from tests.simulation.surroundings.world import World

# A buy whose ground is gone is withdrawn within this time, although beats and answers are lost.
WITHDRAWN_WITHIN = timedelta(seconds=30)
_ONE = Decimal(1)


@dataclass(frozen=True)
class _Buy:
    """A buy of a trader that has not ended, of a symbol whose slots buy step by step."""

    name: str
    trader: int
    symbol: str
    price: Decimal
    step: Decimal | None
    is_open: bool
    held_at: Decimal | None  # the lowest price at which something of it filled
    is_wanted: bool  # its trader does not cancel it
    is_told: bool  # a person told its trader to buy at once, whatever the ladder says


class Ladder:
    def __init__(self, world: "World") -> None:
        self._world = world
        # By open buy: since when its ground is gone, or None where a process died then: it may have died of that.
        self._gone: dict[str, datetime | None] = {}
        self._deaths = 0

    def check(self, order: NewOrder) -> None:
        """A buy that was saved just now."""
        buys = list(_buys())
        for mine in (buy for buy in buys if buy.name == order.client_order_id and not buy.is_told):
            for other in buys:
                if other.trader == mine.trader or other.symbol != mine.symbol or mine.step is None:
                    continue
                part = _ONE - mine.step
                near = other.held_at is not None and mine.price > other.held_at * part
                near |= other.is_open and other.price * part < mine.price and mine.price * part < other.price
                never(
                    near, f"R8: {mine.name} buys at {mine.price} beside {other.name}: {other.price}, {other.held_at}"
                )

    def check_the_ground(self) -> None:
        """No open buy stays above what other slots hold."""
        buys = list(_buys())
        gone = {
            mine.name
            for mine in buys
            for other in buys
            if mine.is_open and mine.held_at is None and mine.is_wanted and mine.step is not None
            if other.trader != mine.trader and other.symbol == mine.symbol and other.held_at is not None
            if mine.price > other.held_at * (_ONE - mine.step)
        }
        deaths, now = self._world.chance.struck["dies"], self._world.now
        is_halted = bool(read("SELECT 1 FROM trading_switch WHERE mode <> 'active'"))
        self._gone = {name: since for name, since in self._gone.items() if name in gone}
        for name in gone:
            since = self._gone.setdefault(name, now if deaths == self._deaths else None)
            if since is not None and is_halted:
                self._gone[name] = now  # Nothing could be placed in its stead.
            elif since is not None:
                never(now - since > WITHDRAWN_WITHIN, f"R8: {name} stays open, and its ground is gone since {since}")
        self._deaths = deaths


def _buys() -> Iterator[_Buy]:
    rows = read(
        "SELECT o.client_order_id, o.trader_id, s.name, o.price, o.status, o.executed, o.cancel_reason,"
        " json_extract(t.strategy_settings, '$.rebuy_interval'),"
        " (SELECT min(f.price) FROM trading_fill f WHERE f.order_id = o.id), json_extract(t.told, '$.deed')"
        " FROM trading_order o JOIN trading_trader t ON t.id = o.trader_id"
        " JOIN trading_symbol s ON s.id = t.symbol_id JOIN trading_tradingsettings x ON x.symbol_id = s.id"
        " WHERE o.side = 'BUY' AND o.type <> 'TAKEOVER' AND t.finished_at IS NULL AND x.slots = 'ladder'"
    )
    for name, trader, symbol, price, status, executed, cancel_reason, step, lowest, deed in rows:
        at = from_units(price)
        held_at = min(at, from_units(lowest) if lowest is not None else at) if executed else None
        yield _Buy(
            name,
            trader,
            symbol,
            at,
            Decimal(step) if step else None,
            status in OPEN,
            held_at,
            is_wanted=not cancel_reason,
            is_told=deed == Deed.BUY,
        )
