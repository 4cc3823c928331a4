"""The whole loop with real processes: from a trade on the wire to finished cycles, and the books to the last unit."""

from typing import Any

import pytest
from celery.events import EventReceiver

from hedgehog_project.celery import app
from tests.e2e.books import BALANCES, cycles, differences_in_the_end, set_up, turn_off, wait_for
from tests.e2e.conftest import MakeStack
from tests.support.machine.stack import SERVICES, Stack
from trading.core.strategy import TraderState
from trading.models import Fill, JournalEntry, Trader

SYMBOLS = ["ETHUSDT", "BTCUSDT"]
# With this seed the simulated market sweeps up within the first quarter of a minute in both symbols.
SEED = 24
MAX_SLOTS = 2
WANTED = 4


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    print(f"MOCK_SEED={SEED}")
    stack = make_stack(MARKET="simulated", MOCK_SEED=SEED, MOCK_BALANCES=BALANCES, HEDGEHOG_SYMBOLS=",".join(SYMBOLS))
    set_up({"max_slots": MAX_SLOTS, "buy_down_interval": "0.0002", "profit_interval": "0.0002"})
    stack.start()
    return stack


def task_events(redis_url: str, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """The first event of each kind of task, as Flower sees them; waits until all of `wanted` were seen."""
    seen: dict[str, dict[str, Any]] = {}
    with app.connection_for_read(url=redis_url) as connection:

        def on_received(event: dict[str, Any]) -> None:
            seen.setdefault(event["name"], event)
            receiver.should_stop = wanted <= seen.keys()

        receiver = EventReceiver(connection, handlers={"task-received": on_received}, app=app)
        receiver.capture(limit=None, timeout=30, wakeup=False)
    return seen


def test_two_symbols_trade_side_by_side_and_the_books_agree(stack: Stack) -> None:
    # Flower must be able to tell what a task is about.
    tasks = task_events(stack.redis_url, {"trading.tasks.wake", "trading.tasks.report"})
    for name in ("trading.tasks.wake", "trading.tasks.report"):
        assert any(f"'symbol': '{symbol}'" in tasks[name]["kwargs"] for symbol in SYMBOLS), tasks[name]
    assert "'trader': " in tasks["trading.tasks.wake"]["kwargs"]

    def enough() -> bool:
        done = cycles()
        return done.total() >= WANTED and set(done) == set(SYMBOLS)

    wait_for(stack, enough, 100, f"{WANTED} cycles, at least one of each of {SYMBOLS}")
    turn_off()
    # A buy that rests fills, a sale that rests is left where it is: the market still moves, the books must follow.
    still = {TraderState.SELLING, TraderState.HOLDING, TraderState.BUYING}
    wait_for(
        stack,
        lambda: set(Trader.objects.filter(finished_at=None).values_list("state", flat=True)) <= still,
        10,
        "traders that never ordered are retired",
    )
    assert differences_in_the_end(stack) == []
    for trader in Trader.objects.filter(state=TraderState.FINISHED).select_related("symbol"):
        assert trader.profit is not None
        assert trader.profit > 0, f"{trader} lost money"
        assert {order.side for order in trader.orders.filter(executed__gt=0)} == {"BUY", "SELL"}
        assert JournalEntry.objects.filter(trader=trader).exclude(task_id="").exists()
    assert Fill.objects.exists()
    codes = stack.stop()
    assert codes == dict.fromkeys(SERVICES, 0)
