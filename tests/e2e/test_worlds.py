"""From the simulated market to a replay and back: each goes on as it was left, and the books of both agree."""

import math
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from hedgehog_project.venues import Venue, mock_world
from tests.e2e.books import AGREE_WITHIN_S, BALANCES, LOOK_EVERY_S, START, set_up, turn_off, wait_for
from tests.e2e.conftest import MakeStack
from tests.support.machine.stack import Stack
from trading.core.strategy import TraderState
from trading.models import Fill, JournalEntry, Order, Trader
from trading.reconciliation.audit import audit

pytestmark = pytest.mark.timeout(500)

SYMBOL = "ETHUSDT"
# With this seed the simulated market sweeps up within the first quarter of a minute.
SEED = 24


def waves(path: Path) -> None:
    """An hour of trades, ten a second, around a price far from the simulated one."""
    rows = (
        f"{at},{2000 + 12 * math.sin(at / 30):.2f},5,10000,{1_700_000_000_000 + 100 * at},True,True\n"
        for at in range(36_000)
    )
    path.write_text("".join(rows))


def finished(world: Venue) -> int:
    return Trader.objects.filter(venue=world, state=TraderState.FINISHED).count()


def rows_of(world: Venue) -> list[Any]:
    """All that is known of what was traded there."""
    traders = Trader.objects.filter(venue=world).order_by("pk")
    return [
        *traders.values(),
        *Order.objects.filter(venue=world).order_by("pk").values(),
        *Fill.objects.filter(order__venue=world).order_by("pk").values(),
        JournalEntry.objects.filter(trader__in=traders).count(),
    ]


def assert_books_agree(stack: Stack) -> None:
    """Of the world that runs, once nothing trades."""
    exchange, give_up = stack.mock.client(), time.monotonic() + AGREE_WITHIN_S
    while found := audit(mock_world(), exchange, START):
        assert time.monotonic() < give_up, found
        stack.wait_for(lambda: True, 5, "the next look")
        time.sleep(LOOK_EVERY_S)


def trade(stack: Stack, settings: Settings, market: str, wanted: int) -> Venue:
    """Until so many more cycles have finished in the world of this market."""
    settings.MARKET = market
    world = mock_world()
    enough = finished(world) + wanted
    wait_for(stack, lambda: finished(world) >= enough, 100, f"{wanted} cycles in {world}")
    # One that is in the midst of its cycle is what a return has to find.
    wait_for(
        stack,
        lambda: Trader.objects.filter(venue=world, state=TraderState.SELLING, finished_at=None).exists(),
        60,
        f"a position in {world}",
    )
    return world


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    stack = make_stack(MARKET="simulated", MOCK_SEED=SEED, MOCK_BALANCES=BALANCES, HEDGEHOG_SYMBOLS=SYMBOL)
    set_up({"max_slots": 2, "buy_down_interval": "0.0002", "profit_interval": "0.0002"})
    stack.start()
    return stack


def test_going_back_finds_everything_as_it_was(stack: Stack, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "ETHUSDT-waves.csv"
    waves(path)
    replay = f"replay:{path}@2"
    simulated = trade(stack, settings, "simulated", 1)
    stack.run_again(MARKET=replay)
    left = rows_of(simulated)
    replayed = trade(stack, settings, replay, 2)
    assert replayed != simulated
    assert rows_of(simulated) == left
    prices = set(Fill.objects.filter(order__venue=replayed).values_list("price", flat=True))
    assert 1950 < min(prices) <= max(prices) < 2050, "its own market's"
    stack.run_again(MARKET="simulated")
    left = rows_of(replayed)
    trade(stack, settings, "simulated", 1)
    turn_off()
    assert_books_agree(stack)
    assert rows_of(replayed) == left
    stack.run_again(MARKET=replay)
    settings.MARKET = replay
    stack.wait_until_up()
    assert_books_agree(stack)
    assert not [line for line in stack.services["worker"].output.splitlines() if "reconciled" in line]
