"""kill -9 of each process in turn while it trades: it goes on within ten seconds, and not a unit is lost."""

import os
import random
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.e2e.books import BALANCES, cycles, differences_in_the_end, set_up, slots_with_a_cycle, turn_off, wait_for
from tests.e2e.conftest import MakeStack
from tests.support.market import Swings
from tests.support.stack import SERVICES, Stack
from trading.core.strategy import TraderState
from trading.models import Order, Trader

STARTS = {"ETHUSDT": Decimal(3000), "BTCUSDT": Decimal(90000)}
CHUNKS = 3
SLOTS = {(symbol, slot) for symbol in STARTS for slot in range(1, CHUNKS + 1)}
EVERYBODY = (*SERVICES, "redis")
# The promise, counted from the moment at which the killed process was started again.
TRADES_AGAIN_WITHIN_S = 10.0
# An order whose answer was lost holds its slot until it is proven never to have been placed: 7 s, then the cycle.
NOBODY_SLEEPS_LONGER_S = 25.0
SEED = int(os.environ.get("FAULTS_SEED", "20261122"))


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    stack = make_stack(MARKET="manual", MOCK_BALANCES=BALANCES, HEDGEHOG_SYMBOLS=",".join(STARTS))
    set_up({"chunks": CHUNKS, "buy_down_interval": "0.0002", "profit_interval": "0.0002"})
    stack.start()
    return stack


def kill_and_watch(stack: Stack, chance: random.Random, *victims: str) -> float:
    """Kills these at once and waits until every slot has traded a whole cycle after they were started again.

    Returns how many seconds after that start the first order was saved and the first cycle was finished.
    """
    # Somewhere in the middle of whatever it is that they do.
    die_at = time.time() + chance.uniform(0.2, 1.0)
    stack.wait_for(lambda: time.time() > die_at, 5, "the moment to die")
    killed_at = time.time()
    for victim in victims:
        stack.kill(victim)
    stack.wait_for(
        lambda: all(stack.started_at.get(victim, 0.0) > killed_at for victim in victims), 10, f"{victims} to be back"
    )
    since = max(stack.started_at[victim] for victim in victims)
    name = " and ".join(victims)
    wait_for(
        stack,
        lambda: slots_with_a_cycle(since) == SLOTS,
        NOBODY_SLEEPS_LONGER_S,
        f"a whole cycle in every slot after {name} had been killed",
    )
    order, cycle = seconds_to_first(since)
    everywhere = time.time() - since
    print(f"{order:5.2f} s to an order, {cycle:5.2f} s to a cycle, {everywhere:5.2f} s to one in every slot: {name}")
    return max(order, cycle)


def seconds_to_first(since: float) -> tuple[float, float]:
    """How long after `since` the first order was saved, and the first cycle finished."""
    moment = datetime.fromtimestamp(since, UTC)
    orders = Order.objects.filter(submitted_at__gt=moment).order_by("submitted_at")
    ended = Trader.objects.filter(state=TraderState.FINISHED, finished_at__gt=moment).order_by("finished_at")
    times = (orders.values_list("submitted_at", flat=True)[0], ended.values_list("finished_at", flat=True)[0])
    order, cycle = (each.timestamp() - since for each in times if each)
    return order, cycle


@pytest.mark.timeout(300)
def test_each_process_killed_in_turn_and_all_at_once_cost_seconds_and_no_unit(stack: Stack) -> None:
    chance = random.Random(SEED)
    print(f"\nFAULTS_SEED={SEED}")
    with Swings(stack.mock, STARTS, SEED):
        wait_for(stack, lambda: slots_with_a_cycle(0) == SLOTS, 60, "a cycle in every slot")
        took = {victim: kill_and_watch(stack, chance, victim) for victim in chance.sample(EVERYBODY, len(EVERYBODY))}
        kill_and_watch(stack, chance, *EVERYBODY)
    turn_off()
    assert differences_in_the_end(stack) == []
    assert {victim: seconds for victim, seconds in took.items() if seconds > TRADES_AGAIN_WITHIN_S} == {}
    print(f"cycles: {dict(cycles())}")
