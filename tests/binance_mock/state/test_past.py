"""What a simulated symbol traded before: the same for the same seed, and consistent from seconds to days."""

from decimal import Decimal

import pytest

from binance_mock.state.listings import LISTINGS, MockSymbol
from binance_mock.state.past import DAYS, Past, past_of, read_past
from candles.fold import Candle
from candles.intervals import DAY_MS, LEVELS, MINUTE_MS, SECOND_MS
from tests.binance_mock.support import NOW

MIDNIGHT = NOW // DAY_MS * DAY_MS
ENDS = [MIDNIGHT, MIDNIGHT + MINUTE_MS, MIDNIGHT + 61 * MINUTE_MS, NOW, MIDNIGHT + DAY_MS - MINUTE_MS]
# A price of few ticks, whose ticks and steps multiply to less than eight decimals.
COARSE = MockSymbol("SHIB", "BTC", Decimal("0.00000001"), Decimal("0.1"), Decimal("0.00000012"), Decimal(2_000))


def all_of(past: Past, level: int, from_ms: int = 0, before_ms: int = 2**53) -> list[Candle]:
    return list(past.candles(level, from_ms, before_ms))


def is_possible(candle: Candle) -> bool:
    """Whether trades can make such a candle."""
    sold = candle.base - candle.taker_buy_base, candle.quote - candle.taker_buy_quote
    return (
        candle.count >= 1
        and candle.low <= min(candle.open, candle.close)
        and candle.high >= max(candle.open, candle.close)
        and all(
            candle.low * base <= quote <= candle.high * base
            for base, quote in ((candle.taker_buy_base, candle.taker_buy_quote), sold)
        )
    )


@pytest.mark.parametrize("listing", [LISTINGS["BTCUSDT"], LISTINGS["DOGEUSDT"], LISTINGS["ETHBTC"], COARSE])
@pytest.mark.parametrize("now_ms", ENDS)
def test_each_candle_is_the_sum_of_the_shorter_ones(listing: MockSymbol, now_ms: int) -> None:
    past = past_of(listing, "1", now_ms)
    days = all_of(past, DAY_MS)
    for whole in (days[0], days[200], days[-1]):
        wholes = [whole]
        for level in reversed(LEVELS[:-1]):
            for candle in wholes:
                first, *others = parts = all_of(past, level, candle.opens_ms, candle.closes_ms + 1)
                summed = first.within(candle.opens_ms, candle.closes_ms)
                for part in others:
                    summed.extend(part)
                assert summed == candle
                assert all(map(is_possible, parts))
                ids = [each for part in parts for each in (part.first_id, part.last_id)]
                assert ids == sorted(set(ids))
            wholes = [parts[0], parts[-1]]


def test_a_year_of_days_ends_at_the_first_price_and_with_the_last_trade() -> None:
    past = past_of(LISTINGS["ETHUSDT"], "1", NOW)
    days = all_of(past, DAY_MS)
    assert len(days) == DAYS + 1
    assert [day.open for day in days[1:]] == [day.close for day in days[:-1]]
    assert (days[0].first_id, days[-1].last_id) == (1, past.trades)
    assert all_of(past, SECOND_MS, past.ends_ms - SECOND_MS)[-1].close == Decimal(3000)
    assert len({day.close for day in days}) > DAYS / 2


def test_it_is_the_same_when_it_is_read_again_whatever_was_asked_first() -> None:
    past = past_of(LISTINGS["ETHUSDT"], "my seed", NOW)
    again = read_past("ETHUSDT", past.text())
    noon = NOW - 50 * DAY_MS
    minutes = all_of(past, MINUTE_MS, noon, noon + 100 * MINUTE_MS)
    assert all_of(again, MINUTE_MS, noon + 50 * MINUTE_MS, noon + 100 * MINUTE_MS) == minutes[50:]
    assert all_of(again, DAY_MS) == all_of(past, DAY_MS)
    assert all_of(past_of(LISTINGS["ETHUSDT"], "another", NOW), DAY_MS) != all_of(past, DAY_MS)
