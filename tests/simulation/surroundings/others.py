"""Other installations in a world: a stranger on the same key, and a living copy of ours.

Both place straight at the exchange, under the number of a trader that lives here: who goes by that alone claims them.
Their dice are their own, so that a world without them stays as it was.
"""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from binance_mock.engine.errors import Refused
from binance_mock.engine.orders import Changes, Execution, Fill, Order
from binance_mock.engine.orders import NewOrder as EngineOrder
from binance_mock.engine.orders import OrderType as EngineType
from binance_mock.engine.orders import Side as EngineSide
from tests.simulation.checks.rows import ZERO, never, read, time_of
from trading.core.denials import Denial
from trading.core.orders import Side
from trading.exchange.protocol import NewOrder
from trading.identity.runs import MARGIN
from trading.reconciliation import living_on

if TYPE_CHECKING:
    from tests.simulation.surroundings.world import World

STRANGER = "zz9zz9"
# In how many worlds there is one, and how often it acts, each time that it could.
HAS_STRANGER, HAS_COPY = 0.3, 0.15
ACTS = 0.3
MAX_COPIED = 3
QUANTITIES = {"ETHUSDT": Decimal("0.01"), "BTCUSDT": Decimal("0.0003")}


class Others:
    def __init__(self, world: "World") -> None:
        self._world = world
        self._dice = Random(f"others of {world.seed}")
        self.has_stranger = self._dice.random() < HAS_STRANGER
        self.has_copy = self._dice.random() < HAS_COPY
        self.names: set[str] = set()  # of all that they have placed
        self.moved: dict[str, Decimal] = {}  # what their fills have moved on the account, by asset
        self._open: dict[str, Order] = {}
        self._order_ids: set[int] = set()
        self._cancelling = ""
        self._copied: set[str] = set()
        self._copy_is_over = False
        world.context.exchange.listeners.append(self._hear)
        world.line.lookers.append(self)

    # --- what they do -----------------------------------------------------------------------------
    def act(self) -> None:
        if self.has_stranger and self._dice.random() < ACTS:
            self._trade_as_a_stranger()
        if self.has_copy and not self._copy_is_over and self._dice.random() < ACTS:
            self._trade_as_a_copy()

    def _trade_as_a_stranger(self) -> None:
        mine = [name for name in self._open if name not in self._copied]
        if mine and self._dice.random() < 0.3:
            self._cancel(self._dice.choice(mine))
            return
        # Next to the market, and some far away: they rest.
        near = Decimal(round(self._dice.uniform(-0.004, 0.001), 4))
        self._place(STRANGER, self._dice.choice([near, near, Decimal("-0.4")]))

    def _trade_as_a_copy(self) -> None:
        """Only while ours runs: what it placed before can't be told from what a backup has forgotten."""
        runs = read("SELECT began_at FROM trading_run WHERE NOT is_over ORDER BY id DESC LIMIT 1")
        if not runs or self._world.now < time_of(runs[0][0]) + MARGIN + timedelta(seconds=2):
            return
        name = self._place(self._world.identity, Decimal("-0.4"))
        if not name:
            return
        self._copied.add(name)
        self._world.chance.struck["a copy places"] += 1
        if len(self._copied) == MAX_COPIED:
            self._copy_is_over = True
            self._world.later(self._dice.randint(5_000, 30_000), self.stop_copy)

    def stop_copy(self) -> None:
        """Its owner stops it, has what it left cancelled, and says which one lives on."""
        self._copy_is_over = True
        for name in [name for name in self._open if name in self._copied]:
            self._cancel(name)
        if self._copied:
            self._world.run_process(lambda: living_on.keep("anna"))

    def _place(self, identity: str, away: Decimal) -> str:
        """Its client order id; empty where nobody lives here, or the exchange refuses it."""
        live = read(
            "SELECT t.id, s.name FROM trading_trader t JOIN trading_symbol s ON s.id = t.symbol_id"
            " WHERE t.finished_at IS NULL ORDER BY t.id"
        )
        if not live:
            return ""
        trader, symbol = self._dice.choice(live)
        name = f"hh-{identity}-{trader}-b-{self._dice.getrandbits(48):012x}"
        price = (self._world.price(symbol) * (1 + away)).quantize(Decimal("0.01"))
        order = EngineOrder(symbol, EngineSide.BUY, EngineType.LIMIT, QUANTITIES[symbol], price, client_order_id=name)
        self.names.add(name)
        try:
            self._world.context.exchange.place(order, self._world.exchange_ms)
        except Refused:
            self.names.discard(name)
            return ""
        self._world.chance.struck["a stranger places"] += identity == STRANGER
        return name

    def _cancel(self, name: str) -> None:
        order, self._cancelling = self._open[name], name
        with suppress(Refused):
            self._world.context.exchange.cancel(order.symbol, order.order_id, None, self._world.exchange_ms, "other")
        self._cancelling = ""

    # --- what must be so --------------------------------------------------------------------------
    def _hear(self, changes: Changes) -> None:
        for event in changes.reports:
            name, order = event.order.client_order_id, event.order
            if name not in self.names:
                continue
            self._order_ids.add(order.order_id)
            was_cancelled = event.execution == Execution.CANCELED and name != self._cancelling
            never(was_cancelled, f"I3: {name}, which is another installation's, is cancelled")
            if order.is_open:
                self._open[name] = order
            else:
                self._open.pop(name, None)
        for fill in changes.fills:
            if fill.order_id in self._order_ids:
                self._count(fill)

    def _count(self, fill: Fill) -> None:
        base = fill.symbol.removesuffix("USDT")
        sign = 1 if fill.is_buyer else -1
        moves = [(base, sign * fill.quantity), ("USDT", -sign * fill.quote_quantity)]
        for asset, amount in [*moves, (fill.commission_asset, -fill.commission)]:
            self.moved[asset] = self.moved.get(asset, ZERO) + amount

    @property
    def bound(self) -> Decimal:
        """What they have taken of the USDT that ours could count on."""
        locked = sum((order.price * order.remaining for order in self._open.values()), ZERO)
        return locked - self.moved.get("USDT", ZERO)

    def check(self) -> None:
        """No row of ours has any of theirs. Raises Broken."""
        if not self.names:
            return
        for (name,) in read("SELECT client_order_id FROM trading_order WHERE is_claimed"):
            never(name in self.names, f"I3: {name} was claimed, and another installation has placed it")
        for (name,) in read("SELECT client_order_id FROM trading_orphan"):
            is_strangers = name in self.names and name not in self._copied
            never(is_strangers, f"I3: {name} is taken for an order of ours, and another installation has placed it")

    def is_saved(self, order: NewOrder) -> None:
        is_known = read("SELECT 1 FROM trading_otherinstallation WHERE identity = %s", self._world.identity)
        never(
            bool(is_known) and order.side == Side.BUY, f"I3: {order.client_order_id} is bought while a copy is alive"
        )

    def is_denied(self, trader_id: int, side: Side, denial: Denial) -> None: ...
    def is_sent(self, order: NewOrder) -> None: ...
    def arrives(self, order: NewOrder) -> None: ...
    def has_arrived(self, order: NewOrder) -> None: ...
