"""The account's own orders are published as they come, and every new subscription says that it is new."""

import dataclasses
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from streamer import user_feed
from streamer.topics import report_topic
from tests.streamer.conftest import HURRIED, Stage, until
from tests.streamer.exchange import Exchange
from tests.streamer.test_publisher import MortalRedis, mortal_redis  # noqa: F401 - a fixture

REPORT = {"e": "executionReport", "E": 1, "s": "ETHUSDT", "c": "h-1", "x": "TRADE", "X": "FILLED", "L": "1.50"}


def report(event: dict[str, Any]) -> str:
    return json.dumps({"subscriptionId": 0, "event": event})


def published(stage: Stage) -> list[tuple[str, Any]]:
    entries: Any = stage.client.xrange(report_topic("mock"))
    return [(fields[b"kind"].decode(), json.loads(fields[b"data"])) for _, fields in entries]


def refuse(code: int, text: str, status: int = 400) -> Any:
    return lambda asked: {"status": status, "error": {"code": code, "msg": text}}


def test_the_subscription_is_signed_over_its_parameters_sorted_by_name(stage: Stage, exchange: Exchange) -> None:
    stage.user_stream()
    until(lambda: exchange.messages)
    asked = exchange.messages[0][1]
    assert asked["method"] == "userDataStream.subscribe.signature"
    params = asked["params"]
    query = f"apiKey=the-key&timestamp={params['timestamp']}"
    assert params["signature"] == hmac.new(b"the-secret", query.encode(), hashlib.sha256).hexdigest()
    assert abs(params["timestamp"] - time.time() * 1000) < 5000


def test_connected_comes_before_the_first_report(stage: Stage, exchange: Exchange) -> None:
    feed = stage.user_stream()
    until(lambda: feed.subscribed)
    exchange.send(report(REPORT), to="user")
    until(lambda: published(stage) == [("connected", {}), ("event", REPORT)])


def test_every_reconnect_subscribes_again_and_says_so(stage: Stage, exchange: Exchange) -> None:
    feed = stage.user_stream()
    until(lambda: feed.subscribed)
    for number, code in enumerate((1001, 1006), start=1):
        exchange.close(code, of="user")
        until(lambda: published(stage) == [("connected", {})] * (number + 1))  # noqa: B023
    assert feed.reconnects == 2


@pytest.mark.parametrize(
    "news",
    [
        report({"e": "eventStreamTerminated", "E": 1}),
        report({"e": "serverShutdown", "E": 1}),
        '{"event":{"e":"serverShutdown","E":1}}',
        '{"e":"serverShutdown","E":1}',
    ],
)
def test_an_end_that_is_announced_is_followed_by_a_new_subscription(
    stage: Stage, exchange: Exchange, news: str
) -> None:
    feed = stage.user_stream()
    until(lambda: feed.subscribed)
    exchange.send(news, to="user")
    until(lambda: [kind for kind, _ in published(stage)].count("connected") == 2)


def test_a_clock_that_is_off_is_set_by_the_exchanges_time(stage: Stage, exchange: Exchange) -> None:
    exchange.user_answers = [refuse(-1021, "Timestamp for this request is outside of the recvWindow.")]
    feed = stage.user_stream()
    until(lambda: feed.subscribed)
    methods = [message["method"].split(".")[0] for _, message in exchange.messages]
    assert methods == ["userDataStream", "time", "userDataStream"]
    off_ms = exchange.messages[2][1]["params"]["timestamp"] - time.time() * 1000
    assert off_ms == pytest.approx(60_000, abs=3000)
    assert feed.reconnects == 0


def test_a_wrong_key_is_named_and_not_tried_over_and_over(
    stage: Stage, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    exchange.user_answers = [refuse(-2015, "Invalid API-key, IP, or permissions for action.", 401)] * 50
    feed = stage.user_stream()
    until(lambda: feed.problem)
    time.sleep(0.5)
    assert len(exchange.messages) == 1
    assert "-2015" in caplog.text
    assert "Invalid API key, IP or permissions" in caplog.text
    assert "the-secret" not in caplog.text
    assert published(stage) == []


def test_a_busy_exchange_is_asked_again_soon(stage: Stage, exchange: Exchange) -> None:
    exchange.user_answers = [refuse(-1008, "Server is currently overloaded with other requests.", 503)]
    feed = stage.user_stream()
    until(lambda: feed.subscribed)
    assert feed.problem == ""


def test_how_long_to_stay_away_is_told_by_the_exchange_s_clock() -> None:
    there_ms = round((time.time() - 6 * 3600) * 1000)
    data = {"serverTime": there_ms, "retryAfter": there_ms + 20_000}
    assert user_feed._retry_after_s({"data": data}) == 20
    assert user_feed._retry_after_s({"data": {"retryAfter": "soon"}}) == 0


def test_an_answer_that_never_comes_is_not_waited_for(
    stage: Stage, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.user_feed.ANSWER_S", 0.3)
    exchange.user_answers = [lambda asked: {"id": "somebody else's", "status": 200, "result": {}}]
    feed = stage.user_stream()
    until(lambda: feed.subscribed)
    assert feed.reconnects == 1


def test_broken_messages_do_not_end_the_stream(stage: Stage, exchange: Exchange) -> None:
    feed = stage.user_stream()
    until(lambda: feed.subscribed)
    exchange.send("{", "[]", "{}", '{"event":5}', '{"event":{"e":7}}', '{"id":99,"status":200}', b"\xff", to="user")
    exchange.send(report(REPORT), to="user")
    until(lambda: published(stage)[-1] == ("event", REPORT))
    assert feed.reconnects == 0
    assert feed.oddities.total == 7


def test_a_silent_user_stream_is_probed_but_not_thought_dead(stage: Stage, exchange: Exchange) -> None:
    feed = stage.user_stream(dataclasses.replace(HURRIED, silence_s=0.4, quiet_s=0.2))
    until(lambda: exchange.pings >= 3)
    assert feed.reconnects == 0


def test_reports_wait_for_redis_and_its_return_is_told(
    exchange: Exchange,
    mortal_redis: MortalRedis,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(exchange, mortal_redis.client)
    feed = stage.user_stream()
    until(lambda: published(stage) == [("connected", {})])
    mortal_redis.kill()
    exchange.send(report(REPORT), to="user")
    until(lambda: "redis_away" in caplog.text)
    mortal_redis.start()
    until(lambda: published(stage) == [("event", REPORT), ("connected", {})])
    assert feed.reconnects == 0
    stage.stop()
