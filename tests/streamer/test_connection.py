"""A connection that breaks in any way is noticed and made anew."""

import dataclasses
import time

import pytest

from hedgehog_project.ports import free_port
from hedgehog_project.venues import Market, codes
from streamer.connection import Timeouts
from streamer.feeds import STREAMS_MAX, TradeConnection
from streamer.frame_socket import MESSAGES_PER_S
from streamer.trade_buffer import TradeBuffer
from tests.streamer.conftest import HURRIED, Stage, until
from tests.streamer.exchange import Exchange


def test_a_close_by_the_exchange_is_followed_by_a_new_connection(stage: Stage, exchange: Exchange) -> None:
    feed = stage.stream("ETHUSDT")
    exchange.send_trades(1, 2)
    exchange.close(1001)
    until(lambda: len(exchange.paths) == 2 and exchange.connections() == 1)
    exchange.send_trades(3)
    until(lambda: stage.ids() == [1, 2, 3])
    assert feed.connections[0].reconnects == 1


def test_a_dropped_connection_is_followed_by_a_new_one(stage: Stage, exchange: Exchange) -> None:
    stage.stream("ETHUSDT")
    exchange.send_trades(1)
    until(lambda: stage.ids() == [1])
    exchange.close(1006)
    until(lambda: len(exchange.paths) == 2 and exchange.connections() == 1)
    exchange.send_trades(2)
    until(lambda: stage.ids() == [1, 2])


def test_a_silent_connection_is_given_up(stage: Stage, exchange: Exchange) -> None:
    exchange.answers_pings = False
    stage.stream("ETHUSDT", timeouts=dataclasses.replace(HURRIED, silence_s=0.4))
    until(lambda: len(exchange.paths) >= 2)
    assert exchange.pings >= 1, "it was asked before it was given up"


def test_a_connection_that_answers_pings_is_not_silent(stage: Stage, exchange: Exchange) -> None:
    stage.stream("ETHUSDT", timeouts=dataclasses.replace(HURRIED, silence_s=0.4))
    time.sleep(1.2)
    assert exchange.pings >= 2
    assert len(exchange.paths) == 1


def test_a_connection_without_data_is_made_anew_more_and_more_seldom(stage: Stage, exchange: Exchange) -> None:
    stage.stream("ETHUSDT", timeouts=dataclasses.replace(HURRIED, quiet_s=0.2, proven_s=0))
    until(lambda: len(exchange.paths) == 3)
    begun = time.monotonic()
    until(lambda: len(exchange.paths) == 4)
    assert time.monotonic() - begun > 0.6  # 0.2, 0.4, then 0.8 s


def test_a_server_that_never_answers_the_handshake_is_not_waited_for_for_ever(
    stage: Stage, exchange: Exchange
) -> None:
    exchange.answers_handshakes = False
    stage.stream("ETHUSDT", connected=False)
    until(lambda: len(exchange.paths) >= 2)
    exchange.answers_handshakes = True
    until(lambda: exchange.connections() >= 1)
    time.sleep(0.2)  # The abandoned handshakes are answered too.
    exchange.send_trades(1)
    until(lambda: stage.ids() == [1])


@pytest.mark.parametrize("status", [403, 418, 429])
def test_an_exchange_that_tells_us_to_wait_is_left_alone(
    stage: Stage, exchange: Exchange, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "WAITS_S", {403: 1.1, 418: 1.1, 429: 1.1})
    exchange.handshake_status = status
    stage.stream("ETHUSDT", connected=False)
    until(lambda: exchange.paths)
    exchange.handshake_status = 101
    time.sleep(0.8)
    assert len(exchange.paths) == 1
    until(lambda: exchange.connections() == 1, within_s=2)


def test_an_announced_shutdown_is_not_waited_for(stage: Stage, exchange: Exchange) -> None:
    stage.stream("ETHUSDT", timeouts=dataclasses.replace(HURRIED, backoff_first_s=5, backoff_max_s=5))
    time.sleep(HURRIED.proven_s)
    exchange.send('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}')
    until(lambda: len(exchange.paths) == 2, within_s=1)


def test_announcing_shutdowns_over_and_over_does_not_make_us_hammer(stage: Stage, exchange: Exchange) -> None:
    stage.stream("ETHUSDT", timeouts=dataclasses.replace(HURRIED, backoff_first_s=0.2, backoff_max_s=0.2, proven_s=9))
    until_s = time.monotonic() + 1.5
    while time.monotonic() < until_s:
        exchange.send('{"e":"serverShutdown","E":1}')
        time.sleep(0.01)
    assert 3 <= len(exchange.paths) <= 17


def test_the_connection_is_made_anew_before_its_life_ends(stage: Stage, exchange: Exchange) -> None:
    stage.stream("ETHUSDT", timeouts=dataclasses.replace(HURRIED, life_s=0.5))
    until(lambda: len(exchange.paths) == 2, within_s=2)


def test_pings_are_answered_with_what_they_carry(stage: Stage, exchange: Exchange) -> None:
    stage.stream("ETHUSDT")
    exchange.ping(b"1718000000")
    exchange.send_trades(1)
    until(lambda: exchange.pongs == [b"1718000000"])
    until(lambda: stage.ids() == [1])


def test_frames_of_every_length_and_kind_arrive(stage: Stage, exchange: Exchange) -> None:
    feed = stage.stream("ETHUSDT")
    for size in (10, 125, 126, 65_535, 65_536, 200_000):
        exchange.send('{"k":"' + "x" * (size - 8) + '"}')
    exchange.send(b"\x00\xffbinary")
    exchange.send_trades(1)
    until(lambda: stage.ids() == [1])
    assert feed.connections[0].oddities.total == 7


def test_broken_frames_never_stop_the_stream(stage: Stage, exchange: Exchange) -> None:
    stage.stream("ETHUSDT")
    exchange.send_trades(1)
    exchange.send("", "{", "[]", "null", '{"stream":"ethusdt@trade","data":{"e":"trade"}}', b"\xff")
    exchange.send_trades(2)
    until(lambda: stage.ids() == [1, 2])
    assert len(exchange.paths) == 1


def test_changed_symbols_are_subscribed_on_the_open_connection(stage: Stage, exchange: Exchange) -> None:
    feed = stage.stream("ETHUSDT", "BTCUSDT")
    assert exchange.paths in (
        ["/stream?streams=ethusdt@trade/btcusdt@trade"],
        ["/stream?streams=btcusdt@trade/ethusdt@trade"],
    )
    feed.follow({"ETHUSDT", "XRPUSDT"})
    until(lambda: len(exchange.messages) == 2)
    asked = [(message["method"], message["params"]) for _, message in exchange.messages]
    assert asked == [("UNSUBSCRIBE", ["btcusdt@trade"]), ("SUBSCRIBE", ["xrpusdt@trade"])]
    exchange.send_trades(7, symbol="XRPUSDT")
    exchange.send_trades(8, symbol="BTCUSDT")
    exchange.send_trades(9, symbol="ETHUSDT")
    until(lambda: stage.ids("ETHUSDT") == [9])
    assert stage.ids("XRPUSDT") == [7]
    assert stage.ids("BTCUSDT") == []
    assert len(exchange.paths) == 1


def test_nothing_is_connected_until_something_is_wanted(stage: Stage, exchange: Exchange) -> None:
    feed = stage.stream(connected=False)
    time.sleep(0.2)
    assert exchange.paths == []
    feed.follow({"ETHUSDT"})
    until(lambda: exchange.connections() == 1)


def test_messages_stay_under_the_exchanges_limit(stage: Stage, exchange: Exchange) -> None:
    feed = stage.stream("ETHUSDT")
    for number in range(9):
        feed.follow({"ETHUSDT", f"NO{number}USDT"})
        exchange.ping(b"x") if number % 3 == 0 else None
        time.sleep(0.05)
    until(lambda: exchange.messages and "no8usdt@trade" in exchange.messages[-1][1]["params"])
    times = [at for at, _ in exchange.messages]
    for i, begin in enumerate(times):
        assert sum(begin <= at < begin + 0.95 for at in times[i:]) < MESSAGES_PER_S


def test_an_unanswered_subscription_is_tried_on_a_new_connection(
    stage: Stage, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.feeds.ANSWER_S", 0.3)
    feed = stage.stream("ETHUSDT")
    exchange.answers_subscriptions = False
    feed.follow({"ETHUSDT", "BTCUSDT"})
    until(lambda: len(exchange.paths) == 2)
    assert "btcusdt@trade" in exchange.paths[1]


def test_more_symbols_than_a_connection_takes_get_several(stage: Stage, exchange: Exchange) -> None:
    symbols = {f"S{number:04}USDT" for number in range(STREAMS_MAX + 10)}
    feed = stage.stream(*symbols, connected=False)
    until(lambda: exchange.connections() == 2)
    until(lambda: sum(len(message["params"]) for _, message in exchange.messages) == STREAMS_MAX - 200)
    assert len(feed.connections) == 2
    feed.follow(symbols - {"S0000USDT"} | {"NEWUSDT"})
    until(lambda: any(message["params"] == ["newusdt@trade"] for _, message in exchange.messages))
    assert len(exchange.paths) == 2


def test_symbols_need_not_be_ascii(stage: Stage, exchange: Exchange) -> None:
    stage.stream("币安人生USDT")
    assert exchange.paths == ["/stream?streams=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9Fusdt@trade"]
    exchange.send_trades(5, symbol="币安人生USDT")
    until(lambda: stage.ids("币安人生USDT") == [5])


def test_backoff_grows_to_its_cap_and_never_synchronises(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    connection = TradeConnection("x", Market.MOCK, "ws://127.0.0.1:1", TradeBuffer(), Timeouts())
    monkeypatch.setattr(connection, "_pause", waits.append)
    connection._born = time.monotonic()
    for _ in range(12):
        connection._lost("refused", None)
    caps = [min(10.0, 0.25 * 2**n) for n in range(12)]
    assert all(cap / 2 <= wait <= cap for wait, cap in zip(waits, caps, strict=True))
    assert len(set(waits[-5:])) == 5


def test_exchange_at_which_nobody_listens_is_tried_each_second_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has restarted is found at once, and one that is away for hours fills no log."""
    waits: list[float] = []
    connection = TradeConnection("x", Market.MOCK, f"ws://127.0.0.1:{free_port()}", TradeBuffer(), Timeouts())
    connection.want(["ETHUSDT"])

    def pause(wait_s: float) -> None:
        waits.append(wait_s)
        if len(waits) == 66:
            connection.stop()

    monkeypatch.setattr(connection, "_pause", pause)
    connection.run()
    caps = [min(1.0, 0.25 * 2**n) for n in range(60)] + [10.0] * 6
    assert all(cap / 2 <= wait <= cap for wait, cap in zip(waits, caps, strict=True))


def test_who_does_not_listen_yet_is_warned_about_only_after_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "streamer.connection")
    connection = TradeConnection("x", Market.MOCK, "ws://127.0.0.1:1", TradeBuffer(), Timeouts())
    monkeypatch.setattr(connection, "_pause", lambda _: None)
    connection._refuses("Connection refused")
    assert caplog.text == ""
    connection._made -= Timeouts().starts_s
    connection._refuses("Connection refused")
    assert caplog.text.count("Connection refused") == 1
    connection._made, connection._was_open = time.monotonic(), True
    connection._refuses("it was there before")
    assert "it was there before" in caplog.text
