"""A row that another session holds, on PostgreSQL with a real worker: it is tried again, and is nobody's error."""

import os
import time
from collections.abc import Iterator
from decimal import Decimal as D
from pathlib import Path

import psycopg
import pytest
import redis
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from tests.support.machine.postgres import Cluster
from tests.support.machine.stack import Stack
from tests.trading.conftest import make_symbol
from trading.core.events import TradeSeen
from trading.core.journal import Kind
from trading.core.strategy import ANY_PRICE
from trading.models import JournalEntry, Order, Trader
from trading.waking import enqueue

SYMBOL = "ETHUSDT"


@pytest.fixture
def address(postgres: Cluster) -> str:
    return postgres.create()


@pytest.fixture
def stack(
    address: str, tmp_path: Path, redis_client: "redis.Redis", django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    stack = Stack(
        tmp_path, f"{address}?lock_timeout=300ms", REDIS_URL=os.environ["REDIS_URL"], MARKET="manual",
        MOCK_BALANCES="USDT:10000", HEDGEHOG_SYMBOLS=SYMBOL,
    )  # fmt: skip
    try:
        stack.prepare()
        with django_db_blocker.unblock(), stack.looked_into():
            stack.start("mock_exchange", "worker", "worker_exits")
            stack.wait_until_up()
            stack.mock.trade(SYMBOL, "3000")
            yield stack
    finally:
        stack.stop()


@pytest.mark.timeout(180)
def test_a_trader_whose_row_is_held_is_woken_again_and_shows_no_error(stack: Stack, address: str) -> None:
    trader = Trader.objects.create(
        symbol=make_symbol(SYMBOL), venue="mock", slot=1, budget=D(200), wake_below=ANY_PRICE,
        armed_at=timezone.now(), strategy_settings={"buy_down_interval": "0.001", "profit_interval": "0.001"},
    )  # fmt: skip
    event = TradeSeen(SYMBOL, 1, D(3000), round(time.time() * 1000))
    worker = stack.services["worker"]
    with psycopg.connect(address) as other:
        other.execute("SELECT * FROM trading_trader WHERE id = %s FOR UPDATE", [trader.pk])
        enqueue.wake(trader.pk, SYMBOL, event)
        stack.wait_for(lambda: "trading.tasks.wake is postponed" in worker.output, 30, "the second try to fail")
        assert "trading.tasks.wake is retried: the database says canceling statement due to lock timeout" in (
            " ".join(worker.output.split())
        )
        assert "Traceback" not in worker.output
    assert not JournalEntry.objects.filter(trader=trader, kind=Kind.FAILED).exists()
    trader.refresh_from_db()
    assert (trader.error, trader.failures) == ("", 0)
    enqueue.wake(trader.pk, SYMBOL, event)
    stack.wait_for(lambda: Order.objects.filter(trader=trader).exists(), 30, "the buy")
