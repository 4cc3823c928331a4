"""One real stack that lives through step after step: faults, deaths, and after each a look at both sides' books."""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Self

import redis
from django.db import DatabaseError
from django.db.models import Q, QuerySet

from hedgehog_project.heartbeats import alive
from hedgehog_project.ports import HOST
from hedgehog_project.venues.rate_limits import ENTRIES_SHARE, WEIGHT
from tests.e2e.books import BALANCES, describe, left_in_the_end, set_up, turn_off, turn_on
from tests.e2e.chaos.cancels import Cancels
from tests.e2e.chaos.hands import ByHand
from tests.e2e.chaos.logs import Logs
from tests.e2e.chaos.misfortunes import Misfortunes
from tests.e2e.chaos.results import Result
from tests.e2e.chaos.steps import EVERYBODY, Step, needs_cancels
from tests.support.exchanges.market import Swings
from tests.support.machine.stack import HEARTS, Stack
from tests.support.settings import give
from trading.core.journal import Kind
from trading.core.orders import OPEN
from trading.core.strategy import TraderState
from trading.exchange.errors import ExchangeError
from trading.models import Order, Trader, TradingSettings
from trading.models.switch import Switch, TradingMode
from trading.models.symbols import Slots
from trading.risk.kill_switch import halt, resume

STARTS = {"ETHUSDT": Decimal(3000), "BTCUSDT": Decimal(90000)}
MAX_SLOTS = 3
# The market swings by half a per cent and more: all of them act within seconds.
RULES: Mapping[str, Mapping[str, Decimal | Slots]] = {
    "ETHUSDT": {"rebuy_interval": Decimal("0.0005"), "retarget_interval": Decimal("0.001")},
    "BTCUSDT": {
        "slots": Slots.TOGETHER,
        # The next lows come before that is reached.
        "profit_interval": Decimal("0.003"),
        "rebuy_interval": Decimal("0.001"),
        "retarget_interval": Decimal("0.002"),
        "stop_loss_interval": Decimal("0.001"),
        "trailing_stop_interval": Decimal("0.003"),
        "exit_slippage": Decimal("0.001"),
    },
}
# An order that was never answered holds its slot until it is proven that it was never placed, 10 to 13 s after it was
# saved; and what was refused several times over is tried again after up to 16 s.
RECOVERS_WITHIN_S = 25.0
SETTLES_WITHIN_S = 45.0
# Faults that were not injected by the end of their step get so much more time, and so much more for each of them.
PATIENCE_S, PATIENCE_EACH_S = 20.0, 1.0
# All start anew at once, on a machine that may be busy.
COMES_BACK_WITHIN_S = 30.0


class Chaos:
    """Enter it to start everything, then `run` steps. Meanwhile our models mean the rows of its own database.

    Where a step has failed, leave it and begin anew: what it left behind would fail the next one.
    """

    def __init__(self, folder: Path, database: str, database_url: str = "") -> None:
        """`database` is its name for people."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._database = folder, database
        self._stack = Stack(
            folder,
            database_url,
            MARKET="manual",
            MOCK_BALANCES=BALANCES,
            HEDGEHOG_SYMBOLS=",".join(STARTS),
            # Six traders that trade a cycle a second would meet Binance's 50 in 10 s all the time.
            MOCK_ORDERS_PER_10S=500,
        )
        self._logs = Logs(folder)
        self._stopped_until = 0.0
        self._until_the_end = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as started:
            started.callback(self._stack.stop)
            self._stack.prepare()
            started.enter_context(self._stack.looked_into())
            set_up(
                {"max_slots": MAX_SLOTS, "buy_down_interval": "0.0002", "profit_interval": "0.0002", "status": "off"}
            )
            for symbol, values in RULES.items():
                give(TradingSettings.objects.filter(symbol__name=symbol), **values)
            self._stack.start()
            self._stack.wait_until_up()
            self._until_the_end = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._until_the_end.close()

    @property
    def last_words(self) -> str:
        """The ends of all logs, for the message of a test that failed."""
        return self._stack.processes.last_words

    def run(self, step: Step) -> Result:
        """Never raises for what the step comes to: the result tells."""
        result = Result(step, self._database)
        began = time.time()
        try:
            self._live_through(step, result)
        except (AssertionError, OSError, redis.RedisError, DatabaseError, ExchangeError) as error:
            result.problems.append(str(error) or repr(error))
        result.fell += [f"{name} ended by itself with {code}" for name, code in self._stack.fell]
        self._stack.fell.clear()
        if "redis" not in step.victims:
            # Celery's worker may fall over a Redis that goes away, deep in kombu; it is there to be started again.
            result.problems += result.fell
        result.exceptions = self._logs.new_failures()
        result.took = time.time() - began
        return result

    def _live_through(self, step: Step, result: Result) -> None:
        with ExitStack() as meanwhile:
            market = meanwhile.enter_context(Swings(self._stack.mock, STARTS, step.seed))
            cancels = meanwhile.enter_context(Cancels(self._stack.mock, step.seed))
            turn_on()
            began = time.time()
            misfortunes = Misfortunes(self._stack, step.lanes)
            hands = ByHand(self._stack, STARTS, MAX_SLOTS, step.seed)
            if step.has_hands:
                meanwhile.enter_context(hands)
            restarts = self._endure(step, misfortunes, cancels)
            self._wait(misfortunes.end, COMES_BACK_WITHIN_S, "the exchange is well again")
            self._look_for_a_stop()
            well_at = time.time()
            result.injected, result.times_set = misfortunes.injected, misfortunes.times_set
            result.acted = _acted_between(began, well_at)
            result.orders, result.cycles = orders_between(began, well_at), cycles_between(began, well_at)
            result.problems += [f"{kind} was never injected" for kind in misfortunes.idle]
            if step.has_hands:
                hands.stop()
                well_at = time.time()
                result.problems += hands.problems
                result.notes.append(f"by hand: {', '.join(f'{n} {deed}' for deed, n in hands.did.items())}")
            cancels.is_on.clear()
            if step.needs_a_person or not Switch.row().is_active:
                resume("the test")
            # Who was told to stay away does so until then, and nobody is told sooner that the exchange is well.
            since = max([well_at, self._stopped_until, *(at for _, at in restarts)])
            result.recovery = self._wait_for_a_cycle(since)
            result.told_to_wait = max(0.0, self._stopped_until - well_at)
            result.kills = [(victim, _first_cycle_after(at)) for victim, at in restarts]
            # What is held is sold, nothing is bought any more.
            halt("the test", mode=TradingMode.REDUCING, cancel_buys=needs_cancels(step.kinds))
            self._wait(lambda: not under_way().exists(), SETTLES_WITHIN_S, "every cycle has come to its end")
            result.settled = time.time() - since
            turn_off()
            self._wait(lambda: not live().exists(), SETTLES_WITHIN_S, "every trader has ended")
            market.stop()
        result.differences += left_in_the_end(self._stack)
        self._wait(self._all_alive, COMES_BACK_WITHIN_S, "all processes are alive")

    def _endure(self, step: Step, misfortunes: Misfortunes, cancels: Cancels) -> list[tuple[str, float]]:
        """The step's time passes, its victims die; each with the time at which it was started again."""
        chance = random.Random(f"{step.seed}:{step.name}:deaths")
        restarts: list[tuple[str, float]] = []
        began = time.time()

        def idle_until(moment: float) -> None:
            while time.time() < moment:
                self._stack.supervise()
                misfortunes.keep()
                self._look_for_a_stop()
                if needs_cancels(misfortunes.on):
                    cancels.is_on.set()
                    _halt_and_resume(began)
                elif cancels.is_on.is_set():
                    cancels.is_on.clear()
                    resume("the test")
                time.sleep(0.1)

        for number, victim in enumerate(step.victims):
            # Somewhere in the middle of whatever it is that it does.
            planned = began + step.seconds * (number + chance.random()) / len(step.victims)
            idle_until(max(planned, time.time() + chance.uniform(0.2, 1.0)))
            restarts += self._kill(victim)
            if not step.lanes:
                self._wait_for_a_cycle(restarts[-1][1])
        idle_until(began + step.seconds)
        patience_s = PATIENCE_S + PATIENCE_EACH_S * len(step.kinds)
        ended = time.time()
        # Nothing can be injected while everybody stays away.
        while misfortunes.idle and time.time() < max(ended, self._stopped_until) + patience_s:
            idle_until(time.time() + 0.2)
        if step.kills_all:
            restarts += [("everybody", max(at for _, at in self._kill(*EVERYBODY)))]
            # Nobody is left who would remember that it was told to stay away.
            self._stopped_until = 0.0
        return restarts

    def _kill(self, *victims: str) -> list[tuple[str, float]]:
        killed_at = time.time()
        for victim in victims:
            self._stack.kill(victim)
        started_at = self._stack.started_at
        self._wait(
            lambda: all(started_at.get(victim, 0.0) > killed_at for victim in victims),
            COMES_BACK_WITHIN_S,
            f"{', '.join(victims)} was started again",
        )
        return [(victim, started_at[victim]) for victim in victims]

    def _wait_for_a_cycle(self, since: float) -> float | None:
        """How many seconds after that moment the next cycle finished."""
        within_s = max(0.0, since - time.time()) + RECOVERS_WITHIN_S
        self._wait(lambda: _first_cycle_after(since), within_s, "a cycle has finished")
        return _first_cycle_after(since)

    def _look_for_a_stop(self) -> None:
        """Until when everybody stays away: told by the exchange, or because this minute's request weight is used.

        A Redis that is away knows of none.
        """
        host, now = f"{HOST}:{self._stack.mock.port}", time.time()
        try:
            with redis.Redis.from_url(self._stack.redis_url) as client:
                until_ms = client.hget(f"rate_limits:{host}:stop", "until_ms")
                used = client.hget(f"rate_limits:{host}:weight:{WEIGHT.number(int(now * 1000))}", "used")
        except redis.RedisError:
            return
        self._stopped_until = max(self._stopped_until, int(until_ms or 0) / 1000)
        if int(used or 0) > WEIGHT.limit * ENTRIES_SHARE:
            self._stopped_until = max(self._stopped_until, now + WEIGHT.left_s(int(now * 1000)))

    def _all_alive(self) -> bool:
        with redis.Redis.from_url(self._stack.redis_url) as client:
            heard = alive(client)
        return heard >= HEARTS and self._stack.mock.is_up()

    def _wait(self, condition: Callable[[], object], timeout_s: float, what: str) -> None:
        give_up = time.time() + timeout_s
        self._stack.supervise()
        while not condition():
            assert time.time() < give_up, f"not within {timeout_s:g} s: {what}\n{describe()}"
            time.sleep(0.05)
            self._stack.supervise()


def _halt_and_resume(began: float) -> None:
    """Has open buys cancelled by ourselves: a second of halt, two of trading."""
    is_halted = (time.time() - began) % 3 > 2
    if is_halted == Switch.row().is_active:
        if is_halted:
            halt("the test", cancel_buys=True)
        else:
            resume("the test")


def live() -> "QuerySet[Trader]":
    return Trader.objects.filter(finished_at__isnull=True)


def under_way() -> "QuerySet[Trader]":
    return live().filter(~Q(state=TraderState.WAITING) | Q(orders__status__in=OPEN))


def orders_between(begin: float, end: float) -> int:
    return Order.objects.filter(submitted_at__gt=_time(begin), submitted_at__lt=_time(end)).count()


def _acted_between(begin: float, end: float) -> Counter[str]:
    """How often each rule of the strategy did."""
    orders = Order.objects.filter(submitted_at__gt=_time(begin), submitted_at__lt=_time(end))
    told = Trader.objects.filter(slot_requested_at__gt=_time(begin), slot_requested_at__lt=_time(end))
    return Counter(
        {
            "rebuys": told.count(),
            "retargets": _cancelled(orders.filter(side="BUY")),
            "stops": _cancelled(orders.filter(side="SELL")),
        }
    )


def _cancelled(orders: QuerySet[Order]) -> int:
    """How many their own traders wanted cancelled: buys that were left behind, sales that a stop replaced."""
    return orders.filter(journal__kind=Kind.CANCELLED).distinct().count()


def cycles_between(begin: float, end: float) -> int:
    ended = Trader.objects.filter(finished_at__gt=_time(begin), finished_at__lt=_time(end))
    return ended.filter(state=TraderState.FINISHED).count()


def _first_cycle_after(moment: float) -> float | None:
    """How many seconds later the next cycle finished; None where none has yet."""
    ended = Trader.objects.filter(state=TraderState.FINISHED, finished_at__gt=_time(moment)).order_by("finished_at")
    first = ended.values_list("finished_at", flat=True).first()
    return first.timestamp() - moment if first else None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
