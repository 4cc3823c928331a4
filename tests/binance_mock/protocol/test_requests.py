"""Who may ask, what a request may say, and how much of it: signatures, timestamps, parameters, limits."""

import hashlib
import hmac
import time
from pathlib import Path
from typing import Any

import pytest

from binance_mock.engine.errors import Refused
from binance_mock.state.limits import PATIENCE, Limits
from binance_mock.state.security import Account, check_time, signed_params, signed_payload
from tests.binance_mock import running
from tests.binance_mock.running import KEY, Mock, sign
from tests.binance_mock.support import NOW
from tests.support.machine.processes import Processes

ORDER = "symbol=ETHUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=2900.00"
DAY_MS = 86_400_000
# The key pair of Binance's documents, from which the signatures below come (web-socket-api/request-security.md).
DOCUMENTED = Account(
    "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
    "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
)


def stamp(offset_ms: int = 0) -> str:
    return f"timestamp={time.time_ns() // 1_000_000 + offset_ms}"


def test_the_documented_signature_is_the_right_one() -> None:
    params = {
        "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01000000",
        "price": "52000.00", "recvWindow": 100, "timestamp": 1645423376532, "apiKey": DOCUMENTED.api_key,
    }  # fmt: skip
    documented = "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"
    DOCUMENTED.check_signature(signed_params(params), documented)
    with pytest.raises(Refused, match="-1022"):
        DOCUMENTED.check_signature(signed_params({**params, "price": "52000.01"}), documented)


def test_a_symbol_beyond_ascii_is_signed_as_it_is() -> None:
    params = {
        "symbol": "１２３４５６", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1.00000000",
        "price": "0.10000000", "recvWindow": 5000, "timestamp": 1645423376532, "apiKey": DOCUMENTED.api_key,
    }  # fmt: skip
    documented = "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"
    DOCUMENTED.check_signature(signed_params(params), documented)


@pytest.mark.parametrize(
    ("query", "body", "payload"),
    [
        ("a=1&b=2&signature=ff", "", "a=1&b=2"),
        ("signature=ff&a=1&b=2", "", "a=1&b=2"),
        ("a=1&signature=ff&b=2", "", "a=1&b=2"),
        ("", "a=1&b=2&signature=ff", "a=1&b=2"),
        ("a=1", "b=2&signature=ff", "a=1b=2"),
        ("a=1&signature=ff", "b=2", "a=1b=2"),
        ("a=x%2Cy&b=%5B%22z%22%5D&signature=ff", "", "a=x%2Cy&b=%5B%22z%22%5D"),
    ],
)
def test_the_signature_covers_query_and_body_as_they_were_sent(query: str, body: str, payload: str) -> None:
    assert signed_payload(query, body) == payload


@pytest.mark.parametrize("where", ["query", "body", "both", "signature first", "lower and upper"])
def test_a_signed_order_is_taken_however_it_is_sent(mock: Mock, where: str) -> None:
    signed = f"{ORDER}&{stamp()}"
    match where:
        case "query":
            answer = mock.send("POST", "order", f"{signed}&signature={sign(signed)}")
        case "body":
            answer = mock.send("POST", "order", body=f"{signed}&signature={sign(signed)}")
        case "both":
            moment = stamp()
            answer = mock.send("POST", "order", ORDER, f"{moment}&signature={sign(ORDER + moment)}")
        case "signature first":
            answer = mock.send("POST", "order", f"signature={sign(signed)}&{signed}")
        case _:
            answer = mock.send("POST", "order", f"{signed}&signature={sign(signed).upper()}")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("query", "key", "status", "code"),
    [
        ("{order}&{now}&signature={wrong}", KEY, 400, -1022),
        ("{order}&{now}", KEY, 400, -1102),
        ("{signed}", "", 401, -2014),
        ("{signed}", "another-key", 401, -2015),
        ("{order}&signature={unstamped}", KEY, 400, -1102),
    ],
)
def test_a_wrong_key_or_signature_is_refused(mock: Mock, query: str, key: str, status: int, code: int) -> None:
    signed = f"{ORDER}&{stamp()}"
    now = signed.rpartition("&")[2]
    text = query.format(
        order=ORDER, now=now, wrong="0" * 64, unstamped=sign(ORDER), signed=f"{signed}&signature={sign(signed)}"
    )
    answer = mock.send("POST", "order", text, key=key)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert mock.state()["openOrders"] == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"timestamp": NOW - 5001}, "Timestamp for this request is outside of the recvWindow."),
        ({"timestamp": NOW - 101, "recvWindow": 100}, "Timestamp for this request is outside of the recvWindow."),
        ({"timestamp": NOW + 1000}, "Timestamp for this request was 1000ms ahead of the server's time."),
        ({"timestamp": NOW, "recvWindow": 60001}, "Cannot be greater than 60000"),
        ({"timestamp": "yesterday"}, "Illegal characters found in parameter 'timestamp'"),
        ({}, "Mandatory parameter 'timestamp' was not sent"),
    ],
)
def test_a_timestamp_outside_its_window_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        check_time({name: str(value) for name, value in values.items()}, NOW)


@pytest.mark.parametrize(
    "values",
    [
        {"timestamp": NOW},
        {"timestamp": NOW - 5000},
        {"timestamp": NOW + 999},
        {"timestamp": NOW - 60000, "recvWindow": 60000},
        {"timestamp": NOW * 1000},
    ],
)
def test_a_timestamp_inside_its_window_is_taken(values: dict[str, int]) -> None:
    check_time({name: str(value) for name, value in values.items()}, NOW)


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"side": None}, -1102, "Mandatory parameter 'side' was not sent, was empty/null, or malformed."),
        ({"quantity": None}, -1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."),
        (
            {"timeInForce": None},
            -1102,
            "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed.",
        ),
        ({"symbol": "ethusdt"}, -1100, "Illegal characters found in parameter 'symbol'; legal range is"),
        ({"symbol": "NOSUCH"}, -1121, "Invalid symbol."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "WISH"}, -1116, "Invalid orderType."),
        ({"type": "STOP_LOSS_LIMIT"}, -2010, "Stop loss limit orders are not supported for this symbol."),
        ({"timeInForce": "NOW"}, -1115, "Invalid timeInForce."),
        ({"price": "1e-05"}, -1100, "Illegal characters found in parameter 'price'; legal range is"),
        ({"price": "2900.000000001"}, -1111, "Parameter 'price' has too much precision."),
        ({"price": "0"}, -1013, "Invalid price."),
        ({"quantity": "0"}, -1013, "Invalid quantity."),
        ({"newClientOrderId": "a b"}, -1100, "Illegal characters found in parameter 'newClientOrderId'; legal"),
        ({"newClientOrderId": "x" * 37}, -1100, "Illegal characters found in parameter 'newClientOrderId'; legal"),
        ({"quoteOrderQty": "5"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
        ({"stopPrice": "5"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"colour": "red"}, -1104, "Not all sent parameters were read; read '6' parameter(s) but was sent '7'."),
        ({"selfTradePreventionMode": "NONE"}, -1013, "This symbol does not allow the specified self-trade"),
    ],
)
def test_a_malformed_order_is_refused_with_binances_words(
    mock: Mock, params: dict[str, str | None], code: int, message: str
) -> None:
    order = {
        "symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2900",
    }  # fmt: skip
    asked = {name: value for name, value in (order | params).items() if value is not None}
    answer = mock.signed("POST", "order", **asked)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["msg"].startswith(message)
    assert mock.state()["openOrders"] == []


def test_a_parameter_may_not_come_twice(mock: Mock) -> None:
    assert mock.send("GET", "depth", "symbol=ETHUSDT&symbol=BTCUSDT").json()["code"] == -1101
    twice = f"symbol=ETHUSDT&side=BUY&side=SELL&{stamp()}"
    assert mock.send("POST", "order", body=f"{twice}&signature={sign(twice)}").json()["code"] == -1101


def test_the_query_wins_over_the_body(mock: Mock) -> None:
    body, query = ORDER, f"price=2950&{stamp()}"
    answer = mock.send("POST", "order", f"{query}&signature={sign(query + body)}", body)
    assert answer.json()["price"] == "2950.00000000"


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("ticker/price", {"symbol": "NOSUCH"}, -1121),
        ("ticker/price", {"symbols": "ETHUSDT"}, -1100),
        ("exchangeInfo", {"symbols": '["ETHUSDT","ETHUSDT"]'}, -1151),
        ("exchangeInfo", {"symbols": '["ETHUSDT"]', "symbol": "ETHUSDT"}, -1128),
        ("klines", {"symbol": "ETHUSDT"}, -1102),
        ("klines", {"symbol": "ETHUSDT", "interval": "7m"}, -1120),
        ("depth", {}, -1102),
        ("trades", {"symbol": "ETHUSDT", "limit": "many"}, -1100),
        ("trades", {"symbol": ""}, -1102),
        ("trades", {"symbol": "ETHUSDT", "fromId": "1"}, -1104),
        ("historicalBlockTrades", {"symbol": "ETHUSDT"}, -1102),
    ],
)
def test_a_wrong_question_about_the_market_is_refused(
    mock: Mock, path: str, params: dict[str, str], code: int
) -> None:
    assert mock.get(path, **params)["code"] == code


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("myTrades", {"orderId": 10**12, "fromId": 1}, None),
        ("myTrades", {"startTime": NOW, "endTime": NOW + DAY_MS}, None),
        ("myTrades", {"startTime": NOW, "endTime": NOW + DAY_MS + 1}, -1127),
        ("myTrades", {"orderId": 1, "startTime": NOW}, -1128),
        ("myTrades", {"fromId": 1, "endTime": NOW}, -1128),
        ("allOrders", {"startTime": NOW, "endTime": NOW + DAY_MS}, None),
        ("allOrders", {"startTime": NOW, "endTime": NOW + DAY_MS + 1}, -1127),
    ],
)
def test_the_accounts_past_is_looked_up_as_documented(
    mock: Mock, path: str, params: dict[str, int], code: int | None
) -> None:
    answer = mock.signed("GET", path, symbol="ETHUSDT", **params).json()
    assert (answer["code"] if code else answer) == (code or [])


def test_an_order_has_the_client_order_id_that_is_sent_beside_its_id(mock: Mock) -> None:
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    placed = mock.signed("POST", "order", **order, price="2900", newClientOrderId="mine").json()
    which = {"symbol": "ETHUSDT", "orderId": placed["orderId"]}
    assert mock.signed("GET", "order", **which, origClientOrderId="mine").json()["status"] == "NEW"
    refused = mock.signed("GET", "order", **which, origClientOrderId="yours").json()
    assert refused == {"code": -2039, "msg": "Client order ID is not correct for this order ID."}
    assert mock.signed("GET", "order", symbol="ETHUSDT", origClientOrderId="yours").json()["code"] == -2013
    assert mock.signed("DELETE", "order", **which, origClientOrderId="yours").json()["code"] == -2011


def test_what_binance_has_no_more_is_gone(mock: Mock) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = mock.send(method, "userDataStream")
        assert (answer.status_code, "410 Gone" in answer.text) == (410, True)


def test_a_test_order_is_checked_and_not_placed(mock: Mock) -> None:
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    assert mock.signed("POST", "order/test", **order).json() == {}
    rates = mock.signed("POST", "order/test", **order, computeCommissionRates="true").json()
    assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}
    assert mock.signed("POST", "order/test", **order | {"quantity": "10000"}).json()["code"] == -1013
    # The matching engine is not asked: what the account has does not matter, nor what would match.
    rich = {"symbol": "ETHUSDT", "side": "SELL", "type": "LIMIT_MAKER", "quantity": "900", "price": "2999"}
    assert mock.signed("POST", "order", **rich).json()["code"] == -2010
    assert mock.signed("POST", "order/test", **rich).json() == {}
    assert mock.state()["openOrders"] == []
    assert mock.client().get_asset_balance("ETH")["free"] == "10.00000000"


def test_cancel_replace_says_which_half_failed(mock: Mock) -> None:
    new = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    first = mock.signed("POST", "order", **new, price="2900").json()
    stop = {"cancelReplaceMode": "STOP_ON_FAILURE"}
    done = mock.signed("POST", "order/cancelReplace", **new, **stop, price="2901", cancelOrderId=first["orderId"])
    assert (done.status_code, done.json()["cancelResult"], done.json()["newOrderResult"]) == (
        200,
        "SUCCESS",
        "SUCCESS",
    )
    failed = mock.signed("POST", "order/cancelReplace", **new, **stop, price="2902", cancelOrderId=first["orderId"])
    assert (failed.status_code, failed.json()["code"]) == (400, -2022)
    assert failed.json()["data"]["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
    second = done.json()["newOrderResponse"]["orderId"]
    half = mock.signed("POST", "order/cancelReplace", **new, **stop, price="2901.001", cancelOrderId=second)
    assert (half.status_code, half.json()["code"]) == (409, -2021)
    assert half.json()["data"]["newOrderResponse"]["code"] == -1013
    assert mock.state()["openOrders"] == []


def test_weights_and_orders_are_counted_in_headers(tmp_path: Path, processes: Processes) -> None:
    mock = running.start(processes, tmp_path / "home", MOCK_ORDERS_PER_10S=3)
    mock.trade("3000")
    used = [int(mock.send("GET", "time").headers["X-MBX-USED-WEIGHT-1M"]) for _ in range(2)]
    assert used[1] == used[0] + 1
    before = int(mock.signed("GET", "account").headers["X-MBX-USED-WEIGHT-1M"])
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    # Start in a fresh window of ten seconds, so that it does not end in between.
    time.sleep(max(0.0, 10 - time.time() % 10) if time.time() % 10 > 8 else 0.0)
    answers = [mock.signed("POST", "order", **order, price="2900") for _ in range(3)]
    assert [answer.headers["X-MBX-ORDER-COUNT-10S"] for answer in answers] == ["1", "2", "3"]
    # Placing weighs nothing where it succeeds.
    assert answers[-1].headers["X-MBX-USED-WEIGHT-1M"] == str(before)
    refused = mock.signed("POST", "order", **order, price="2900")
    assert (refused.status_code, refused.json()["code"]) == (429, -1015)
    # rest-api.md, "Unfilled Order Count": this 429 does not say how long to wait.
    assert "Retry-After" not in refused.headers
    mock.trade("2890")  # The first fill of an order gives its count back; a cancel would not.
    assert mock.signed("POST", "order", **order, price="2880").status_code == 200


def test_a_cancel_gives_no_order_count_back() -> None:
    limits = Limits(orders_per_10s=2)
    for _ in range(2):
        limits.check_order(NOW)
        limits.order_placed(NOW)
    with pytest.raises(Refused, match="-1015"):
        limits.check_order(NOW + 9_999)
    limits.check_order(NOW + 10_000)


def test_who_asks_for_too_much_is_told_to_wait_until_the_minute_ends() -> None:
    limits = Limits(weight_per_minute=10)
    limits.spend(10, NOW)
    with pytest.raises(Refused) as refused:
        limits.spend(1, NOW)
    assert (refused.value.status, refused.value.code) == (429, -1003)
    assert refused.value.retry_after_s == 60 - NOW // 1000 % 60
    limits.spend(10, NOW + 60_000)


def test_who_goes_on_asking_is_banned_and_longer_each_time() -> None:
    limits = Limits(weight_per_minute=10)

    def asked(now_ms: int) -> tuple[int, int]:
        try:
            limits.spend(1, now_ms)
        except Refused as refused:
            return refused.status, refused.retry_after_s
        return 200, 0

    def statuses(now_ms: int) -> list[int]:
        return [asked(now_ms)[0] for _ in range(10 + PATIENCE + 1)]

    fresh = NOW - NOW % 60_000
    assert statuses(fresh) == [200] * 10 + [429] * PATIENCE + [418]
    assert asked(fresh + 60_000) == (418, 60)
    again = fresh + 120_000
    assert statuses(again) == [200] * 10 + [429] * PATIENCE + [418]
    assert asked(again) == (418, 240)


def test_who_waits_as_told_is_not_banned() -> None:
    limits = Limits(weight_per_minute=1)
    for minute in range(3 * PATIENCE):
        limits.spend(1, NOW + minute * 60_000)
        with pytest.raises(Refused, match="-1003: Too much"):
            limits.spend(1, NOW + minute * 60_000)


def test_a_ban_says_until_when() -> None:
    limits = Limits(weight_per_minute=0)
    refused = [_refusal(limits, NOW) for _ in range(PATIENCE + 1)][-1]
    assert refused.body() == {
        "code": -1003,
        "msg": f"Way too much request weight used; IP banned until {NOW + 120_000}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        "data": {"serverTime": NOW, "retryAfter": NOW + 120_000},
    }


def _refusal(limits: Limits, now_ms: int) -> Refused:
    with pytest.raises(Refused) as refused:
        limits.spend(1, now_ms)
    return refused.value


def test_an_address_makes_so_many_connections_and_no_more() -> None:
    limits = Limits(connections_per_5m=2)
    fresh = NOW - NOW % 300_000
    limits.connect(fresh)
    limits.connect(fresh)
    with pytest.raises(Refused, match="-1034"):
        limits.connect(fresh)
    limits.connect(fresh + 300_000)


def test_a_replacement_that_is_one_order_too_many_may_cancel_all_the_same(
    tmp_path: Path, processes: Processes
) -> None:
    mock = running.start(processes, tmp_path / "home", MOCK_ORDERS_PER_10S=1)
    mock.trade("3000")
    # Start in a fresh window of ten seconds, so that it does not end in between.
    time.sleep(max(0.0, 10 - time.time() % 10) if time.time() % 10 > 7 else 0.0)
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
    resting = mock.signed("POST", "order", **order, price="2900").json()["orderId"]
    replace = {**order, "price": "2901", "cancelOrderId": resting, "cancelReplaceMode": "STOP_ON_FAILURE"}
    assert mock.signed("POST", "order/cancelReplace", **replace).json()["code"] == -1015
    assert [each["orderId"] for each in mock.state()["openOrders"]] == [resting]
    half = mock.signed("POST", "order/cancelReplace", **replace, orderRateLimitExceededMode="CANCEL_ONLY")
    data = half.json()["data"]
    assert (half.status_code, data["cancelResult"], data["newOrderResponse"]["code"]) == (409, "SUCCESS", -1015)
    assert mock.state()["openOrders"] == []


def test_the_account_never_shows_its_secret() -> None:
    assert "top-secret" not in repr(Account("key", "top-secret"))


def test_hmac_is_over_the_payload() -> None:
    payload = "a=1&timestamp=2"
    Account("k", "s").check_signature(payload, hmac.new(b"s", payload.encode(), hashlib.sha256).hexdigest())
