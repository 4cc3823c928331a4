"""Candles, the last day and the order book: asked once, within the shared limits, and refused in words."""

from collections.abc import Iterator
from decimal import Decimal as D
from typing import Any

import pytest

from console.chart import market
from console.chart.market import CANDLES, NoAnswer
from hedgehog_project.venues import Market, endpoints
from hedgehog_project.venues.rate_limits import ENTRIES_SHARE, WEIGHT, rate_limits_at
from tests.support.exchanges.market import MockExchange

pytestmark = pytest.mark.usefixtures("redis_client")


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    market.forget()
    yield
    market.forget()


def used() -> int:
    return rate_limits_at(endpoints(Market.MOCK).rest_url).state().weight.used


def test_candles_end_with_the_last_trade_and_are_asked_for_once(at_mock: MockExchange) -> None:
    at_mock.trade("ETHUSDT", "3100", "2")
    found = market.candles(Market.MOCK, "ETHUSDT", "1m")
    assert found[-1][4] == 3100
    assert len(found) <= CANDLES
    weight = used()
    assert market.candles(Market.MOCK, "ETHUSDT", "1m") == found
    assert used() == weight
    earlier = market.candles(Market.MOCK, "ETHUSDT", "1m", end_s=found[-1][0])
    assert all(candle[0] < found[-1][0] for candle in earlier)


def test_the_day_and_the_book(at_mock: MockExchange) -> None:
    at_mock.trade("ETHUSDT", "3100")
    at_mock.trade("ETHUSDT", "2900")
    day = market.day(Market.MOCK, "ETHUSDT")
    assert (day.high >= D(3100), day.low <= D(2900)) == (True, True)
    assert market.known_day(Market.MOCK, "ETHUSDT") == day
    book = market.book(Market.MOCK, "ETHUSDT")
    assert all(len(side) <= market.LEVELS for side in (book.bids, book.asks))


def test_what_is_kept_for_exits_is_not_used(at_mock: MockExchange) -> None:
    limits = rate_limits_at(endpoints(Market.MOCK).rest_url)
    limits.reserve(int(WEIGHT.limit * ENTRIES_SHARE) - 1 - used())
    with pytest.raises(NoAnswer, match="reserved for exits"):
        market.candles(Market.MOCK, "ETHUSDT", "5m")


def test_a_market_that_does_not_answer_is_not_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = market.rest.get

    def noted(rest_url: str, path: str, *arguments: Any) -> Any:
        asked.append(path)
        return ask(rest_url, path, *arguments)

    monkeypatch.setattr(market.rest, "get", noted)
    for _ in range(3):
        with pytest.raises(NoAnswer, match="does not answer"):
            market.candles(Market.MOCK, "ETHUSDT", "1m")
    assert asked == ["klines"]


def test_a_symbol_that_the_market_does_not_have_is_refused_in_words(at_mock: MockExchange) -> None:
    with pytest.raises(NoAnswer, match="Invalid symbol"):
        market.candles(Market.MOCK, "NOSUCH", "1m")
