"""Several hundred symbols at once through one streamer, one dispatcher and one worker: all real processes."""

import json
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis

from binance_mock.state.listings import MockSymbol, exchange_info
from hedgehog_project.heartbeats import beats
from streamer.models import StreamedSymbol
from streamer.topics import last_trades
from tests.e2e.books import BALANCES, wait_for
from tests.e2e.conftest import MakeStack
from tests.support.machine.stack import SERVICES, Stack
from trading.core.orders import OPEN, OrderStatus
from trading.models import Order, Trader, TradingSettings
from trading.models.symbols import TradingStatus

COUNT = 300
NAMES = [f"A{number:03}USDT" for number in range(COUNT)]
# Each step took a few seconds on two cores; what takes ten times as long is broken.
STEP_S = 60
# Whoever misses a trade gets another after so long: not at each look, the orders need the processor.
AGAIN_S = 3.0


@pytest.fixture
def database_url() -> str:
    """SQLite: that many rows differ little on PostgreSQL."""
    return ""


@pytest.fixture
def stack(make_stack: MakeStack, tmp_path: Path) -> Iterator[Stack]:
    tick, step = Decimal("0.01"), Decimal("0.001")
    listings = [MockSymbol(name.removesuffix("USDT"), "USDT", tick, step, Decimal(100), Decimal(1)) for name in NAMES]
    listed = tmp_path / "exchange_info.json"
    listed.write_text(json.dumps(exchange_info(listings)))
    stack = make_stack(
        MARKET="manual",
        MOCK_EXCHANGE_INFO=listed,
        MOCK_BALANCES=BALANCES,
        MOCK_ORDERS_PER_10S=10_000,
        HEDGEHOG_SYMBOLS=NAMES[0],
    )
    stack.start()
    stack.wait_until_up()
    yield stack


def run(stack: Stack, *command: str) -> str:
    ended = stack.processes.run(*command)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def streamed(client: "redis.Redis") -> int:
    (streamer,) = [beat for beat in beats(client) if beat.name == "streamer" and beat.is_fresh]
    return int(streamer.facts["symbols"])


@pytest.mark.timeout(240)
def test_three_hundred_symbols_stream_and_trade_at_once(stack: Stack) -> None:
    client = redis.Redis.from_url(stack.redis_url)
    took: dict[str, float] = {}

    def step(name: str, condition: Any) -> None:
        began = time.monotonic()
        wait_for(stack, condition, STEP_S, name)
        took[name] = round(time.monotonic() - began, 1)
        print(name, took[name])

    def traded(missing: Callable[[], set[str]]) -> Callable[[], bool]:
        """Whether none is missing any more. Those that are trade, and again after a while: a subscription under way
        misses a trade, and a trader whose task came too late waits for the next one.
        """
        last = 0.0

        def look() -> bool:
            nonlocal last
            names = missing()
            if names and time.monotonic() > last + AGAIN_S:
                for name in sorted(names):
                    stack.mock.trade(name, "100")
                last = time.monotonic()
            return not names

        return look

    def without_event() -> set[str]:
        return set(NAMES) - last_trades(client, "mock", NAMES).keys()

    def without_order() -> set[str]:
        return set(NAMES) - set(Order.objects.values_list("symbol__name", flat=True))

    assert f"{COUNT} symbols quoted in USDT, {COUNT} of them trade" in run(
        stack, "symbols", "sync", "--quote", "USDT"
    )
    assert [row.symbol.name for row in TradingSettings.objects.exclude(status=TradingStatus.OFF)] == NAMES[:1]
    TradingSettings.objects.update(max_slots=1, budget=Decimal(30))
    began = time.monotonic()
    assert len(run(stack, "trade", *NAMES, "on").splitlines()) == COUNT
    print("turned on", round(time.monotonic() - began, 1))

    step("all stream", lambda: streamed(client) == COUNT)
    step("all have their trader", lambda: Trader.objects.filter(finished_at=None).count() == COUNT)
    step("an event of each arrives", traded(without_event))
    step("each has ordered", traded(without_order))
    assert len(run(stack, "trade", *NAMES, "off").splitlines()) >= COUNT
    StreamedSymbol.objects.filter(symbol__in=NAMES[100:]).update(is_on=False)
    step("two hundred stream no more", lambda: streamed(client) == 100)
    assert took["two hundred stream no more"] < 10
    # The audit would ask for the fills of each symbol, for which a minute's limit has no room.
    step("the books agree", lambda: not Order.objects.filter(status=OrderStatus.SUBMITTING).exists())
    there = {report.client_order_id for report in stack.mock.client().open_orders()}
    assert there == set(Order.objects.filter(status__in=OPEN).values_list("client_order_id", flat=True))
    assert len(there) == COUNT
    assert stack.stop() == dict.fromkeys(SERVICES, 0)
