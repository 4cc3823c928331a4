"""Questions are asked again, within bounds; the exchange's clock is learned once for all threads."""

import threading
import time
from typing import Any

import pytest

from tests.support.exchanges.clients import ORDER_REPLY, client_of, limit_order
from tests.support.exchanges.scripted_http import Answer, ScriptedServer, answer, hang_up, silent
from trading.exchange import binance
from trading.exchange.errors import NotFound, OutcomeUnknown, Refused, Throttled

BUSY = answer(503, {"code": -1008, "msg": "Server is currently overloaded"})
CLOCK_IS_OFF = answer(400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."})


def server_time(ahead_ms: int) -> Answer:
    def send(connection: Any) -> bool:
        return answer(200, {"serverTime": round(time.time() * 1000) + ahead_ms})(connection)

    return send


@pytest.mark.parametrize("failures", [[hang_up], [BUSY, hang_up], [answer(200, text="{}"), BUSY]])
def test_question_is_asked_again_until_it_is_answered(failures: list[Answer]) -> None:
    with ScriptedServer(*failures, answer(200, ORDER_REPLY)) as server:
        assert client_of(server.url).order("ETHUSDT", "hh-1-b-1").exchange_order_id == 7


def test_question_is_asked_three_times_at_most() -> None:
    with ScriptedServer(*[BUSY] * 5) as server:
        with pytest.raises(OutcomeUnknown, match="overloaded"):
            client_of(server.url).order("ETHUSDT", "hh-1-b-1")
        assert len(server.requests) == 3


@pytest.mark.parametrize(("code", "expected"), [(-2013, NotFound), (-1121, Refused)])
def test_answer_that_is_no_is_not_asked_for_again(code: int, expected: type[Exception]) -> None:
    with ScriptedServer(*[answer(400, {"code": code, "msg": "no"})] * 3) as server:
        with pytest.raises(expected):
            client_of(server.url).order("ETHUSDT", "hh-1-b-1")
        assert len(server.requests) == 1


def test_waits_between_questions_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(binance, "PAUSES_S", (0.2, 0.8))
    monkeypatch.setattr(binance.time, "sleep", waits.append)
    for _ in range(20):
        with ScriptedServer(*[BUSY] * 3) as server, pytest.raises(OutcomeUnknown):
            client_of(server.url).order("ETHUSDT", "hh-1-b-1")
    first, second = waits[::2], waits[1::2]
    assert all(0.1 <= wait <= 0.3 for wait in first)
    assert all(0.4 <= wait <= 1.2 for wait in second)
    assert len(set(waits)) == 40


def test_exchange_that_says_nothing_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binance, "PATIENCE_S", 0.5)
    monkeypatch.setattr(binance, "ANSWER_TIMEOUT_S", 0.4)
    began = time.monotonic()
    with ScriptedServer(*[silent(2)] * 5) as server:
        with pytest.raises(OutcomeUnknown):
            client_of(server.url).order("ETHUSDT", "hh-1-b-1")
        assert len(server.requests) == 2
    assert time.monotonic() - began < 1.6


def test_short_wait_is_waited_and_a_long_one_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    for wait_s, asked in ((1, 2), (2, 1)):
        told_to_wait = answer(429, {"code": -1003, "msg": "Too many requests queued."}, Retry_After=wait_s)
        with ScriptedServer(told_to_wait, answer(200, ORDER_REPLY)) as server:
            began = time.monotonic()
            if asked == 1:
                with pytest.raises(Throttled):
                    client_of(server.url).order("ETHUSDT", "hh-1-b-1")
            else:
                client_of(server.url).order("ETHUSDT", "hh-1-b-1")
                assert time.monotonic() - began >= 1
            assert len(server.requests) == asked


def test_clock_learned_by_one_thread_serves_all() -> None:
    threads = 4
    asked = threading.Barrier(threads)

    def off(connection: Any) -> bool:
        asked.wait(5)  # All have sent their wrong timestamp before anybody is told.
        return CLOCK_IS_OFF(connection)

    def order_or_time(connection: Any) -> bool:
        # Which of the two was asked for is seen by the last request.
        is_time = server.requests[-1].path.endswith("/time")
        return (server_time(60_000) if is_time else answer(200, ORDER_REPLY))(connection)

    with ScriptedServer(*[off] * threads, *[order_or_time] * (threads + 1)) as server:
        workers = [
            threading.Thread(target=lambda: client_of(server.url).order("ETHUSDT", "hh-1-b-1"))
            for _ in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(10)
        paths = [request.path for request in server.requests]
        late = [int(request.params["timestamp"]) for request in server.requests[-1:]]
    assert paths.count("/api/v3/time") == 1
    assert late[0] > time.time() * 1000 + 50_000


def test_next_client_of_the_address_knows_the_clock() -> None:
    with ScriptedServer(
        CLOCK_IS_OFF, server_time(-45_000), answer(200, ORDER_REPLY), answer(200, ORDER_REPLY)
    ) as server:
        client_of(server.url).order("ETHUSDT", "hh-1-b-1")
        client_of(server.url).order("ETHUSDT", "hh-1-b-1")
        sent_ms = int(server.requests[-1].params["timestamp"])
        assert len(server.requests) == 4
    assert abs(sent_ms + 45_000 - time.time() * 1000) < 2_000


def test_refused_timestamp_stays_refused_where_the_time_can_t_be_asked() -> None:
    with ScriptedServer(CLOCK_IS_OFF, hang_up) as server, pytest.raises(Refused) as refused:
        client_of(server.url).place(limit_order())
    assert refused.value.code == -1021
    assert "NTP" in str(refused.value)
