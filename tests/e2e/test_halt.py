"""`manage.py halt` among real processes: while a strategy hangs, and while orders are on their way."""

import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

from tests.e2e.books import BALANCES, differences_in_the_end, wait_for
from tests.e2e.conftest import MakeStack
from tests.support.machine.stack import Stack
from tests.support.settings import give
from trading.core.orders import OrderStatus
from trading.models import Order, Switch, Trader, TradingSettings

WITHIN_S, CANCEL_S = 5.0, 2.0
# Decides for ever while the file `hangs` is beside it.
HANGS = """
from dataclasses import dataclass
from pathlib import Path
from trading.core.strategy import *
name = "hanging"
FILE = Path(__file__).with_name("hangs")
@dataclass(frozen=True)
class Settings: ...
def decide(position, event, filters, settings):
    while FILE.exists():
        pass
    return Wait("waits")
def triggers(position, filters, settings):
    return Triggers(below=ANY_PRICE)
"""


@pytest.fixture
def database_url() -> str:
    """SQLite, whose one lock a strategy may hold for all."""
    return ""


@pytest.fixture
def stack(make_stack: MakeStack, tmp_path: Path) -> Stack:
    (tmp_path / "strategy_that_hangs.py").write_text(HANGS)
    stack = make_stack(
        MARKET="manual",
        MOCK_BALANCES=BALANCES,
        HEDGEHOG_SYMBOLS="ETHUSDT,BTCUSDT",
        HEDGEHOG_STRATEGIES="strategy_that_hangs",
        PYTHONPATH=tmp_path,
    )
    settings = TradingSettings.objects.all()
    give(max_slots=1, profit_interval=Decimal("0.05"))
    settings.filter(symbol__name="BTCUSDT").update(strategy="hanging")
    stack.start()
    stack.wait_until_up()
    return stack


def trade_until_it_buys(stack: Stack) -> Order:
    """A subscription under way misses a trade: it comes again."""
    last = 0.0

    def look() -> Order | None:
        nonlocal last
        if time.monotonic() > last + 3:
            stack.mock.trade("ETHUSDT", "3000")
            last = time.monotonic()
        return Order.objects.filter(status=OrderStatus.NEW).first()

    wait_for(stack, look, 40, "a buy that rests")
    return Order.objects.get(status=OrderStatus.NEW)


@pytest.mark.timeout(180)
def test_halt_cancels_at_the_exchange_while_a_strategy_hangs_in_the_worker(stack: Stack, tmp_path: Path) -> None:
    buy = trade_until_it_buys(stack)
    hangs = tmp_path / "hangs"
    hangs.touch()
    try:
        for _ in range(3):
            stack.mock.trade("BTCUSDT", "90000")
            time.sleep(1)  # The worker is to be in the midst of it; there is nothing to see it by from outside.
        began = time.monotonic()
        ended = stack.processes.run("halt", "--cancel", "--timeout", str(CANCEL_S))
        took = time.monotonic() - began
        print(f"{took:.1f} s\n{ended.stdout}{ended.stderr}")
        assert took < WITHIN_S + CANCEL_S + 2
        assert ended.stdout.startswith("Trading is halted since ")
        assert stack.mock.client().open_orders() == []
        # The leader may have been quicker; booked here as well where nobody holds the database's one lock.
        settled = "No open buy left." in ended.stdout
        name = "BUY 0.2001 ETHUSDT at 2998.5 (mock)"
        assert settled or f"{name}: cancelled at the exchange, not recorded here yet" in ended.stderr
    finally:
        hangs.unlink()
    # Whoever held the lock lets go of it; the row, and what became of the order, get into the database.
    wait_for(stack, lambda: Switch.objects.get().mode == "halted", 30, "the halt in the database")
    wait_for(stack, lambda: Order.objects.get(pk=buy.pk).status == OrderStatus.CANCELED, 60, "the cancel booked")
    assert differences_in_the_end(stack) == []


@pytest.mark.timeout(180)
def test_no_call_begins_once_halt_has_returned(stack: Stack) -> None:
    """Traders buy and are cancelled, over and over, while trading is halted."""
    trade_until_it_buys(stack)
    TradingSettings.objects.update(max_slots=5)
    give(TradingSettings.objects.filter(symbol__name="ETHUSDT"), rebuy_interval=None, strategy="naive")
    TradingSettings.objects.filter(symbol__name="BTCUSDT").update(status="off")
    stop = threading.Event()

    def market() -> None:
        """Falls with each trade: each buy fills, each sale rests far above, and the next trader comes."""
        price = Decimal(3000)
        while not stop.wait(0.05):
            price -= Decimal("0.5")
            try:
                stack.mock.trade("ETHUSDT", price)
            except OSError:
                return

    thread = threading.Thread(target=market)
    thread.start()
    try:
        wait_for(stack, lambda: Order.objects.count() > 6, 60, "orders")
        ended = stack.processes.run("halt")
        placed = {order.client_order_id for order in stack.mock.client().orders("ETHUSDT")}
        print(ended.stdout, ended.stderr)
        assert ended.stdout.startswith("Trading is halted since ")
        assert "No order can be sent any more." in ended.stdout
        time.sleep(3)  # So long they would have gone on.
        assert {order.client_order_id for order in stack.mock.client().orders("ETHUSDT")} == placed
        assert Trader.objects.filter(finished_at=None).exists()
    finally:
        stop.set()
        thread.join()
    assert differences_in_the_end(stack) == []
