"""The hands of a world's people: they sell now, cancel, move, pause, close, buy, take over and get out of everything.

In a part of the worlds, and by dice of their own: the others stay as they are without them.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError

from hedgehog_project.venues import Venue
from tests.simulation.checks.rows import read
from trading.by_hand import of_symbols, of_traders, taking_over
from trading.by_hand.saying import Hands
from trading.exchange.errors import ExchangeError
from trading.models import Slot, Symbol, Trader
from trading.models.symbols import filters_of

if TYPE_CHECKING:
    from tests.simulation.surroundings.world import World

# In how many of the worlds people act by hand, and how often there, at each time that they might.
ACT_IN, ACTS = 0.4, 0.25
# How often somebody presses twice.
TWICE = 0.3


class PeoplesHands:
    def __init__(self, world: "World", names: list[str]) -> None:
        self._world, self._names = world, names
        self._dice = Random(f"hands {world.seed}")
        self.is_there = world.conditions.hands or self._dice.random() < ACT_IN
        self._count = 0
        # Symbols whose buys are paused for certain.
        self.paused: set[str] = set()
        self._deeds: tuple[tuple[str, Callable[[], None]], ...] = (
            ("sell now", self._sell_now),
            ("sell now", self._sell_now),
            ("cancel", self._cancel),
            ("move", self._move),
            ("pause", self._pause),
            ("close", self._close),
            ("buy now", self._buy),
            ("buy now", self._buy),
            ("take over", self._take_over),
            ("sell everything", self._sell_everything),
            ("flatten", self._flatten),
        )

    def act(self) -> None:
        if not self.is_there or self._dice.random() >= ACTS:
            return
        name, do = self._dice.choice(self._deeds)

        def try_it() -> None:
            try:
                do()
            except (ValidationError, ExchangeError):
                return  # Said why not.
            self._world.people.wishes[f"by hand: {name}"] += 1

        self._world.run_process(try_it)

    def _hands(self) -> Hands:
        self._count += 1
        return Hands("anna", key=f"{self._world.seed}-{self._count}")

    def _press(self, deed: Callable[[Hands], object]) -> None:
        hands = self._hands()
        deed(hands)
        if self._dice.random() < TWICE:
            deed(hands)

    def _trader(self, **which: object) -> Trader:
        live = list(Trader.objects.filter(finished_at=None, **which).select_related("symbol").order_by("pk"))
        if not live:
            raise ValidationError("nobody is there")
        return self._dice.choice(live)

    def _symbol(self) -> Symbol:
        return Symbol.objects.get(name=self._dice.choice(self._names))

    def _slippage(self) -> Decimal | None:
        return self._dice.choice([Decimal("0.005"), Decimal("0.0002"), None])

    # --- the deeds --------------------------------------------------------------------------------
    def _sell_now(self) -> None:
        trader, slippage = self._trader(holds=True), self._slippage()
        self._press(lambda hands: of_traders.sell_now(trader.pk, hands, slippage))

    def _cancel(self) -> None:
        trader, pauses = self._trader(state="BUYING"), self._dice.random() < 0.5
        self._press(lambda hands: of_traders.cancel_buy(trader.pk, hands, pauses))
        if pauses:
            self._later(lambda: of_traders.resume(trader.pk, self._hands()))

    def _move(self) -> None:
        trader = self._trader(holds=True)
        filters = filters_of(trader.symbol_id, trader.venue)
        price = self._world.price(trader.symbol.name)
        if filters is None:
            raise ValidationError("not listed")
        up, down = (self._dice.choice(["1.001", "0.999", "1.004"]), self._dice.choice(["0.999", "0.996"]))
        target = (price * Decimal(up)).quantize(filters.tick)
        stop = (price * Decimal(down)).quantize(filters.tick)
        keep = of_traders.KEEP
        choices: list[tuple[of_traders.Price, of_traders.Price]]
        choices = [(target, keep), (keep, stop), (target, stop), (None, None)]
        which = self._dice.choice(choices)
        self._press(lambda hands: of_traders.move(trader.pk, hands, *which))

    def _pause(self) -> None:
        if self._dice.random() < 0.5:
            trader, with_sales = self._trader(), self._dice.random() < 0.2
            self._press(lambda hands: of_traders.pause(trader.pk, hands, with_sales))
            self._later(lambda: of_traders.resume(trader.pk, self._hands()))
        else:
            symbol = self._symbol()
            self._press(lambda hands: of_symbols.pause_symbol(symbol, hands))
            self.paused.add(symbol.name)
            self._later(lambda: self._resume(symbol))

    def _resume(self, symbol: Symbol) -> None:
        self.paused.discard(symbol.name)
        of_symbols.resume_symbol(symbol, self._hands())

    def _close(self) -> None:
        trader = self._trader()
        self._press(lambda hands: of_traders.close_slot(trader.pk, hands))

        def open_it() -> None:
            for slot in Slot.objects.filter(is_closed=True).select_related("symbol").order_by("pk"):
                of_symbols.open_slot(slot.symbol, Venue(slot.venue), slot.number, self._hands())

        self._later(open_it)

    def _buy(self) -> None:
        symbol = self._symbol()
        slippage = self._dice.choice([Decimal("0.005"), Decimal("0.0002")])
        self._press(lambda hands: of_symbols.buy_now(symbol, Venue.MOCK, hands, slippage))

    def _take_over(self) -> None:
        symbol, world = self._symbol(), self._world
        price = world.price(symbol.name)
        worth, dearer = self._dice.randint(150, 400), Decimal(self._dice.choice(["0.99", "1", "1.01"]))
        quantity = (Decimal(worth) / price).quantize(Decimal("0.00001"))
        cost = (quantity * price * dearer).quantize(Decimal("0.00000001"))
        asset = symbol.base_asset
        # Somebody pays it in first.
        world.context.exchange.engine.ledger.deposit(asset, quantity)
        world.taken_away[asset] = world.taken_away.get(asset, Decimal(0)) - quantity
        self._press(lambda hands: taking_over.take_over(symbol, Venue.MOCK, quantity, cost, hands, world.line.at))

    def _sell_everything(self) -> None:
        symbol, slippage = self._symbol(), self._slippage()
        self._later(lambda: self._resume(symbol))
        self._press(lambda hands: of_symbols.sell_everything(symbol, Venue.MOCK, hands, slippage))
        self.paused.add(symbol.name)

    def _flatten(self) -> None:
        if self._dice.random() < 0.5:
            raise ValidationError("not today")
        slippage = self._slippage()
        # What is off and holds something shuts down from now on, which sells.
        self._world.people.off_since.clear()
        self._world.later(self._dice.randint(2_000, 30_000), self._world.people.resume)
        self._press(lambda hands: of_symbols.flatten(Venue.MOCK, hands, slippage))

    def _later(self, do: Callable[[], object]) -> None:
        """Some time later, whoever has ended meanwhile."""

        def try_it() -> None:
            try:
                do()
            except ValidationError:
                return

        self._world.later(self._dice.randint(2_000, 20_000), try_it)


def taken_over() -> dict[int, tuple[Decimal, Decimal]]:
    """What traders have taken over: by trader the quantity and the cost, as people have said."""
    rows = read(
        "SELECT trader_id, details FROM trading_instruction WHERE what = 'take over' AND trader_id IS NOT NULL"
    )
    told = {trader: json.loads(details) for trader, details in rows}
    return {trader: (Decimal(each["quantity"]), Decimal(each["cost"])) for trader, each in told.items()}


def touched() -> set[int]:
    """Traders that were told something by hand: they may sell at whatever price."""
    return {
        trader for (trader,) in read("SELECT DISTINCT trader_id FROM trading_journalentry WHERE kind = 'BY_HAND'")
    }
