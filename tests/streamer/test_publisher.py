"""Each trade stands once in its topic, in order, whatever the wire and Redis do."""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from streamer.exchange_clock import ExchangeClock
from streamer.gaps import Filled
from streamer.publisher import Publisher
from streamer.topics import GAP_KEY_S, TRADES_KEPT, TradeEvent, gap_key, has_gap, last_trade, trade_topic
from streamer.trade_buffer import TradeBuffer
from tests.streamer.conftest import Stage, until
from tests.streamer.exchange import Exchange, combined, historical, trade
from tests.support.environment import start_redis

# Nobody asks the exchange for its time here.
CLOCK = ExchangeClock("http://127.0.0.1:1")


def test_a_trade_is_kept_as_it_came(stage: Stage, exchange: Exchange) -> None:
    stage.stream("ETHUSDT")
    exchange.send(combined({**trade(7), "p": "2683.80000000", "q": "0.00200000", "T": 1, "E": 2, "m": False}))
    until(lambda: stage.ids() == [7])
    found = last_trade(stage.client, "mock", "ETHUSDT")
    assert found is not None
    assert found == TradeEvent("ETHUSDT", 7, "2683.80000000", "0.00200000", 1, 2, False, found.made_ms)


def test_doubled_and_shuffled_frames_come_out_once_and_in_order(stage: Stage, exchange: Exchange) -> None:
    exchange.history = historical(*range(1, 10))
    exchange.history_delay_s = 0.3
    stage.stream("ETHUSDT")
    exchange.send_trades(1, 2, 2, 4, 3, 1, 6, 5, 6, 7)
    until(lambda: stage.ids() == [1, 2, 3, 4, 5, 6, 7])


def test_a_gap_is_filled_from_rest_before_live_trades_go_on(
    stage: Stage, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    exchange.history = historical(*range(1, 3000))
    exchange.history_delay_s = 0.2
    stage.stream("ETHUSDT", "BTCUSDT")
    with caplog.at_level(logging.INFO):
        exchange.send_trades(1)
        exchange.send_trades(2501)
        exchange.send_trades(10, 11, symbol="BTCUSDT")
        exchange.send_trades(2502)
        until(lambda: stage.ids("BTCUSDT") == [10, 11])
        assert stage.ids() == [1], "ETHUSDT waits for its gap, BTCUSDT does not"
        assert has_gap(stage.client, "mock", "ETHUSDT") and not has_gap(stage.client, "mock", "BTCUSDT")
        until(lambda: stage.ids() == list(range(1, 2503)))
    until(lambda: not has_gap(stage.client, "mock", "ETHUSDT"))
    assert "symbol=ETHUSDT first=2 last=2500 size=2499 filled=2499" in caplog.text


def test_a_streamer_that_dies_in_a_gap_leaves_no_word_of_it_for_long(stage: Stage) -> None:
    stage.publisher.follow("mock", ["ETHUSDT"], lambda symbol, gap: None, CLOCK)
    stage.publisher.buffer.put("mock", [event(1), event(5)])
    until(lambda: has_gap(stage.client, "mock", "ETHUSDT"))
    assert 0 < stage.client.ttl(gap_key("mock", "ETHUSDT")) <= GAP_KEY_S


def test_trades_missed_while_nobody_streamed_are_filled(stage: Stage, exchange: Exchange) -> None:
    stage.client.xadd(trade_topic("mock", "ETHUSDT"), {"t": "1.5,1,1700000000004,1700000000004,1"}, id="4-0")
    exchange.history = historical(*range(1, 10))
    stage.stream("ETHUSDT")
    exchange.send_trades(8)
    until(lambda: stage.ids() == [4, 5, 6, 7, 8])


def test_history_that_needs_a_key_is_replaced_by_aggregates(stage: Stage, exchange: Exchange) -> None:
    exchange.history_status = 401
    exchange.aggregates = [
        {"a": 1, "p": "1.0", "q": "1", "f": 1, "l": 3, "T": 1_700_000_000_001, "m": True, "M": True},
        {"a": 2, "p": "1.1", "q": "2", "f": 4, "l": 6, "T": 1_700_000_000_004, "m": False, "M": True},
        {"a": 3, "p": "1.2", "q": "3", "f": 7, "l": 9, "T": 1_700_000_000_007, "m": False, "M": True},
    ]
    stage.stream("ETHUSDT")
    exchange.send_trades(2, 8, 9)
    until(lambda: stage.ids() == [2, 3, 6, 7, 8, 9])  # 7: the part of the last aggregate that came before 8


@pytest.mark.parametrize("reason", ["exchange without history", "exchange that refuses"])
def test_a_gap_that_cannot_be_filled_holds_nothing_up_for_long(
    stage: Stage, exchange: Exchange, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    exchange.history_status = 200 if reason == "exchange without history" else 401
    stage.stream("ETHUSDT")
    exchange.send_trades(1, 5, 6)
    until(lambda: stage.ids() == [1, 5, 6])
    assert "size=3 filled=0" in caplog.text


def test_of_a_huge_gap_only_what_a_topic_keeps_is_asked_for(stage: Stage, exchange: Exchange) -> None:
    exchange.history = historical(*range(39_000, 50_000))
    stage.stream("ETHUSDT")
    exchange.send_trades(1, 50_000)
    until(lambda: stage.ids()[-1:] == [50_000])
    assert exchange.rest_calls[0].endswith(f"fromId={50_000 - TRADES_KEPT}&limit=1000")
    assert len(exchange.rest_calls) == TRADES_KEPT // 1000


def test_a_throttled_gap_filler_waits_as_told(stage: Stage, exchange: Exchange) -> None:
    exchange.history_status = 429
    stage.stream("ETHUSDT")
    exchange.send_trades(1, 5)
    until(lambda: stage.ids() == [1, 5])
    assert len(exchange.rest_calls) == 1


def test_ids_that_begin_anew_empty_the_topic(
    stage: Stage, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    stage.stream("ETHUSDT")
    exchange.send_trades(5000, 5001)
    until(lambda: stage.ids() == [5000, 5001])
    exchange.send(combined(trade(1, ms=1_700_000_100_000)), combined(trade(2, ms=1_700_000_100_001)))
    until(lambda: stage.ids() == [1, 2])
    assert "ids_anew market=mock symbol=ETHUSDT first=1" in caplog.text


def test_a_topic_that_another_streamer_began_anew_is_not_emptied_again(stage: Stage, exchange: Exchange) -> None:
    stage.stream("ETHUSDT")
    exchange.send_trades(5000)
    until(lambda: stage.ids() == [5000])
    topic = trade_topic("mock", "ETHUSDT")
    stage.client.delete(topic)
    for i in (1, 2, 3):
        stage.client.xadd(topic, {"t": f"100.00,0.5,{1_700_000_100_000 + i},{1_700_000_100_000 + i},1"}, id=f"{i}-0")
    stage.client.xgroup_create(topic, "readers", "0")
    for i in (1, 2, 3, 4):
        exchange.send(combined(trade(i, ms=1_700_000_100_000 + i)))
    until(lambda: stage.ids() == [1, 2, 3, 4])
    assert stage.client.xinfo_groups(topic), "its readers were not thrown out"


def test_two_streamers_publish_each_trade_once(stage: Stage, exchange: Exchange) -> None:
    other = Stage(exchange, stage.client)
    stage.stream("ETHUSDT")
    other.stream("ETHUSDT", connected=False)
    until(lambda: exchange.connections() == 2)
    exchange.send_trades(*range(1, 50))
    until(lambda: stage.ids() == list(range(1, 50)))
    for publisher in (stage.publisher, other.publisher):
        until(lambda: [last.trade_id for last in publisher.last_trades()] == [49])  # noqa: B023
    other.stop()
    assert stage.ids() == list(range(1, 50))


def test_a_topic_keeps_the_newest_only(stage: Stage) -> None:
    stage.publisher.follow("mock", ["ETHUSDT"], lambda symbol, gap: None, CLOCK)
    for start in range(1, TRADES_KEPT + 5001, 500):
        stage.publisher.buffer.put("mock", [event(i) for i in range(start, start + 500)])
        until(lambda: stage.publisher.published == start + 499)  # noqa: B023
    kept = stage.client.xlen(trade_topic("mock", "ETHUSDT"))
    assert TRADES_KEPT <= kept < TRADES_KEPT + 1000


@pytest.mark.parametrize("order", ["maxmemory 1", "min-replicas-to-write 1"])
def test_a_redis_that_refuses_is_asked_again_until_it_takes_it(
    stage: Stage, exchange: Exchange, order: str, caplog: pytest.LogCaptureFixture
) -> None:
    name, value = order.split()
    before: Any = stage.client.config_get(name)[name]
    stage.stream("ETHUSDT")
    try:
        stage.client.config_set(name, value)
        exchange.send_trades(1, 2)
        until(lambda: "redis_refuses" in caplog.text)
        exchange.send_trades(3)
        time.sleep(0.6)
    finally:
        stage.client.config_set(name, before)
    until(lambda: stage.ids() == [1, 2, 3])
    assert caplog.text.count("redis_refuses") == 1


def test_a_topic_that_is_something_else_spoils_no_other(
    stage: Stage, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    stage.stream("ETHUSDT", "BTCUSDT")
    exchange.send_trades(1)
    exchange.send_trades(1, symbol="BTCUSDT")
    until(lambda: stage.ids("BTCUSDT") == [1])
    stage.client.set(trade_topic("mock", "ETHUSDT"), "no stream")
    exchange.send_trades(2, 3)
    exchange.send_trades(2, symbol="BTCUSDT")
    until(lambda: stage.ids("BTCUSDT") == [1, 2])
    until(lambda: "redis_refuses one of the topics" in caplog.text)


@pytest.fixture
def mortal_redis(tmp_path: Path) -> Iterator["MortalRedis"]:
    mortal = MortalRedis(tmp_path)
    yield mortal
    mortal.kill()


class MortalRedis:
    """A Redis of its own that can be killed, frozen and started again, empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.process, self.url = start_redis(folder)
        self.port = int(self.url.rsplit(":", 1)[1].split("/")[0])
        self.client = redis.Redis.from_url(self.url, socket_timeout=1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        self.process, _ = start_redis(self._folder, self.port)


def event(trade_id: int) -> TradeEvent:
    ms = 1_700_000_000_000 + trade_id
    return TradeEvent("ETHUSDT", trade_id, "1", "1", ms, ms, True)


def test_a_killed_redis_is_waited_for_with_the_newest_trades_kept(
    exchange: Exchange, mortal_redis: MortalRedis, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(exchange, mortal_redis.client)
    stage.publisher.follow("mock", ["ETHUSDT"], lambda symbol, gap: deliver_nothing(stage, gap), CLOCK)
    buffer = stage.publisher.buffer
    buffer.put("mock", [event(1)])
    until(lambda: stage.publisher.published == 1)
    mortal_redis.kill()
    buffer.put("mock", [event(2)])  # on its way when Redis is found dead
    until(lambda: "redis_away" in caplog.text)
    for i in range(3, 2003):
        buffer.put("mock", [event(i)])
    mortal_redis.start()
    until(lambda: stage.publisher.published == 2 + 1000 + 2)  # the last two tell of the gap, and of its end
    assert stage.ids() == [2, *range(1003, 2003)]
    assert stage.publisher.dropped == 1000
    assert "redis_back" in caplog.text
    assert "dropped=1000" in caplog.text
    stage.stop()


def deliver_nothing(stage: Stage, gap: object) -> None:
    """The exchange has nothing of a gap."""
    stage.publisher.buffer.deliver(Filled("mock", "ETHUSDT", gap, []))  # type: ignore[arg-type]


def test_a_redis_that_is_away_at_the_start_is_waited_for(
    exchange: Exchange, mortal_redis: MortalRedis, caplog: pytest.LogCaptureFixture
) -> None:
    mortal_redis.kill()
    stage = Stage(exchange, mortal_redis.client)
    stage.stream("ETHUSDT")
    exchange.send_trades(1, 2, 3)
    until(lambda: "redis_away" in caplog.text)
    mortal_redis.start()
    until(lambda: stage.publisher.published == 3)
    assert stage.ids() == [1, 2, 3]
    stage.stop()


def test_a_frozen_redis_is_waited_for(exchange: Exchange, mortal_redis: MortalRedis) -> None:
    stage = Stage(exchange, mortal_redis.client)
    stage.stream("ETHUSDT")
    exchange.send_trades(1)
    until(lambda: stage.ids() == [1])
    mortal_redis.process.send_signal(signal.SIGSTOP)
    exchange.send_trades(2)
    time.sleep(1.3)  # longer than the client's time-out
    exchange.send_trades(3)
    mortal_redis.process.send_signal(signal.SIGCONT)
    until(lambda: stage.ids() == [1, 2, 3])
    stage.stop()


def test_stopping_does_not_wait_for_a_redis_that_is_away(exchange: Exchange, mortal_redis: MortalRedis) -> None:
    publisher = Publisher(mortal_redis.client)
    publisher.follow("mock", ["ETHUSDT"], lambda symbol, gap: None, CLOCK)
    mortal_redis.kill()
    publisher.buffer.put("mock", [event(1)])
    publisher.stop()
    begun = time.monotonic()
    publisher.run()
    assert time.monotonic() - begun < 1


def test_a_reader_waits_for_a_slow_redis_and_drops_nothing() -> None:
    buffer = TradeBuffer(capacity=10)
    buffer.put("mock", [event(i) for i in range(8)])
    reader = threading.Thread(target=buffer.put, args=("mock", [event(i) for i in range(8, 16)]))
    reader.start()
    time.sleep(0.1)
    assert reader.is_alive()
    buffer.take()
    reader.join(1)
    assert not reader.is_alive()
    items = buffer.take()
    assert items == [("mock", [event(i) for i in range(8, 16)])]
    assert buffer.take_dropped() == 0


def test_a_reader_does_not_wait_while_redis_is_away() -> None:
    buffer = TradeBuffer(capacity=10)
    buffer.set_flowing(False)
    begun = time.monotonic()
    for i in range(50):
        buffer.put("mock", [event(i)])
    assert time.monotonic() - begun < 0.5
    assert buffer.take_dropped() == 40


def test_an_inbox_drops_the_oldest_trades_but_no_answer_of_a_gap_filler() -> None:
    buffer = TradeBuffer(capacity=10)
    answer = Filled("mock", "ETHUSDT", None, [])  # type: ignore[arg-type]
    buffer.set_flowing(False)
    buffer.put("mock", [event(i) for i in range(6)])
    buffer.deliver(answer)
    buffer.put("mock", [event(i) for i in range(6, 18)])
    items = buffer.take()
    assert items is not None
    assert items[0] is answer
    assert [trade.trade_id for item in items if not isinstance(item, Filled) for trade in item[1]] == [*range(8, 18)]
    assert buffer.take_dropped() == 8
    assert buffer.take_dropped() == 0
