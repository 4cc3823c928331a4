"""Strategies over the wire: trailing, and a user's own from a module that all processes import."""

from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
import redis

from tests.e2e.books import BALANCES, cycles, differences_in_the_end, turn_off, wait_for
from tests.e2e.conftest import MakeStack
from tests.support.machine.stack import Stack
from tests.support.settings import give
from tests.trading.strategies.conftest import PATIENT
from trading.core.orders import Side
from trading.core.strategy import TraderState
from trading.models import Listing, Order, Trader, TradingSettings
from trading.waking import triggers


@pytest.fixture
def database_url() -> str:
    """SQLite alone: what differs between the databases is tested elsewhere."""
    return ""


@pytest.fixture
def stack(make_stack: MakeStack, tmp_path: Path) -> Stack:
    (tmp_path / "strategy_of_a_user.py").write_text(PATIENT)
    stack = make_stack(
        MARKET="manual",
        MOCK_BALANCES=BALANCES,
        HEDGEHOG_SYMBOLS="ETHUSDT,BTCUSDT",
        HEDGEHOG_STRATEGIES="strategy_of_a_user",
        PYTHONPATH=tmp_path,
    )
    settings = TradingSettings.objects.all()
    give(max_slots=1, profit_interval=Decimal("0.001"))
    give(settings.filter(symbol__name="ETHUSDT"), strategy="trailing", trail_interval="0.002")
    give(settings.filter(symbol__name="BTCUSDT"), strategy="patient", down_interval="0.001")
    stack.start()
    stack.wait_until_up()
    return stack


def test_trailing_and_a_users_own_complete_their_cycles(stack: Stack) -> None:
    def first(name: str) -> Trader | None:
        return Trader.objects.filter(symbol__name=name).order_by("pk").first()

    client = redis.Redis.from_url(stack.redis_url)

    def waits_for_a_price(name: str) -> bool:
        """One trade comes at a time here: it must find the trader's trigger, and the filters that it trades by."""
        is_listed = Listing.objects.filter(symbol__name=name).exists()
        return is_listed and bool(client.zcard(triggers.key_below("mock", name)))

    def trade(name: str, price: str, until: TraderState | None = None, **memory: str) -> None:
        """The market trades, and the first trader takes it in."""
        stack.mock.trade(name, price)

        def has_seen() -> bool:
            trader = first(name)
            return trader is not None and (trader.state == until if until else trader.memory == memory)

        wait_for(stack, has_seen, 20, f"{name} at {price}: {until or memory}")

    stack.wait_until_heard("ETHUSDT", "BTCUSDT")
    for name in ("ETHUSDT", "BTCUSDT"):
        wait_for(stack, partial(waits_for_a_price, name), 20, f"a trader of {name} that waits for the next price")
    trade("ETHUSDT", "3000", low="3000")
    trade("ETHUSDT", "2950", low="2950")
    trade("ETHUSDT", "2956", TraderState.HOLDING)  # 0.2 % over the low: it takes what the market gives.
    trade("ETHUSDT", "2980", high="2980")
    trade("ETHUSDT", "3000", high="3000")
    trade("ETHUSDT", "2993", TraderState.FINISHED)
    sale = Order.objects.get(symbol__name="ETHUSDT", side=Side.SELL)
    assert sale.fills.get().price == 2993

    trade("BTCUSDT", "90000", TraderState.BUYING)
    trade("BTCUSDT", "89900", TraderState.SELLING)
    trade("BTCUSDT", "90300", TraderState.FINISHED)

    assert cycles() == {"ETHUSDT": 1, "BTCUSDT": 1}
    turn_off()
    assert differences_in_the_end(stack) == []
    assert all(each.profit and each.profit > 0 for each in Trader.objects.filter(state=TraderState.FINISHED))
