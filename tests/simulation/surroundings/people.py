"""The people of a world: they halt and resume, turn symbols off and on, and meddle with traders."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hedgehog_project.halt_request import Request
from tests.simulation.checks.rows import read
from tests.simulation.surroundings.hands import PeoplesHands
from trading.models import Listing, Symbol, Trader, TradingSettings
from trading.models.switch import TradingMode
from trading.models.symbols import Slots, TradingStatus
from trading.risk import drawdown, kill_switch
from trading.symbols import profiles, turning
from trading.traders import cycle_end
from trading.waking import enqueue

if TYPE_CHECKING:
    from tests.simulation.surroundings.world import World


class Requests:
    """Takes the place of hedgehog_project.halt_request: the file of a home, in memory."""

    def __init__(self) -> None:
        self.wanted: Request | None = None

    def pending(self, home: Path) -> Request | None:
        return self.wanted

    def withdraw(self, home: Path, only: Request | None = None) -> bool:
        was, self.wanted = self.wanted, None
        return was is not None


class People:
    def __init__(self, world: "World", names: list[str]) -> None:
        self._world, self._names = world, names
        # Since when a symbol is not on, or is off altogether, by their own deeds.
        self.not_on_since: dict[str, datetime] = {}
        self.off_since: dict[str, datetime] = {}
        # How often a symbol was shut down, and how often it had turned itself off when it was turned on again.
        self.wishes: Counter[str] = Counter()
        self._will_resume = False
        self.requests = Requests()
        self.hands = PeoplesHands(world, names)

    def act(self) -> None:
        """One look at each of the deeds that they might do."""
        chance = self._world.chance
        if chance.strikes("turned_off"):
            self._turn_off(chance.choice(self._names), TradingStatus.OFF)
        if chance.strikes("shut_down"):
            self._turn_off(chance.choice(self._names), TradingStatus.SHUTDOWN)
        if chance.strikes("halted"):
            self._halt()
        if chance.strikes("abandoned"):
            self._with_a_trader(lambda trader: cycle_end.abandon(trader.pk, "anna"))
        if chance.strikes("urged"):
            self._with_a_trader(lambda trader: enqueue.nudge(trader.pk, trader.symbol.name, "anna", is_urgent=True))
        self.hands.act()

    def turn_to_the_ladder(self) -> None:
        """From now on all slots buy step by step, whatever they hold and are buying."""
        self.wishes["turned to the ladder"] += 1
        profiles.change(Symbol.objects.filter(name__in=self._names), {"slots": Slots.LADDER})

    def resume_after_a_drawdown(self) -> None:
        """Some time after it has halted trading, where it has."""
        if not self._will_resume and read("SELECT 1 FROM trading_switch WHERE mode_by = %s", drawdown.BY):
            self._will_resume = True
            self.wishes["drawdowns"] += 1
            self._world.later(self._world.chance.randint(5_000, 30_000), self.resume)

    def _turn_off(self, name: str, status: TradingStatus) -> None:
        world, cancel_orders = self._world, self._world.chance.random() < 0.6
        turning.turn([Symbol.objects.get(name=name)], status, cancel_orders)
        self.wishes[f"turned {status}, open orders are cancelled" if cancel_orders else f"turned {status}"] += 1
        self.not_on_since.setdefault(name, world.now)
        if status == TradingStatus.OFF:
            self.off_since.setdefault(name, world.now)
        else:
            self.off_since.pop(name, None)
        # Some leave it at that.
        if world.chance.random() < 0.5:
            world.later(world.chance.randint(2_000, 30_000), lambda: self._turn_on(name))

    def _turn_on(self, name: str) -> None:
        by_itself = TradingSettings.objects.filter(symbol__name=name, status=TradingStatus.OFF)
        self.wishes["shutdowns ended"] += int(name not in self.off_since and by_itself.exists())
        # Before the rows say so: whatever begins from now on may.
        was = self.not_on_since.pop(name, None), self.off_since.pop(name, None)
        if refused := turning.turn([Symbol.objects.get(name=name)], TradingStatus.ON):
            # It does not trade at the exchange just now; or its budget is too small for what orders are worth by now.
            is_too_small = any("min notional" in each for each in refused.values())
            if not is_too_small and Listing.objects.exclude(status="TRADING").filter(symbol__name=name).exists():
                self._world.later(5_000, lambda: self._turn_on(name))
            for since, remembered in zip(was, (self.not_on_since, self.off_since), strict=True):
                if since is not None:
                    remembered[name] = since
            return
        self._world.later(self._world.chance.randint(0, 5_000), self._world.refresh)

    def _halt(self) -> None:
        chance = self._world.chance
        mode = chance.choice([TradingMode.REDUCING, TradingMode.HALTED])
        cancels = chance.random() < 0.5
        if chance.random() < 0.3:
            # The database is locked just now: a leader writes it into the row.
            self.wishes["halts requested"] += 1
            at = self._world.now.timestamp()
            self.requests.wanted = Request(mode, "anna", "", cancels, at, token=str(at))
        else:
            kill_switch.halt("anna", "", mode, cancels)
        self._world.later(chance.randint(2_000, 30_000), self.resume)

    def resume(self) -> None:
        self._will_resume = False
        kill_switch.resume("anna")

    def _with_a_trader(self, do: Callable[[Trader], object]) -> None:
        live = list(Trader.objects.filter(finished_at=None).select_related("symbol").order_by("pk"))
        if live:
            trader = self._world.chance.choice(live)
            self._world.run_process(lambda: do(trader))
