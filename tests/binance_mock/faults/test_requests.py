"""Requests on a bad day, over real HTTP: what the client sees, what the exchange's books say, what is counted."""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from binance_mock.faults.kinds import KINDS, REQUESTS
from tests.binance_mock.running import Mock, events

ORDER = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2900"}
CUT = -1  # stands for the status of a connection that was cut


@pytest.fixture
def bad(mock: Mock) -> Iterator[Mock]:
    """The exchange without faults, and again without them afterwards."""
    mock.clear_faults()
    yield mock
    mock.clear_faults()


def place(mock: Mock, client_id: str, **changes: str) -> tuple[int, Any]:
    return send(mock, "POST", **(ORDER | {"newClientOrderId": client_id} | changes))


def cancel(mock: Mock, client_id: str) -> tuple[int, Any]:
    return send(mock, "DELETE", symbol="ETHUSDT", origClientOrderId=client_id)


def ask(mock: Mock, client_id: str) -> tuple[int, Any]:
    return send(mock, "GET", symbol="ETHUSDT", origClientOrderId=client_id)


def send(mock: Mock, method: str, **params: str) -> tuple[int, Any]:
    """Status and body of a request about an order; CUT and the error where the connection ended."""
    try:
        answer = mock.signed(method, "order", **params)
        return answer.status_code, answer.json() if "json" in answer.headers["Content-Type"] else answer.text
    except requests.JSONDecodeError as error:
        return 200, error
    except requests.ConnectionError as error:
        return CUT, error
    except requests.exceptions.ChunkedEncodingError as error:
        return CUT, error


def is_placed(mock: Mock, client_id: str) -> bool:
    return client_id in [order["clientOrderId"] for order in mock.state()["openOrders"]]


def injected(mock: Mock, kind: str) -> int:
    """How often the last fault of that kind was injected."""
    found: int = next(fault["injected"] for fault in mock.faults() if fault["kind"] == kind)
    return found


# kind: (HTTP status, code of the body or what its text has, whether the order was placed)
ANSWERS: dict[str, tuple[int, int | str | None, bool]] = {
    "answer_lost": (CUT, None, True),
    "never_arrives": (CUT, None, False),
    "unknown_1000_before": (500, -1000, False),
    "unknown_1000_after": (500, -1000, True),
    "unexpected_1006_before": (500, -1006, False),
    "unexpected_1006_after": (500, -1006, True),
    "timeout_1007_before": (504, -1007, False),
    "timeout_1007_after": (504, -1007, True),
    "http_500_before": (500, "", False),
    "http_500_after": (500, "", True),
    "http_502_before": (502, "Bad Gateway", False),
    "http_502_after": (502, "Bad Gateway", True),
    "http_503_before": (503, "Unavailable", False),
    "http_503_after": (503, "Unavailable", True),
    "throttled_429": (429, -1003, False),
    "banned_418": (418, -1003, False),
    "too_many_requests_1003": (429, -1003, False),
    "firewall_403": (403, "403 ERROR", False),
    "overloaded_1008": (503, -1008, False),
    "too_many_orders_1015": (429, -1015, False),
    "clock_1021": (400, -1021, False),
    "balance_2010": (400, -2010, False),
    "duplicate_2010": (400, -2010, False),
    "closed_2010": (400, -2010, False),
    "would_match_2010": (400, -2010, False),
    "key_2015": (401, -2015, False),
    "body_cut_off": (CUT, None, True),
    "body_garbage": (200, None, True),
}
# Their tests have names of their own below.
OTHERS = {"order_denied", "accepted_late", "answer_delayed", "cancel_loses_to_fill", "cancel_meets_part_fill"}


def test_every_fault_of_requests_has_a_test() -> None:
    assert {kind.name for kind in KINDS.values() if kind.hook in REQUESTS} == ANSWERS.keys() | OTHERS


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_order_with_a_fault_is_answered_so_and_the_books_are_true(bad: Mock, kind: str) -> None:
    status, said, placed = ANSWERS[kind]
    bad.fault(kind)
    seen, body = place(bad, "faulty")
    assert seen == status, body
    if isinstance(said, int):
        assert body["code"] == said
    elif said is not None:
        assert said in body
    assert is_placed(bad, "faulty") is placed
    assert injected(bad, kind) == 1
    bad.clear_faults()
    # Once is once.
    assert place(bad, "next")[0] == 200


@pytest.mark.parametrize("kind", ["answer_lost", "timeout_1007_after", "http_502_after"])
def test_a_fault_applies_to_a_cancel_as_well(bad: Mock, kind: str) -> None:
    place(bad, "goes")
    bad.fault(kind, endpoint="DELETE order")
    assert cancel(bad, "goes")[0] == ANSWERS[kind][0]
    assert not is_placed(bad, "goes")
    assert ask(bad, "goes")[1]["status"] == "CANCELED"


def test_a_late_order_is_not_found_at_first_and_accepted_in_its_window(bad: Mock) -> None:
    bad.fault("accepted_late", delay_ms=1500)
    status, body = place(bad, "late")
    assert status == CUT or body["code"] == -1007
    assert ask(bad, "late")[1]["code"] == -2013
    until(lambda: is_placed(bad, "late"))
    assert injected(bad, "accepted_late") == 1


@pytest.mark.parametrize("everywhere", [0, 1])
def test_an_accepted_order_is_denied_for_a_while_and_then_known(bad: Mock, everywhere: int) -> None:
    denied, known = f"denied-{everywhere}", f"known-{everywhere}"
    bad.fault("order_denied", deny_s=3, everywhere=everywhere)
    assert place(bad, denied, price="3100")[0] == CUT
    assert place(bad, known)[0] == 200
    assert (ask(bad, denied)[1]["code"], cancel(bad, denied)[1]["code"]) == (-2013, -2011)
    there = {row["clientOrderId"] for row in bad.signed("GET", "allOrders", symbol="ETHUSDT").json()}
    assert (denied in there, known in there) == (not everywhere, True)
    trades = len(bad.signed("GET", "myTrades", symbol="ETHUSDT").json())
    until(lambda: ask(bad, denied)[0] == 200)
    assert len(bad.signed("GET", "myTrades", symbol="ETHUSDT").json()) == trades + everywhere
    assert ask(bad, denied)[1]["status"] == "FILLED"


def test_a_denied_order_is_told_by_no_report(bad: Mock) -> None:
    bad.fault("order_denied", deny_s=3)
    socket = bad.user_events()
    place(bad, "denied")
    place(bad, "known")
    reports = [event for event in events(socket, 3) if event["e"] == "executionReport"]
    assert [report["c"] for report in reports] == ["known"]
    socket.close()
    until(lambda: ask(bad, "denied")[0] == 200)
    assert is_placed(bad, "denied")


def test_an_order_that_is_refused_is_not_denied(bad: Mock) -> None:
    bad.fault("order_denied", deny_s=60)
    assert place(bad, "refused", quantity="0.0000001")[1]["code"] == -1013
    assert place(bad, "refused")[0] == 200
    assert ask(bad, "refused")[0] == 200


def test_a_late_order_chooses_a_time_within_its_window(bad: Mock) -> None:
    bad.fault("accepted_late", count=3)
    for number in range(3):
        place(bad, f"late-{number}", recvWindow="2000")
    until(lambda: all(is_placed(bad, f"late-{number}") for number in range(3)))


def test_an_order_that_comes_after_its_window_is_never_accepted(bad: Mock) -> None:
    bad.fault("accepted_late", delay_ms=400)
    place(bad, "too-late", recvWindow="200")
    time.sleep(0.6)
    assert ask(bad, "too-late")[1]["code"] == -2013


def test_a_late_cancel_takes_the_order_off_later(bad: Mock) -> None:
    place(bad, "goes")
    bad.fault("accepted_late", delay_ms=1000)
    cancel(bad, "goes")
    assert is_placed(bad, "goes")
    until(lambda: not is_placed(bad, "goes"))


def test_an_answer_is_delayed_and_the_order_is_not(bad: Mock) -> None:
    bad.fault("answer_delayed", delay_ms=500)
    began = time.monotonic()
    assert place(bad, "slow")[0] == 200
    assert time.monotonic() - began >= 0.5
    assert bad.state()["openOrders"][0]["time"] < time.time() * 1000 - 450


@pytest.mark.parametrize("kind", ["throttled_429", "banned_418"])
def test_a_ban_holds_for_every_request_until_its_time(bad: Mock, kind: str) -> None:
    bad.fault(kind, retry_after_s=1, endpoint="GET time")
    status = ANSWERS[kind][0]
    first = bad.session.get(f"{bad.url}/api/v3/time", timeout=5)
    second = bad.session.get(f"{bad.url}/api/v3/ping", timeout=5)
    assert [answer.status_code for answer in (first, second)] == [status, status]
    assert first.headers["Retry-After"] == "1"
    time.sleep(1.05)
    assert bad.session.get(f"{bad.url}/api/v3/ping", timeout=5).status_code == 200
    assert injected(bad, kind) == 1


def test_a_ban_ends_when_all_faults_are_turned_off(bad: Mock) -> None:
    bad.fault("banned_418", retry_after_s=600)
    assert place(bad, "no")[0] == 418
    assert is_placed(bad, "no") is False  # the controls are never banned
    bad.clear_faults()
    assert place(bad, "yes")[0] == 200


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("balance_2010", "Account has insufficient balance for requested action."),
        ("duplicate_2010", "Duplicate order sent."),
        ("closed_2010", "Market is closed."),
        ("would_match_2010", "Order would immediately match and take."),
    ],
)
def test_refusals_of_the_engine_differ_by_their_message(bad: Mock, kind: str, said: str) -> None:
    bad.fault(kind)
    assert place(bad, "refused")[1]["msg"] == said


def test_a_cancel_loses_to_a_fill(bad: Mock) -> None:
    place(bad, "ahead", price="2950", quantity="0.3")
    place(bad, "filled", price="2900")
    place(bad, "behind", price="2850")
    bad.fault("cancel_loses_to_fill")
    status, body = cancel(bad, "filled")
    assert (status, body["code"]) == (400, -2011)
    order = ask(bad, "filled")[1]
    assert (order["status"], Decimal(order["executedQty"])) == ("FILLED", Decimal(1))
    # What was before it in the book was filled first, and what was behind it was not.
    assert ask(bad, "ahead")[1]["status"] == "FILLED"
    assert is_placed(bad, "behind")
    assert injected(bad, "cancel_loses_to_fill") == 1


def test_a_cancel_finds_half_of_the_order_filled(bad: Mock) -> None:
    place(bad, "half")
    bad.fault("cancel_meets_part_fill", side="BUY")
    status, body = cancel(bad, "half")
    assert (status, body["status"], Decimal(body["executedQty"])) == (200, "CANCELED", Decimal("0.5"))


def test_a_fault_applies_only_to_what_it_is_narrowed_down_to(bad: Mock) -> None:
    bad.fault("balance_2010", symbol="BTCUSDT", count=1)
    bad.fault("duplicate_2010", side="SELL", count=1)
    bad.fault("http_502_before", endpoint="GET openOrders", count=1)
    assert place(bad, "free")[0] == 200
    assert place(bad, "sold", side="SELL", price="3100")[1]["msg"] == "Duplicate order sent."
    assert place(bad, "btc", symbol="BTCUSDT")[1]["code"] == -2010
    assert bad.signed("GET", "openOrders").status_code == 502


def test_the_same_seed_and_requests_give_the_same_injections(bad: Mock) -> None:
    def outcomes(seed: int) -> list[bool]:
        bad.fault("balance_2010", probability=0.5, seed=seed, count=100)
        seen = [place(bad, f"seeded-{number}")[0] == 400 for number in range(16)]
        bad.clear_faults()
        bad.control("reset")
        return seen

    first = outcomes(7)
    assert first == outcomes(7)
    assert first != outcomes(8)
    assert True in first
    assert False in first


def test_a_time_ends_a_fault(bad: Mock) -> None:
    bad.fault("balance_2010", for_s=0.3)
    assert place(bad, "in-time")[0] == 400
    time.sleep(0.35)
    assert place(bad, "after")[0] == 200
    [fault] = [fault for fault in bad.faults() if fault["kind"] == "balance_2010" and fault["for_s"] == 0.3]
    assert (fault["is_on"], fault["injected"], fault["last_ms"] is not None) == (False, 1, True)


def test_the_old_names_stay_for_one_release(bad: Mock) -> None:
    shown = bad.session.get(f"{bad.url}/mock/faults", timeout=5).json()
    assert all(fault["struck"] == fault["injected"] for fault in shown["faults"])
    assert all(kind["strikes"] == kind["applies_to"] for kind in shown["kinds"])


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({}, "Name a kind"),
        ({"kind": "answer_lots"}, "Did you mean answer_lost"),
        ({"kind": "answer_lost", "probability": 0}, "probability must be a number above 0"),
        ({"kind": "answer_lost", "probability": "NaN"}, "probability must be a number above 0"),
        ({"kind": "answer_lost", "count": 1.5}, "count must be a whole number"),
        ({"kind": "answer_lost", "for_s": -1}, "for_s must be a number above 0"),
        ({"kind": "answer_lost", "symbol": "NOSUCH"}, "Unknown symbol 'NOSUCH'"),
        ({"kind": "answer_lost", "side": "HOLD"}, "Unknown side 'HOLD'"),
        ({"kind": "answer_lost", "endpoint": "POST nothing"}, "Invalid endpoint"),
        ({"kind": "answer_lost", "delay_ms": 5}, "no setting 'delay_ms'"),
        ({"kind": "user_silent", "endpoint": "POST order"}, "no setting 'endpoint'"),
        ({"kind": "trading_halted", "count": 2}, "lasts for a time"),
    ],
)
def test_what_is_no_fault_is_refused_in_one_line(bad: Mock, wanted: dict[str, Any], said: str) -> None:
    answer = bad.session.post(f"{bad.url}/mock/faults", json=wanted, headers={"X-MBX-APIKEY": "test-key"}, timeout=5)
    assert answer.status_code == 400
    assert said in answer.json()["msg"]
    assert not [fault for fault in bad.faults() if fault["is_on"]]


def test_faults_are_turned_off_by_id_and_by_kind(bad: Mock) -> None:
    first, second = bad.fault("balance_2010"), bad.fault("balance_2010")
    bad.fault("key_2015")
    headers = {"X-MBX-APIKEY": "test-key"}
    assert bad.session.delete(f"{bad.url}/mock/faults/{first['id']}", headers=headers, timeout=5).status_code == 200
    assert {fault["kind"]: fault["id"] for fault in bad.faults() if fault["is_on"]} == {
        "balance_2010": second["id"],
        "key_2015": second["id"] + 1,
    }
    bad.session.delete(f"{bad.url}/mock/faults/balance_2010", headers=headers, timeout=5)
    assert [fault["kind"] for fault in bad.faults() if fault["is_on"]] == ["key_2015"]
    assert bad.session.delete(f"{bad.url}/mock/faults/balance_2010", headers=headers, timeout=5).status_code == 404


def test_a_wrong_key_can_not_turn_a_fault_on(bad: Mock) -> None:
    answer = bad.session.post(
        f"{bad.url}/mock/faults", json={"kind": "key_2015"}, headers={"X-MBX-APIKEY": "wrong"}, timeout=5
    )
    assert answer.status_code == 401
    assert not [fault for fault in bad.faults() if fault["is_on"]]


def until(holds: Callable[[], bool], within_s: float = 10) -> None:
    ends = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < ends, "it does not come to pass"
        time.sleep(0.02)
