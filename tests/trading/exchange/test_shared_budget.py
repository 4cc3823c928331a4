"""One address, one budget: what one process is told, all keep to; entries stop at the reserve, exits pass."""

import multiprocessing
import re
import time
from email.utils import formatdate
from multiprocessing.synchronize import Event
from typing import Any

import pytest
from pytest_django import Settings

from hedgehog_project.venues import Venue
from hedgehog_project.venues import rate_limits as budget_module
from hedgehog_project.venues.rate_limits import rate_limits_at
from streamer import rest
from tests.support.exchanges.clients import ORDER_REPLY, client_of, forget_exchanges, limit_order
from tests.support.exchanges.market import KEY
from tests.support.exchanges.scripted_http import Answer, ScriptedServer, answer
from trading.core.orders import Side
from trading.exchange.client import why_wait
from trading.exchange.errors import ExchangeError, Scope, Throttled

LISTING = {
    "symbol": "ETHUSDT",
    "status": "TRADING",
    "baseAsset": "ETH",
    "quoteAsset": "USDT",
    "filters": [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01", "minPrice": "0.01", "maxPrice": "100000"},
        {"filterType": "LOT_SIZE", "stepSize": "0.0001", "minQty": "0.0001", "maxQty": "1000"},
    ],
}
TOLD_TO_WAIT = answer(429, {"code": -1003, "msg": "Too many requests queued."}, Retry_After=2)


def placed(weight: int, orders: int) -> Answer:
    headers: dict[str, Any] = {
        "x-mbx-used-weight-1m": weight,
        "x-mbx-order-count-10s": orders,
        "x-mbx-order-count-1d": orders,
    }
    return answer(200, ORDER_REPLY, **headers)


@pytest.fixture
def no_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that counts must not meet the turn of ten seconds."""
    now_ms = round(time.time() / 60) * 60_000 + 5_000
    monkeypatch.setattr(budget_module, "_now_ms", lambda: now_ms)


def _ask_all_the_time(url: str, is_over: Event, asked: "multiprocessing.Queue[list[float]]") -> None:
    """In a process of its own: keeps the times of its questions that got through to the exchange."""
    forget_exchanges()
    client, times = client_of(url), []
    while not is_over.is_set():
        began = time.time()
        try:
            client.cancel("ETHUSDT", "hh-1-b-1")
        except Throttled as error:
            if "no requests to" in str(error):
                time.sleep(0.005)
                continue
        except ExchangeError:
            pass
        times.append(began)
    asked.put(times)


def test_what_one_process_is_told_the_others_keep_to_until_its_time() -> None:
    context = multiprocessing.get_context("fork")
    is_over = context.Event()
    asked: multiprocessing.Queue[list[float]] = context.Queue()
    told: list[float] = []
    calls: list[float] = []

    def refuse(connection: Any) -> bool:
        calls.append(time.time())
        if len(calls) == 20:
            told.append(time.time())
            return TOLD_TO_WAIT(connection)
        return answer(400, {"code": -2011, "msg": "Unknown order sent."})(connection)

    with ScriptedServer(*[refuse] * 100_000) as server:
        workers = [context.Process(target=_ask_all_the_time, args=(server.url, is_over, asked)) for _ in range(3)]
        for worker in workers:
            worker.start()
        while not told or (calls[-1] < told[0] + 2 and time.time() < told[0] + 5):
            time.sleep(0.01)
        is_over.set()
        times = [asked.get(timeout=10) for _ in workers]
        for worker in workers:
            worker.join()
    # What was on its way already may still arrive.
    assert [round(at - told[0], 2) for at in calls if told[0] + 0.1 < at < told[0] + 1.9] == []
    assert any(at > told[0] + 1.9 for at in calls), "nobody went on afterwards"
    assert sum(1 for of in times if of) >= 2, "only one process got to ask"


@pytest.mark.parametrize("hours", [-6, 6])
def test_the_end_of_a_ban_is_told_by_the_exchange_s_clock(hours: int) -> None:
    there = time.time() + hours * 3600
    until_ms = round((there + 300) * 1000)
    banned = answer(418, {"code": -1003, "msg": f"IP banned until {until_ms}."}, Date=formatdate(there, usegmt=True))
    with ScriptedServer(banned) as server, pytest.raises(Throttled) as throttled:
        client_of(server.url).place(limit_order())
    assert throttled.value.wait_s == pytest.approx(300, abs=2)


def test_ban_stops_the_streamer_s_questions_too_and_their_ban_ours() -> None:
    banned = answer(418, {"code": -1003, "msg": "Way too much request weight used; IP banned until 4000000000000."})
    with ScriptedServer(banned) as server:
        with pytest.raises(Throttled, match="banned until") as throttled:
            client_of(server.url).place(limit_order())
        with pytest.raises(rest.Throttled, match="banned until") as rest_throttled:
            rest.get(server.url, "exchangeInfo", {}, dict)
        assert len(server.requests) == 1
    # As long as the text says, but never longer than Binance bans.
    assert throttled.value.wait_s == 3 * 86_400
    assert rest_throttled.value.retry_after_s > 86_400
    with ScriptedServer(answer(429, text="<html>", Retry_After=30)) as server:
        with pytest.raises(rest.Throttled) as rest_throttled:
            rest.get(server.url, "aggTrades", {"symbol": "ETHUSDT"}, list)
        with pytest.raises(Throttled, match="no requests to") as throttled:
            client_of(server.url).place(limit_order(Side.SELL))
    assert rest_throttled.value.retry_after_s == 30
    assert 29 < throttled.value.wait_s <= 30


@pytest.mark.usefixtures("no_window_ends")
def test_entries_stop_at_the_reserve_while_exits_pass() -> None:
    with ScriptedServer(*[placed(4800, 3)] * 9) as server:
        client = client_of(server.url)
        client.place(limit_order())
        with pytest.raises(Throttled, match=r"4,800 of 6,000 request weight .* 1,200 reserved for exits"):
            client.place(limit_order())
        with pytest.raises(rest.Throttled, match="reserved for exits"):
            rest.get(server.url, "exchangeInfo", {}, dict)
        with pytest.raises(Throttled):
            client.listed("ETHUSDT")
        client.place(limit_order(Side.SELL))
        client.order("ETHUSDT", "hh-1-b-1")
        client.cancel("ETHUSDT", "hh-1-b-1")
        assert [request.method for request in server.requests] == ["POST", "POST", "GET", "DELETE"]


@pytest.mark.usefixtures("no_window_ends")
def test_orders_wait_before_the_exchange_would_have_refused_them() -> None:
    with ScriptedServer(placed(0, 40), placed(0, 41)) as server:
        client = client_of(server.url)
        client.place(limit_order())
        with pytest.raises(Throttled, match="40 of 50 unfilled orders per 10 s used"):
            client.place(limit_order())
        client.place(limit_order(Side.SELL))
        assert len(server.requests) == 2


@pytest.mark.usefixtures("no_window_ends")
def test_order_that_was_one_too_many_stops_entries_and_nothing_else() -> None:
    too_many = answer(429, {"code": -1015, "msg": "Too many new orders; current limit is 50 orders per 10 SECOND."})
    with ScriptedServer(too_many, answer(200, ORDER_REPLY), answer(200, ORDER_REPLY)) as server:
        client = client_of(server.url)
        with pytest.raises(Throttled, match="Too many new orders") as throttled:
            client.place(limit_order())
        assert 0 < throttled.value.wait_s <= 10
        with pytest.raises(Throttled, match="reserved for exits"):
            client.place(limit_order())
        client.place(limit_order(Side.SELL))
        client.order("ETHUSDT", "hh-1-b-1")
        assert len(server.requests) == 3


@pytest.mark.parametrize(("interval", "scope"), [("10 SECOND", Scope.ORDERS_10S), ("1 DAY", Scope.ORDERS_1D)])
def test_an_order_too_many_says_of_which_window(interval: str, scope: Scope) -> None:
    too_many = answer(429, {"code": -1015, "msg": f"Too many new orders; current limit is 50 orders per {interval}."})
    with ScriptedServer(too_many) as server:
        client = client_of(server.url)
        with pytest.raises(Throttled) as throttled:
            client.place(limit_order())
        state = rate_limits_at(server.url, KEY).state()
    assert throttled.value.scope == scope
    is_full = {Scope.ORDERS_10S: state.orders_10s.used == 40, Scope.ORDERS_1D: state.orders_1d.used == 128_000}
    assert [each for each, full in is_full.items() if full] == [scope]


@pytest.mark.usefixtures("no_window_ends")
def test_limits_are_those_of_the_exchange() -> None:
    limits = [{"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 10}]
    listing = answer(200, {"rateLimits": limits, "symbols": [LISTING]})
    with ScriptedServer(listing, placed(0, 8)) as server:
        client = client_of(server.url)
        assert client.listed("ETHUSDT").base_asset == "ETH"
        client.place(limit_order())
        with pytest.raises(Throttled, match="8 of 10 unfilled orders"):
            client.place(limit_order())


@pytest.mark.usefixtures("no_window_ends")
def test_what_an_order_would_wait_for_is_known_before_it_is_saved(settings: Settings) -> None:
    with ScriptedServer(*[placed(0, 40)] * 2) as server:
        settings.MOCK_PORT, settings.MOCK_API_KEY = int(server.url.rpartition(":")[2]), KEY
        assert why_wait(Venue.MOCK, Side.BUY) is None
        client_of(server.url).place(limit_order())
        reason, wait_s = why_wait(Venue.MOCK, Side.BUY) or ("", 0.0)
        assert re.match("40 of 50 unfilled orders", reason)
        assert 0 < wait_s <= 10
        assert why_wait(Venue.MOCK, Side.SELL) is None


@pytest.mark.usefixtures("no_window_ends")
def test_failed_placings_leave_no_order_counted() -> None:
    refused = answer(400, {"code": -2010, "msg": "Account has insufficient balance for requested action."})
    with ScriptedServer(*[refused] * 5) as server:
        for _ in range(5):
            with pytest.raises(ExchangeError):
                client_of(server.url).place(limit_order())
        state = rate_limits_at(server.url, KEY).state()
    assert (state.orders_10s.used, state.weight.used) == (0, 5)
