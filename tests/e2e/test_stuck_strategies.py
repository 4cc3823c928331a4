"""A user's strategy that does not end, among real processes: its trader shows it, and other symbols trade on."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.books import BALANCES, cycles, wait_for
from tests.e2e.conftest import MakeStack
from tests.support.exchanges.market import Swings
from tests.support.machine.stack import Stack
from tests.support.settings import give
from tests.trading.strategies.conftest import PATIENT
from trading.models import Trader, TradingSettings

# The watchdog and the clock of strategies wait for seconds instead of minutes, in all processes that import it.
IMPATIENT = """
from hedgehog_project import restarts, watchdog
from trading.strategies import time_limit

restarts.FIRST_PAUSE_S = 10.0
watchdog.FROZEN_S = 5.0
time_limit.LIMIT_S = 1.0
time_limit.BURNS_FOR_S = 5.0
"""
# Each in the place of PATIENT's own.
BURNS = """
def decide(position, event, filters, settings):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
"""
# The regular expression takes years, and lets no other thread of its process run meanwhile.
FREEZES = """
import re


def decide(position, event, filters, settings):
    re.match("(a+)+b", "a" * 64)
"""
HANGS = {
    "burns": (BURNS, "calls of the strategy patient do not return and use the CPU", "patient took longer than 1 s"),
    "freezes": (FREEZES, "the strategy patient was called and is paused for", "it blocked a whole process"),
}


@pytest.fixture
def database_url() -> str:
    """SQLite alone: what differs between the databases is tested elsewhere."""
    return ""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", HANGS)
def test_strategy_that_does_not_end_is_told_of_and_other_symbols_trade_on(
    make_stack: MakeStack, tmp_path: Path, how: str
) -> None:
    code, why, error = HANGS[how]
    (tmp_path / "strategy_of_a_user.py").write_text(PATIENT + IMPATIENT + code)
    stack = make_stack(
        MARKET="manual",
        MOCK_BALANCES=BALANCES,
        HEDGEHOG_SYMBOLS="ETHUSDT,BTCUSDT",
        HEDGEHOG_STRATEGIES="strategy_of_a_user",
        MOCK_ORDERS_PER_10S=500,
        PYTHONPATH=tmp_path,
    )
    settings = TradingSettings.objects.all()
    give(max_slots=1, buy_down_interval=Decimal("0.0002"), profit_interval=Decimal("0.0002"))
    settings.filter(symbol__name="BTCUSDT").update(strategy="patient")
    stack.start()
    stack.wait_until_up()
    with Swings(stack.mock, {"ETHUSDT": Decimal(3000), "BTCUSDT": Decimal(90000)}, 1) as market:

        def restarted() -> list[str]:
            return [text for text in told(stack) if "has restarted itself" in text and why in text]

        wait_for(stack, restarted, 90, "status tells that a worker has restarted itself, and why")
        done = cycles()["ETHUSDT"]
        wait_for(stack, lambda: cycles()["ETHUSDT"] >= done + 3, 60, "others trade on after it")
        wait_for(stack, lambda: error in hanging().error, 60, "its trader shows it")
        assert hanging().failures > 0
        # It is failing all the time, and nothing restarts all the time because of that.
        fell = {name for name, _ in stack.fell}
        assert fell <= {"worker", "worker_exits"}
        assert len(stack.fell) <= 4
        market.stop()


def told(stack: Stack) -> list[str]:
    """What `manage.py status` finds amiss."""
    facts: dict[str, Any] = json.loads(stack.processes.run("status", "--json").stdout)
    return [each["text"] for each in facts["findings"]]


def hanging() -> Trader:
    trader = Trader.objects.filter(symbol__name="BTCUSDT").order_by("pk").first()
    assert trader is not None
    return trader
