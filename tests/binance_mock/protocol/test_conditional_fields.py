"""Fields that appear only where an order has them: expiry reasons, and what self-trade prevention did."""

from typing import Any

import pytest

from tests.binance_mock.running import Mock, call, events, signed_params

LIMIT = {"symbol": "ETHUSDT", "type": "LIMIT", "timeInForce": "GTC"}


def place(mock: Mock, **params: str) -> dict[str, Any]:
    return dict(mock.signed("POST", "order", **{**LIMIT, **params}).json())


@pytest.mark.parametrize(
    ("tif", "reason"), [("IOC", "UNFILLED_IOC_QUANTITY_EXPIRED"), ("FOK", "UNFILLED_FOK_ORDER_EXPIRED")]
)
def test_an_expired_order_says_why(mock: Mock, tif: str, reason: str) -> None:
    told = mock.user_events()
    order = place(mock, side="BUY", quantity="1", price="2900", timeInForce=tif)
    assert (order["status"], order["expiryReason"]) == ("EXPIRED", reason)
    assert mock.signed("GET", "order", symbol="ETHUSDT", orderId=order["orderId"]).json()["expiryReason"] == reason
    assert [each.get("eR") for each in events(told, 2)] == [None, reason]
    told.close()


def test_an_order_that_did_not_expire_has_none_of_these_fields(mock: Mock) -> None:
    order = place(mock, side="BUY", quantity="1", price="2900")
    conditional = {"expiryReason", "preventedQuantity", "preventedMatchId", "preventedMatches", "strategyId"}
    assert conditional.isdisjoint(order)


def test_both_orders_of_a_prevented_match_tell_of_it(mock: Mock) -> None:
    maker = place(mock, side="BUY", quantity="2", price="2990")
    told = mock.user_events()
    mode = {"selfTradePreventionMode": "EXPIRE_BOTH"}
    taker = place(mock, side="SELL", quantity="3", price="2990", **mode)
    # Where the market's price is better for it, an order trades there and meets no own order.
    assert (taker["status"], "preventedMatches" in taker) == ("FILLED", False)
    mock.trade("2990")
    told.close()
    told = mock.user_events()
    taker = place(mock, side="SELL", quantity="3", price="2980", **mode)
    assert taker["status"] == "EXPIRED_IN_MATCH"
    (match,) = taker["preventedMatches"]
    assert match == {
        "preventedMatchId": taker["preventedMatchId"], "makerOrderId": maker["orderId"], "price": "2990.00000000",
        "takerPreventedQuantity": "3.00000000", "makerPreventedQuantity": "2.00000000",
    }  # fmt: skip
    assert taker["preventedQuantity"] == "3.00000000"
    kept = mock.signed("GET", "order", symbol="ETHUSDT", orderId=maker["orderId"]).json()
    assert (kept["status"], kept["preventedQuantity"]) == ("EXPIRED_IN_MATCH", "2.00000000")
    reports = [each for each in events(told, 3) if each.get("x") == "TRADE_PREVENTION"]
    shown = {name: [each[name] for each in reports] for name in ("i", "A", "B", "U", "u", "Cs", "pl", "pL", "pY")}
    assert shown == {
        "i": [maker["orderId"], taker["orderId"]],
        "A": ["2.00000000", "3.00000000"],
        "B": ["2.00000000", "3.00000000"],
        "U": [taker["orderId"], maker["orderId"]],
        "u": [-1, -1],
        "Cs": ["ETHUSDT", "ETHUSDT"],
        "pl": ["2.00000000", "2.00000000"],
        "pL": ["2990.00000000", "2990.00000000"],
        "pY": ["5980.00000000", "5980.00000000"],
    }
    told.close()


def test_prevented_matches_are_looked_up_by_id_and_by_order(mock: Mock) -> None:
    maker = place(mock, side="BUY", quantity="2", price="2990")
    mock.trade("2990")
    taker = place(mock, side="SELL", quantity="1", price="2990", selfTradePreventionMode="EXPIRE_TAKER")
    match_id = taker["preventedMatchId"]
    (found,) = mock.signed("GET", "myPreventedMatches", symbol="ETHUSDT", preventedMatchId=match_id).json()
    assert (found["takerOrderId"], found["makerOrderId"], found["takerPreventedQuantity"]) == (
        taker["orderId"], maker["orderId"], "1.00000000",
    )  # fmt: skip
    assert "makerPreventedQuantity" not in found
    assert mock.signed("GET", "myPreventedMatches", symbol="ETHUSDT", orderId=maker["orderId"]).json() == [found]
    socket = mock.socket("/ws-api/v3")
    asked = signed_params(symbol="ETHUSDT", preventedMatchId=match_id)
    assert call(socket, "myPreventedMatches", asked)["result"] == [found]
    socket.close()
    neither = mock.signed("GET", "myPreventedMatches", symbol="ETHUSDT")
    assert (neither.status_code, neither.json()["code"]) == (400, -1128)
