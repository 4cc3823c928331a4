"""How old a trade is, whatever the exchange's clock and ours say, and whoever sets them."""

import time

import pytest
import redis

from hedgehog_project import shared_clock
from streamer import exchange_clock
from streamer.topics import AHEAD_S, UNKNOWN_S, TradeEvent, decode_trade, encode_trade, last_trade
from tests.streamer.conftest import Stage, until
from tests.streamer.exchange import Exchange, combined, trade

HOURS = [-6, 6]


@pytest.fixture(autouse=True)
def own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_clock, "_clock", shared_clock.SharedClock())


def send(stage: Stage, exchange: Exchange, trade_id: int, age_s: float = 0.0) -> TradeEvent:
    """A trade that the exchange made so long ago, as its topic has it."""
    exchange.send(combined(trade(trade_id, ms=exchange.now_ms() - round(age_s * 1000))))
    until(lambda: stage.ids()[-1:] == [trade_id])
    found = last_trade(stage.client, "mock", "ETHUSDT")
    assert found is not None
    return found


def learned(stage: Stage) -> None:
    stage.stream("ETHUSDT")
    until(lambda: stage.feeds[0]._clock._ahead_ms is not None)  # type: ignore[union-attr]


@pytest.mark.parametrize("hours", [0, *HOURS])
def test_an_exchange_whose_clock_is_off_makes_no_trade_old_or_new(
    stage: Stage, exchange: Exchange, hours: int
) -> None:
    exchange.clock_off_s = hours * 3600
    learned(stage)
    assert send(stage, exchange, 1).age_s < 1
    assert send(stage, exchange, 2, age_s=30).age_s == pytest.approx(30, abs=1), "it came late"


@pytest.mark.parametrize("hours", HOURS)
def test_our_clock_may_be_set_meanwhile(
    stage: Stage, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    learned(stage)
    before = send(stage, exchange, 1)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    assert before.age_s < 2
    assert send(stage, exchange, 2).age_s < 1
    assert send(stage, exchange, 3, age_s=30).age_s == pytest.approx(30, abs=1)


@pytest.mark.parametrize("hours", HOURS)
def test_the_exchanges_clock_may_be_set_meanwhile(
    stage: Stage, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr(exchange_clock, "ASK_AGAIN_S", 0.1)
    learned(stage)
    exchange.clock_off_s = hours * 3600
    send(stage, exchange, 1)  # It does not fit: the exchange is asked.
    ids = iter(range(2, 100))

    def is_right_again() -> bool:
        time.sleep(0.1)
        return send(stage, exchange, next(ids)).age_s < 1

    until(is_right_again)


def test_a_trade_of_before_the_shared_clock_was_set_back_counts_as_old(redis_client: "redis.Redis") -> None:
    def made(ahead_s: float) -> TradeEvent:
        return TradeEvent("ETHUSDT", 1, "1", "1", 1, 1, True, round((shared_clock.now() + ahead_s) * 1000))

    assert made(AHEAD_S / 2).age_s == 0
    assert made(6 * 3600).age_s == UNKNOWN_S
    assert made(-7).age_s == pytest.approx(7, abs=1)


def test_an_entry_of_an_older_version_goes_by_our_own_clock() -> None:
    now_ms = round(time.time() * 1000)
    old = decode_trade("ETHUSDT", b"7-0", f"1.5,2,{now_ms - 9000},{now_ms - 8000},1".encode())
    assert (old.trade_id, old.price, old.made_ms) == (7, "1.5", 0)
    assert old.age_s == pytest.approx(8, abs=1)
    new = TradeEvent("ETHUSDT", 7, "1.5", "2", 1, 2, True, 3)
    assert decode_trade("ETHUSDT", b"7-0", encode_trade(new).encode()) == new
