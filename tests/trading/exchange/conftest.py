"""A client that knows nothing of an address that another test had, and does not wait between its questions."""

import pytest
import redis

from tests.support.exchanges.clients import forget_exchanges
from trading.exchange import binance


@pytest.fixture(autouse=True)
def alone(redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    forget_exchanges()
    monkeypatch.setattr(binance, "PAUSES_S", (0.001, 0.001))
